"""The acceleration plans that nodes name in `anymetrics.plans`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from dbt_anymetrics.dbt_run.artifacts import Manifest
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.settings import settings_of

PlansOf = Callable[[str], Sequence[str]]
"""The plans that a node names, by its unique_id."""


def plans_in(manifest: Manifest) -> PlansOf:
    """The plans that the nodes of a manifest name; none where the settings are wrong, which the plan tells."""

    @cache
    def plans_of(unique_id: str) -> Sequence[str]:
        node = manifest.nodes.get(unique_id)
        try:
            settings = settings_of(node) if node else None
        except NodeError:
            return ()
        return settings.plan_names if settings else ()

    return plans_of


def plans_of_none(_unique_id: str) -> Sequence[str]:
    """The plans where no node names any."""
    return ()
