"""What the user sees while refreshes are sent: dbt-like lines, or JSON events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import groupby
from typing import Any

import click
import msgspec

from dbt_anymetrics.plan import NOT_IN_RUN
from dbt_anymetrics.result import Counts, Result, Status, count
from dbt_anymetrics.text import one_line

_WIDTH = 100

_LABELS = {
    Status.SUCCESS: ("OK", "green"),
    Status.ERROR: ("ERROR", "red"),
    Status.SKIPPED: ("SKIP", "yellow"),
    Status.PLANNED: ("NOT SENT", "yellow"),
}


class TextReporter:
    """Lines as dbt writes them: results on stdout (or stderr, where stdout holds JSON), warnings on stderr."""

    def __init__(self, *, quiet: bool = False, results_to_stderr: bool = False) -> None:
        self._quiet = quiet
        self._results_to_stderr = results_to_stderr

    def warning(self, text: str) -> None:
        """Something is odd, and the work goes on."""
        if not self._quiet:
            click.echo(_stamped(f"{click.style('WARN', fg='yellow')} {one_line(text, 1000)}"), err=True)

    def error(self, text: str) -> None:
        """Something beside the refreshes went wrong."""
        click.echo(_stamped(f"{click.style('ERROR', fg='red')} {one_line(text, 1000)}"), err=True)

    def begin(self, results: Sequence[Result]) -> None:
        """The errors of the plan, and what is skipped with its reason."""
        elsewhere = 0
        for result in results:
            if result.message == NOT_IN_RUN:
                elsewhere += 1
            elif result.status in (Status.SKIPPED, Status.ERROR):
                self._line(result.status, describe(result), result.message)
        if elsewhere:
            nodes = "node was" if elsewhere == 1 else "nodes were"
            self._line(Status.SKIPPED, f"{elsewhere} configured {nodes} not part of this run", None)

    def outcome(self, number: int, total: int, result: Result) -> None:
        """One refresh: `1 of 3 OK <table> <date> ... [200 in 0.12s]`, and why it failed below it."""
        label, colour = _LABELS[result.status]
        head = f"{number} of {total} {label} {describe(result)} "
        seconds = result.timing.seconds if result.timing else 0.0
        tail = f"[{click.style(_answer(result), fg=colour)} in {seconds:.2f}s]"
        self._echo(_stamped(head.ljust(_WIDTH, ".") + f" {tail}"), result.status)
        if result.message:
            trace = f" (traceId {one_line(result.trace_id, 200)})" if result.trace_id else ""
            self._echo(_stamped(f"  {result.unique_id}: {one_line(result.message, 1000)}{trace}"), result.status)

    def end(self, results: Sequence[Result], counts: Counts) -> None:
        """What was not sent, then the counts."""
        for result in results:
            if result.status is Status.PLANNED:
                self._line(result.status, describe(result), result.message)
        status = Status.ERROR if counts.error or counts.not_sent else Status.SUCCESS
        self._echo(_stamped(f"Done. {counts}"), status)

    def _line(self, status: Status, subject: str, message: str | None) -> None:
        label, colour = _LABELS[status]
        reason = f": {one_line(message, 1000)}" if message else ""
        self._echo(_stamped(f"{click.style(label, fg=colour)} {subject}{reason}"), status)

    def _echo(self, line: str, status: Status) -> None:
        if not self._quiet or status in (Status.ERROR, Status.PLANNED):
            click.echo(line, err=self._results_to_stderr)


class JsonReporter:
    """One JSON object a line, of the same events."""

    def __init__(self, *, quiet: bool = False, results_to_stderr: bool = False) -> None:
        self._quiet = quiet
        self._results_to_stderr = results_to_stderr

    def warning(self, text: str) -> None:
        """Something is odd, and the work goes on."""
        self._event("warn", "warning", True, message=text)

    def error(self, text: str) -> None:
        """Something beside the refreshes went wrong."""
        self._event("error", "error", True, message=text)

    def begin(self, results: Sequence[Result]) -> None:
        """The errors of the plan, and what is skipped with its reason."""
        for result in results:
            if result.status in (Status.SKIPPED, Status.ERROR):
                self._result(result)

    def outcome(self, number: int, total: int, result: Result) -> None:
        """One refresh."""
        self._result(result, number=number, total=total)

    def end(self, results: Sequence[Result], counts: Counts) -> None:
        """What was not sent, then the counts."""
        for result in results:
            if result.status is Status.PLANNED:
                self._result(result)
        level = "error" if counts.error or counts.not_sent else "info"
        self._event(level, "done", self._results_to_stderr, message=f"Done. {counts}", counts=counts)

    def _result(self, result: Result, **more: Any) -> None:  # noqa: ANN401
        level = "error" if result.status in (Status.ERROR, Status.PLANNED) else "info"
        self._event(level, "refresh", self._results_to_stderr, result=result, **more)

    def _event(self, level: str, event: str, err: bool, **more: Any) -> None:  # noqa: ANN401
        if self._quiet and level != "error":
            return
        head = {"ts": datetime.now(timezone.utc), "level": level, "event": event}
        click.echo(msgspec.json.encode({**head, **more}).decode(), err=err)


def describe(result: Result) -> str:
    """The table and date of a result, or the node where it has none."""
    if result.table_name and result.partition:
        return f"{result.table_name} {result.partition}"
    return one_line(result.unique_id, 300)


def _answer(result: Result) -> str:
    """What stands for the answer on a line: AnyMetrics' code, else the HTTP status."""
    answer = result.code if result.code and result.code != "200" else result.http_status
    return one_line(str(answer or "no answer"), 40)


def _stamped(line: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}  {line}"


def plan_lines(results: Sequence[Result]) -> Iterator[str]:
    """A plan for a person: a line for each node and table, and the totals."""
    for (unique_id, table, status, message), group in groupby(results, _same_line):
        label, colour = ("REFRESH", "green") if status is Status.PLANNED else _LABELS[status]
        node = one_line(unique_id, 300)
        subject = f"{table} for {_dates(group)} ({node})" if status is Status.PLANNED else f"{node} because {message}"
        yield f"{click.style(label.ljust(7), fg=colour)} {one_line(subject, 1000)}"
    counts = count(results)
    yield f"Plan: {counts.not_sent} to refresh, {counts.skip} skipped, {counts.error} wrong."


def _same_line(result: Result) -> tuple[str, str | None, Status, str | None]:
    return result.unique_id, result.table_name, result.status, result.message


def _dates(results: Iterable[Result]) -> str:
    """The dates of results, runs of days written as ranges."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(result.partition for result in results if result.partition):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ", ".join(str(first) if first == last else f"{first}..{last}" for first, last in ranges)
