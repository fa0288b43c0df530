"""Lineage: which tables AnyMetrics knows, and what is made of them."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import Struct

from dbt_anymetrics.server.call import Asker, Call, Reading

ALL = "/lineage/queryAll"
OF_VERTEX = "/lineage/queryVertexLineage"

PHYSICAL_TABLE = "PHYSICAL_TABLE"
METRIC = "METRIC"

SECONDS = 120
"""The whole lineage is slow: other clients of the product allow it this long."""

LARGEST = 64 << 20
"""A real answer has 3.4 MB for 9,900 edges."""


class Vertex(Struct, frozen=True, rename="camel", gc=False):
    """One end of an edge; the id of a PHYSICAL_TABLE is `catalog.schema.table`, without the data source."""

    vertex_id: str
    vertex_type: str


class Edge(Struct, frozen=True, rename="camel", gc=False):
    """What is made of what (AnyMetrics API pages, View All Lineage and View Asset Lineage)."""

    src_vertex: Vertex
    dst_vertex: Vertex


class _Edges(Struct, rename="camel"):
    edge_list: list[Edge] | None


class _Answer(Struct):
    data: _Edges


def lineage(client: Asker) -> Reading[tuple[Edge, ...]]:
    """Ask for the whole lineage of the tenant, which takes long (AnyMetrics API page, View All Lineage).

    A table in it is one that a dataset is made of, which says nothing of acceleration plans.
    """
    call = Call(method="GET", path=ALL, form=_Answer, seconds=SECONDS, largest=LARGEST)
    return Reading.of(client.ask(call), _edges)


def lineage_of(client: Asker, table: str, steps: int = 1) -> Reading[tuple[Edge, ...]]:
    """Ask what is made of one table within so many steps (AnyMetrics API page, View Asset Lineage).

    The table is `catalog.schema.table`.

    The API page requires all four parameters. No edge means that AnyMetrics does not know the table, or that nothing is
    made of it.
    """
    query = {"vertex_id": table, "vertex_type": PHYSICAL_TABLE, "input_step": 0, "output_step": steps}
    return Reading.of(client.ask(Call(method="GET", path=f"{OF_VERTEX}?{urlencode(query)}", form=_Answer)), _edges)


def _edges(answer: _Answer) -> tuple[Edge, ...]:
    return tuple(answer.data.edge_list or ())
