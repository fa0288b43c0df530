"""`dbt-anymetrics retry`: send again what is pending."""

from __future__ import annotations

from itertools import chain

from dbt_anymetrics.commands.deliver import Ending, Show, deliver, show_nothing, switched_off
from dbt_anymetrics.commands.prepare import (
    Plan,
    address_of,
    check_ledger,
    check_read,
    chosen_nodes,
    ledger_to_show,
    lost,
    project_of,
)
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.result import Item, LazyCollection


def retry(options: Options, reporter: Reporter, show: Show = show_nothing) -> Ending:
    """Send all that failed or was not sent, of every dbt run. Raises UsageError when there is no ledger."""
    address_of(options)
    if ending := switched_off(options, reporter, show):
        return ending
    folder = project_of(options).target
    check_ledger(options, folder)
    with ledger_to_show(options, only_to_read=False) as (ledger, opened):
        for note in lost(opened):
            reporter.warning(note)
        plan = _plan(options, ledger, reporter)
        check_read(ledger.loss)
        return deliver(plan, opened, folder, reporter, show)


def _plan(options: Options, ledger: Ledger, reporter: Reporter) -> Plan:
    backlog = ledger.backlog()
    chosen = chosen_nodes(options, ledger.pending_by_node())
    pending = LazyCollection(lambda: (refresh for refresh in ledger.pending() if refresh.unique_id in chosen))
    mistakes = [mistake for mistake in ledger.mistakes() if mistake.unique_id in chosen]
    if options.models and not chosen:
        reporter.warning(f"nothing of what is pending matches --select {' '.join(options.models)}")
    elif not pending and not mistakes and not backlog.held and not ledger.loss:
        reporter.note("Nothing is pending, so there is nothing to send again.")
    if backlog.held:
        wait = "1 refresh waits" if backlog.held == 1 else f"{backlog.held:,} refreshes wait"
        reporter.note(f"{wait} until a failed test passes; 'dbt-anymetrics status' lists them")
    plans = ledger.plans_by_node()
    items = LazyCollection(lambda: chain[Item](mistakes, pending))
    return Plan(options=options, ledger=ledger, items=items, plans_of=lambda unique_id: plans.get(unique_id, ()))
