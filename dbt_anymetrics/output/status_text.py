"""What is pending and the last commands, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import groupby

import click

from dbt_anymetrics.ledger.awaited import Awaited
from dbt_anymetrics.ledger.entries import CommandEntry, Elsewhere, Entry
from dbt_anymetrics.ledger.unbuilt import UnbuiltNode
from dbt_anymetrics.output.plan_text import date_ranges
from dbt_anymetrics.result import Result
from dbt_anymetrics.text import first_of, one_line

_TABLES = 5
"""Tables of one cause that are named."""

_DAYS = 50
"""Dates of a table that are written out."""


class Cause:
    """Pending refreshes that share a reason: how many, since when, and the first few tables with their dates."""

    def __init__(self, first: Entry) -> None:
        self.reason = _reason(first)
        self.is_held = bool(first.tests)
        self.number = 0
        self.since = first.since
        self._tables: dict[str, list[date]] = {}
        self._others: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Count one more."""
        self.number += 1
        self.since = min(self.since, entry.since)
        if entry.table_name in self._tables or len(self._tables) < _TABLES:
            days = self._tables.setdefault(entry.table_name, [])
            if len(days) < _DAYS and entry.partition not in days:
                days.append(entry.partition)
        else:
            self._others.add(entry.table_name)

    def lines(self) -> Iterator[str]:
        """The reason, then a line for each of the first tables."""
        label, colour = ("HELD", "yellow") if self.is_held else ("PENDING", "red")
        yield f"  {click.style(label, fg=colour)} {self.number:,} since {_minute(self.since)}: {self.reason}"
        for table, days in self._tables.items():
            more = " ..." if len(days) == _DAYS else ""
            yield f"    {one_line(table, 200)} {date_ranges(days)}{more}"
        if self._others:
            yield f"    and {len(self._others):,} other tables"


def causes(entries: Iterable[Entry]) -> list[Cause]:
    """The entries by their reason, the reason of most first."""
    found: dict[str, Cause] = {}
    for entry in entries:
        found.setdefault(_reason(entry), Cause(entry)).add(entry)
    return sorted(found.values(), key=lambda cause: -cause.number)


def status_lines(
    pending: Sequence[Cause],
    mistakes: Sequence[Result],
    unbuilt: Sequence[UnbuiltNode],
    awaited: Sequence[Awaited],
    commands: Sequence[CommandEntry],
    elsewhere: Sequence[Elsewhere],
) -> Iterator[str]:
    """What is pending by cause, what is wrong or not built, plans to wait for, the last commands, what is elsewhere."""
    yield "Pending" if pending or mistakes else "Nothing is pending."
    for cause in pending:
        yield from cause.lines()
    for mistake in mistakes:
        yield f"  {click.style('WRONG', fg='red')} {mistake.unique_id}: {one_line(mistake.message or '', 1000)}"
    if unbuilt:
        yield ""
        yield "Not built by dbt, and so not refreshed"
        yield from _unbuilt(unbuilt)
    if awaited:
        yield ""
        yield "Triggered, and not seen refreshed since ('wait' waits for it, 'retry --drop' forgets it)"
        yield from (f"  {_awaited(each)}" for each in awaited)
    yield ""
    yield "Last commands" if commands else "No command is known."
    for command in commands:
        yield f"  {_command(command)}"
    if elsewhere:
        yield ""
        yield "Pending for another AnyMetrics or tenant"
        yield from (f"  {one_line(str(each), 1000)}" for each in elsewhere)


def _reason(entry: Entry) -> str:
    if entry.tests:
        names = ", ".join(one_line(test, 200) for test in entry.tests[:_TABLES])
        return f"wait until a failed test passes ({names})"
    reason = one_line(entry.message or "not sent", 500)
    return reason if not entry.perhaps_sent or "may have refreshed" in reason else f"{reason} (perhaps sent)"


def _unbuilt(nodes: Sequence[UnbuiltNode]) -> Iterator[str]:
    for message, group in groupby(sorted(nodes, key=lambda node: node.message), lambda node: node.message):
        same = list(group)
        since = _minute(min(node.since for node in same))
        names = first_of([one_line(node.unique_id, 200) for node in same])
        yield f"  {len(same):,} since {since}: {one_line(message, 500)} ({names})"


def _awaited(awaited: Awaited) -> str:
    message = awaited.message or (awaited.baseline.unknown and f"cannot tell: {awaited.baseline.unknown}")
    reason = f": {one_line(message, 500)}" if message else ""
    return f"{click.style('WAITING', fg='yellow')} plan {awaited.plan} since {_minute(awaited.since)}{reason}"


def _command(entry: CommandEntry) -> str:
    head = f"{_minute(entry.started_at)}  {entry.command:<8}"
    date_of_run = f", date of the run: {entry.run_date}" if entry.run_date else ""
    if entry.exit_code is None:  # its counts are noted at its end
        state = "it ended early: its end is not in the ledger" if entry.ended_at else "it is running"
        return f"{head} ({state}{date_of_run})"
    if entry.command == "wait":
        plans = entry.counts.ok + entry.counts.error
        return f"{head} {entry.counts.ok} of {plans} plans seen refreshed (exit code {entry.exit_code})"
    already = f", already refreshed: {entry.counts.already}" if entry.counts.already else ""
    return f"{head} {entry.counts}{already} (exit code {entry.exit_code}{date_of_run})"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
