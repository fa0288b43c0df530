"""Which dates of a node a run rebuilt."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Args, Node, as_utc
from dbt_anymetrics.dbt_run.invocation import Run, as_batches
from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.planning import partition
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.planning.run_date import run_date
from dbt_anymetrics.text import shown


class Orders(Struct, frozen=True, kw_only=True):
    """What the user asks for beside the settings in meta; `selected` are the unique_ids of `--select`, None for all."""

    datasource: str | None = None
    partition: str | list[str] | None = None
    run_date: str | None = None
    hook_run_date: str | None = None
    timezone: str = "UTC"
    min_interval: timedelta | None = None
    selected: frozenset[str] | None = None
    vars: Mapping[str, Any] = MappingProxyType({})


class Dates:
    """The dates of one run's nodes. Raises UsageError when an order for all nodes is wrong."""

    def __init__(
        self, run: Run, orders: Orders, project_vars: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._run = run
        self._orders = orders
        self._project_vars = project_vars
        self._environment = environment
        self._run_date = run_date(run, orders.run_date, orders.hook_run_date, orders.timezone).day
        self._ordered = self._order()

    def of(self, unique_id: str, node: Node, settings: NodeSettings) -> Sequence[date]:
        """The dates of one node, by the first rule that applies. Raises NodeError, which names the key.

        The rules: the order for all nodes, the batches that were built, `full_refresh_from` after a full refresh, the
        node's own partition, the run's date.
        """
        if self._ordered:
            return self._ordered
        if batches := self._run.batches(unique_id, node) or self._event_times(node):
            return batches
        if settings.full_refresh_from and self._run.full_refresh(node):
            return _naming("anymetrics.full_refresh_from", lambda: self._since(settings.full_refresh_from, node))
        if settings.partition is None:
            _check_batches(node, self._run)
            return [self._run_date]
        return _naming("anymetrics.partition", lambda: self._resolve(settings.partition, node.package_name))

    def failed(self, unique_id: str, node: Node) -> Sequence[date]:
        """The dates that the run tried to build and could not, as far as dbt says; none when the dates are ordered."""
        return [] if self._ordered else self._run.failed_batches(unique_id, node)

    def _event_times(self, node: Node) -> Sequence[date]:
        """The batches of the range that dbt was given on its command line: dbt 2.0 records no batches."""
        return as_batches(event_times(self._run.results.args), node) if node.is_microbatch else []

    def _order(self) -> Sequence[date] | None:
        if self._orders.partition is None:
            return None
        try:
            return self._resolve(self._orders.partition, package="")
        except UsageError as error:
            where = f"--partition: {error.where}" if error.where else "--partition"
            raise UsageError(error.what, where=where, hint=error.hint) from None

    def _since(self, start: str | None, node: Node) -> Sequence[date]:
        first, *others = self._resolve(start, node.package_name)
        if others:
            raise UsageError(f"needs one date, not {start!r}")
        return partition.days(first, self._run_date)

    def _resolve(self, setting: object, package: str) -> Sequence[date]:
        terms = setting if isinstance(setting, list) else [setting]
        rendered = [self._rendered(term, package) for term in terms]
        try:
            return partition.resolve(rendered, self._run_date)
        except UsageError as error:
            raise self._without_values(error, terms) from None

    def _without_values(self, error: UsageError, terms: Sequence[object]) -> UsageError:
        """The same error, without a value that may come from the environment."""
        for term in terms:
            if isinstance(term, str) and partition.is_template(term) and "env_var" in term:
                what = f"the template {shown(term)} gives no partition; what it gives is not shown, because it may come"
                return UsageError(f"{what} from the environment", hint=f"Write {partition.FORMS}")
        return error

    def _rendered(self, term: object, package: str) -> object:
        if not isinstance(term, str) or not partition.is_template(term):
            return term
        from dbt_anymetrics.dbt_run.jinja import render  # lazy: jinja2 is slow to import, seldom needed

        facts = {"run_started_at": self._run.started_at, "invocation_id": self._run.invocation_id}
        return render(term, self._vars(package), self._environment, facts)

    def _vars(self, package: str) -> Mapping[str, Any]:
        """What `var()` finds, in dbt's order; a package's own vars of dbt_project.yml stand under its name."""
        scoped = self._project_vars.get(package)
        maps = (self._orders.vars, self._run.vars, scoped if isinstance(scoped, dict) else {}, self._project_vars)
        return ChainMap(*({**each} for each in maps))


def event_times(args: Args) -> Sequence[date]:
    """Every day from `--event-time-start` to `--event-time-end`, which is not included. Raises UsageError."""
    if not (args.event_time_start and args.event_time_end):
        return []
    start, end = (_event_time(text) for text in (args.event_time_start, args.event_time_end))
    return partition.days(start.date(), (end - timedelta(microseconds=1)).date())


def _event_time(value: object) -> datetime:
    """The moment that an option of dbt's gives: a date, or a date and time, in UTC. Raises UsageError."""
    text = str(value).strip().removesuffix("Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{shown(value)} is not a time", where="--event-time-start / --event-time-end") from None
    return as_utc(moment)


def _check_batches(node: Node, run: Run) -> None:
    """Refuse a guess: the batches of a microbatch model are rarely those of the run's date alone."""
    if node.is_microbatch:
        raise NodeError(
            f"is not set, and dbt {run.results.metadata.dbt_version} does not record which batches it built",
            where="anymetrics.partition",
            hint="Set it to the dates of the batches, for example run_date-1..run_date, or give dbt the range with "
            "'dbt-anymetrics dbt build --event-time-start 2024-07-01 --event-time-end 2024-07-18'",
        )


def _naming(key: str, dates: Callable[[], Sequence[date]]) -> Sequence[date]:
    try:
        return dates()
    except UsageError as error:
        where = f"{key}: {error.where}" if error.where else key
        raise NodeError(error.what, where=where, hint=error.hint) from None
