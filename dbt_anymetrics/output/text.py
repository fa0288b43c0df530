"""Lines as dbt writes them, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import click

from dbt_anymetrics.output.grouping import Group, describe, grouped, nodes_are
from dbt_anymetrics.output.progress import Progress, is_long
from dbt_anymetrics.output.reporter import Level, Opening, Output, Retry
from dbt_anymetrics.result import Counts, Freshness, Item, PlanSeen, Result, Status
from dbt_anymetrics.text import one_line

_WIDTH = 80
"""Columns of a line before its answer, as in dbt; fewer on a narrow terminal."""

_LONG_WAIT = 5.0
"""Seconds. A longer wait is shown each time, a shorter one once for each reason."""

LABELS = {
    Status.SUCCESS: ("OK", "green"),
    Status.WAITING: ("WAITING", "yellow"),
    Status.ERROR: ("ERROR", "red"),
    Status.SKIPPED: ("SKIP", "yellow"),
    Status.PLANNED: ("PLANNED", "cyan"),
    Status.PENDING: ("NOT SENT", "yellow"),
    Status.UNTOUCHED: ("-", "yellow"),
}


class TextReporter:
    """Lines as dbt writes them."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._start()

    def _start(self) -> None:
        self._progress = Progress()
        self._unsent: Counter[str] = Counter()
        self._retried: set[str] = set()
        self._already = "already refreshed"

    def note(self, text: str) -> None:
        """Show something that is good to know."""
        self._output.log(one_line(text, 1000), "info")

    def warning(self, text: str) -> None:
        """Show a warning; the work goes on."""
        self._output.log(f"{click.style('WARN', fg='yellow')} {one_line(text, 1000)}", "warn")

    def error(self, text: str) -> None:
        """Show an error that does not belong to a single refresh."""
        self._output.log(f"{click.style('ERROR', fg='red')} {one_line(text, 1000)}", "error")

    def begin(self, items: Iterable[Item], opening: Opening | None) -> None:
        """Tell what is wrong, what is skipped and why, what the run did not touch, and what will be sent."""
        self._start()
        for group in grouped(item for item in items if isinstance(item, Result)):
            self._group(group)
        if opening:
            self._output.result(one_line(str(opening), 1000), "info")
            if opening.run_date:
                self._output.result(f"The date of the run is {opening.run_date}", "info")

    def retry(self, retry: Retry) -> None:
        """Tell that a refresh will be tried again: once for each reason, and whenever the wait is long."""
        if retry.message in self._retried and retry.wait < _LONG_WAIT:
            return
        self._retried.add(retry.message)
        text = f"{one_line(retry.message, 1000)}. Trying again in {retry.wait:.1f} s"
        self._output.log(f"{click.style('RETRY', fg='yellow')} {text}", "info")

    def outcome(self, number: int, total: int, result: Result) -> None:
        """Tell of one refresh, unless it is one of many that succeed, and how far the work has come."""
        ok = result.status is not Status.ERROR
        self._progress.count(number, total, ok=ok)
        if result.is_done_before:
            self._already = _way(result)
        elif not (ok and is_long(total)):
            self._refresh(number, total, result)
        if is_long(total):
            self._output.progress(self._progress)

    def unsent(self, total: int, result: Result) -> None:
        """Tell of one refresh that was not sent, and why; of long work, once for each reason, at the end."""
        if is_long(total):
            self._unsent[result.message or ""] += 1
        else:
            self._line(result)

    def plan(self, seen: PlanSeen) -> None:
        """Tell how the wait for an acceleration plan ended."""
        is_fresh = seen.freshness is Freshness.REFRESHED
        label = _label(Status.SUCCESS if is_fresh else Status.WAITING)
        self._output.result(f"{label} {one_line(str(seen), 1000)}", "info" if is_fresh else "error")

    def end(self, counts: Counts) -> None:
        """Tell the counts."""
        for reason, number in self._unsent.items():
            told = f"{number} refresh{'es' if number > 1 else ''}: {one_line(reason, 1000)}"
            self._output.result(f"{_label(Status.PENDING)} {told}", "error")
        already = f", {self._already}: {counts.already}" if counts.already else ""
        late = f", plans not seen refreshed: {counts.late_plans}" if counts.late_plans else ""
        self._output.result(f"AnyMetrics: Done. {counts}{already}{late}", "info" if counts.all_well else "error")

    def _group(self, group: Group) -> None:
        reason = one_line(group.reason or "", 1000)
        if group.first[0].is_done_before:
            self._already = _way(group.first[0])
        elif group.status is Status.UNTOUCHED and not group.is_wrong:
            self._output.result(f"{nodes_are(group.number)} not refreshed: {reason}", "info")
        elif group.is_large:
            self._output.result(f"{_label(group.status)} {group}: {reason}", _level(group.status))
        else:
            for result in group.first:
                self._line(result)

    def _refresh(self, number: int, total: int, result: Result) -> None:
        """Write `1 of 3 OK <table> <date> ... [200 in 0.12s]`, and why it failed below it."""
        label, colour = LABELS[result.status]
        head = f"{number} of {total} {label} {describe(result)} "
        answer, seconds = _answer(result), f" in {result.timing.seconds if result.timing else 0.0:.2f}s]"
        width = min(_WIDTH, self._output.columns() - len(f" [{answer}{seconds}"))
        tail = f" [{click.style(answer, fg=colour)}{seconds}"
        self._output.result(head.ljust(width, ".") + tail, _level(result.status), result)
        if result.message:
            trace = f" (traceId {one_line(result.trace_id, 200)})" if result.trace_id else ""
            message = f"  {one_line(result.unique_id, 300)}: {one_line(result.message, 1000)}{trace}"
            self._output.result(message, _level(result.status))

    def _line(self, result: Result) -> None:
        reason = f": {one_line(result.message, 1000)}" if result.message else ""
        label = click.style("WARN", fg="yellow") if result.status is Status.UNTOUCHED else _label(result.status)
        self._output.result(f"{label} {describe(result)}{reason}", _level(result.status), result)


def _way(result: Result) -> str:
    """By what it was already refreshed."""
    return one_line(result.message or "", 1000).partition(";")[0]


def _label(status: Status) -> str:
    label, colour = LABELS[status]
    return click.style(label, fg=colour)


def _level(status: Status) -> Level:
    return "error" if status in (Status.ERROR, Status.PENDING) else "info"


def _answer(result: Result) -> str:
    """How a line shows the answer: AnyMetrics' code, else the HTTP status."""
    answer = result.code if result.code and result.code != "200" else result.http_status
    return one_line(str(answer or "no answer"), 40)
