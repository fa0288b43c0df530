from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from dbt_anymetrics.output.console import Console
from dbt_anymetrics.output.jsonl import JsonReporter
from dbt_anymetrics.output.plan_text import plan_lines
from dbt_anymetrics.output.reporter import Opening, Retry
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.result import WRONG_SETTINGS, Item, Refresh, Result, Status, Timing, count, shown

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
TABLE = "starrocks.`default_catalog.shop`.orders"
PLANNED = Refresh(unique_id="model.shop.orders", table_name=TABLE, partition=date(2024, 7, 17))
UNSENT = PLANNED.result(Status.PENDING)
TIMING = Timing(MOMENT, MOMENT + timedelta(seconds=0.12))
DONE = PLANNED.result(Status.SUCCESS, http_status=200, code="200", timing=TIMING)
FAILED = replace(DONE, status=Status.ERROR, code="SM_02_0038", message="no permission", trace_id="trace-1")
SKIPPED = Result(unique_id="model.shop.other", status=Status.SKIPPED, message="dbt did not build it: error")
UNTOUCHED = Result(unique_id="model.shop.idle", status=Status.UNTOUCHED, message="not part of this run")
WRONG = replace(SKIPPED, status=Status.ERROR, message="anymetrics.tabel: is not a setting")
BEFORE = replace(DONE, status=Status.SKIPPED, message="already refreshed by the hook; --force sends it again")
OPENING = Opening(
    address="https://a.example.com", tenant_id="tn_1", tables=1, refreshes=2, run_date="2024-07-17 (given)"
)
RETRY = Retry(refresh=PLANNED, message="connection refused", attempt=1, wait=0.5)

Captured = pytest.CaptureFixture[str]


def play(reporter: TextReporter | JsonReporter) -> None:
    """What a reporter is told of a command with every kind of result."""
    reporter.note("good to know")
    reporter.warning("odd")
    reporter.begin([SKIPPED, UNTOUCHED, WRONG, BEFORE, PLANNED], OPENING)
    reporter.retry(RETRY)
    reporter.outcome(1, 2, DONE)
    reporter.outcome(2, 2, FAILED)
    reporter.unsent(2, UNSENT)
    reporter.end(count([SKIPPED, UNTOUCHED, WRONG, BEFORE, DONE, FAILED, UNSENT]))
    reporter.error("broken")


def test_the_opening_says_how_much_goes_where_and_for_which_date() -> None:
    assert str(OPENING) == "Refreshing 1 table, 2 dates in all, in AnyMetrics (https://a.example.com, tenant tn_1)"


def lines(captured: str) -> list[str]:
    """The lines without their time of day, which each has."""
    found = captured.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in found)
    return [line[10:] for line in found]


def test_text_goes_line_by_line_to_stdout_and_the_log_to_stderr(capsys: Captured) -> None:
    play(TextReporter(Console()))
    captured = capsys.readouterr()
    assert lines(captured.err) == [
        "good to know",
        "WARN odd",
        "RETRY connection refused. Trying again in 0.5 s",
        "ERROR broken",
    ]
    assert lines(captured.out) == [
        "SKIP model.shop.other: dbt did not build it: error",
        "1 configured node is not refreshed: not part of this run",
        "ERROR model.shop.other: anymetrics.tabel: is not a setting",
        str(OPENING),
        "The date of the run is 2024-07-17 (given)",
        f"1 of 2 OK {TABLE} 2024-07-17 ".ljust(80, ".") + " [200 in 0.12s]",
        f"2 of 2 ERROR {TABLE} 2024-07-17 ".ljust(80, ".") + " [SM_02_0038 in 0.12s]",
        "  model.shop.orders: no permission (traceId trace-1)",
        f"NOT SENT {TABLE} 2024-07-17",
        "AnyMetrics: Done. OK=1 ERROR=2 SKIP=1 NOT_SENT=1 TOTAL=5, already refreshed by the hook: 1",
    ]


@pytest.mark.parametrize(("columns", "width"), [(200, 80), (100, 75), (60, len(f"1 of 1 OK {TABLE} 2024-07-17 "))])
def test_a_line_fits_the_terminal_and_is_never_cut(columns: int, width: int, capsys: Captured) -> None:
    console = Console()
    console.columns = lambda: columns - 10  # type: ignore[method-assign]
    TextReporter(console).outcome(1, 1, DONE)
    head, _, tail = lines(capsys.readouterr().out)[0].rpartition(" [")
    assert (len(head), tail) == (width, "200 in 0.12s]")


def test_a_retry_is_told_once_for_each_reason_and_whenever_the_wait_is_long(capsys: Captured) -> None:
    reporter = TextReporter(Console())
    for wait in (0.5, 1.0, 30.0, 0.5):
        reporter.retry(replace(RETRY, wait=wait))
    reporter.retry(replace(RETRY, message="HTTP 503"))
    assert [line.rpartition(" in ")[2] for line in lines(capsys.readouterr().err)] == ["0.5 s", "30.0 s", "0.5 s"]


def test_quiet_leaves_what_went_wrong(capsys: Captured) -> None:
    play(TextReporter(Console(quiet=True)))
    captured = capsys.readouterr()
    assert lines(captured.err) == ["ERROR broken"]
    assert [line.split()[0] for line in lines(captured.out)] == [
        "ERROR",
        "2",
        "model.shop.orders:",
        "NOT",
        "AnyMetrics:",
    ]


def test_quiet_says_nothing_when_all_is_well(capsys: Captured) -> None:
    reporter = TextReporter(Console(quiet=True))
    reporter.begin([SKIPPED], None)
    reporter.outcome(1, 1, DONE)
    reporter.end(count([DONE]))
    assert capsys.readouterr() == ("", "")


def test_each_delivery_is_counted_from_its_begin(capsys: Captured) -> None:
    reporter = TextReporter(Console())
    for result in (FAILED, DONE):  # as when the hook stands in dbt_project.yml twice
        reporter.begin([], None)
        for number in range(1, 26):
            reporter.outcome(number, 100, result)
    assert lines(capsys.readouterr().out)[-1].startswith("25 of 100 done, OK=25 ERROR=0, ")


def test_of_long_work_what_is_not_sent_is_told_once_for_each_reason_and_only_once(capsys: Captured) -> None:
    reporter, reason = TextReporter(Console()), replace(UNSENT, message="not sent: interrupted")
    for _ in range(2):
        reporter.begin([], None)
        for _ in range(150):
            reporter.unsent(151, reason)
        reporter.unsent(151, replace(UNSENT, message="no answer"))
        reporter.end(count([PLANNED]))
    told = lines(capsys.readouterr().out)
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    assert told[:2] == ["NOT SENT 150 refreshes: not sent: interrupted", "NOT SENT 1 refresh: no answer"]


@pytest.mark.parametrize("reporter", [TextReporter, JsonReporter])
def test_results_leave_stdout_to_the_artifact(reporter: Any, capsys: Captured) -> None:
    play(reporter(Console(results_to_stderr=True)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Done." in captured.err


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.ERROR])
def test_a_reason_that_many_nodes_share_is_told_once_and_others_one_by_one(status: Status, capsys: Captured) -> None:
    many = [replace(WRONG, status=status, unique_id=f"model.shop.m{n}") for n in range(6)]
    TextReporter(Console()).begin([*many, replace(many[0], message="another reason")], None)
    label = {Status.SKIPPED: "SKIP", Status.ERROR: "ERROR"}[status]
    assert lines(capsys.readouterr().out) == [
        f"{label} 6 nodes (model.shop.m0, model.shop.m1, model.shop.m2 and 3 more): anymetrics.tabel: is not a setting",
        f"{label} model.shop.m0: another reason",
    ]


def test_a_wrong_setting_of_a_node_that_the_run_did_not_touch_is_told_by_name(capsys: Captured) -> None:
    wrong = replace(UNTOUCHED, message=f"{UNTOUCHED.message}{WRONG_SETTINGS}anymetrics.tabel: is not a setting")
    TextReporter(Console()).begin([wrong, *[UNTOUCHED] * 9], None)
    assert lines(capsys.readouterr().out) == [
        f"WARN model.shop.idle: {wrong.message}",
        "9 configured nodes are not refreshed: not part of this run",
    ]


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"code": None, "http_status": 503}, "[503 in "),
        ({"code": None, "http_status": None}, "[no answer in "),
        ({"code": "200", "http_status": 200}, "[200 in "),
        ({"code": "\x1b[2Jx" + "y" * 99, "http_status": 200}, "[[2Jxyyy"),
        ({"timing": None}, "in 0.00s]"),
    ],
)
def test_a_line_shows_the_code_else_the_status(answer: dict[str, Any], shown: str, capsys: Captured) -> None:
    TextReporter(Console()).outcome(1, 1, replace(FAILED, **answer))
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("reporter", [TextReporter, JsonReporter])
@pytest.mark.parametrize("field", ["unique_id", "message", "trace_id", "table_name"])
def test_control_characters_reach_no_terminal(field: str, reporter: Any, capsys: Captured) -> None:
    odd = replace(FAILED, **{field: "a\x1b[2J\r\nb"})
    told = reporter(Console())
    told.begin([replace(odd, status=status, partition=None) for status in (Status.SKIPPED, Status.UNTOUCHED)], None)
    told.retry(replace(RETRY, refresh=odd, message="a\x1b[2J\r\nb"))
    told.outcome(1, 1, odd)
    told.unsent(1, replace(odd, status=Status.PENDING))
    told.warning("a\x1b[2J\r\nb")
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in [*captured.out.splitlines(), *captured.err.splitlines()])
    assert not any(line.startswith("b") for line in captured.out.splitlines())


def test_json_is_one_object_a_line_in_dbts_form(capsys: Captured) -> None:
    play(JsonReporter(Console(stamped=False)))
    captured = capsys.readouterr()
    log = [json.loads(line) for line in captured.err.splitlines()]
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert [(event["info"]["name"], event["info"]["level"]) for event in log] == [
        ("Note", "info"),
        ("Warning", "warn"),
        ("Retry", "info"),
        ("Error", "error"),
    ]
    assert log[2]["data"]["retry"]["wait"] == 0.5
    assert [(event["info"]["name"], event["info"]["level"]) for event in events] == [
        ("Refresh", "info"),
        ("Refresh", "error"),
        ("Refresh", "info"),
        ("Untouched", "info"),
        ("Opening", "info"),
        ("Refresh", "info"),
        ("Refresh", "error"),
        ("Refresh", "error"),
        ("Done", "error"),
    ]
    assert events[4]["data"]["opening"]["tenant_id"] == "tn_1"
    assert events[6]["data"]["result"]["trace_id"] == "trace-1"
    assert (events[6]["data"]["number"], events[6]["data"]["total"]) == (2, 2)
    assert events[-1]["data"]["counts"] == {
        "ok": 1,
        "waiting": 0,
        "error": 2,
        "skip": 1,
        "not_sent": 1,
        "already": 1,
        "untouched": 1,
        "late_plans": 0,
    }
    assert datetime.fromisoformat(events[0]["info"]["ts"].replace("Z", "+00:00")).utcoffset() == timedelta(0)


def test_json_ends_at_level_info_when_all_is_well(capsys: Captured) -> None:
    JsonReporter(Console(stamped=False)).end(count([DONE]))
    assert json.loads(capsys.readouterr().out)["info"]["level"] == "info"


def plain(results: Sequence[Item], *, every: bool = False) -> list[str]:
    return [re.sub(r"\x1b\[\d*m", "", line) for line in plan_lines(results, every=every)]


def test_a_plan_lists_each_node_with_its_table_and_dates_or_the_reason() -> None:
    days = [replace(PLANNED, partition=date(2024, 7, day)) for day in (1, 3, 4, 5)]
    assert plain([*days, SKIPPED, WRONG, BEFORE, UNTOUCHED]) == [
        f"REFRESH {TABLE} for 2024-07-01, 2024-07-03..2024-07-05 (model.shop.orders)",
        "SKIP    model.shop.other because dbt did not build it: error",
        "ERROR   model.shop.other because anymetrics.tabel: is not a setting",
        f"SKIP    {TABLE} 2024-07-17 because already refreshed by the hook; --force sends it again",
        "        1 configured node is not refreshed: not part of this run (--all lists it)",
        "Plan: 4 to refresh, 1 skipped, 1 wrong, 1 already refreshed, 1 not touched.",
    ]


def test_a_plan_tells_an_error_of_many_nodes_once_unless_all_are_asked_for() -> None:
    many = [replace(WRONG, unique_id=f"model.shop.m{n}") for n in range(301)]
    assert len(plain(many)) == 2
    assert plain(many)[0].startswith(
        "ERROR   301 nodes (model.shop.m0, model.shop.m1, model.shop.m2 and 298 more) because"
    )
    assert len(plain(many, every=True)) == 302


def test_all_lists_each_node_that_the_run_did_not_touch() -> None:
    assert plain([UNTOUCHED] * 9, every=True)[:-1] == ["-       model.shop.idle because not part of this run"] * 9


def test_an_empty_plan_says_so() -> None:
    assert plain([]) == ["Plan: 0 to refresh, 0 skipped, 0 wrong."]


def test_a_plan_passes_no_control_characters_through() -> None:
    odd = [replace(SKIPPED, unique_id="a\x1b[2Jb", message="c\r\nd"), replace(shown(PLANNED), table_name="t\x9b")]
    assert all(line.isprintable() for line in plain(odd))
