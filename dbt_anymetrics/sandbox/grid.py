"""What was triggered, as tables against dates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from dbt_anymetrics.sandbox.received import Received
from dbt_anymetrics.sandbox.validation import TRIGGER_PATH, TableName, parse_partition, parse_table_name


@dataclass
class Cell:
    """The triggers of one table and date, in the order they came."""

    triggers: list[Received] = field(default_factory=list)

    @property
    def refreshed(self) -> int:
        """How many were accepted."""
        return sum(trigger.ok for trigger in self.triggers)

    @property
    def refused(self) -> int:
        """How many were not."""
        return len(self.triggers) - self.refreshed

    @property
    def ok(self) -> bool:
        """Whether the last one was accepted."""
        return self.triggers[-1].ok


@dataclass
class Grid:
    """Every triggered table, sorted, with its cells by date; `dates` holds all of them, sorted."""

    tables: dict[TableName, dict[date, Cell]]
    dates: list[date]

    @property
    def cells(self) -> list[Cell]:
        """All cells that were triggered."""
        return [cell for row in self.tables.values() for cell in row.values()]


def arrange(received: Iterable[Received]) -> Grid:
    """Arrange the triggers that name a table and a date; those that do not have no place in a grid."""
    tables: dict[TableName, dict[date, Cell]] = {}
    for trigger in received:
        if trigger.path != TRIGGER_PATH or trigger.table_name is None or trigger.partition is None:
            continue
        try:
            name, day = parse_table_name(trigger.table_name), parse_partition(trigger.partition)
        except ValueError:
            continue
        tables.setdefault(name, {}).setdefault(day, Cell()).triggers.append(trigger)
    return Grid(dict(sorted(tables.items())), sorted({day for row in tables.values() for day in row}))
