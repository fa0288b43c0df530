"""What the user sees while refreshes are sent: dbt-like lines, or JSON events of dbt's form."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from itertools import groupby
from typing import Any, Literal, Protocol

import click
import msgspec

from dbt_anymetrics.output.progress import Bar, Progress, is_long, is_terminal
from dbt_anymetrics.plan import WRONG_SETTINGS
from dbt_anymetrics.result import Counts, Result, Status, count
from dbt_anymetrics.text import one_line

Level = Literal["info", "warn", "error"]

_WIDTH = 100

_MANY = 5
"""Nodes skipped for one and the same reason that are still listed one by one."""

_LABELS = {
    Status.SUCCESS: ("OK", "green"),
    Status.ERROR: ("ERROR", "red"),
    Status.SKIPPED: ("SKIP", "yellow"),
    Status.PLANNED: ("NOT SENT", "yellow"),
}


class Output(Protocol):
    """Where lines go."""

    def result(self, line: str, level: Level) -> None:
        """A line that the user asked for."""

    def log(self, line: str, level: Level) -> None:
        """A line about the work itself."""

    def progress(self, progress: Progress) -> None:
        """How far long work has come, after each refresh."""


class Reporter(Protocol):
    """What tells the user, as it happens."""

    def warning(self, text: str) -> None:
        """Something is odd, and the work goes on."""

    def error(self, text: str) -> None:
        """Something beside the refreshes went wrong."""

    def begin(self, results: Iterable[Result]) -> None:
        """What is not sent, before the rest is."""

    def outcome(self, number: int, total: int, result: Result) -> None:
        """One refresh came to its end; `number` counts from 1."""

    def unsent(self, total: int, result: Result) -> None:
        """One refresh of so many that was not sent, or whose answer nobody waited for."""

    def end(self, counts: Counts) -> None:
        """All is done."""


class Console:
    """Results on stdout, or on stderr where stdout holds the artifact; the log on stderr. `quiet` leaves the errors."""

    def __init__(self, *, quiet: bool = False, results_to_stderr: bool = False, stamped: bool = True) -> None:
        self._quiet = quiet
        self._results_to_stderr = results_to_stderr
        self._stamped = stamped
        self._bar = Bar(hidden=quiet)
        self._is_watched = self._bar.visible and is_terminal(sys.stderr if results_to_stderr else sys.stdout)

    def result(self, line: str, level: Level) -> None:
        """Write a line that the user asked for."""
        self._echo(line, level, err=self._results_to_stderr)

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""
        self._echo(line, level, err=True)

    def progress(self, progress: Progress) -> None:
        """Draw the bar where somebody watches; where the results go elsewhere, they get a line now and then."""
        if progress.is_due and not self._is_watched:
            self.result(str(progress), "info")
        self._bar.draw(progress)

    def _echo(self, line: str, level: Level, *, err: bool) -> None:
        if self._quiet and level != "error":
            return
        self._bar.erase()
        stamp = f"{datetime.now().astimezone():%H:%M:%S}  " if self._stamped else ""
        with suppress(OSError):  # whoever read the lines is gone, or their disk is full; the work goes on
            click.echo(f"{stamp}{line}", err=err)


class _Alike:
    """How many results share a reason, and the first of them: all of them would fill the memory."""

    def __init__(self) -> None:
        self.number = 0
        self.first: list[Result] = []

    def add(self, result: Result) -> None:
        self.number += 1
        if len(self.first) < _MANY:
            self.first.append(result)


class TextReporter:
    """Lines as dbt writes them."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._progress = Progress()
        self._unsent: Counter[str] = Counter()

    def warning(self, text: str) -> None:
        """Something is odd, and the work goes on."""
        self._output.log(f"{click.style('WARN', fg='yellow')} {one_line(text, 1000)}", "warn")

    def error(self, text: str) -> None:
        """Something beside the refreshes went wrong."""
        self._output.log(f"{click.style('ERROR', fg='red')} {one_line(text, 1000)}", "error")

    def begin(self, results: Iterable[Result]) -> None:
        """The errors of the plan, and what is skipped with its reason; a reason that many nodes share is told once."""
        skipped: dict[str, _Alike] = defaultdict(_Alike)
        for result in results:
            if result.status is Status.ERROR:
                self._line(result, describe(result), result.message)
            elif result.status is Status.SKIPPED:
                skipped[(result.message or "").partition(WRONG_SETTINGS)[0]].add(result)
        for reason, alike in skipped.items():
            if alike.number > _MANY:
                self._line(alike.first[0], f"{alike.number} configured nodes or dates", reason)
                continue
            for result in alike.first:
                self._line(result, describe(result), result.message)
        self._progress = Progress()
        self._unsent.clear()

    def outcome(self, number: int, total: int, result: Result) -> None:
        """One refresh: its line, unless it is one of many that succeed, and how far the work has come."""
        ok = result.status is Status.SUCCESS
        self._progress.count(number, total, ok=ok)
        if not (ok and is_long(total)):
            self._refresh(number, total, result)
        if is_long(total):
            self._output.progress(self._progress)

    def unsent(self, total: int, result: Result) -> None:
        """One refresh that was not sent, and why; of long work, a reason that many share is told once, at the end."""
        if is_long(total):
            self._unsent[result.message or ""] += 1
        else:
            self._line(result, describe(result), result.message)

    def end(self, counts: Counts) -> None:
        """The counts."""
        label, colour = _LABELS[Status.PLANNED]
        for reason, number in self._unsent.items():
            told = f"{number} refresh{'es' if number > 1 else ''}: {one_line(reason, 1000)}"
            self._output.result(f"{click.style(label, fg=colour)} {told}", "error")
        self._output.result(f"Done. {counts}", "info" if counts.all_well else "error")

    def _refresh(self, number: int, total: int, result: Result) -> None:
        """`1 of 3 OK <table> <date> ... [200 in 0.12s]`, and why it failed below it."""
        label, colour = _LABELS[result.status]
        head = f"{number} of {total} {label} {describe(result)} "
        seconds = result.timing.seconds if result.timing else 0.0
        tail = f"[{click.style(_answer(result), fg=colour)} in {seconds:.2f}s]"
        self._output.result(head.ljust(_WIDTH, ".") + f" {tail}", _level(result))
        if result.message:
            trace = f" (traceId {one_line(result.trace_id, 200)})" if result.trace_id else ""
            message = f"  {one_line(result.unique_id, 300)}: {one_line(result.message, 1000)}{trace}"
            self._output.result(message, _level(result))

    def _line(self, result: Result, subject: str, message: str | None) -> None:
        label, colour = _LABELS[result.status]
        reason = f": {one_line(message, 1000)}" if message else ""
        self._output.result(f"{click.style(label, fg=colour)} {subject}{reason}", _level(result))


class JsonReporter:
    """One JSON object a line, `info` and `data` as in dbt's own JSON log."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def warning(self, text: str) -> None:
        """Something is odd, and the work goes on."""
        self._output.log(_event("Warning", "warn", text), "warn")

    def error(self, text: str) -> None:
        """Something beside the refreshes went wrong."""
        self._output.log(_event("Error", "error", text), "error")

    def begin(self, results: Iterable[Result]) -> None:
        """The errors of the plan, and what is skipped with its reason."""
        for result in results:
            if result.status in (Status.SKIPPED, Status.ERROR):
                self._result(result)

    def outcome(self, number: int, total: int, result: Result) -> None:
        """One refresh."""
        self._result(result, number=number, total=total)

    def unsent(self, total: int, result: Result) -> None:
        """One refresh that was not sent."""
        self._result(result, total=total)

    def end(self, counts: Counts) -> None:
        """The counts."""
        level: Level = "info" if counts.all_well else "error"
        self._output.result(_event("Done", level, f"Done. {counts}", counts=counts), level)

    def _result(self, result: Result, **more: Any) -> None:  # noqa: ANN401
        label, _ = _LABELS[result.status]
        text = f"{label} {describe(result)}" + (f": {result.message}" if result.message else "")
        self._output.result(_event("Refresh", _level(result), text, result=result, **more), _level(result))


def _event(name: str, level: Level, text: str, **data: Any) -> str:  # noqa: ANN401
    info = {"name": name, "level": level, "msg": one_line(text, 2000), "ts": datetime.now(timezone.utc)}
    return msgspec.json.encode({"info": info, "data": data}).decode()


def describe(result: Result) -> str:
    """The table and date of a result, or the node where it has none."""
    if result.table_name and result.partition:
        return one_line(f"{result.table_name} {result.partition}", 300)
    return one_line(result.unique_id, 300)


def plan_lines(results: Iterable[Result]) -> Iterator[str]:
    """A plan for a person: a line for each node and table, and the totals."""
    for (unique_id, table, status, message), group in groupby(results, _same_line):
        label, colour = ("REFRESH", "green") if status is Status.PLANNED else _LABELS[status]
        node = one_line(unique_id, 300)
        what = f"{table} for {_dates(group)} ({node})" if table else node
        subject = what if status is Status.PLANNED else f"{what} because {message}"
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


def _level(result: Result) -> Level:
    return "error" if result.status in (Status.ERROR, Status.PLANNED) else "info"


def _answer(result: Result) -> str:
    """What stands for the answer on a line: AnyMetrics' code, else the HTTP status."""
    answer = result.code if result.code and result.code != "200" else result.http_status
    return one_line(str(answer or "no answer"), 40)
