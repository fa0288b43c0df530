"""The callback of Cosmos, with a connection of Airflow's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.integrations.airflow.done import done
from dbt_anymetrics.integrations.airflow.final import AirflowFailException
from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
from dbt_anymetrics.integrations.callback import OnError, attempt
from dbt_anymetrics.integrations.python import Outcome, StrPath

XCOM_KEY = "anymetrics"

_WATCHED = "DbtProducerWatcherOperator"
"""The task that runs dbt in Cosmos' watcher mode."""


def refresh_after(
    project_dir: StrPath,
    *,
    context: Mapping[str, Any],
    anymetrics_conn_id: str = AnyMetricsHook.default_conn_name,
    on_error: OnError = "fail",
    **options: Any,
) -> Outcome | None:
    """Refresh what a task of Cosmos has just rebuilt, and leave what was done as its XCom `anymetrics`.

    The date is `ds` of the context: the day of the logical date in UTC, which is what `{{ ds }}` gives to dbt, too. The
    end of the data interval would be another day in each weekly or manual run. `options` are those of `refresh`;
    `when="later"` notes what was built for an AnyMetricsRetryOperator.

    The task fails when a refresh failed; with `on_error="warn"`, and where dbt failed itself, that is logged only.

    Raises RefreshError, or AirflowFailException in the task that runs dbt in Cosmos' watcher mode: its retry does
    nothing and ends as skipped, so that the failure would be gone.
    """
    access = AnyMetricsHook(anymetrics_conn_id).get_conn
    try:
        did = attempt(project_dir, context=context, on_error=on_error, find_access=access, **options)
        if did.outcome and (instance := context.get("ti")):
            with suppress(Exception):  # the tables are refreshed, whether Airflow keeps that or not
                instance.xcom_push(key=XCOM_KEY, value=done(did.outcome))
        return did.settle()
    except AnyMetricsError as error:
        if _is_watched(context.get("task")):
            raise AirflowFailException(str(error)) from None
        raise


def _is_watched(task: Any) -> bool:
    return any(each.__name__ == _WATCHED for each in type(task).__mro__)
