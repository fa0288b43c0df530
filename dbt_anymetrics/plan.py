"""From artifacts to refreshes: which nodes, which table names, which dates. Pure: nothing is read or sent here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from dbt_anymetrics.artifacts import Manifest, Node
from dbt_anymetrics.dates import Dates, Orders
from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.node_settings import NodeSettings, read_settings
from dbt_anymetrics.result import Result, Status
from dbt_anymetrics.run import Run, failed_tests
from dbt_anymetrics.table_name import node_table_name

REFRESHABLE = frozenset({"model", "seed", "snapshot"})

NOT_IN_RUN = "not part of this run"

WRONG_SETTINGS = "; its settings are wrong: "

NOT_SELECTED = "not selected by --model"


def plan(
    manifest: Manifest,
    runs: Sequence[Run],
    orders: Orders,
    project_vars: Mapping[str, Any] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> list[Result]:
    """Every configured node as refreshes (`planned`, one for each date), as `skipped` with its reason, or as `error`.

    `runs` are in the order of their time. Templates find their vars in the orders, then in the run's own command line,
    then in `project_vars` (`vars:` of dbt_project.yml), and environment variables in `environment`.

    Raises UsageError when an order for all nodes is wrong: then there is no plan at all.
    """
    dates = [Dates(run, orders, project_vars, environment) for run in runs]
    planner = _Planner(manifest, list(zip(runs, dates, strict=True)), orders)
    groups = [group for unique_id in _order(manifest, runs) if (group := planner.node(unique_id))]
    return _deduplicated(groups, several_runs=len(runs) > 1)


def _order(manifest: Manifest, runs: Sequence[Run]) -> list[str]:
    """The nodes to look at: those of the runs first, as dbt finished them, then the rest by name."""
    nodes = manifest.nodes
    in_runs = dict.fromkeys(unique_id for run in runs for unique_id in run.by_id if unique_id in nodes)
    return [*in_runs, *sorted(nodes.keys() - in_runs.keys())]


class _Planner:
    """The facts that all nodes of one plan share."""

    def __init__(self, manifest: Manifest, runs: Sequence[tuple[Run, Dates]], orders: Orders) -> None:
        self._manifest = manifest
        self._runs = runs
        self._orders = orders
        self._failed_tests = failed_tests([run for run, _ in runs], manifest)
        self._newest = runs[-1][0].invocation_id if runs else None

    def node(self, unique_id: str) -> list[Result]:
        """What becomes of one node; nothing for a node that has no settings."""
        node = self._manifest.nodes[unique_id]
        if node.resource_type not in REFRESHABLE:
            return []
        unselected = self._unselected(unique_id, node)
        idle = unselected or self._not_built(unique_id)
        try:
            settings = read_settings(node.read_meta())
            if settings is None:
                return []
            reason = unselected or self._skip_reason(unique_id, node, settings, idle)
            return [self._skip(unique_id, reason)] if reason else self._refreshes(unique_id, node, settings)
        except (NodeError, UsageError) as error:
            # What this run did not build cannot fail it; its mistake is still said.
            if idle:
                return [self._skip(unique_id, f"{idle}{WRONG_SETTINGS}{error}")]
            message = str(error)
            return [Result(unique_id=unique_id, status=Status.ERROR, message=message, invocation_id=self._newest)]

    def _refreshes(self, unique_id: str, node: Node, settings: NodeSettings) -> list[Result]:
        adapter = self._manifest.metadata.adapter_type
        name = node_table_name(node, settings, self._orders.datasource, adapter)
        return [
            Result(
                unique_id=unique_id,
                table_name=name,
                partition=day,
                status=Status.PLANNED,
                invocation_id=run.invocation_id,
            )
            for run, dates in self._runs
            if not run.not_built(unique_id)
            for day in dates.of(unique_id, node, settings)
        ]

    def _unselected(self, unique_id: str, node: Node) -> str | None:
        globs = self._orders.models
        names = (node.name, f"{node.name}.v{node.version}", unique_id)
        selected = not globs or any(fnmatchcase(name, glob) for glob in globs for name in names)
        return None if selected else NOT_SELECTED

    def _not_built(self, unique_id: str) -> str | None:
        """Why none of the runs built a node, or None when one did."""
        reasons = [run.not_built(unique_id) for run, _ in self._runs]
        if not all(reasons):
            return None
        return next((reason for reason in reversed(reasons) if reason != NOT_IN_RUN), NOT_IN_RUN)

    def _skip_reason(self, unique_id: str, node: Node, settings: NodeSettings, idle: str | None) -> str | None:
        if settings.enabled is False:
            return "switched off by anymetrics.enabled: false"
        if node.materialized == "ephemeral":
            return "an ephemeral model has no table"
        if node.materialized == "view" and not settings.enabled:
            return "a view holds no data of its own; anymetrics.enabled: true refreshes it all the same"
        if idle:
            return idle
        test = self._failed_tests.get(unique_id)
        if test and settings.on_test_failure == "skip":
            return f"its test {test} failed; anymetrics.on_test_failure: refresh refreshes it all the same"
        return None

    def _skip(self, unique_id: str, reason: str) -> Result:
        return Result(unique_id=unique_id, status=Status.SKIPPED, message=reason, invocation_id=self._newest)


def _deduplicated(groups: Sequence[list[Result]], *, several_runs: bool) -> list[Result]:
    """The results of all nodes, each table and date planned once, by the newest run that built it.

    Only where a table has two nodes, or there are several runs, can a date be there twice at all.
    """
    nodes = Counter(group[0].table_name for group in groups)
    chosen: dict[tuple[str | None, date | None], int] = {}
    kept: list[Result] = []
    for group in groups:
        if group[0].status is not Status.PLANNED or (nodes[group[0].table_name] == 1 and not several_runs):
            kept.extend(group)
        else:
            for result in group:
                _keep(result, chosen, kept)
    return kept


def _keep(result: Result, chosen: dict[tuple[str | None, date | None], int], kept: list[Result]) -> None:
    at = chosen.setdefault((result.table_name, result.partition), len(kept))
    if at == len(kept):
        kept.append(result)
    elif kept[at].unique_id == result.unique_id:
        kept[at] = result
    else:
        reason = f"the same table and date as {kept[at].unique_id}"
        kept.append(replace(result, status=Status.SKIPPED, message=reason))
