from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.sandbox import Sandbox
from tests.artifacts import scenario
from tests.ledgers import Another, opened, served
from tests.once import once
from tests.postgres import Server, running
from tests.shop import DS, Shop

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # So a shell starts what it runs in the background, and what these tests start would inherit it and never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop after one `dbt build`, which all workers share; copy it before changing it."""

    def build(folder: Path) -> None:
        done = Shop.new(folder).dbt("build", *DS)
        assert done.returncode == 0, done.stdout

    return Shop(once(tmp_path_factory, "built", build))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server, where TEST_POSTGRES asks for one."""
    with running(tmp_path_factory.mktemp("postgres")) as started:
        yield started


@pytest.fixture
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """What opens the ledger of this test: a file or, with TEST_POSTGRES, a schema of its own on a server."""
    if not os.environ.get("TEST_POSTGRES"):
        return lambda: opened(tmp_path)
    server: Server = request.getfixturevalue("server")
    server.forget()
    return lambda: served(server.address)


@pytest.fixture
def database(another: Another) -> Iterator[Database]:
    """The ledger of this test."""
    with another() as made:
        yield made


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def shop(built: Shop, sandbox: Sandbox, tmp_path: Path) -> Shop:
    """A copy of the built shop, connected to a sandbox of its own."""
    return built.copy(tmp_path / "shop", sandbox.environment)


@pytest.fixture
def recorded(sandbox: Sandbox, tmp_path: Path) -> Shop:
    """A folder with nothing but the recorded artifacts of a build, connected to a sandbox of its own."""
    scenario("1.11", "build", tmp_path / "target")
    return Shop(tmp_path, sandbox.environment)
