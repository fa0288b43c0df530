"""Results that share a reason, shown together: 300 nodes without a catalog are one line, not 300."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbt_anymetrics.result import WRONG_SETTINGS, Item, Result, Status, is_external
from dbt_anymetrics.text import one_line

MANY = 5
"""Results with the same reason that are still shown one by one."""

_NAMED = 3


class Group:
    """Results of one status and reason: how many, and the first few. All of them would fill the memory."""

    def __init__(self, status: Status, reason: str | None) -> None:
        self.status = status
        self.reason = reason
        self.number = 0
        self.first: list[Result] = []

    def add(self, result: Result) -> None:
        """Count one more."""
        self.number += 1
        if len(self.first) < MANY:
            self.first.append(result)

    @property
    def is_large(self) -> bool:
        """Whether the results are shown together."""
        return self.number > MANY

    @property
    def is_wrong(self) -> bool:
        """Whether settings are wrong, also those of nodes that the run did not touch."""
        return self.status is Status.ERROR or WRONG_SETTINGS in (self.reason or "")

    def __str__(self) -> str:
        """Who they are: `301 nodes (model.shop.a, model.shop.b and 299 more)`, or refreshes, each of one date."""
        names = list(dict.fromkeys(describe(result) for result in self.first))[:_NAMED]
        rest = self.number - len(names)
        what = "refreshes" if self.first[0].partition else "nodes"
        return f"{self.number:,} {what} ({', '.join(names)}{f' and {rest:,} more' if rest else ''})"


def grouped(results: Iterable[Result]) -> Iterator[Group]:
    """The results by status and reason, in the order in which these first appear."""
    groups: dict[tuple[Status, str | None], Group] = {}
    for result in results:
        key = result.status, result.message
        groups.setdefault(key, Group(*key)).add(result)
    yield from groups.values()


def nodes_are(number: int) -> str:
    """The beginning of a sentence about nodes that the run did not touch."""
    return "1 configured node is" if number == 1 else f"{number:,} configured nodes are"


def describe(result: Item) -> str:
    """The table and date of a result (with the node, where a plan has the place of the table), else the node."""
    if result.table_name and result.partition and is_external(result.table_name):
        return one_line(f"{result.table_name} ({result.unique_id}) {result.partition}", 300)
    if result.table_name and result.partition:
        return one_line(f"{result.table_name} {result.partition}", 300)
    return one_line(result.unique_id, 300)
