"""The ledger in PostgreSQL, with whole commands: many workers, a server that goes away, a password that shows nowhere.

TEST_POSTGRES=1 runs these, and tests/unit/ledger/test_ledger.py, on a server of the system's packages: `make postgres`.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.artifacts import scenario
from tests.expected import sent
from tests.faults.test_orchestrated import KILLED, TASK, Tasks
from tests.ledgers import served
from tests.postgres import PASSWORD, Server
from tests.shop import DAY, Shop

REFRESHES = 29

needs_server = pytest.mark.skipif(not os.environ.get("TEST_POSTGRES"), reason="TEST_POSTGRES asks for no server")


@pytest.fixture
def clean(server: Server) -> Server:
    server.forget()
    return server


def shop_at(server: Server, folder: Path, sandbox: Sandbox) -> Shop:
    scenario("1.11", "build", folder / "target")
    return Shop(folder, {**sandbox.environment, "ANYMETRICS_STATE": server.address})


@needs_server
def test_thirty_workers_send_each_refresh_once(clean: Server, sandbox: Sandbox, tmp_path: Path) -> None:
    workers = [shop_at(clean, tmp_path / str(number), sandbox) for number in range(30)]
    processes = [shop.started("refresh", "--run-date", DAY, "--threads", "2") for shop in workers]
    said = [process.communicate(timeout=300) for process in processes]
    assert {process.returncode for process in processes} == {0}, said
    assert set(Counter(sent(sandbox)).values()) == {1}
    assert len(sandbox.received) == REFRESHES
    with served(clean.address) as database:
        assert database.rows("SELECT status, count(*) FROM refresh GROUP BY 1") == [("success", REFRESHES)]
        assert database.rows("SELECT count(*) FROM claim") == [(0,)]


@needs_server
def test_a_server_that_goes_away_midway_stops_no_refresh_and_is_told(clean: Server, tmp_path: Path) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 5:
            arrived.set()
            go_on.wait(60)

    with Sandbox(answers=hold) as sandbox:
        shop = shop_at(clean, tmp_path, sandbox)
        with shop.started("refresh", "--run-date", DAY, "--threads", "1") as process:
            assert arrived.wait(60)
            clean.stop()
            go_on.set()
            stdout, stderr = process.communicate(timeout=120)
        clean.start()
        assert process.returncode == 1
        assert f"OK={REFRESHES} ERROR=0" in stdout
        assert stderr.count("cannot be used") >= 1
        assert PASSWORD not in stdout + stderr
        # What the ledger does not know of is sent again, and then all of it is known.
        assert shop.cli("retry").returncode == 0
        with served(clean.address) as database:
            assert database.rows("SELECT status, count(*) FROM refresh GROUP BY 1") == [("success", REFRESHES)]


@needs_server
def test_a_server_that_comes_back_is_used_again(clean: Server, tmp_path: Path) -> None:
    with served(clean.address) as database:
        clean.stop()
        clean.start()
        assert database.rows("SELECT count(*) FROM refresh") == [(0,)]


@needs_server
def test_the_password_shows_nowhere(clean: Server, sandbox: Sandbox, tmp_path: Path) -> None:
    shop = shop_at(clean, tmp_path, sandbox)
    for command in (
        ("refresh",),
        ("status",),
        ("debug",),
        ("plan", "--output", "json"),
        ("status", "--output", "json"),
        ("report",),
        ("report", "--format", "markdown"),
    ):
        done = shop.cli(*command)
        assert PASSWORD not in done.stdout + done.stderr
    assert "postgresql://127.0.0.1" in shop.cli("debug").stdout
    assert PASSWORD not in json.dumps(shop.artifact())
    assert PASSWORD not in (shop.target / "anymetrics_report.html").read_text()
    assert f"| {REFRESHES} | 0 |" in shop.cli("report", "--format", "markdown").stdout


@pytest.mark.parametrize("problem", ["no server", "a wrong address", "half an address"])
def test_a_server_that_cannot_be_reached_is_told_and_the_refresh_happens(problem: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    address = {
        "no server": f"postgresql://airflow:{PASSWORD}@127.0.0.1:1/airflow",
        "half an address": f"postgresql://airflow:{PASSWORD}@[::1/airflow",
        "a wrong address": f"postgresql://airflow:{PASSWORD}@127.0.0.1:port/airflow",
    }[problem]
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=None) as sandbox:
        shop = Shop(tmp_path, {**sandbox.environment, "ANYMETRICS_STATE": address})
        done = shop.cli("refresh", "--select", "dim_customers")
    assert done.returncode == 1
    assert "OK=1 ERROR=0" in done.stdout
    assert "What is sent now is not remembered" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr + (shop.target / "anymetrics_results.json").read_text()


def test_a_password_on_the_command_line_is_refused(recorded: Shop) -> None:
    done = recorded.cli("status", "--state", f"postgresql://airflow:{PASSWORD}@127.0.0.1/airflow")
    assert done.returncode == 2
    assert "Set ANYMETRICS_STATE" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_without_the_library_the_extra_is_named(recorded: Shop) -> None:
    hidden = recorded.folder / "hidden" / "psycopg"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError")
    environment = {"PYTHONPATH": str(hidden.parent), "ANYMETRICS_STATE": "postgresql://127.0.0.1/airflow"}
    done = recorded.program("refresh", **environment)
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert "dbt-anymetrics[postgres]" in done.stderr


@needs_server
@pytest.mark.parametrize("when", ["now", "later"])
def test_fifty_tasks_in_temporary_copies_share_one_ledger(when: str, clean: Server, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        tasks = Tasks(tmp_path, sandbox, 50)
        tasks.shop.environment["ANYMETRICS_STATE"] = clean.address
        started = {name: tasks.start(name, when, KILLED if name == "model_0" else TASK) for name in tasks.names}
        codes = {name: tasks.end(name, process) for name, process in started.items()}
        assert codes == {name: -9 if name == "model_0" else 0 for name in tasks.names}
        # The orchestrator runs the killed task again.
        assert tasks.end("model_0", tasks.start("model_0", when)) == 0
        assert (tasks.retry(), tasks.retry()) == (0, 0)
        assert Counter(sent(sandbox)) == dict.fromkeys(tasks.pairs, 1)
    with served(clean.address) as database:
        assert database.rows("SELECT status, count(*) FROM refresh GROUP BY 1") == [("success", 50)]
