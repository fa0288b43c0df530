"""Waiting for plans by command: before and after the trigger, in one command or in two, and what the exit code says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbt_anymetrics import refresh
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.sandbox import PlanFault, Sandbox
from dbt_anymetrics.sending import freshness
from tests.builders import Json, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import changed
from tests.shop import DAY, Shop

PLAN = "daily_sales"
PLANS = {"anymetrics.plans": PLAN}
QUICK = ("--wait-timeout", "0.4")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first read comes at once: nobody waits for 5 s here."""
    monkeypatch.setattr(freshness, "FIRST", 0.01)


@pytest.fixture
def worlds() -> Iterator[Callable[..., Sandbox]]:
    opened: list[Sandbox] = []

    def start(fault: PlanFault | None = None, **plans: list[str] | None) -> Sandbox:
        opened.append(Sandbox(plans=plans or {PLAN: None}, moves_after=0, plan_fails=fault).__enter__())
        return opened[-1]

    yield start
    for sandbox in opened:
        sandbox.__exit__(None, None, None)


def ran(folder: Path, sandbox: Sandbox, orders: Json = PLANS, customers: Json | None = None) -> Shop:
    """A project after a run that built two tables."""
    shop = Shop(folder, {**sandbox.environment, "ANYMETRICS_DATASOURCE": "sr", "ANYMETRICS_RUN_DATE": DAY})
    on = {"anymetrics.enabled": True}
    known = manifest_json(node_json("orders", {**on, **orders}), node_json("customers", {**on, **(customers or {})}))
    write_artifacts(shop.target, known, run_json(result_json("orders"), result_json("customers")))
    return shop


def statuses(shop: Shop) -> dict[str, str]:
    return {each["unique_id"].rpartition(".")[2]: each["status"] for each in shop.artifact()["results"]}


def test_a_refresh_that_waits_sees_its_plan_refreshed(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(), customers=PLANS)
    done = shop.cli("refresh", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Waiting for 1 plan to be refreshed, for at most 1,800 s: daily_sales" in done.stderr
    assert "OK plan daily_sales: refreshed since the trigger (at 20" in done.stdout
    assert "AnyMetrics: Done. OK=2 ERROR=0 SKIP=0 TOTAL=2" in done.stdout
    assert [(each["plan"], each["freshness"]) for each in shop.artifact()["plans"]] == [(PLAN, "refreshed")]


def test_a_plan_that_is_not_seen_is_waiting_and_no_failure(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds(PlanFault.NEVER)
    shop = ran(tmp_path, sandbox)
    done = shop.cli("refresh", "--wait", *QUICK)
    assert done.returncode == 1
    assert "WAITING plan daily_sales: not seen refreshed within 0.4 s; last refreshed at 20" in done.stdout
    assert "AnyMetrics: Done. OK=1 WAITING=1 ERROR=0 SKIP=0 TOTAL=2" in done.stdout
    assert statuses(shop) == {"orders": "waiting", "customers": "success"}
    again = shop.cli("refresh")
    assert (again.returncode, len(sent(sandbox))) == (0, 2)
    assert "WAITING plan daily_sales since 20" in (text := shop.cli("status").stdout)
    assert "refresh  OK=1 WAITING=1 ERROR=0 SKIP=0 TOTAL=2 (exit code 1" in text
    assert "(1 of them waiting for a plan)" in shop.cli("report", "--format", "markdown").stdout


def test_of_nodes_without_plans_it_is_said_that_it_cannot_be_told(
    worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    done = ran(tmp_path, worlds()).cli("refresh", "--wait")
    assert done.returncode == 0
    assert "WARN cannot tell whether plans of model.shop.customers are refreshed" in done.stderr


def test_to_wait_where_no_node_names_a_plan_is_no_success(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds()
    done = ran(tmp_path, sandbox, orders={}).cli("refresh", "--wait")
    assert done.returncode == 1
    assert "anymetrics.plans names none" in done.stderr
    assert len(sent(sandbox)) == 2


def test_wait_goes_on_from_the_baseline_of_the_refresh(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds()
    shop = ran(tmp_path, sandbox)
    assert shop.cli("refresh").returncode == 0
    done = shop.cli("wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK plan daily_sales: refreshed since the trigger" in done.stdout
    again = shop.cli("wait")
    assert (again.returncode, again.stdout) == (0, "")
    assert "each was seen refreshed, or dropped" in again.stderr
    assert len(sent(sandbox)) == 2


def test_wait_says_in_json_what_it_saw(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(PlanFault.NULL))
    shop.cli("refresh")
    done = shop.cli("wait", "--output", "json", *QUICK)
    assert done.returncode == 1
    [seen] = json.loads(done.stdout)["plans"]
    assert (seen["plan"], seen["freshness"], seen["latest_refresh_time"]) == (PLAN, "not seen", None)


def test_wait_without_anything_to_wait_for_says_what_is_missing(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(), orders={})
    missing = shop.cli("wait")
    assert missing.returncode == 2
    assert "there is no ledger yet" in missing.stderr
    shop.cli("refresh")
    nameless = shop.cli("wait")
    assert nameless.returncode == 2
    assert "anymetrics.plans: no refresh in the ledger named a plan" in nameless.stderr


@pytest.mark.parametrize("plans", [["no_such_plan"], [PLAN, "no_such_plan"]])
def test_a_plan_that_does_not_exist_cannot_be_told(
    plans: list[str], worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    shop = ran(tmp_path, worlds(), orders={"anymetrics.plans": plans})
    done = shop.cli("refresh", "--wait")
    assert done.returncode == 1
    assert "WAITING plan no_such_plan: cannot tell: its state before the trigger could not be read (" in done.stdout
    assert ("OK plan daily_sales" in done.stdout) == (PLAN in plans)
    assert statuses(shop)["orders"] == "waiting"


def test_a_trigger_that_failed_is_not_waited_for(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds()
    shop = ran(tmp_path, sandbox, customers={"anymetrics.plans": "others"})
    shop.environment["ANYMETRICS_TENANT_ID"] = "tn_other"
    done = shop.cli("refresh", "--wait")
    assert done.returncode == 1
    assert "plan" not in done.stdout.replace("anymetrics.plans", "")
    assert "WAITING" not in shop.cli("status").stdout


def test_what_the_hook_triggered_is_waited_for_by_a_refresh_after_it(
    worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = worlds()
    shop = ran(tmp_path, sandbox)
    shop.cli("refresh")
    done = shop.cli("refresh", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK plan daily_sales" in done.stdout
    assert len(sent(sandbox)) == 2


def test_a_retry_takes_a_new_baseline(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds()
    shop = ran(tmp_path, sandbox)
    shop.cli("refresh")
    changed(shop.target, "UPDATE refresh SET status = 'pending'")
    changed(shop.target, "UPDATE awaited SET baseline = '2099-01-01 00:00:00'")
    done = shop.cli("retry", "--wait", *QUICK)
    assert "OK plan daily_sales" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_command_that_was_killed_before_it_said_what_it_triggered_cannot_be_told(
    worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    shop = ran(tmp_path, worlds())
    shop.cli("refresh")
    changed(shop.target, "UPDATE awaited SET status = 'sending', days = NULL")
    done = shop.cli("wait")
    assert done.returncode == 1
    assert "cannot tell: the command that triggers it is still running, or ended early" in done.stdout
    assert shop.cli("wait").returncode == 1
    assert shop.cli("refresh", "--force", "--wait").returncode == 0
    assert shop.cli("wait").returncode == 0


@pytest.mark.parametrize("length", ["0", "-1", "nan", "inf", "1h"])
def test_a_deadline_that_is_none_is_refused(length: str, worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    sandbox = worlds()
    done = ran(tmp_path, sandbox).cli("refresh", "--wait", "--wait-timeout", length)
    assert done.returncode == 2
    assert "is not a number of seconds greater than 0" in done.stderr
    assert sent(sandbox) == []


@pytest.mark.parametrize("plans", [5, [""], {"a": 1}, ["a", None]])
def test_plans_that_are_no_names_are_an_error_of_their_node(
    plans: object, worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = worlds()
    done = ran(tmp_path, sandbox, orders={"anymetrics.plans": plans}).cli("refresh")
    assert done.returncode == 1
    assert "ERROR model.shop.orders: anymetrics.plans: needs a text, not" in done.stdout
    assert len(sent(sandbox)) == 1


def test_a_refresh_waits_for_the_plans_of_its_own_nodes_alone(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(
        tmp_path, worlds(PlanFault.NEVER, daily_sales=None, others=None), customers={"anymetrics.plans": "others"}
    )
    shop.cli("refresh")
    done = shop.cli("refresh", "-s", "customers", "--force", "--wait", *QUICK)
    assert "WAITING plan others" in done.stdout
    assert "daily_sales" not in done.stdout


def test_the_end_names_plans_that_were_not_seen_of_tables_that_were_sent_before(
    worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    shop = ran(tmp_path, worlds(PlanFault.NEVER))
    shop.cli("refresh")
    done = shop.cli("refresh", "--wait", *QUICK)
    assert done.returncode == 1
    assert "already refreshed by dbt-anymetrics refresh: 2, plans not seen refreshed: 1" in done.stdout
    assert "Refreshing" not in done.stdout


def test_a_plan_that_is_not_wanted_any_more_can_be_dropped(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(PlanFault.NEVER))
    shop.cli("refresh")
    done = shop.cli("retry", "--drop", "--yes", "-s", "orders")
    assert "Dropped the wait for daily_sales of model.shop.orders." in done.stderr
    assert "WAITING" not in shop.cli("status").stdout
    assert shop.cli("wait").returncode == 0


def test_the_kill_switch_ends_a_wait(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(PlanFault.NEVER))
    shop.cli("refresh")
    done = shop.cli("wait", ANYMETRICS_ENABLED="false")
    assert done.returncode == 0
    assert "switched off by ANYMETRICS_ENABLED=false" in done.stderr


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_deadline_of_another_kind_is_refused_in_python_too(seconds: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wait_timeout: needs a number of seconds"):
        refresh(tmp_path, wait=True, wait_timeout=seconds)  # type: ignore[arg-type]


def test_a_retry_with_nothing_pending_says_that_it_does_not_wait(
    worlds: Callable[..., Sandbox], tmp_path: Path
) -> None:
    shop = ran(tmp_path, worlds())
    shop.cli("refresh")
    done = shop.cli("retry", "--wait")
    assert "WARN --wait waits for nothing here, and 'dbt-anymetrics wait' for what is open: daily_sales" in done.stderr


def test_all_plans_of_a_node_are_named_when_they_are_dropped(worlds: Callable[..., Sandbox], tmp_path: Path) -> None:
    shop = ran(tmp_path, worlds(daily_sales=None, others=None), orders={"anymetrics.plans": [PLAN, "others"]})
    shop.cli("refresh")
    done = shop.cli("retry", "--drop", "--yes", "-s", "orders")
    assert "Dropped the wait for daily_sales, others of model.shop.orders." in done.stderr
