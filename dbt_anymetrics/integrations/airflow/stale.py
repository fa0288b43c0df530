"""Whether the dbt run in a target folder is the one that a task means."""

from __future__ import annotations

from dbt_anymetrics.commands.prepare import check_ledger, ledger_to_show, project_of
from dbt_anymetrics.dbt_run.artifacts import read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.options import Options


def check_run(options: Options) -> None:
    """Raise UsageError for a dbt run that a task refreshed as that of another day.

    When dbt ends before it writes its results, those of an earlier run are still there; and another DAG may have
    written them. Sent with the day of this task, they would be refreshes of what nobody built.
    """
    target = project_of(options).target
    try:
        check_ledger(options, target)
        invocation = read_run_results(target / RUN_RESULTS).metadata.invocation_id
    except UsageError:
        return  # nothing was refreshed yet, or the refresh says what is wrong
    with ledger_to_show(options, only_to_read=True) as (ledger, _):
        days = ledger.run_dates(invocation, "python")
    if days and options.run_date not in days:
        raise UsageError(
            f"the dbt run in it was refreshed before as that of {days[-1]}, and this task is of {options.run_date}",
            where=str(target / RUN_RESULTS),
            hint="Did dbt end before it wrote its results? Does another DAG use this target folder? If both days are "
            "meant, run 'dbt-anymetrics refresh --run-date' for the other one",
        )
