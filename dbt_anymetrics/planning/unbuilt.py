"""Nodes that dbt was to build and did not, so that their tables are as old as before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from dbt_anymetrics.dbt_run.invocation import Run, failed_builds
from dbt_anymetrics.result import Item, Result, Status


class Unbuilt(Struct, frozen=True):
    """What the runs say of this: the nodes that have no refresh for it, and those that have been built meanwhile."""

    found: Sequence[Result] = ()
    over: Collection[str] = ()


def unbuilt(items: Iterable[Item], runs: Sequence[Run], known: Iterable[str]) -> Unbuilt:
    """What of a plan's entries was not built, and which of the nodes `known` from earlier runs were built now."""
    reasons = failed_builds(runs)
    failed = {unique_id: reason for unique_id, reason in reasons.items() if reason}
    return Unbuilt(
        [item for item in items if isinstance(item, Result) and _is_for_it(item, failed)] if failed else [],
        [unique_id for unique_id in known if unique_id in reasons and unique_id not in failed],
    )


def _is_for_it(result: Result, failed: Mapping[str, str]) -> bool:
    """Whether it has no refresh because dbt did not build it; one that is switched off has none anyway."""
    reason = failed.get(result.unique_id)
    return reason is not None and result.status is Status.SKIPPED and (result.message or "").startswith(reason)
