"""Refreshes of tables and dates without a dbt run, from the manifest alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import REFRESHABLE, Manifest, Node
from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.planning.plan import is_selected
from dbt_anymetrics.planning.settings import settings_of
from dbt_anymetrics.planning.table_name import external_of, node_table_name
from dbt_anymetrics.result import External, Item, LazyCollection, Refresh, Result, Status


def backfill(
    manifest: Manifest, orders: Orders, days: Sequence[date], job: str, *, newest_first: bool = False
) -> LazyCollection[Item]:
    """Every selected node for every date, date by date; a node that cannot be refreshed comes first, with its reason.

    `job` stands in the place of dbt's run: the same backfill, asked for again, goes on where it stopped.
    """
    tables, others = tables_of(manifest, orders, job)
    ordered = sorted(days, reverse=newest_first)

    def walk() -> Iterator[Item]:
        yield from others
        for day in ordered:
            for table_name, owner in tables.items():
                yield Refresh(
                    unique_id=owner.unique_id,
                    table_name=table_name,
                    partition=day,
                    invocation_id=job,
                    external=owner.external,
                )

    return LazyCollection(walk)


class Owner(Struct, frozen=True):
    """The node that a table belongs to, the external plan that it is built for, and the plans that depend on it."""

    unique_id: str
    external: External | None = None
    plans: Sequence[str] = ()


def tables_of(manifest: Manifest, orders: Orders, job: str) -> tuple[dict[str, Owner], list[Result]]:
    """The table of each selected node, with the node, and the reason of each node that has none to refresh."""
    tables: dict[str, Owner] = {}
    others: list[Result] = []
    for unique_id in sorted(manifest.nodes):
        node = manifest.nodes[unique_id]
        if is_selected(orders, unique_id):
            others += _note(tables, unique_id, node, manifest, orders, job)
    return tables, others


def _note(
    tables: dict[str, Owner], unique_id: str, node: Node, manifest: Manifest, orders: Orders, job: str
) -> Iterator[Result]:
    """Enter the table of a node, or give the reason why it has none that can be refreshed."""
    try:
        settings = _checked_settings(node)
        name = node_table_name(node, settings, orders.datasource, manifest.metadata.adapter_type)
        owner = Owner(unique_id, external_of(settings), settings.plan_names)
    except _SkippedError as skip:
        if node.resource_type in REFRESHABLE:
            yield Result(unique_id=unique_id, status=Status.SKIPPED, message=str(skip), invocation_id=job)
    except (NodeError, UsageError) as error:
        yield Result(unique_id=unique_id, status=Status.ERROR, message=str(error), invocation_id=job)
    else:
        if (same := tables.setdefault(name, owner)) != owner:
            reason = f"the same table as {same.unique_id}"
            yield Result(unique_id=unique_id, status=Status.SKIPPED, message=reason, invocation_id=job)


class _SkippedError(Exception):
    """A node that has nothing to refresh; says why."""


def _checked_settings(node: Node) -> NodeSettings:
    settings = settings_of(node)
    if settings is None:
        raise _SkippedError("it has no anymetrics settings in its meta")
    if settings.enabled is False:
        raise _SkippedError("switched off by anymetrics.enabled: false")
    if node.materialized == "ephemeral" or (node.materialized == "view" and not settings.enabled):
        raise _SkippedError(f"an object of the kind {node.materialized!r} has no data of its own")
    return settings
