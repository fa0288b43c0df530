"""`dbt-anymetrics backfill --plan`: let AnyMetrics compute the dates of one acceleration plan."""

from __future__ import annotations

from contextlib import closing
from datetime import date

import msgspec
from msgspec import Struct

from dbt_anymetrics.commands.backfill import ask, days_of
from dbt_anymetrics.commands.deliver import is_switched_off
from dbt_anymetrics.commands.plan_checks import only_plan
from dbt_anymetrics.commands.server import Server
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.server.answer import Answer


class Task(Struct, frozen=True, kw_only=True):
    """The task that AnyMetrics is asked for. `name` is what the server calls it (the dagName), where it says so."""

    plan: str
    first: date
    last: date
    days_per_batch: int | None
    is_created: bool = False
    name: str | None = None
    trace_id: str | None = None

    @property
    def days(self) -> int:
        """How many days it computes."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        """As `AnyMetrics computes plan daily_sales, 2024-01-01 to 2024-01-31 (31 days, 7 at once)`."""
        verb = "computes" if self.is_created else "would compute"
        batch = f", {self.days_per_batch} at once" if self.days_per_batch else ""
        days = f"{self.days:,} day{'s' * (self.days > 1)}{batch}"
        text = f"AnyMetrics {verb} plan {self.plan}, {self.first} to {self.last} ({days})"
        if not self.is_created:
            return text
        task = f", by the task {self.name}" if self.name else "; it names no task"
        return f"{text}{task}" + (f" (traceId {self.trace_id})" if self.trace_id else "")


def backfill_plan(options: Options, reporter: Reporter) -> int:
    """Create the task, show what AnyMetrics calls it, and return the exit code.

    One task is one call, of which the ledger keeps nothing: the same command creates another task. Raises UsageError
    when nothing was sent, and AnyMetricsError when AnyMetrics refused it.
    """
    task = _asked(options)
    if not options.dry_run:
        if is_switched_off(reporter):
            return 0
        ask(options, f"{task.days:,} days of one plan", task.days)
    made = _made(options, task)
    show(msgspec.json.encode(made).decode() if options.output == "json" else str(made))
    return 0


_NOT_WITH_IT = {
    "models": "--select",
    "pace": "--pace",
    "wait": "--wait",
    "force": "--force",
    "newest_first": "--newest-first",
    "fail_fast": "--fail-fast",
}
"""Options that say something of tables, or of many calls."""


def _asked(options: Options) -> Task:
    """The plan, and its first and last date. Raises UsageError."""
    if not options.plan_name or not options.plan_name.strip():
        hint = "Give one beside --days-per-batch" if options.days_per_batch else None
        raise UsageError("needs the name of a plan", where="--plan", hint=hint)
    for name, option in _NOT_WITH_IT.items():
        if getattr(options, name):
            raise UsageError("does not go with --plan, which is one task and names no tables", where=option)
    days = set(days_of(options))
    first, last = min(days), max(days)
    if (last - first).days + 1 != len(days):
        what = "a task computes every day of one range, and these dates have gaps"
        raise UsageError(what, where="--partition", hint="Run it once for each range")
    return Task(plan=options.plan_name.strip(), first=first, last=last, days_per_batch=options.days_per_batch)


def _made(options: Options, task: Task) -> Task:
    """The task once it is created; a dry run only looks the plan up."""
    from dbt_anymetrics.server.tasks import create_task  # lazy: requests is slow to import

    with closing(Server(options)) as server:
        found = only_plan(server, task.plan)
        if found.materialize_type == "EXTERNAL":
            what = "is an external plan, which AnyMetrics does not compute"
            raise UsageError(what, where=f"plan {task.plan}", hint="Build its table with dbt")
        if options.dry_run:
            return task
        answer = create_task(server.client, task.plan, task.first, task.last, task.days_per_batch)
    return _created(task, answer)


def _created(task: Task, answer: Answer) -> Task:
    if not answer.ok:
        trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
        raise AnyMetricsError(f"no task was created: {answer.message}{trace}", where=f"plan {task.plan}")
    name = answer.data if isinstance(answer.data, str) else None
    return msgspec.structs.replace(task, is_created=True, name=name, trace_id=answer.trace_id)
