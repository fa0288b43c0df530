"""The report in a real browser, made by the command from a ledger: what a reader sees and does."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.planning.plan import Held, Refreshes
from dbt_anymetrics.result import Counts, Refresh, Result, Status, Timing
from tests.browser.conftest import Open
from tests.browser.test_page import EVIL, NAMES, texts, violations
from tests.builders import manifest_json, node_json, run_json, write_artifacts
from tests.histories import ADDRESS, TENANT, long_history
from tests.ledgers import opened
from tests.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

TODAY = date(2025, 11, 25)
NOON = datetime(2025, 11, 25, 12, tzinfo=timezone.utc)
DAYS = [TODAY - timedelta(days=back) for back in range(21)]


def node(name: str, source: str = "starrocks") -> tuple[str, str]:
    return f"model.shop.{name}", f"{source}.`default_catalog.shop`.{name}"


def results(name: str, *, error: str | None = None, source: str = "starrocks", seconds: float = 0.2) -> list[Result]:
    """One for each day, oldest first."""
    unique_id, table = node(name, source)
    found = []
    for back, day in reversed([*enumerate(DAYS)]):
        at = NOON - timedelta(days=back)
        each = Refresh(unique_id=unique_id, table_name=table, partition=day, invocation_id=f"run-{day}")
        status = Status.ERROR if error else Status.SUCCESS
        facts: dict[str, Any] = {
            "http_status": 200,
            "code": "SM99002" if error else "200",
            "trace_id": f"{name}.{day}.1",
        }
        found.append(
            each.result(status, error, attempts=1, timing=Timing(at, at + timedelta(seconds=seconds)), **facts)
        )
    return found


def enter(recording: Recording, several: list[Result]) -> None:
    refreshes = [
        Refresh(
            unique_id=each.unique_id,
            table_name=each.table_name or "",
            partition=each.partition or TODAY,
            invocation_id=each.invocation_id,
        )
        for each in several
    ]
    recording.ask(refreshes, ())
    recording.add([(each, 10**9) for each in several])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a ledger that holds everything that there can be."""
    shop = Shop(tmp_path_factory.mktemp("report"))
    write_artifacts(shop.target, manifest_json(node_json("orders", tags=["nightly"])), run_json())
    with opened(shop.target) as database:
        recording = Recording(database, ADDRESS, TENANT, Command(kind="hook", process=os.getpid()))
        for name in NAMES:
            enter(recording, results(name))
        enter(recording, results("orders", error=f"System error {EVIL}"))
        enter(recording, results("slow_one", seconds=75))
        enter(recording, results("visits", source="doris"))
        held = Refreshes("model.shop.held", node("held")[1], DAYS[:2], "i")
        recording.ask([], [Held(held, ["test.shop.not_null_held_id"])])
        unsent = Refresh(unique_id="model.shop.late", table_name=node("late")[1], partition=TODAY, invocation_id="i")
        recording.ask([unsent, Result(unique_id="model.shop.wrong", status=Status.ERROR, message="a key is wrong")], ())
        recording.end(Counts(ok=7, error=3, not_sent=1), 1, 90)
    return made(shop)


def made(shop: Shop) -> str:
    done = shop.cli("report")
    assert (done.returncode, done.stderr) == (0, "")
    return (shop.target / "anymetrics_report.html").as_uri()


def names(tab: Tab) -> list[str]:
    return texts(tab, "#body .row:not(.group) .name")


def test_what_is_where(tab: Open, address: str) -> None:
    opened = tab(address, timezone_id="Asia/Tokyo")
    assert opened.title() == "(22) AnyMetrics refreshes"
    assert texts(opened, ".place")[0].startswith(f"{ADDRESS} · tenant {TENANT} · made ")
    assert texts(opened, ".place")[0].endswith(" UTC · times below are in Asia/Tokyo")
    assert opened.locator("#head .date").first.get_attribute("aria-label") == "Tuesday 25 November 2025"
    said = texts(opened, ".cause .what")
    assert f"System error {EVIL} \N{MULTIPLICATION SIGN} 21: orders, 5 to 25 Nov 2025" in said
    assert any(
        text.startswith("held back by a failed test until it passes: test.shop.not_null_held_id") for text in said
    )
    assert any(text.startswith("its settings are wrong: a key is wrong: model.shop.wrong") for text in said)
    assert texts(opened, "#runs .link")[0] == "slow_one"
    assert texts(opened, "#runs tbody th")[0] == "the hook"


def test_the_whole_text_and_the_trace_ids_can_be_copied(tab: Open, address: str) -> None:
    opened = tab(address, permissions=["clipboard-read", "clipboard-write"])
    opened.locator(".cause summary", has_text="System error").click()
    opened.locator(".cause[open] .copy").last.click()
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied.split() == [f"orders.{day}.1" for day in DAYS]


def test_search_and_filters(tab: Open, address: str) -> None:
    opened = tab(address)
    opened.keyboard.press("/")
    opened.keyboard.type("订单")
    assert names(opened) == ["订单明细表"]
    opened.keyboard.press("Escape")
    opened.click(".tile.failed, .tile.refused")
    assert names(opened) == ["orders"]
    opened.click(".tile.failed, .tile.refused")
    opened.click(".tile.skipped")
    assert names(opened) == ["held"]
    opened.click(".tile.skipped")
    opened.select_option("#source", "doris")
    assert names(opened) == ["visits"]
    opened.select_option("#source", "")
    opened.select_option("#tag", "nightly")
    assert names(opened) == ["orders"]


def test_groups_fold_and_a_row_opens_its_history(tab: Open, address: str) -> None:
    opened = tab(address)
    opened.click("#fold")
    assert names(opened) == []
    opened.click("#fold")
    opened.locator("#body .name", has_text="held").click()
    said = opened.locator("#history").inner_text()
    assert "held back by a failed test until it passes: test.shop.not_null_held_id" in said
    opened.keyboard.press("Escape")
    opened.locator("#body .name", has_text="orders").first.click()
    said = opened.locator("#history").inner_text()
    assert all(part in said for part in (f"orders.{TODAY}.1", "0.20 s", "the hook", "SM99002", EVIL))


def test_by_keyboard_alone(tab: Open, address: str) -> None:
    opened = tab(address)
    opened.focus("#body [tabindex='0']")
    opened.keyboard.press("Control+End")
    opened.keyboard.press("End")
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "history"
    opened.keyboard.press("Escape")
    assert opened.evaluate("document.activeElement.role") == "gridcell"


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    tab: Open, address: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: pip install --group browser"
    ).Axe()
    opened = tab(address, width=width, color_scheme=scheme)
    assert violations(axe, opened) == []
    for summary in opened.locator(".cause summary").all():
        summary.click()
    opened.locator("#body .name", has_text="slow_one").click()
    assert violations(axe, opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    end = opened.evaluate("scrollY + document.querySelector('main').getBoundingClientRect().bottom")
    assert opened.evaluate("document.documentElement.scrollHeight") <= max(end + 50, 900)


def test_a_thousand_tables_and_ninety_dates(tab: Open, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.target.mkdir()
    with opened(shop.target) as database:
        long_history(database)
    seen = tab(made(shop))
    assert texts(seen, "#shown") == ["1,000 tables, 90 dates"]
    assert seen.evaluate("document.querySelectorAll('*').length") < 6000
    seen.keyboard.press("/")
    seen.keyboard.type("table_0735")
    assert names(seen) == ["table_0735"]


def test_an_empty_ledger_says_what_to_do(tab: Open, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.target.mkdir()
    with opened(shop.target):
        pass
    seen = tab(made(shop), width=390)
    assert texts(seen, "h2:visible") == ["Nothing refreshed yet"]
    assert "dbt-anymetrics refresh" in seen.locator("#steps").inner_text()
