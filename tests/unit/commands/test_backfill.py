"""A backfill: tables and dates without a dbt run, resumable, paced, asked for."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from dbt_anymetrics.sending.pace import Pace
from tests.builders import Json, manifest_json, node_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import pending
from tests.shop import Shop

META = {"anymetrics.datasource": "sr"}
ORDERS, CUSTOMERS = (f"sr.`default_catalog.mart`.{name}" for name in ("orders", "customers"))
JANUARY = ("--partition", "2024-01-01..2024-01-05")
BOTH = ("-s", "orders", "-s", "customers")


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    """A project that was parsed, and never run."""
    known = manifest_json(
        *(node_json(name, META) for name in ("orders", "customers")),
        node_json("plain"),
        node_json("wrong", {**META, "anymetrics.tabel": "x"}),
        node_json("off", {**META, "anymetrics.enabled": False}),
        node_json("seen", META, config={"materialized": "view", "meta": META}),
    )
    target = write_artifacts(tmp_path / "target", known, run_json())
    (target / "run_results.json").unlink()
    return Shop(tmp_path, sandbox.environment)


def test_a_backfill_sends_every_date_of_the_tables_without_a_run(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("backfill", *BOTH, *JANUARY, "--threads", "1")
    assert done.returncode == 0, done.stderr
    days = [f"2024-01-0{day}" for day in range(1, 6)]
    assert sent(sandbox) == [(table, day) for day in days for table in (CUSTOMERS, ORDERS)]
    assert "OK=10 ERROR=0" in done.stdout
    again = shop.cli("backfill", *BOTH, *JANUARY)
    assert "already refreshed by dbt-anymetrics backfill: 10" in again.stdout
    assert len(sandbox.received) == 10
    assert shop.cli("backfill", *BOTH, *JANUARY, "--force").returncode == 0
    assert len(sandbox.received) == 20


def test_the_newest_date_may_come_first(shop: Shop, sandbox: Sandbox) -> None:
    assert shop.cli("backfill", "-s", "orders", *JANUARY, "--newest-first", "--threads", "1").returncode == 0
    assert [day for _, day in sent(sandbox)] == [f"2024-01-0{day}" for day in range(5, 0, -1)]


def test_a_backfill_goes_on_where_it_stopped(shop: Shop, sandbox: Sandbox) -> None:
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number % 3 == 0 else None) as refusing:
        environment = {**refusing.environment, "ANYMETRICS_URL": refusing.url}
        assert shop.cli("backfill", *BOTH, *JANUARY, "--threads", "1", **environment).returncode == 1
        failed = len(pending(shop.target))
        assert failed == 4
        refusing_requests = len(refusing.received)
        shop.cli("backfill", *BOTH, *JANUARY, "--threads", "1", **environment)
        assert len(refusing.received) == refusing_requests + failed


def test_a_dry_run_shows_the_plan_and_sends_nothing(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("backfill", "-s", "*", *JANUARY, "--dry-run", "--pace", "2")
    assert done.returncode == 1  # the settings of a node are wrong
    assert f"REFRESH {ORDERS} for 2024-01-01..2024-01-05 (model.shop.orders)" in done.stdout
    assert "model.shop.plain because it has no anymetrics settings in its meta" in done.stdout
    assert "anymetrics.tabel" in done.stdout
    assert "model.shop.off because switched off" in done.stdout
    assert "model.shop.seen because an object of the kind 'view' has no data of its own" in done.stdout
    assert "At 2 a minute this takes 5 minutes." in done.stdout
    assert sandbox.received == []
    assert not (shop.target / "anymetrics.db").exists()
    found = json.loads(shop.cli("backfill", "-s", "orders", *JANUARY, "--dry-run", "--output", "json").stdout)
    assert [each["partition"] for each in found["results"]] == [f"2024-01-0{day}" for day in range(1, 6)]


def test_a_dry_run_says_that_nothing_would_be_sent(shop: Shop) -> None:
    done = shop.cli("backfill", "-s", "orders", *JANUARY, "--dry-run", ANYMETRICS_ENABLED="false")
    assert "WARN a refresh would send nothing: switched off by ANYMETRICS_ENABLED" in done.stderr


@pytest.mark.parametrize("command", ["backfill", "doctor"])
def test_an_option_that_a_command_does_not_read_is_refused(command: str, shop: Shop) -> None:
    done = shop.cli(command, "--min-interval", "15m")
    assert done.returncode == 2
    assert "No such option: --min-interval" in done.stderr or "no such option" in done.stderr.lower()


WRONG = {
    "no nodes": (JANUARY, "--select: no nodes are selected"),
    "no dates": (("-s", "orders"), "--partition: needs dates"),
    "a template": (("-s", "orders", "--partition", "{{ var('ds') }}"), "--partition: needs dates"),
    "backwards": (("-s", "orders", "--partition", "2024-01-05..2024-01-01"), "runs backwards"),
    "no date": (("-s", "orders", "--partition", "january"), "is not a date"),
    "too long": (("-s", "orders", "--partition", "2000-01-01..2024-01-01"), "more than 3,660"),
    "no pace": (("-s", "orders", *JANUARY, "--pace", "0"), "--pace"),
    "a pace that is no number": (("-s", "orders", *JANUARY, "--pace", "nan"), "--pace"),
    "many": (("-s", "orders", "--partition", "2020-01-01..2024-01-01"), "1,462 refreshes are many"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_backfill_is_said_and_nothing_is_sent(name: str, shop: Shop, sandbox: Sandbox) -> None:
    arguments, said = WRONG[name]
    done = shop.program("backfill", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert sandbox.received == []


def test_many_refreshes_are_sent_when_yes_is_given(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("backfill", "-s", "orders", "--partition", "2021-01-01..2023-12-31", "--yes", "--quiet")
    assert done.returncode == 0
    assert len(sandbox.received) == 1095


def test_a_backfill_keeps_its_pace(shop: Shop) -> None:
    moments: list[float] = []

    def note(_received: Received) -> None:
        moments.append(time.monotonic())

    with Sandbox(on_request=note) as sandbox:
        environment = {**sandbox.environment}
        assert shop.cli("backfill", *BOTH, *JANUARY, "--pace", "1200", **environment).returncode == 0
    # The first request may arrive late on a busy machine: without a pace, all ten take a tenth of it.
    assert moments[-1] - moments[0] >= 9 * 0.05 / 2


class Waited(threading.Event):
    """Waits for nothing, and notes for how long it should."""

    def __init__(self) -> None:
        super().__init__()
        self.minutes: list[int] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.minutes.append(round((timeout or 0) / 60))
        return False


def test_a_pace_gives_each_its_turn() -> None:
    stop, pace = Waited(), Pace(1)
    for _ in range(10):
        pace.wait(stop)
    assert stop.minutes == list(range(10))


def test_a_stop_ends_the_wait_for_a_turn() -> None:
    stop = threading.Event()
    pace = Pace(1)
    pace.wait(stop)
    stop.set()
    begun = time.monotonic()
    pace.wait(stop)
    assert time.monotonic() - begun < 30


def created(sandbox: Sandbox) -> list[Json]:
    return [json.loads(each.body) for each in sandbox.received if each.path.endswith("/task/create")]


RANGE = ("--partition", "2024-01-01..2024-01-31")


def test_a_plan_is_computed_by_one_task(tmp_path: Path) -> None:
    with Sandbox(plans={"daily_sales": None}) as sandbox:
        done = Shop(tmp_path, sandbox.environment).cli(
            "backfill", "--plan", "daily_sales", *RANGE, "--days-per-batch", "7"
        )
    assert done.returncode == 0, done.stderr
    said = "AnyMetrics computes plan daily_sales, 2024-01-01 to 2024-01-31 (31 days, 7 at once), by the task dag_"
    assert done.stdout.startswith(said)
    assert created(sandbox) == [
        {"planName": "daily_sales", "startTime": "2024-01-01", "endTime": "2024-01-31", "dateIntervalOfLot": 7}
    ]
    assert sent(sandbox) == []


NO_TASK = {
    "no such plan": (("--plan", "daily_sale", *RANGE), "no plan is named daily_sale; did you mean daily_sales?"),
    "no dates": (("--plan", "daily_sales"), "--partition: needs dates"),
    "gaps": (("--plan", "daily_sales", "--partition", "2024-01-01, 2024-01-03"), "these dates have gaps"),
    "nodes too": (("--plan", "daily_sales", "-s", "orders", *RANGE), "--select: does not go with --plan"),
    "a pace": (("--plan", "daily_sales", "--pace", "5", *RANGE), "--pace: does not go with --plan"),
    "force": (("--plan", "daily_sales", "--force", *RANGE), "--force: does not go with --plan"),
    "an external plan": (("--plan", "outside", *RANGE), "plan outside: is an external plan"),
    "a dry run of none": (("--plan", "daily_sale", "--dry-run", *RANGE), "no plan is named daily_sale"),
    "an empty name": (("--plan", " ", *RANGE), "--plan: needs the name of a plan"),
    "only a batch": (("--days-per-batch", "5", *RANGE), "--plan: needs the name of a plan"),
    "many days": (("--plan", "daily_sales", "--partition", "2014-01-01..2024-01-01"), "days of one plan are many"),
}


@pytest.mark.parametrize("what", NO_TASK)
def test_a_task_that_makes_no_sense_is_not_created(what: str, tmp_path: Path) -> None:
    given, said = NO_TASK[what]
    with Sandbox(plans={"daily_sales": None, "outside": []}) as sandbox:
        done = Shop(tmp_path, sandbox.environment).cli("backfill", *given)
    assert done.returncode == 2
    assert said in done.stderr
    assert created(sandbox) == []


@pytest.mark.parametrize(("given", "environment"), [(["--dry-run"], {}), ([], {"ANYMETRICS_ENABLED": "false"})])
def test_a_dry_run_and_the_kill_switch_create_no_task(
    given: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    with Sandbox(plans={"daily_sales": None}) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        done = shop.cli("backfill", "--plan", "daily_sales", *RANGE, *given, **environment)
    assert done.returncode == 0
    assert created(sandbox) == []


def test_a_task_that_anymetrics_refuses_is_an_error(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.SYSTEM_ERROR) as sandbox:
        done = Shop(tmp_path, sandbox.environment).cli("backfill", "--plan", "daily_sales", *RANGE)
    assert done.returncode == 1
    assert "Error: the list of plans: " in done.stderr
    assert created(sandbox) == []


def test_a_task_is_one_object_in_json(tmp_path: Path) -> None:
    with Sandbox(plans={"daily_sales": None}) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        made = json.loads(shop.cli("backfill", "--plan", "daily_sales", *RANGE, "--output", "json").stdout)
        dry = json.loads(shop.cli("backfill", "--plan", "daily_sales", *RANGE, "--output", "json", "--dry-run").stdout)
    assert (made["plan"], made["first"], made["is_created"]) == ("daily_sales", "2024-01-01", True)
    assert made["name"].startswith("dag_")
    assert (dry["is_created"], dry["name"]) == (False, None)


def test_a_selection_that_matches_nothing_is_said(shop: Shop) -> None:
    done = shop.cli("backfill", "-s", "nosuch", *JANUARY)
    assert "WARN no model, seed or snapshot matches --select nosuch" in done.stderr


def test_a_backfill_for_an_external_plan_warns_that_dbt_may_not_have_built_it(tmp_path: Path) -> None:
    known = manifest_json(node_json("orders", {"anymetrics.external_plan": "a1"}))
    write_artifacts(tmp_path / "target", known, run_json())
    with Sandbox(plans={"a1": []}) as sandbox:
        done = Shop(tmp_path, sandbox.environment).cli("backfill", "-s", "orders", *JANUARY, "--dry-run")
    assert "WARN plan a1: AnyMetrics is told that these dates are built, whether dbt has built them" in done.stderr
