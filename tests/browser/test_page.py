"""The page in a real browser: what a reader sees and does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dbt_anymetrics.picture import Outcome, Run, Status, Table
from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.browser.conftest import Open
from tests.pictures import NOON, OK, ORDERS, SYSTEM_ERROR, TODAY, UNAVAILABLE, attempt, many

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

File = Callable[..., str]

EVIL = "<script>document['title']='broken'</script>"
TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
NAMES = [EVIL, "</script><b>", "جدول الطلبات", "订单明细表", "a_very_long_name_" * 6, 'it\'s "quoted" & <b>bold</b>']


def texts(tab: Tab, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in tab.locator(selector).all_text_contents()]


def trigger(sandbox: Sandbox, table: str, day: str = "2025-11-25") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(sandbox.url.rpartition(":")[2]), timeout=10)
    environment = sandbox.environment
    headers = {
        "tenant-id": environment["ANYMETRICS_TENANT_ID"],
        "auth-type": environment["ANYMETRICS_AUTH_TYPE"],
        "auth-value": environment["ANYMETRICS_AUTH_VALUE"],
        "Content-Type": "application/json",
    }
    body = {"tableName": table, "tenantId": environment["ANYMETRICS_TENANT_ID"], "tablePartition": day}
    connection.request("POST", "/anymetrics/api/v1/scheduler/task/trigger", json.dumps(body), headers)
    connection.getresponse().read()
    connection.close()


def days_of(table: Table, outcome: Outcome, count: int) -> list[Any]:
    return [attempt(outcome, table, TODAY - timedelta(days=back), -back) for back in range(count - 1, -1, -1)]


# --- what is seen


def test_the_newest_date_is_the_first_and_in_view(tab: Open, file: File) -> None:
    opened = tab(file(list(many(20, 60))))
    dates = opened.locator("#head .date")
    assert dates.first.get_attribute("aria-label") == "Tuesday 25 November 2025"
    assert dates.count() == 60
    box = dates.first.bounding_box()
    assert box is not None
    assert 0 < box["x"] < 500
    assert opened.locator("#body .cell").first.get_attribute("aria-label") == "Tuesday 25 November 2025: refreshed"


def test_the_head_of_a_month_fits_above_its_dates_however_few(tab: Open, file: File) -> None:
    days = ["2025-11-03", "2025-11-02", "2025-11-01", "2025-05-31", "2025-03-02", "2025-03-01", "2025-02-28"]
    opened = tab(file([attempt(day=date.fromisoformat(day)) for day in days]))
    assert texts(opened, "#head .month") == ["Nov 2025", "May", "Mar", "Feb"]
    for head in opened.locator("#head .month").all():
        month, text = head.bounding_box(), head.locator("span").bounding_box()
        assert month is not None
        assert text is not None
        assert text["x"] + text["width"] <= month["x"] + month["width"]


def test_failures_are_told_by_cause_with_the_whole_text_and_all_trace_ids(tab: Open, file: File) -> None:
    attempts = [attempt(outcome=OK), *days_of(ORDERS, SYSTEM_ERROR, 21)]
    opened = tab(file(attempts))
    assert texts(opened, ".cause .what") == [f"System error {TIMES} 21: orders, 5 to 25 Nov 2025"]
    opened.click(".cause summary")
    shown = texts(opened, ".cause pre")
    assert shown[0] == "System error The scheduler did not accept the task"
    assert shown[1].split() == [each.trace_id for each in reversed(attempts[1:])]


def test_marks_say_what_they_mean_without_colour(tab: Open, file: File) -> None:
    statuses = [Status.FAILED, Status.REFUSED, Status.PENDING, Status.WAITING, Status.SKIPPED]
    attempts = [attempt(Outcome(status), ORDERS._replace(name=status.value)) for status in statuses]
    opened = tab(file([*attempts, attempt(UNAVAILABLE), attempt(minute=1), attempt(minute=2)]))
    cells = opened.locator("#body .row:not(.group)")
    said = {
        cells.nth(n).locator(".name").inner_text(): cells.nth(n).locator(".cell").inner_text()
        for n in range(cells.count())
    }
    assert said == {"failed": TIMES, "refused": "!", "pending": "○", "waiting": "…", "skipped": DASH, "orders": "2"}
    assert "refreshed 2 times, after a failure" in str(opened.locator(".cell.late").get_attribute("aria-label"))


def test_strange_names_are_text(tab: Open, sandbox: Sandbox) -> None:
    for name in NAMES:
        trigger(sandbox, f"e.`c.s`.{name}")
        trigger(sandbox, name, "not a date")
    opened = tab(sandbox.url)
    assert sorted(texts(opened, "#body .row:not(.group) .name")) == sorted(NAMES)
    opened.locator("#body .name", has_text="<script>").click()
    assert texts(opened, "#history h2") == [EVIL]
    for summary in opened.locator(".cause summary").all():
        summary.click()
    assert "broken" not in opened.title()
    assert opened.locator("b", has_text="bold").count() == 0


def test_runs_and_slow_tables_are_listed(tab: Open, file: File) -> None:
    slow = [attempt(table=ORDERS._replace(name=name)) for name in ("fast", "slow")]
    timed = [each.__class__(**{**fields(each), "seconds": took}) for each, took in zip(slow, (0.5, 75.0), strict=True)]
    opened = tab(file(timed, runs=[Run("dbt build", NOON, 61, 2, 1)], tags={slow[0].table: ["nightly"]}))
    assert texts(opened, "#runs tbody .n") == ["1 min 1 s", "2", "1", "0", *["1 min 15 s"] * 2, *["0.50 s"] * 2]
    assert texts(opened, "#runs .link") == ["slow", "fast"]
    opened.select_option("#tag", "nightly")
    assert texts(opened, "#body .row:not(.group) .name") == ["fast"]


def fields(each: Any) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__slots__}


def test_without_javascript_the_page_says_what_it_needs_and_gives_a_summary(tab: Open, file: File) -> None:
    opened = tab(file(list(many(20, 3, 10))), java_script_enabled=False)
    said = " ".join(opened.locator("main").inner_text().split())
    assert "This page needs JavaScript" in said
    assert "20 tables, 3 dates, the newest 2025-11-25" in said
    assert f"System error (refused {TIMES} 6: table_" in said


def test_an_empty_page_has_lines_to_copy(tab: Open, sandbox: Sandbox) -> None:
    opened = tab(sandbox.url, permissions=["clipboard-read", "clipboard-write"])
    assert texts(opened, "h2:visible") == ["Nothing refreshed yet"]
    opened.click("#steps .copy >> nth=0")
    assert opened.evaluate("navigator.clipboard.readText()") == "\n".join(
        f"export {name}={value}" for name, value in sandbox.environment.items()
    )


def test_attempts_without_room_are_said_to_be_missing(tab: Open, file: File) -> None:
    opened = tab(file(list(many(300, 60))))
    opened.evaluate("grid.scrollLeft = 1e6")
    opened.locator("#body .cell.k-1").last.click()
    assert "dbt-anymetrics status" in opened.locator("#history").inner_text()


# --- what a reader does


def test_search_is_reached_by_a_key_and_answers_at_once(tab: Open, file: File) -> None:
    opened = tab(file(list(many(1000, 90))))
    opened.keyboard.press("/")
    took = opened.evaluate(
        """() => {
            const search = document.activeElement;
            search.value = "schema_3 table_0101";
            const start = performance.now();
            search.dispatchEvent(new Event("input", {bubbles: true}));
            document.body.getBoundingClientRect();
            return performance.now() - start;
        }"""
    )
    assert took < 500
    assert texts(opened, "#body .row:not(.group) .name") == ["table_0101"]
    assert texts(opened, "#shown") == ["1 of 1,000 tables, 90 dates"]
    opened.keyboard.press("Escape")
    assert texts(opened, "#shown") == ["1,000 tables, 90 dates"]


def test_the_tiles_filter_by_status_and_the_list_by_data_source(tab: Open, file: File) -> None:
    other = Table("doris", "internal", "web", "visits")
    opened = tab(file([attempt(), attempt(UNAVAILABLE, ORDERS._replace(name="items")), attempt(table=other)]))
    opened.click(".tile.failed")
    assert texts(opened, "#body .row:not(.group) .name") == ["items"]
    assert texts(opened, "#latest .name") == ["items"]
    opened.click(".tile.failed")
    opened.select_option("#source", "doris")
    assert texts(opened, "#body .row:not(.group) .name") == ["visits"]
    assert opened.locator(".cause").count() == 0


def test_the_grid_is_walked_by_keys(tab: Open, file: File) -> None:
    opened = tab(file(list(many(300, 60))))

    def focused() -> str:
        return str(
            opened.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )

    opened.focus("#body [tabindex='0']")
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        opened.keyboard.press(key)
    assert focused().startswith("Monday 24 November 2025: ")
    opened.keyboard.press("End")
    assert focused().startswith("Saturday 27 September 2025: ")
    opened.keyboard.press("Control+End")
    assert opened.evaluate("document.activeElement.parentElement.ariaRowIndex") == str(300 + 7 + 2)
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "history"
    opened.keyboard.press("Escape")
    assert focused().startswith("Saturday 27 September 2025: ")
    opened.keyboard.press("Control+Home")
    assert opened.evaluate("document.activeElement.ariaExpanded") == "true"
    opened.keyboard.press("ArrowLeft")
    assert opened.evaluate("document.activeElement.ariaExpanded") == "false"
    assert opened.locator("#body .group").first.locator(".cell").count() > 0


def test_everything_that_can_be_clicked_is_reached_by_tab(tab: Open, file: File) -> None:
    opened = tab(
        file(
            [
                attempt(),
                attempt(UNAVAILABLE, ORDERS._replace(name="items")),
                attempt(table=ORDERS._replace(schema="web")),
            ]
        )
    )
    opened.click(".cause summary")
    opened.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        opened.keyboard.press("Tab")
        reached.add(
            opened.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    assert {"skip", "search", "fold", "copy", "name", "tile failed ", "link", "SUMMARY", "BUTTON"} <= reached


def test_a_row_opens_its_history_with_every_attempt(tab: Open, file: File) -> None:
    attempts = [
        attempt(UNAVAILABLE),
        attempt(SYSTEM_ERROR, minute=1),
        attempt(minute=2),
        attempt(day=date(2025, 11, 24)),
    ]
    opened = tab(file(attempts), permissions=["clipboard-read", "clipboard-write"])
    opened.locator("#body .row:not(.group) .name").click()
    said = opened.locator("#history").inner_text()
    assert all(each.trace_id in said for each in attempts)
    assert "The scheduler did not accept the task" in said
    opened.locator("#body .cell >> nth=0").click()
    assert [text[:11] for text in texts(opened, "#history .head")] == ["25 Nov 2025"] * 3
    opened.click("#history .trace .copy >> nth=0")
    assert opened.evaluate("navigator.clipboard.readText()") == attempts[2].trace_id


def test_groups_fold_and_show_the_worst_of_each_date(tab: Open, file: File) -> None:
    opened = tab(
        file(
            [
                attempt(),
                attempt(UNAVAILABLE, ORDERS._replace(name="items")),
                attempt(table=ORDERS._replace(schema="web")),
            ]
        )
    )
    opened.click("#fold")
    assert opened.locator("#body .row").count() == 2
    assert opened.locator("#body .cell").first.get_attribute("aria-label") == "Tuesday 25 November 2025: failed"
    opened.click("#fold")
    assert opened.locator("#body .row").count() == 5


def test_a_print_holds_every_table(tab: Open, file: File) -> None:
    opened = tab(file(list(many(300, 60))))
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.emulate_media(media="print")
    assert opened.locator("#body .row").count() == 307
    assert "31 of 60 dates" in opened.locator("#head").inner_text()
    opened.emulate_media(media="screen")
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.locator("#body .row").count() < 100


# --- large pictures


def test_only_what_is_in_view_is_drawn_and_scrolling_is_smooth(tab: Open, file: File) -> None:
    opened = tab(file(list(many(1000, 90))))
    assert opened.evaluate("document.querySelectorAll('*').length") < 6000
    took = opened.evaluate(
        """async () => {
            const times = [];
            for (let step = 0; step < 60; step++) {
                grid.scrollTop += 100;
                grid.dispatchEvent(new Event("scroll"));
                // The page draws in the same frame, before this.
                times.push(await new Promise((done) => requestAnimationFrame((start) => {
                    document.body.getBoundingClientRect();
                    done(performance.now() - start);
                })));
            }
            return times.sort((a, b) => a - b)[30];
        }"""
    )
    # A few milliseconds where nothing else runs.
    assert took < 100
    assert opened.locator("#pinned").is_visible()
    opened.evaluate("grid.scrollTop = 1e7")
    opened.locator("#body .name", has_text="table_0993").wait_for()


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_the_page_is_never_wider_than_the_window(tab: Open, file: File, width: int) -> None:
    attempts = [*many(30, 40, 9), *(attempt(table=Table("e", "c", "s", name)) for name in NAMES)]
    opened = tab(file(attempts), width=width)
    for summary in opened.locator(".cause summary").all():
        summary.click()
    opened.locator("#body .name >> nth=1").click()
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    if width == 390:
        tiles = [tile.bounding_box() for tile in opened.locator(".tile").all()]
        assert len({tile["width"] for tile in tiles if tile}) == 1


# --- while the sandbox runs


def test_an_update_changes_only_what_is_new(tab: Open) -> None:
    refused = Shape.SYSTEM_ERROR
    with Sandbox(answers=lambda number: refused if number < 2 else None) as sandbox:
        for number in range(60):
            for day in ("2025-11-23", "2025-11-24"):
                trigger(sandbox, f"e.`c.s{number % 2}`.t{number:02d}", day)
        opened = tab(sandbox.url)
        opened.click(".cause summary")
        opened.fill("#search", "t")
        opened.locator("#body .name", has_text="t20").click()
        opened.evaluate("grid.scrollTop = 300")
        opened.keyboard.press("ArrowRight")
        opened.evaluate("getSelection().selectAllChildren(document.querySelector('.cause pre'))")
        before = opened.evaluate("[grid.scrollTop, document.activeElement.getAttribute('aria-label')]")
        trigger(sandbox, "e.`c.s0`.a_new_one_t", "2025-11-24")
        opened.locator("#shown", has_text="61 tables").wait_for()
        after = opened.evaluate("[grid.scrollTop, document.activeElement.getAttribute('aria-label')]")
        assert after == [before[0] + 27, before[1]]
        assert opened.evaluate("getSelection().toString()").startswith("System error")
        assert opened.input_value("#search") == "t"
        assert opened.locator(".cause[open]").count() == 1
        assert texts(opened, "#history h2") == ["t20"]


def test_the_first_refresh_fills_the_page_and_the_end_is_said(tab: Open) -> None:
    with Sandbox() as sandbox:
        opened = tab(sandbox.url)
        trigger(sandbox, "e.`c.s`.t")
        opened.locator("#body .cell.k-1").wait_for()
        assert opened.locator("#steps").is_hidden()
        assert texts(opened, "#live") == ["Live"]
    opened.locator("#live", has_text="The sandbox has stopped").wait_for()


# --- contrast, labels, roles


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_nothing(tab: Open, file: File, scheme: str, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install --group browser"
    ).Axe()
    statuses = [Status.FAILED, Status.REFUSED, Status.PENDING, Status.WAITING, Status.SKIPPED]
    attempts = [attempt(Outcome(status, "a message"), ORDERS._replace(name=status.value)) for status in statuses]
    attempts += [attempt(), attempt(minute=1), attempt(table=Table("doris", "internal", "web", "visits")), *many(12, 3)]
    opened = tab(file(attempts, runs=[Run("dbt build", NOON, 61, 2, 1)]), width=width, color_scheme=scheme)
    assert violations(axe, opened) == []
    for summary in opened.locator(".cause summary").all():
        summary.click()
    opened.locator("#body .name >> nth=2").click()
    assert violations(axe, opened) == []


def violations(axe: Any, opened: Tab) -> list[str]:
    found = axe.run(opened).response["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for each in found for node in each["nodes"]
    ]
