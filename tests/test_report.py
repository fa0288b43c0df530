from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from dbt_anymetrics.output.text import Console, JsonReporter, TextReporter, plan_lines
from dbt_anymetrics.result import Result, Status, Timing, count

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
TABLE = "starrocks.`default_catalog.shop`.orders"
PLANNED = Result(unique_id="model.shop.orders", table_name=TABLE, partition=date(2024, 7, 17), status=Status.PLANNED)
TIMING = Timing(MOMENT, MOMENT + timedelta(seconds=0.12))
DONE = replace(PLANNED, status=Status.SUCCESS, http_status=200, code="200", timing=TIMING)
FAILED = replace(DONE, status=Status.ERROR, code="SM_02_0038", message="no permission", trace_id="trace-1")
SKIPPED = Result(unique_id="model.shop.other", status=Status.SKIPPED, message="not part of this run")
WRONG = replace(SKIPPED, status=Status.ERROR, message="anymetrics.tabel: is not a setting")

Captured = pytest.CaptureFixture[str]


def play(reporter: TextReporter | JsonReporter) -> None:
    """What a reporter is told of a command with every kind of result."""
    reporter.warning("odd")
    reporter.begin([SKIPPED, WRONG, PLANNED])
    reporter.outcome(1, 2, DONE)
    reporter.outcome(2, 2, FAILED)
    reporter.unsent(2, PLANNED)
    reporter.end(count([DONE, FAILED, PLANNED]))
    reporter.error("broken")


def lines(captured: str) -> list[str]:
    """The lines without their time of day, which each has."""
    found = captured.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in found)
    return [line[10:] for line in found]


def test_text_goes_line_by_line_to_stdout_and_the_log_to_stderr(capsys: Captured) -> None:
    play(TextReporter(Console()))
    captured = capsys.readouterr()
    assert lines(captured.err) == ["WARN odd", "ERROR broken"]
    assert lines(captured.out) == [
        "ERROR model.shop.other: anymetrics.tabel: is not a setting",
        "SKIP model.shop.other: not part of this run",
        f"1 of 2 OK {TABLE} 2024-07-17 ".ljust(100, ".") + " [200 in 0.12s]",
        f"2 of 2 ERROR {TABLE} 2024-07-17 ".ljust(100, ".") + " [SM_02_0038 in 0.12s]",
        "  model.shop.orders: no permission (traceId trace-1)",
        f"NOT SENT {TABLE} 2024-07-17",
        "Done. OK=1 ERROR=1 SKIP=0 NOT_SENT=1 TOTAL=3",
    ]


def test_quiet_leaves_what_went_wrong(capsys: Captured) -> None:
    play(TextReporter(Console(quiet=True)))
    captured = capsys.readouterr()
    assert lines(captured.err) == ["ERROR broken"]
    assert [line.split()[0] for line in lines(captured.out)] == ["ERROR", "2", "model.shop.orders:", "NOT", "Done."]


def test_quiet_says_nothing_when_all_is_well(capsys: Captured) -> None:
    reporter = TextReporter(Console(quiet=True))
    reporter.begin([SKIPPED])
    reporter.outcome(1, 1, DONE)
    reporter.end(count([DONE]))
    assert capsys.readouterr() == ("", "")


def test_each_delivery_is_counted_from_its_begin(capsys: Captured) -> None:
    reporter = TextReporter(Console())
    for result in (FAILED, DONE):  # as when the hook stands in dbt_project.yml twice
        reporter.begin([])
        for number in range(1, 26):
            reporter.outcome(number, 100, result)
    assert lines(capsys.readouterr().out)[-1].startswith("25 of 100 done, OK=25 ERROR=0, ")


def test_of_long_work_what_is_not_sent_is_told_once_for_each_reason_and_only_once(capsys: Captured) -> None:
    reporter, reason = TextReporter(Console()), replace(PLANNED, message="not sent: interrupted")
    for _ in range(2):
        reporter.begin([])
        for _ in range(150):
            reporter.unsent(151, reason)
        reporter.unsent(151, replace(PLANNED, message="no answer"))
        reporter.end(count([PLANNED]))
    told = lines(capsys.readouterr().out)
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    assert told[:2] == ["NOT SENT 150 refreshes: not sent: interrupted", "NOT SENT 1 refresh: no answer"]


@pytest.mark.parametrize("reporter", [TextReporter, JsonReporter])
def test_results_leave_stdout_to_the_artifact(reporter: Any, capsys: Captured) -> None:  # noqa: ANN401
    play(reporter(Console(results_to_stderr=True)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Done." in captured.err


def test_a_reason_that_many_nodes_share_is_told_once_and_others_one_by_one(capsys: Captured) -> None:
    many = [replace(SKIPPED, unique_id=f"model.shop.m{n}") for n in range(6)]
    TextReporter(Console()).begin([*many, replace(SKIPPED, message="another reason")])
    assert lines(capsys.readouterr().out) == [
        "SKIP 6 configured nodes or dates: not part of this run",
        "SKIP model.shop.other: another reason",
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
def test_control_characters_reach_no_terminal(field: str, reporter: Any, capsys: Captured) -> None:  # noqa: ANN401
    odd = replace(FAILED, **{field: "a\x1b[2J\r\nb"})
    told = reporter(Console())
    told.begin([replace(odd, status=Status.SKIPPED, partition=None)])
    told.outcome(1, 1, odd)
    told.unsent(1, replace(odd, status=Status.PLANNED))
    told.warning("a\x1b[2J\r\nb")
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in [*captured.out.splitlines(), *captured.err.splitlines()])
    assert not any(line.startswith("b") for line in captured.out.splitlines())


def test_json_is_one_object_a_line_in_dbts_form(capsys: Captured) -> None:
    play(JsonReporter(Console(stamped=False)))
    captured = capsys.readouterr()
    log = [json.loads(line) for line in captured.err.splitlines()]
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert [(event["info"]["level"], event["info"]["msg"]) for event in log] == [("warn", "odd"), ("error", "broken")]
    assert [(event["info"]["name"], event["info"]["level"]) for event in events] == [
        ("Refresh", "info"),
        ("Refresh", "error"),
        ("Refresh", "info"),
        ("Refresh", "error"),
        ("Refresh", "error"),
        ("Done", "error"),
    ]
    assert events[3]["data"]["result"]["trace_id"] == "trace-1"
    assert (events[3]["data"]["number"], events[3]["data"]["total"]) == (2, 2)
    assert events[-1]["data"]["counts"] == {"ok": 1, "error": 1, "skip": 0, "not_sent": 1}
    assert datetime.fromisoformat(events[0]["info"]["ts"].replace("Z", "+00:00")).utcoffset() == timedelta(0)


def test_json_ends_at_level_info_when_all_is_well(capsys: Captured) -> None:
    JsonReporter(Console(stamped=False)).end(count([DONE]))
    assert json.loads(capsys.readouterr().out)["info"]["level"] == "info"


def plain(results: list[Result]) -> list[str]:
    return [re.sub(r"\x1b\[\d*m", "", line) for line in plan_lines(results)]


def test_a_plan_lists_each_node_with_its_table_and_dates_or_the_reason() -> None:
    days = [replace(PLANNED, partition=date(2024, 7, day)) for day in (1, 3, 4, 5)]
    assert plain([*days, SKIPPED, WRONG]) == [
        f"REFRESH {TABLE} for 2024-07-01, 2024-07-03..2024-07-05 (model.shop.orders)",
        "SKIP    model.shop.other because not part of this run",
        "ERROR   model.shop.other because anymetrics.tabel: is not a setting",
        "Plan: 4 to refresh, 1 skipped, 1 wrong.",
    ]


def test_an_empty_plan_says_so() -> None:
    assert plain([]) == ["Plan: 0 to refresh, 0 skipped, 0 wrong."]


def test_a_plan_passes_no_control_characters_through() -> None:
    odd = [replace(SKIPPED, unique_id="a\x1b[2Jb", message="c\r\nd"), replace(PLANNED, table_name="t\x9b")]
    assert all(line.isprintable() for line in plain(odd))
