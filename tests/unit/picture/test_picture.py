"""The picture and its page, without a browser: what stands where, in which order, how large, and nothing as markup."""

from __future__ import annotations

import hashlib
import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from dbt_anymetrics.picture import Attempt, Live, Outcome, Page, Picture, Run, Status, Table, encode, render
from dbt_anymetrics.picture.words import named, span
from tests.pictures import NOON, OK, ORDERS, SYSTEM_ERROR, TEST_FAILED, TODAY, UNAVAILABLE, attempt, many

YESTERDAY = TODAY - timedelta(days=1)
PAGE = Page("Refreshes", "https://can.example.com", "dbt-anymetrics status")


def data(attempts: Iterable[Attempt], room: int = 850_000, **more: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(encode(Picture.of(attempts, **more), room))
    return loaded


def told(attempts: Iterable[Attempt]) -> list[str]:
    return [f"{each.title} x{len(each.attempts)}: {each.where}" for each in Picture.of(attempts).causes]


def others(*names: str) -> list[Table]:
    return [ORDERS._replace(name=name) for name in names]


# --- cells


@pytest.mark.parametrize(
    ("outcomes", "status", "letter"),
    [
        ([OK], Status.REFRESHED, "1"),
        ([OK] * 3, Status.AGAIN, "3"),
        ([OK] * 12, Status.AGAIN, "+"),
        ([UNAVAILABLE], Status.FAILED, "f"),
        ([SYSTEM_ERROR], Status.REFUSED, "x"),
        ([OK, UNAVAILABLE], Status.FAILED, "f"),
        ([UNAVAILABLE, OK], Status.REFRESHED, "A"),
        ([OK, UNAVAILABLE, OK], Status.AGAIN, "B"),
        ([TEST_FAILED], Status.SKIPPED, "s"),
        ([Outcome(Status.PENDING)], Status.PENDING, "p"),
        ([OK, Outcome(Status.WAITING)], Status.WAITING, "w"),
    ],
)
def test_a_cell_stands_where_its_last_attempt_does(outcomes: list[Outcome], status: Status, letter: str) -> None:
    attempts = [attempt(outcome, minute=minute) for minute, outcome in enumerate(outcomes)]
    assert Picture.of(attempts).counts == {status: 1}
    assert data(attempts)["groups"][0][3][0][1] == letter


def test_tables_are_sorted_and_grouped_and_dates_stand_newest_first() -> None:
    tables = [
        Table("starrocks", "default_catalog", "shop", "b"),
        Table("Hive", "lake", "web", "x"),
        Table("starrocks", "default_catalog", "shop", "A"),
        Table("starrocks", "default_catalog", "finance", "z"),
    ]
    content = data([attempt(table=table, day=day) for table in tables for day in (YESTERDAY, TODAY)])
    assert content["days"] == ["2025-11-25", "2025-11-24"]
    assert [(*group[:3], [row[0] for row in group[3]]) for group in content["groups"]] == [
        ("Hive", "lake", "web", ["x"]),
        ("starrocks", "default_catalog", "finance", ["z"]),
        ("starrocks", "default_catalog", "shop", ["A", "b"]),
    ]


def test_days_on_which_a_table_was_not_asked_for_are_dots_and_the_last_ones_are_left_out() -> None:
    orders, items = others("orders", "items")
    days = [TODAY - timedelta(days=back) for back in (4, 2, 0)]
    content = data([*(attempt(table=orders, day=day) for day in days), attempt(table=items, day=days[1])])
    assert {row[0]: row[1] for row in content["groups"][0][3]} == {"orders": "111", "items": ".1"}


def test_what_names_no_table_and_date_has_no_cell_but_is_not_forgotten() -> None:
    lost = attempt(SYSTEM_ERROR, None, None, what="POST /x")
    picture = Picture.of([lost, attempt(OK, None, None, what="GET /y")])
    assert (picture.tables, picture.unplaced[0]) == ({}, lost)
    assert picture.counts == {Status.REFUSED: 1}
    assert told([lost]) == ["System error x1: POST /x"]
    assert [other[0] for other in data([lost])["others"]] == ["POST /x"]


# --- causes


def test_equal_failures_are_one_cause() -> None:
    days = [date(2025, 11, day) for day in range(5, 26)]
    assert told(attempt(SYSTEM_ERROR, day=day) for day in days) == ["System error x21: orders, 5 to 25 Nov 2025"]


def test_messages_that_differ_only_in_names_numbers_and_dates_are_one_cause() -> None:
    messages = [
        "table 'a' has no rows for 2025-11-24 after 31 s (request 16c0a2f4b7.156.1721)",
        "table 'b' has no rows for 2025-11-25 after 7 s (request 99b0a2f4b7.3.1722)",
    ]
    [cause] = told(attempt(Outcome(Status.FAILED, text), minute=minute) for minute, text in enumerate(messages * 2))
    assert cause == "table 'b' has no rows for 2025-11-25 after 7 s (request 99b0a2f4b7.3.1722) x1: orders, 25 Nov 2025"
    [cause] = told(
        attempt(Outcome(Status.FAILED, text), table) for text, table in zip(messages, others("a", "b"), strict=True)
    )
    assert cause == "table … has no rows for … after … s (request …) x2: a and b, 25 Nov 2025"


def test_a_table_that_a_message_names_does_not_make_a_cause_of_its_own() -> None:
    tables = others("orders", "items")
    texts = ["shop.orders is locked", "shop.items is locked"]
    attempts = [attempt(Outcome(Status.FAILED, text), table) for text, table in zip(texts, tables, strict=True)]
    assert told(attempts) == ["… is locked x2: items and orders, 25 Nov 2025"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SYSTEM_ERROR, UNAVAILABLE),
        (Outcome(Status.FAILED, "ORA-00942: no"), Outcome(Status.FAILED, "ORA-01017: no")),
        (Outcome(Status.FAILED, "x", http_status=502), Outcome(Status.FAILED, "x", http_status=503)),
        (Outcome(Status.REFUSED, "x", code="A1"), Outcome(Status.REFUSED, "x", code="A2")),
        (Outcome(Status.PENDING, "x"), Outcome(Status.SKIPPED, "x")),
    ],
)
def test_other_codes_and_texts_are_other_causes(one: Outcome, other: Outcome) -> None:
    tables = others("orders", "items")
    assert len(told([attempt(one, tables[0]), attempt(other, tables[1])])) == 2


def test_what_was_refreshed_later_is_told_apart_and_last() -> None:
    orders, items = others("orders", "items")
    attempts = [attempt(SYSTEM_ERROR, orders), attempt(OK, orders, minute=1), attempt(UNAVAILABLE, items, minute=-99)]
    causes = Picture.of(attempts).causes
    assert [(each.title, each.is_resolved) for each in causes] == [
        ("the gateway says 503 Service Unavailable", False),
        ("System error", True),
    ]


def test_the_newest_day_comes_first_then_what_concerns_most_and_failures_before_skips() -> None:
    tables = others("a", "b", "c", "d", "e")
    old = Outcome(Status.FAILED, "old")
    attempts = [
        *(attempt(old, table, YESTERDAY, -1440) for table in tables[:3]),
        attempt(SYSTEM_ERROR, tables[0]),
        *(attempt(UNAVAILABLE, table, minute=-9) for table in tables[1:3]),
        attempt(TEST_FAILED, tables[4], minute=99),
    ]
    assert [each.title for each in Picture.of(attempts).causes] == [
        "the gateway says 503 Service Unavailable",
        "System error",
        "old",
        "its test not_null_orders_id failed",
    ]


def test_a_cause_without_a_text_is_called_by_its_code_or_status() -> None:
    outcomes = [
        Outcome(Status.REFUSED, code="SM1"),
        Outcome(Status.FAILED, http_status=502),
        Outcome(Status.PENDING),
    ]
    tables = others("a", "b", "c")
    causes = Picture.of(map(attempt, outcomes, tables)).causes
    assert {each.title for each in causes} == {"SM1", "HTTP 502", "pending"}


def test_tables_of_one_name_are_told_apart_and_long_names_are_cut() -> None:
    tables = [ORDERS, ORDERS._replace(schema="web"), ORDERS._replace(name="x" * 100)]
    [cause] = told(attempt(SYSTEM_ERROR, table) for table in tables)
    assert cause == f"System error x3: shop.orders, {'x' * 59}… and web.orders, 25 Nov 2025"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([], ""),
        (["2025-11-05"], "5 Nov 2025"),
        (["2025-11-05", "2025-11-06"], "5 to 6 Nov 2025"),
        (["2025-10-31", "2025-11-01"], "31 Oct to 1 Nov 2025"),
        (["2024-12-31", "2025-01-01"], "31 Dec 2024 to 1 Jan 2025"),
        (["2025-11-05", "2025-11-08"], "2 dates, 5 to 8 Nov 2025"),
    ],
)
def test_dates_in_few_words(days: list[str], said: str) -> None:
    assert span([date.fromisoformat(day) for day in days]) == said


@pytest.mark.parametrize(
    ("names", "said"),
    [("", ""), ("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcde", "a, b, c and 2 more")],
)
def test_names_in_few_words(names: str, said: str) -> None:
    assert named(list(names)) == said


# --- the data of the page


def test_an_attempt_says_when_what_with_which_trace_id_and_how_long() -> None:
    first = Attempt(SYSTEM_ERROR, ORDERS, TODAY, NOON, "trace-1", 1.5)
    second = Attempt(OK, ORDERS, TODAY, NOON + timedelta(seconds=90), "trace-2")
    content = data([first, second])
    assert content["newest"] == (NOON + timedelta(seconds=90)).timestamp() * 1000
    [row] = content["groups"][0][3]
    outcomes = [content["outcomes"][row[2][at + 2]] for at in (0, 5)]
    assert outcomes == [
        ["refreshed", 200, "200", "", "", ""],
        ["refused", 200, "SM99002", "System error", "The scheduler did not accept the task", ""],
    ]
    del row[2][7], row[2][2]
    assert row[2] == [0, 0, "trace-2", -1, 0, 90_000, "trace-1", 1500]


def test_what_many_attempts_share_stands_once() -> None:
    text = encode(Picture.of(many(50, 30, failing=2)))
    assert text.count("The scheduler did not accept the task") == 1


def test_a_cause_names_its_tables_by_position_and_its_days_in_ranges() -> None:
    days = [TODAY - timedelta(days=back) for back in (6, 5, 3, 0)]
    attempts = [attempt(SYSTEM_ERROR, day=day) for day in days] + [
        attempt(table=ORDERS._replace(name="a"), day=days[1])
    ]
    [cause] = data(attempts)["causes"]
    assert cause[7] == [[1, 0, 0, 1, 1, 2, 3]]


def test_tags_and_runs_are_there_for_a_report() -> None:
    run = Run("dbt build", NOON, 61.5, 7, 1)
    content = data([attempt()], tags={ORDERS: ["nightly"]}, runs=[run])
    assert content["groups"][0][3][0][3] == ["nightly"]
    assert content["runs"] == [["dbt build", NOON.timestamp() * 1000, 61_500, 7, 1, 0, ""]]


@pytest.mark.parametrize("failing", [1000, 3])
def test_a_thousand_tables_and_ninety_dates_take_less_than_a_megabyte(failing: int) -> None:
    assert len(render(Picture.of(many(1000, 90, failing)), PAGE).encode()) < 1_000_000


def test_where_there_is_no_room_failures_stay_whole_and_older_successes_lose_most() -> None:
    attempts = list(many(30, 30, 20))
    content = data(attempts, room=20_000)
    rows = [row[2] for group in content["groups"] for row in group[3]]
    shown = [row[at : at + 5] for row in rows for at in range(0, len(row), 5)]
    failures = [each for each in shown if content["outcomes"][each[2]][0] == "refused"]
    successes = [each for each in shown if content["outcomes"][each[2]][0] == "refreshed"]
    assert len(failures) == sum(each.outcome is SYSTEM_ERROR for each in attempts)
    assert all(trace for _, _, _, trace, _ in failures)
    assert content["left"] == len(attempts) - len(shown) > 0
    oldest_with_trace = max(age for _, age, _, trace, _ in successes if trace)
    assert min(age for _, age, _, trace, _ in successes if trace is None) >= oldest_with_trace


def test_every_cause_has_its_text_however_little_room_there_is() -> None:
    attempts = [attempt(Outcome(Status.FAILED, chr(97 + n) * 500), table) for n, table in enumerate(others(*"abcdef"))]
    content = data(attempts, room=0)
    assert sorted(content["outcomes"][cause[1]][3][0] for cause in content["causes"]) == list("abcdef")


def test_a_text_without_end_is_cut_and_says_by_how_much() -> None:
    content = data([attempt(Outcome(Status.FAILED, "x" * 50_000))])
    assert content["outcomes"][0][3].endswith("x… (and 30,000 more characters)")


# --- the page

EVIL = "<script>alert('&')</script><!--"


def evil_page() -> str:
    outcome = Outcome(Status.FAILED, EVIL, EVIL, EVIL, by=EVIL)
    attempts = [Attempt(outcome, Table(EVIL, EVIL, EVIL, EVIL), TODAY, NOON, EVIL), Attempt(outcome, what=EVIL)]
    page = Page(EVIL, EVIL, EVIL, [(EVIL, EVIL)], Live(EVIL, EVIL, EVIL))
    return render(
        Picture.of(attempts, tags={Table(EVIL, EVIL, EVIL, EVIL): [EVIL]}, runs=[Run(EVIL, NOON, 1, 1, 1)]), page
    )


def embedded(text: str) -> str:
    return text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]


def test_nothing_that_is_shown_can_become_markup() -> None:
    text = evil_page()
    assert EVIL not in text
    assert "<!--" not in text
    assert text.count("<script") == text.count("</script>") == 2
    assert json.loads(embedded(text))["groups"][0][:3] == [EVIL] * 3
    assert html.escape(EVIL) in text.replace("&#39;", "&#x27;")


def test_the_page_loads_nothing_and_may_run_nothing_but_its_own() -> None:
    text = render(Picture.of([attempt()]), PAGE)
    assert set(re.findall(r"""(?:src|href)=["']?([^"'\s>]*)""", text)) <= {"data:,", "#tables", "${where}"}
    assert not re.search(r"@import|url\(", text)
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}(?: type=.module.)?>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "connect-src 'self'" in html.unescape(render(Picture.of([]), Page("x", live=Live("/picture", "1", "gone"))))


def test_a_reader_without_javascript_is_told_what_is_needed_and_what_there_is() -> None:
    text = render(Picture.of(many(12, 3, 9)), PAGE)
    plain = " ".join(
        re.sub("<[^>]+>", " ", html.unescape(re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL)[0])).split()
    )
    assert "This page needs JavaScript" in plain
    assert "12 tables, 3 dates, the newest 2025-11-25" in plain
    assert re.search(r"System error \(refused . \d: table_\d+", plain)


def test_a_lone_surrogate_does_not_break_the_page() -> None:
    text = render(Picture.of([attempt(table=ORDERS._replace(name="\ud800"))]), PAGE)
    served = text.encode(errors="backslashreplace").decode()
    assert json.loads(embedded(served))["groups"][0][3][0][0] == "\ud800"


def test_a_page_with_nothing_on_it_can_be_made() -> None:
    assert data([]) == {
        **{name: [] for name in ("days", "groups", "others", "causes", "runs", "outcomes")},
        "newest": 0,
        "counts": {},
        "left": 0,
    }
    assert "This page needs JavaScript" in render(Picture.of([]), PAGE)
