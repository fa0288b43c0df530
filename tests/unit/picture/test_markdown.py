"""The picture as Markdown, read by another Markdown: a text stays a text, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dbt_anymetrics.picture import Attempt, Outcome, Page, Picture, Run, Status, Table, markdown
from dbt_anymetrics.picture.markdown import plain
from dbt_anymetrics.text import one_line
from tests.pictures import NOON, OK, ORDERS, SYSTEM_ERROR, TODAY, UNAVAILABLE, attempt, many

PAGE = Page("Refreshes", "https://can.example.com · tenant tn_1", "dbt-anymetrics report")
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

MARKUP = st.lists(
    st.sampled_from(
        [
            *"\\`*_[]()<>&|~$@#!{}:-+=\"'\n\r\t\u2028\u202e\x00",
            "a",
            "1",
            " ",
            "<script>",
            "</td>",
            "&lt;",
            "http://x.y",
            "```",
            "---",
            "| --- |",
            "\\|",
            "\ud800",
            "<!--",
            "![x](y)",
            "www.x.y",
            "[^1]",
            "中文",
            "جدول",
        ]
    )
).map("".join)


class Cells(HTMLParser):
    """The text of each cell, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._is_inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._is_inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.rows[-1][-1] += data


def read(attempts: list[Attempt], page: Page = PAGE, runs: tuple[Run, ...] = ()) -> Cells:
    return Cells(READER.render(markdown(Picture.of(attempts, runs=runs), page)))


@given(text=st.one_of(st.text(), MARKUP), place=MARKUP)
def test_no_text_is_markup(text: str, place: str) -> None:
    table = Table(text, text, text, text or "t")
    attempts = [Attempt(Outcome(Status.FAILED, text, code=text), table, TODAY, NOON, text, 2.0)]
    page = Page(place, place, place, notes=[text])
    attempts.append(Attempt(Outcome(Status.PENDING, text), what=text))
    found = read(attempts, page, (Run(text, NOON, 1, 1, 1, 1, text),))
    assert found.tags <= {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert [len(row) for row in found.rows][:3] == [7, 7, 3]
    assert [len(row) for row in found.rows][-4:] == [6, 6, 3, 3]


@given(text=st.one_of(st.text(), MARKUP))
def test_a_text_is_shown_as_it_is(text: str) -> None:
    wanted = one_line(text, 240)
    [_, [shown, *_]] = Cells(READER.render(f"| a | b |\n| --- | --- |\n| x{plain(text)}x | b |")).rows
    assert shown == f"x{wanted}x"


def test_names_with_underscores_can_be_read_in_the_source_too() -> None:
    assert plain("fct_orders of 12:30, at 5 %") == "fct_orders of 12:30, at 5 %"


def test_equal_failures_are_one_line() -> None:
    days = [TODAY.replace(day=day) for day in range(5, 26)]
    found = read([attempt(), *(attempt(SYSTEM_ERROR, day=day) for day in days)])
    trace = attempt(SYSTEM_ERROR, day=TODAY).trace_id
    assert found.rows == [
        ["refreshed", "failed", "pending", "waiting", "skipped", "tables", "dates"],
        ["0", "21", "0", "0", "0", "1", "21"],
        ["", "why, and which tables and dates", "newest answer"],
        [
            "refused",
            "System error \N{MULTIPLICATION SIGN} 21: orders, 5 to 25 Nov 2025",
            f"HTTP 200, SM99002, trace {trace}",
        ],
    ]


def test_what_was_refreshed_later_is_no_longer_told() -> None:
    assert "Not refreshed" not in markdown(Picture.of([attempt(UNAVAILABLE), attempt(minute=1)]), PAGE)


def test_runs_and_slowest_tables() -> None:
    tables = [ORDERS._replace(name=name) for name in ("fast", "slow")]
    attempts = [replace(attempt(OK, table), seconds=took) for table, took in zip(tables, (0.5, 75.0), strict=True)]
    found = read(attempts, runs=(Run("the hook", NOON, 3700, 2, 1), Run("retry", NOON, None, 0, 0, 4, "running")))
    assert found.rows[2:] == [
        ["run", "started", "took", "refreshed", "failed", "not sent"],
        ["the hook", "2025-11-25 12:00 UTC", "1 h 1 min", "2", "1", "0"],
        ["retry (running)", "2025-11-25 12:00 UTC", "", "0", "0", "4"],
        ["table", "median", "longest"],
        ["shop.slow", "1 min 15 s", "1 min 15 s"],
        ["shop.fast", "0.50 s", "0.50 s"],
    ]


def test_the_most_that_there_is_takes_about_thirty_lines() -> None:
    causes = [
        attempt(Outcome(Status.FAILED, f"{letter} is broken"), day=TODAY.replace(day=n))
        for n, letter in enumerate("abcdefgh", 1)
    ]
    attempts = [*causes, *(replace(each, seconds=1.0) for each in many(10, 3))]
    text = markdown(Picture.of(attempts, runs=[Run("retry", NOON, 1, 1, 1)] * 9), PAGE)
    assert len([line for line in text.splitlines() if line]) <= 32
    assert "2 more causes are not shown. To see all: dbt-anymetrics report" in text


@pytest.mark.parametrize("page", [Page("Refreshes"), PAGE])
def test_of_nothing_there_are_only_noughts(page: Page) -> None:
    assert read([], page).rows[1] == ["0"] * 7
