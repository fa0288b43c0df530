"""The lineage of the sandbox: what is made of the tables that it knows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

VERTEX_TYPES = (
    "FILE", "FILE_COLUMN", "PHYSICAL_TABLE", "PHYSICAL_TABLE_COLUMN", "DATASET", "DATASET_COLUMN", "DIMENSION",
    "METRIC", "ANALYSIS_VIEW",
)  # fmt: skip

Vertex = tuple[str, str]
"""An id and a type."""

Edge = tuple[Vertex, Vertex]

_COLUMNS = 100
"""How many columns a table has that is made up."""


class Lineage:
    """Which tables there are, as `catalog.schema.table`; safe to share between threads.

    Each has a dataset, and that a metric. `edges` is how many edges there are at least: the rest is made up.
    """

    def __init__(self, tables: Iterable[str] = (), edges: int = 0) -> None:
        self._tables = dict.fromkeys(tables)
        self._least = edges
        self._lock = threading.Lock()

    def add(self, table: str) -> None:
        """Know this table too."""
        with self._lock:
            self._tables[table] = None

    def edges(self) -> list[Edge]:
        """Every edge."""
        with self._lock:
            own = [edge for table in self._tables for edge in _edges_of(table)]
        return own + [_made_up(number) for number in range(self._least - len(own))]

    def around(self, vertex: Vertex, up: int, down: int) -> list[Edge]:
        """The edges within so many steps up and down from a vertex."""
        edges = self.edges()
        found = [*_steps(edges, vertex, 1, up), *_steps(edges, vertex, 0, down)]
        return list(dict.fromkeys(found))


def _edges_of(table: str) -> Iterator[Edge]:
    name = table.rpartition(".")[2]
    dataset = (f"ds_{name}", "DATASET")
    yield (table, "PHYSICAL_TABLE"), dataset
    yield dataset, (f"{name}_rows", "METRIC")


def _made_up(number: int) -> Edge:
    """One of many edges: a table and its dataset, and then the columns of these."""
    table, column = divmod(number, _COLUMNS)
    source, dataset = f"internal.made_up.table_{table:04}", f"ds_made_up_{table:04}"
    if not column:
        return (source, "PHYSICAL_TABLE"), (dataset, "DATASET")
    return (f"{source}.c{column:02}", "PHYSICAL_TABLE_COLUMN"), (f"{dataset}.c{column:02}", "DATASET_COLUMN")


def _steps(edges: list[Edge], start: Vertex, end: int, steps: int) -> Iterator[Edge]:
    """The edges that are reached in so many steps over their ends 0 (down) or 1 (up)."""
    reached, border = {start}, {start}
    for _ in range(steps):
        step = [edge for edge in edges if edge[end] in border]
        yield from step
        border = {edge[1 - end] for edge in step} - reached
        if not border:
            return
        reached |= border
