"""`dbt-anymetrics backfill --plan`: let AnyMetrics compute the dates of one acceleration plan."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import date

from dbt_anymetrics.commands.backfill import ask, days_of
from dbt_anymetrics.commands.deliver import is_switched_off
from dbt_anymetrics.commands.plan_checks import only_plan
from dbt_anymetrics.commands.prepare import connection_of
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.server.answer import Answer


def backfill_plan(options: Options, reporter: Reporter) -> int:
    """Create the task, show what AnyMetrics calls it, and return the exit code.

    One task is one call, of which the ledger keeps nothing: the same command creates another task. Raises UsageError
    when nothing was sent.
    """
    name, first, last = _asked(options)
    number = (last - first).days + 1
    what = f"plan {name}, {first} to {last} ({number:,} day{'s' * (number > 1)})"
    if options.dry_run:
        reporter.note(f"AnyMetrics would compute {what}")
        return 0
    if is_switched_off(reporter):
        return 0
    ask(options, f"{number:,} days of one plan", number)
    answer = _create(options, name, first, last)
    trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
    if not answer.ok:
        raise AnyMetricsError(f"no task was created: {answer.message}{trace}", where=f"plan {name}")
    task = f"by the task {answer.data}" if isinstance(answer.data, str) else "and names no task"
    reporter.note(f"AnyMetrics computes {what} {task}{trace}")
    return 0


def _asked(options: Options) -> tuple[str, date, date]:
    """The plan, and its first and last date. Raises UsageError."""
    if not options.plan_name or not options.plan_name.strip():
        raise UsageError("needs the name of a plan", where="--plan", hint="--days-per-batch is for --plan")
    for given, option in ((options.models, "--select"), (options.pace, "--pace"), (options.wait, "--wait")):
        if given:
            raise UsageError("does not go with --plan, which is one task and names no tables", where=option)
    days = set(days_of(options))
    first, last = min(days), max(days)
    if (last - first).days + 1 != len(days):
        what = "a task computes every day of one range, and these dates have gaps"
        raise UsageError(what, where="--partition", hint="Run it once for each range")
    return options.plan_name.strip(), first, last


def _create(options: Options, name: str, first: date, last: date) -> Answer:
    from dbt_anymetrics.server.opened import client_of  # lazy: requests is slow to import
    from dbt_anymetrics.server.tasks import create_task  # lazy: the same

    with closing(client_of(connection_of(options), os.environ)) as client:
        only_plan(client, name)
        return create_task(client, name, first, last, options.days_per_batch)
