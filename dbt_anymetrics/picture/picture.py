"""The picture: tables against dates, newest first, and why some are not refreshed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from dbt_anymetrics.picture.causes import Cause, causes
from dbt_anymetrics.picture.model import Attempt, Cell, Run, Status, Table

Rows = dict[Table, dict[date, Cell]]


@dataclass(frozen=True)
class Picture:
    """Every table with its cells, sorted by name; the days newest first; the causes of what is not refreshed."""

    tables: Rows
    days: Sequence[date]
    causes: Sequence[Cause]
    unplaced: Sequence[Attempt]
    """Attempts that have no cell, in the order they came."""
    tags: Mapping[Table, Sequence[str]] = field(default_factory=dict)
    runs: Sequence[Run] = ()

    @classmethod
    def of(
        cls,
        attempts: Iterable[Attempt],
        *,
        tags: Mapping[Table, Sequence[str]] | None = None,
        runs: Sequence[Run] = (),
        earlier: Mapping[tuple[Table, date], int] | None = None,
    ) -> Picture:
        """Arrange attempts, given oldest first; `earlier` counts refreshes of their tables and dates before them."""
        rows, unplaced = _placed(attempts)
        for (table, day), number in (earlier or {}).items():
            rows[table][day].earlier = number
        tables = dict(sorted(rows.items(), key=lambda row: ([part.casefold() for part in row[0]], row[0])))
        days = sorted({day for row in tables.values() for day in row}, reverse=True)
        found = causes((cell for row in tables.values() for cell in row.values()), unplaced)
        return cls(tables, days, found, unplaced, tags or {}, runs)

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells that hold an attempt."""
        return (cell for row in self.tables.values() for cell in row.values())

    @property
    def attempts(self) -> Iterator[Attempt]:
        """All attempts."""
        yield from (attempt for cell in self.cells for attempt in cell.attempts)
        yield from self.unplaced

    @cached_property
    def counts(self) -> Counter[Status]:
        """How many cells have which status. An attempt without a cell is counted too when it did not succeed."""
        beside = (each.outcome.status for each in self.unplaced if each.outcome.status is not Status.REFRESHED)
        return Counter([*(cell.status for cell in self.cells), *beside])

    @property
    def slowest(self) -> list[tuple[Table, float, float]]:
        """The tables whose refreshes took longest, with the median and the longest of their seconds."""
        timed = ((table, _seconds(cells)) for table, cells in self.tables.items())
        found = [(table, taken[len(taken) // 2], taken[-1]) for table, taken in timed if taken]
        return sorted(found, key=lambda each: -each[1])


def _seconds(cells: Mapping[date, Cell]) -> list[float]:
    return sorted(each.seconds for cell in cells.values() for each in cell.attempts if each.seconds is not None)


def _placed(attempts: Iterable[Attempt]) -> tuple[Rows, list[Attempt]]:
    rows: Rows = {}
    unplaced = []
    for attempt in attempts:
        if attempt.table is None or attempt.day is None:
            unplaced.append(attempt)
            continue
        cell = rows.setdefault(attempt.table, {}).setdefault(attempt.day, Cell([]))
        cell.attempts.append(attempt)
    return rows, unplaced
