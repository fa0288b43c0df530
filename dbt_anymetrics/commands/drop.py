"""`dbt-anymetrics retry --drop`: forget what is pending, after a question."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dbt_anymetrics.commands.asking import agreed
from dbt_anymetrics.commands.prepare import address_of, chosen_nodes, ledger_to_show, tenant_of
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter


def drop(options: Options, reporter: Reporter) -> int:
    """Drop all that is pending, or what is pending of the selected nodes, and return the exit code.

    Raises UsageError when there is nobody to ask, and no `--yes`.
    """
    with ledger_to_show(options, only_to_read=False) as (ledger, opened):
        address, tenant_id = address_of(options), tenant_of(options)
        if not (address and tenant_id):
            hint = "Set ANYMETRICS_URL and ANYMETRICS_TENANT_ID"
            raise UsageError("it has to be clear for which AnyMetrics", where="--drop", hint=hint)
        numbers = ledger.pending_by_node()
        awaited = ledger.awaited()
        unbuilt = {each.unique_id for each in ledger.unbuilt()}
        known = {*numbers, *unbuilt, *(node for each in awaited for node in each.nodes)}
        chosen = chosen_nodes(options, known)
        total = sum(numbers.get(unique_id, 0) for unique_id in chosen)
        plans = [each.plan for each in awaited if not chosen.isdisjoint(each.nodes)]
        if not chosen:
            such = f" of {' '.join(options.models)}" if options.models else ""
            reporter.note(f"Nothing{such} is pending that could be dropped.")
            return 0
        what = f"{_what(total, plans, len(chosen & unbuilt))} of {', '.join(sorted(chosen))}"
        if not _agreed(options, what):
            reporter.note("Nothing was dropped.")
            return 0
        command = Command(kind="retry --drop", process=os.getpid())
        Recording(opened.database, address, tenant_id, command).drop(chosen, options.keep_days)
        again = (
            " What is dropped is sent again only when a dbt run builds it again, or a backfill asks for it."
            if total
            else ""
        )
        reporter.note(f"Dropped {what}.{again}")
    return 0


_AGAIN = " What is dropped is sent again only when a dbt run builds it again, or a backfill asks for it."


def _agreed(options: Options, what: str) -> bool:
    nobody = UsageError("there is nobody to ask", where="--drop", hint=f"Give --yes to drop {what}")
    return agreed(options, f"Drop {what}?", nobody)


def _what(number: int, plans: Sequence[str], unbuilt: int) -> str:
    refreshes = "1 pending refresh" if number == 1 else f"{number:,} pending refreshes"
    waits = f"the wait for {', '.join(plans)}" if plans else ""
    builds = f"what dbt did not build ({unbuilt:,} node{'s' * (unbuilt > 1)})" if unbuilt else ""
    return " and ".join(filter(None, (refreshes if number or not (waits or builds) else "", waits, builds)))
