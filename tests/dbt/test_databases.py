"""Real dbt with the hook, in a real PostgreSQL or MariaDB: `TEST_DATABASE=postgres` or `TEST_DATABASE=mariadb`.

It is no part of `make test`: the server comes from the system's packages (see noxfile.py). It runs in a temporary
folder, on a free port of this machine alone, and ends with the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import BUILD, sent
from tests.shop import DS, Shop

NAME = os.environ.get("TEST_DATABASE", "")

pytestmark = pytest.mark.skipif(not NAME, reason="TEST_DATABASE names no database")

REFRESH = "{{ anymetrics.refresh(run_date=var('ds', none)) }}"


Account = dict[str, Any]
"""Whom a program runs as: arguments of `subprocess`, none for the user of the tests."""


def run(account: Account, *command: str | Path) -> None:
    """Run a program of the server to its end."""
    # Not captured: the server it leaves running would hold the pipe open.
    subprocess.run(command, cwd="/", check=True, timeout=60, **account)


@contextmanager
def postgres(folder: Path, port: int, account: Account) -> Iterator[None]:
    data = folder / "data"
    run(account, "initdb", "--username=shop", "--auth=trust", "--encoding=UTF8", "--locale=C", data)
    options = f"--port={port} --listen_addresses=127.0.0.1 --unix_socket_directories="
    run(account, "pg_ctl", "start", "--wait", "--pgdata", data, "--log", folder / "log", "--options", options)
    try:
        run(account, "createdb", "--host=127.0.0.1", f"--port={port}", "--username=shop", "shop")
        yield
    finally:
        run(account, "pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", data)


@contextmanager
def mariadb(folder: Path, port: int, account: Account) -> Iterator[None]:
    data = f"--datadir={folder / 'data'}"
    run(account, "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", data)
    files = (data, f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--log-error={folder / 'log'}")
    address = ("--bind-address=127.0.0.1", f"--port={port}")
    server = subprocess.Popen(["mariadbd", "--no-defaults", *address, *files], cwd="/", **account)
    try:
        client = ("--no-defaults", "--host=127.0.0.1", f"--port={port}", "--user=root")
        run(account, "mariadb-admin", *client, "--wait=30", "ping")
        yield
    finally:
        server.terminate()
        server.wait(timeout=60)


class Database(NamedTuple):
    """How to start a server, how dbt reaches it, and what the example needs there."""

    start: Callable[[Path, int, Account], AbstractContextManager[None]]
    system_user: str
    profile: dict[str, str]
    meta: dict[str, object]
    timestamp: str


DATABASES = {
    "postgres": Database(
        start=postgres,
        system_user="postgres",
        profile={"type": "postgres", "host": "127.0.0.1", "user": "shop", "password": "", "dbname": "shop"},
        meta={"anymetrics.datasource": "postgres"},
        timestamp="timestamp",
    ),
    "mariadb": Database(
        start=mariadb,
        system_user="mysql",
        # The connector's own collation is one that MariaDB does not have.
        profile={"type": "mariadb", "server": "127.0.0.1", "username": "root", "collation": "utf8mb4_general_ci"},
        # dbt has no database there. In a map, as in product_sales, whose catalog is another one: flat keys would win.
        meta={"anymetrics.datasource": "mariadb", "anymetrics": {"catalog": "shop"}},
        # It casts to no timestamp. With this word changed in staging, every model, seed and snapshot is built.
        timestamp="datetime",
    ),
}


@pytest.fixture
def database() -> Database:
    return DATABASES[NAME]


@pytest.fixture
def port(database: Database) -> Iterator[int]:
    """The port of a server that runs for the test."""
    with tempfile.TemporaryDirectory() as folder:
        account: Account = {}
        if os.geteuid() == 0:  # which neither server runs as; pytest's own folders are closed to everybody else
            account = {"user": database.system_user, "group": database.system_user, "extra_groups": []}
            shutil.chown(folder, database.system_user, database.system_user)
        free = free_port()
        with database.start(Path(folder), free, account):
            yield free


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def shop(database: Database, port: int, sandbox: Sandbox, tmp_path: Path) -> Shop:
    """The example with the line of the hook, on the server."""
    folder = Shop.new(tmp_path / "shop").folder
    output = {**database.profile, "port": port, "schema": "main", "threads": 1}
    (folder / "profiles.yml").write_text(json.dumps({"shop": {"target": "dev", "outputs": {"dev": output}}}))
    replace(folder / "dbt_project.yml", "anymetrics.datasource: duckdb", json.dumps(database.meta))
    replace(folder / "dbt_project.yml", "profile: shop", f"profile: shop\non-run-end: {json.dumps([REFRESH])}")
    for model in ("stg_customers", "stg_orders"):
        replace(folder / "models" / "staging" / f"{model}.sql", "as timestamp)", f"as {database.timestamp})")
    return Shop(folder, sandbox.environment)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_build_with_the_hook_refreshes_each_rebuilt_table_and_date_once(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.dbt("build", *DS)
    assert done.returncode == 0, done.stdout
    assert set(sent(sandbox)) == {(table.replace("duckdb.", f"{NAME}."), day) for table, day in BUILD}
    assert len(sent(sandbox)) == len(BUILD)
