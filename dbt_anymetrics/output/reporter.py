"""What a command tells while it works, and where that goes: two protocols, so that each can be any of several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from msgspec import Struct

from dbt_anymetrics.output.progress import Progress
from dbt_anymetrics.result import Counts, Item, PlanSeen, Refresh, Result

Level = Literal["info", "warn", "error"]


class Opening(Struct, frozen=True, kw_only=True):
    """What a command is about to send, and where. `run_date` says the date of the run and where it comes from."""

    address: str
    tenant_id: str
    tables: int
    refreshes: int
    run_date: str | None = None

    def __str__(self) -> str:
        """As `Refreshing 2 tables in AnyMetrics (https://host, tenant tn_1)`."""
        tables = "1 table" if self.tables == 1 else f"{self.tables:,} tables"
        dates = "" if self.refreshes == self.tables else f", {self.refreshes:,} dates in all,"
        return f"Refreshing {tables}{dates} in AnyMetrics ({self.address}, tenant {self.tenant_id})"


class Retry(Struct, frozen=True, kw_only=True):
    """A refresh that did not succeed and will be tried again after `wait` seconds; `attempt` counts from 1."""

    refresh: Refresh
    message: str
    attempt: int
    wait: float


class Output(Protocol):
    """Where lines go. No method raises, even when the stream behind it is closed: the work goes on."""

    def result(self, line: str, level: Level, result: Result | None = None) -> None:
        """Write a line that the user asked for; `result` is what it is about, where that is a single one."""

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""

    def progress(self, progress: Progress) -> None:
        """Show how far long work has come; called after each refresh."""

    def columns(self) -> int:
        """How many columns a line of results has, without its time of day."""


class Reporter(Protocol):
    """What tells the user, as it happens."""

    def note(self, text: str) -> None:
        """Show something that is good to know."""

    def warning(self, text: str) -> None:
        """Show a warning; the work goes on."""

    def error(self, text: str) -> None:
        """Show an error that does not belong to a single refresh."""

    def begin(self, items: Iterable[Item], opening: Opening | None) -> None:
        """Tell what is not sent and why, and what will be sent; `opening` is None when nothing is sent."""

    def retry(self, retry: Retry) -> None:
        """Tell that a refresh will be tried again."""

    def outcome(self, number: int, total: int, result: Result) -> None:
        """Tell how one refresh ended; `number` counts from 1."""

    def unsent(self, total: int, result: Result) -> None:
        """Tell of one of `total` refreshes that was not sent, or whose answer was not waited for."""

    def plan(self, seen: PlanSeen) -> None:
        """Tell how the wait for an acceleration plan ended."""

    def end(self, counts: Counts) -> None:
        """Tell that all is done."""
