"""Chromium, driven by playwright, for the tests of the page; skipped where either is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbt_anymetrics.picture import Attempt, Page, Picture, render
from dbt_anymetrics.sandbox import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Request
    from playwright.sync_api import Page as Tab

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Open = Callable[..., "Tab"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install --group browser"
    )
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Open]:
    """Opens an address in a fresh window. At the end, nothing must have gone wrong or been asked for elsewhere."""
    faults: list[str] = []
    addresses: list[str] = []
    contexts = []

    def fault(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "ERR_CONNECTION_REFUSED" not in message.text:
            faults.append(message.text)

    def asked(request: Request) -> None:
        addresses.append(request.url)

    def open_(url: str, *, width: int = 1440, height: int = 900, **options: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        opened = context.new_page()
        opened.on("console", fault)
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("request", asked)
        opened.goto(url)
        return opened

    yield open_
    for context in contexts:
        context.close()
    assert faults == []
    assert {
        address for address in addresses if not address.startswith(("file:", "data:", "http://127.0.0.1:"))
    } == set()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Writes a page that is no server's, and gives its address."""

    def write(attempts: list[Attempt], **more: Any) -> str:
        path = tmp_path / "page.html"
        page = Page("Refreshes", "https://can.example.com", "dbt-anymetrics status")
        path.write_text(render(Picture.of(attempts, **more), page), encoding="utf-8")
        return path.as_uri()

    return write


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running
