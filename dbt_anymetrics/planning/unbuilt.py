"""Nodes that dbt was to build and did not, so that their tables are as old as before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node
from dbt_anymetrics.dbt_run.invocation import Build
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.plan import is_selected, left_out
from dbt_anymetrics.planning.settings import settings_of


class Missing(Struct, frozen=True):
    """A node that is not built, or not as a whole: what is missing, and when that dbt run started, UTC."""

    unique_id: str
    reason: str
    at: datetime


class Unbuilt(Struct, frozen=True):
    """What dbt runs say of this in one project.

    `found` are the nodes that have no refresh, or not every one, because dbt did not build them. `built` says when the
    dbt run started that built what an earlier one did not. `gone` are nodes that are not refreshed any more.
    """

    project: str = ""
    found: Sequence[Missing] = ()
    built: Mapping[str, datetime] = {}
    gone: Collection[str] = ()

    @property
    def is_news(self) -> bool:
        """Whether there is anything to note."""
        return bool(self.found or self.built or self.gone)


NO_NEWS = Unbuilt()


def unbuilt(manifest: Manifest, made: Mapping[str, Build], orders: Orders, known: Collection[str]) -> Unbuilt:
    """What these builds leave out, and what of the nodes `known` from earlier dbt runs is built or gone."""
    return Unbuilt(
        manifest.metadata.project_name or "",
        found=[
            Missing(unique_id, build.missing, build.at)
            for unique_id, build in made.items()
            if build.missing and is_selected(orders, unique_id) and is_meant(manifest.nodes.get(unique_id))
        ],
        built={each: made[each].at for each in known if each in made and not made[each].missing},
        gone=[each for each in known if not is_meant(manifest.nodes.get(each))],
    )


def is_meant(node: Node | None) -> bool:
    """Whether a node is refreshed when dbt builds it; one whose settings are wrong is meant to be."""
    if node is None or node.materialized == "ephemeral":
        return False
    try:
        settings = settings_of(node)
    except NodeError:
        return True
    return settings is not None and not left_out(node, settings)
