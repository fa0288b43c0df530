"""`dbt-anymetrics backfill`: refresh tables for dates that no dbt run rebuilt."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timezone

from dbt_anymetrics.commands import remarks
from dbt_anymetrics.commands.asking import agreed
from dbt_anymetrics.commands.deliver import Ending, Show, deliver, show_nothing, switched_off
from dbt_anymetrics.commands.plan import tell_before_showing
from dbt_anymetrics.commands.prepare import (
    Plan,
    address_of,
    document,
    ledger_in,
    orders_for,
    project_of,
    tenant_of,
)
from dbt_anymetrics.dbt_run.artifacts import in_zone, read_manifest
from dbt_anymetrics.dbt_run.inputs import MANIFEST
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.plan_text import plan_lines
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.terminal import show as print_line
from dbt_anymetrics.planning.backfill import backfill as planned
from dbt_anymetrics.planning.partition import is_template, parse_date, resolve
from dbt_anymetrics.planning.plan_names import plans_in
from dbt_anymetrics.planning.run_date import time_zone
from dbt_anymetrics.result import Item, Refresh

ASKED_ABOVE = 1_000
"""Refreshes of one backfill that are sent without a question."""


def backfill(options: Options, reporter: Reporter, show: Show = show_nothing) -> Ending:
    """Plan, ask, send, remember. Raises UsageError when nothing could be sent."""
    address_of(options)
    days = _days(options)
    if not options.dry_run and (ending := switched_off(options, reporter, show)):
        return ending
    target = project_of(options).target
    path = options.manifest or target / MANIFEST
    manifest = read_manifest(path)
    job = f"backfill {days[0]}..{days[-1]}"
    opened = ledger_in(options, target, only_to_read=options.dry_run)
    with closing(opened.database):
        items = planned(manifest, orders_for(options, manifest, path), days, job, newest_first=options.newest_first)
        ledger, candidates = Ledger.find(opened.database, address_of(options), tenant_of(options))
        if not options.force:
            items = ledger.without_confirmed(items, [job])
        for remark in _remarks(items, options.models):
            reporter.warning(remark)
        plan = Plan(options=options, ledger=ledger, items=items, invocations=[job], plans_of=plans_in(manifest))
        if options.dry_run:
            tell_before_showing(opened, remarks.unclear(candidates), reporter)
            return _shown(plan, show)
        for warning in opened.warnings:
            reporter.warning(warning)
        _ask(options, len(plan.planned))
        return deliver(plan, opened, target, reporter, show)


def _remarks(items: Collection[Item], select: Sequence[str]) -> Iterator[str]:
    """What is odd about a backfill: it means nothing, or external plans."""
    if not items:
        yield f"no model, seed or snapshot matches --select {' '.join(select)}"
    plans = dict.fromkeys(item.table_name for item in items if isinstance(item, Refresh) and item.external)
    if plans:
        yield f"{', '.join(plans)}: AnyMetrics is told that these dates are built, whether dbt has built them or not"


def _days(options: Options) -> Sequence[date]:
    if not options.models:
        hint = "Name them, as in -s orders, or -s '*' for every configured node"
        raise UsageError("no nodes are selected", where="--select", hint=hint)
    return days_of(options)


def days_of(options: Options) -> Sequence[date]:
    """The dates that `--partition` gives. Raises UsageError."""
    if not options.partition or is_template(options.partition):
        raise UsageError("needs dates", where="--partition", hint="Write 2024-01-01..2024-06-30, or a list of dates")
    zone = time_zone(options.timezone)
    today = parse_date(options.run_date) if options.run_date else in_zone(datetime.now(timezone.utc), zone).date()
    return resolve(options.partition, today)


def _shown(plan: Plan, show: Show) -> Ending:
    """The end of a command that only shows what it would do."""
    written = document(plan.options, plan.items, plan.invocation_id)
    if plan.options.output == "json":
        show(written)
    else:
        for line in plan_lines(sorted(plan.items, key=_table)):
            print_line(line)
        if pace := plan.options.pace:
            print_line(f"At {pace:g} a minute this takes {len(plan.planned) / pace:,.0f} minutes.")
    return Ending.of(plan)


def _table(item: Item) -> str:
    return item.table_name or ""


def _ask(options: Options, number: int) -> None:
    ask(options, f"{number:,} refreshes", number)


def ask(options: Options, things: str, number: int) -> None:
    """Ask before many things are sent. Raises UsageError when the answer is no, and when there is nobody to ask."""
    what = f"{things} are many, and there is nobody to ask"
    nobody = UsageError(what, where="backfill", hint="Look at it with --dry-run, and give --yes to send them")
    if number > ASKED_ABOVE and not agreed(options, f"Send {things}?", nobody):
        raise UsageError("nothing was sent", where="backfill")
