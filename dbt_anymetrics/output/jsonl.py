"""One JSON object a line, `info` and `data` as in dbt's own JSON log, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import msgspec

from dbt_anymetrics.output.grouping import describe, grouped, nodes_are
from dbt_anymetrics.output.reporter import Level, Opening, Output, Retry
from dbt_anymetrics.output.text import LABELS
from dbt_anymetrics.result import Counts, Freshness, Item, PlanSeen, Result, Status
from dbt_anymetrics.text import one_line


class JsonReporter:
    """One event a line."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def note(self, text: str) -> None:
        """Show something that is good to know."""
        self._output.log(_event("Note", "info", text), "info")

    def warning(self, text: str) -> None:
        """Show a warning; the work goes on."""
        self._output.log(_event("Warning", "warn", text), "warn")

    def error(self, text: str) -> None:
        """Show an error that does not belong to a single refresh."""
        self._output.log(_event("Error", "error", text), "error")

    def begin(self, items: Iterable[Item], opening: Opening | None) -> None:
        """Tell what is wrong, what is skipped and why, what the run did not touch, and what will be sent."""
        for item in items:
            if isinstance(item, Result) and item.status is not Status.UNTOUCHED:
                self._result(item)
        untouched = (item for item in items if isinstance(item, Result) and item.status is Status.UNTOUCHED)
        for group in grouped(untouched):
            text = f"{nodes_are(group.number)} not refreshed: {group.reason}"
            self._output.result(_event("Untouched", "info", text, nodes=group.number, reason=group.reason), "info")
        if opening:
            self._output.result(_event("Opening", "info", str(opening), opening=opening), "info")

    def retry(self, retry: Retry) -> None:
        """Tell that a refresh will be tried again."""
        text = f"{describe(retry.refresh)}: {retry.message}. Trying again in {retry.wait:.1f} s"
        self._output.log(_event("Retry", "info", text, retry=retry), "info")

    def outcome(self, number: int, total: int, result: Result) -> None:
        """Tell how one refresh ended."""
        self._result(result, number=number, total=total)

    def unsent(self, total: int, result: Result) -> None:
        """Tell of one refresh that was not sent."""
        self._result(result, total=total)

    def plan(self, seen: PlanSeen) -> None:
        """Tell how the wait for an acceleration plan ended."""
        level: Level = "info" if seen.freshness is Freshness.REFRESHED else "error"
        self._output.result(_event("Plan", level, str(seen), plan=seen), level)

    def end(self, counts: Counts) -> None:
        """Tell the counts."""
        level: Level = "info" if counts.all_well else "error"
        self._output.result(_event("Done", level, f"AnyMetrics: Done. {counts}", counts=counts), level)

    def _result(self, result: Result, **more: Any) -> None:
        label, _ = LABELS[result.status]
        level: Level = "error" if result.status in (Status.ERROR, Status.PENDING) else "info"
        text = f"{label} {describe(result)}" + (f": {result.message}" if result.message else "")
        self._output.result(_event("Refresh", level, text, result=result, **more), level)


def _event(name: str, level: Level, text: str, **data: Any) -> str:
    info = {"name": name, "level": level, "msg": one_line(text, 2000), "ts": datetime.now(timezone.utc)}
    return msgspec.json.encode({"info": info, "data": data}).decode()
