"""From artifacts to refreshes: which nodes, which table names, which dates. Pure: nothing is read or sent here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node
from dbt_anymetrics.dbt_run.invocation import NOT_IN_RUN, Build, Run, builds, failed_tests, is_refreshable
from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.planning.dates import Dates, Orders
from dbt_anymetrics.planning.interval import parse_interval
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.planning.settings import settings_of
from dbt_anymetrics.planning.table_name import external_of, node_table_name
from dbt_anymetrics.result import WRONG_SETTINGS, External, Item, LazyCollection, Refresh, Result, Status

NOT_SELECTED = "not selected by --select"


class Refreshes(Struct, frozen=True):
    """One table's refreshes in one run, each made when its turn comes: a year takes no more memory than a day."""

    unique_id: str
    table_name: str
    days: Sequence[date]
    invocation_id: str | None
    min_interval: timedelta | None = None
    external: External | None = None

    def __iter__(self) -> Iterator[Refresh]:
        for day in self.days:
            yield Refresh(
                unique_id=self.unique_id,
                table_name=self.table_name,
                partition=day,
                invocation_id=self.invocation_id,
                min_interval=self.min_interval,
                external=self.external,
            )


class Held(Struct, frozen=True):
    """Refreshes that wait until the failed tests of their node pass; the tests are named by unique_id."""

    refreshes: Refreshes
    tests: Sequence[str]


class Planned(Struct, frozen=True):
    """What becomes of each configured node, the refreshes that failed tests hold back, and what dbt built of each."""

    items: LazyCollection[Item]
    held: Sequence[Held]
    builds: Mapping[str, Build]


Group = Refreshes | list[Item]


def plan(
    manifest: Manifest,
    runs: Sequence[Run],
    orders: Orders,
    project_vars: Mapping[str, Any] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Planned:
    """Every configured node as refreshes (one for each date), as `skipped` with its reason, or as `error`.

    `runs` are in the order of their time. Templates find their vars in the orders, then in the run's own command line,
    then in `project_vars` (`vars:` of dbt_project.yml), and environment variables in `environment`.

    Raises UsageError when an order for all nodes is wrong: then there is no plan at all.
    """
    dates = [Dates(run, orders, project_vars, environment) for run in runs]
    planner = _Planner(manifest, list(zip(runs, dates, strict=True)), orders)
    groups = _deduplicated([group for unique_id in _order(manifest, runs) for group in planner.node(unique_id)])
    return Planned(LazyCollection(lambda: chain.from_iterable(groups)), planner.held, planner.builds)


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
        self.builds = builds([run for run, _ in runs])
        self.held: list[Held] = []

    def node(self, unique_id: str) -> Sequence[Group]:
        """What becomes of one node: its refreshes in each run, or why there are none. Nothing without settings."""
        node = self._manifest.nodes[unique_id]
        untouched = self._untouched(unique_id, node)
        try:
            settings = settings_of(node)
            if settings and untouched:
                return self._one(unique_id, Status.UNTOUCHED, untouched)
            return self._configured(unique_id, node, settings) if settings else []
        except (NodeError, UsageError) as error:
            return self._wrong(unique_id, untouched, str(error))

    def _configured(self, unique_id: str, node: Node, settings: NodeSettings) -> Sequence[Group]:
        refreshes = self._told_as_failed(unique_id, node, settings)
        if reason := self._skip_reason(unique_id, node, settings):
            return refreshes or self._one(unique_id, Status.SKIPPED, reason)
        refreshes = [*refreshes, *self._refreshes(unique_id, node, settings)]
        rest = self._one(unique_id, Status.SKIPPED, missing) if (missing := self._missing(unique_id, settings)) else []
        tests = self._failed_tests.get(unique_id) if settings.on_test_failure == "skip" else None
        if not tests:
            return [*refreshes, *rest]
        self.held += [Held(each, tests) for each in refreshes]
        reason = f"its test {self._manifest.nodes[tests[0]].name} failed"
        hint = "It is refreshed when the test passes; anymetrics.on_test_failure: refresh refreshes it anyway"
        return [*self._one(unique_id, Status.SKIPPED, f"{reason}. {hint}"), *rest]

    def _missing(self, unique_id: str, settings: NodeSettings) -> str | None:
        """What the newest run did not build of a node; an external plan is told of it, and dates by order are all."""
        build = self.builds.get(unique_id)
        is_told = settings.external_plan or self._orders.partition is not None
        return None if is_told or not build else build.missing

    def _wrong(self, unique_id: str, untouched: str | None, mistake: str) -> Sequence[Group]:
        """Tell a mistake; in a node that this run did not build, it cannot fail the run."""
        if untouched:
            return self._one(unique_id, Status.UNTOUCHED, f"{untouched}{WRONG_SETTINGS}{mistake}")
        with suppress(NodeError):
            if is_refreshable(unique_id) and (idle := self._not_built(unique_id)):
                return self._one(unique_id, Status.SKIPPED, f"{idle}{WRONG_SETTINGS}{mistake}")
        return self._one(unique_id, Status.ERROR, mistake)

    def _refreshes(self, unique_id: str, node: Node, settings: NodeSettings) -> list[Refreshes]:
        adapter = self._manifest.metadata.adapter_type
        name = node_table_name(node, settings, self._orders.datasource, adapter)
        interval = parse_interval(settings.min_interval) if settings.min_interval else self._orders.min_interval
        external = external_of(settings)
        return [
            Refreshes(unique_id, name, days, run.invocation_id, None if external else interval, external)
            for run, dates in self._runs
            if not run.not_built(unique_id)
            if (days := _days(dates, unique_id, node, settings))
        ]

    def _told_as_failed(self, unique_id: str, node: Node, settings: NodeSettings) -> list[Refreshes]:
        """The batches that failed, of which an external plan is told too."""
        external = external_of(settings)
        if not external or settings.enabled is False:
            return []
        as_failed = replace(external, is_failed=True)
        return [
            Refreshes(unique_id, external.name, days, run.invocation_id, external=as_failed)
            for run, dates in self._runs
            if (days := dates.failed(unique_id, node))
        ]

    def _untouched(self, unique_id: str, node: Node) -> str | None:
        """Why neither the run nor this command has anything to do with a node, or None when both have."""
        if not is_selected(self._orders, unique_id):
            return NOT_SELECTED
        if node.materialized == "ephemeral":
            return "an ephemeral model has no table"
        reasons = [run.untouched(unique_id) for run, _ in self._runs]
        return _chosen(reasons) if all(reasons) else None

    def _not_built(self, unique_id: str) -> str | None:
        """Why none of the runs built a node, or None when one did."""
        reasons = [run.not_built(unique_id) for run, _ in self._runs]
        if not all(reasons):
            return None
        build = self.builds.get(unique_id)
        return (build and build.missing) or _chosen(reasons)

    def _skip_reason(self, unique_id: str, node: Node, settings: NodeSettings) -> str | None:
        return left_out(node, settings) or self._not_built(unique_id)

    def _one(self, unique_id: str, status: Status, message: str) -> Sequence[Group]:
        return [[Result(unique_id=unique_id, status=status, message=message, invocation_id=self._newest)]]


def _days(dates: Dates, unique_id: str, node: Node, settings: NodeSettings) -> Sequence[date]:
    """The dates that a run built. One of which an hour failed is not built, as an external plan sees it."""
    days = dates.of(unique_id, node, settings)
    failed = dates.failed(unique_id, node) if settings.external_plan else []
    return [day for day in days if day not in failed] if failed else days


def left_out(node: Node, settings: NodeSettings) -> str | None:
    """Why a node has no refresh even when dbt builds it, or None when it has."""
    if settings.enabled is False:
        return "switched off by anymetrics.enabled: false"
    if node.materialized == "view" and not settings.enabled:
        return "a view has no data of its own. Set anymetrics.enabled: true to refresh it anyway"
    return None


def is_selected(orders: Orders, unique_id: str) -> bool:
    """Whether `--select` means a node, or there is none."""
    return orders.selected is None or unique_id in orders.selected


def _chosen(reasons: Sequence[str | None]) -> str | None:
    """The newest run's reason that says more than that a node was no part of it."""
    return next((reason for reason in reversed(reasons) if reason != NOT_IN_RUN), NOT_IN_RUN)


def _deduplicated(groups: Sequence[Group]) -> list[Group]:
    """The same, each table and date planned once, by the newest run that built it.

    Only where a table has two groups, for it has two nodes or was built in two runs, can a date be there twice at all.
    """
    tables = Counter(group.table_name for group in groups if isinstance(group, Refreshes))
    chosen: dict[tuple[str, date], tuple[list[Item], int]] = {}
    return [
        _once(group, chosen) if isinstance(group, Refreshes) and tables[group.table_name] > 1 else group
        for group in groups
    ]


def _once(group: Refreshes, chosen: dict[tuple[str, date], tuple[list[Item], int]]) -> list[Item]:
    kept: list[Item] = []
    for refresh in group:
        place, at = chosen.setdefault((group.table_name, refresh.partition), (kept, len(kept)))
        if place is kept and at == len(kept):
            kept.append(refresh)
        elif place[at].unique_id == refresh.unique_id:
            place[at] = refresh
        else:
            kept.append(refresh.result(Status.SKIPPED, f"the same table and date as {place[at].unique_id}"))
    return kept
