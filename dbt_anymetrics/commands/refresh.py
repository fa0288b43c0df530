"""`dbt-anymetrics refresh`: refresh what a dbt run rebuilt."""

from __future__ import annotations

from contextlib import closing

from dbt_anymetrics.commands.deliver import Ending, Show, deliver, show_nothing, switched_off, unsent
from dbt_anymetrics.commands.prepare import address_of, document, inputs_of, plan_with_ledger
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter


def refresh(options: Options, reporter: Reporter, show: Show = show_nothing) -> Ending:
    """Plan, send, remember. Raises UsageError when nothing could be sent."""
    address_of(options)  # a wrong one is refused at once, even when there is nothing to do
    if ending := switched_off(options, reporter, show):
        return ending
    inputs = inputs_of(options)
    plan, opened = plan_with_ledger(options, inputs)
    with closing(opened.database):
        for warning in (*opened.warnings, *plan.warnings):
            reporter.warning(warning)
        if plan.is_idle:
            if not options.later and (pending := plan.ledger.backlog(plan.invocations)):
                reporter.warning(str(pending))
            return unsent(document(plan.options, plan.items, plan.invocation_id), reporter, show)
        return deliver(plan, opened, inputs.folder, reporter, show)
