"""A plan for people: what would be refreshed, what would not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby

import click

from dbt_anymetrics.output.grouping import Group, describe, grouped, nodes_are
from dbt_anymetrics.output.text import LABELS
from dbt_anymetrics.result import Item, Refresh, Result, Status, count, shown
from dbt_anymetrics.text import one_line


def plan_lines(items: Iterable[Item], *, every: bool = False) -> Iterator[str]:
    """A line for each table to refresh, then one for each reason not to, and the totals.

    Nodes that the run did not touch are counted; `every` lists these, and each node of a reason that many share.
    """
    planned = (item for item in items if isinstance(item, Refresh))
    for (unique_id, table, note), group in groupby(planned, _row):
        days = date_ranges(refresh.partition for refresh in group)
        yield _line("REFRESH", "green", f"{table} for {days} ({one_line(unique_id, 300)})" + (note and f": {note}"))
    others = (item for item in items if isinstance(item, Result))
    for each in others if every else grouped(others):
        yield from _reason(each) if isinstance(each, Group) else [_single(each)]
    counts = count(items)
    already = f", {counts.already} already refreshed" if counts.already else ""
    untouched = f", {counts.untouched} not touched" if counts.untouched else ""
    yield f"Plan: {counts.not_sent} to refresh, {counts.skip} skipped, {counts.error} wrong{already}{untouched}."


def _row(refresh: Refresh) -> tuple[str, str, str]:
    """What the dates of one line have in common."""
    return refresh.unique_id, refresh.table_name, shown(refresh).message or ""


def _reason(group: Group) -> Iterator[str]:
    if group.status is Status.UNTOUCHED and not group.is_wrong:
        reason, them = one_line(group.reason or "", 1000), "it" if group.number == 1 else "them"
        yield f"        {nodes_are(group.number)} not refreshed: {reason} (--all lists {them})"
    elif group.is_large:
        yield _line(*LABELS[group.status], f"{group} because {group.reason}")
    else:
        yield from map(_single, group.first)


def _single(result: Result) -> str:
    return _line(*LABELS[result.status], f"{describe(result)} because {result.message}")


def _line(label: str, colour: str, text: str) -> str:
    return f"{click.style(label.ljust(7), fg=colour)} {one_line(text, 1000)}"


def date_ranges(days: Iterable[date]) -> str:
    """Dates in their order, runs of days written as ranges."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ", ".join(str(first) if first == last else f"{first}..{last}" for first, last in ranges)
