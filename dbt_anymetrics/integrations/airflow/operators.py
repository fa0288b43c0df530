"""Tasks of Airflow that refresh AnyMetrics: after a dbt task, and at the end of a group of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dbt_anymetrics.errors import AnyMetricsError, RefreshError, UsageError
from dbt_anymetrics.integrations.airflow.done import done
from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
from dbt_anymetrics.integrations.callback import OnError, check_on_error
from dbt_anymetrics.integrations.log_output import LOG
from dbt_anymetrics.integrations.python import Outcome, refresh, retry

try:
    from airflow.sdk import BaseOperator
except ImportError:  # Airflow 2
    from airflow.models import BaseOperator

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow 2, and the first ones of Airflow 3
    from airflow.exceptions import AirflowFailException

DS = "{{ ds | default('', true) }}"
"""The day of the logical date; empty where a run has none."""

_COLOUR = "#e6f2ff"


class _Operator(BaseOperator):  # type: ignore[misc]
    """What both operators share: the connection, the folders, and what becomes of the outcome."""

    template_fields: Sequence[str] = ("project_dir", "target_path", "select")
    ui_color = _COLOUR

    def __init__(
        self,
        *,
        project_dir: str,
        target_path: str | None = None,
        select: str | Sequence[str] = (),
        state: str | None = None,
        anymetrics_conn_id: str = AnyMetricsHook.default_conn_name,
        on_error: OnError = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_on_error(on_error, type(self).__name__)
        self.project_dir = project_dir
        self.target_path = target_path
        self.select = select
        # Not a template, because what is rendered is shown, and the address of a ledger may hold a password.
        self._state = state
        self.anymetrics_conn_id = anymetrics_conn_id
        self.on_error = on_error

    def _run(self, context: Any, send: Callable[..., Outcome], **more: Any) -> dict[str, Any] | None:
        try:
            outcome = send(
                self.project_dir,
                target_path=self.target_path or None,
                models=[self.select] if isinstance(self.select, str) and self.select else list(self.select),
                state=self._state,
                access=AnyMetricsHook(self.anymetrics_conn_id).get_conn(),
                **more,
            )
        except AnyMetricsError as error:
            # A wrong setting is the same at the next try.
            kind = AirflowFailException if isinstance(error, UsageError) else RefreshError
            self._fail(kind(f"AnyMetrics was not refreshed: {error}"))
            return None
        did = done(outcome)
        if outcome.failure:
            context["ti"].xcom_push(key="return_value", value=did)  # the task's end pushes none when it fails
            self._fail(RefreshError(outcome.failure))
        return did

    def _fail(self, failure: Exception) -> None:
        if self.on_error == "fail":
            raise failure from None
        LOG.error("%s", failure)


class AnyMetricsRefreshOperator(_Operator):
    """Refresh what the last dbt run in a project rebuilt, after the task that ran dbt.

    Its target folder must be there for this task too. A retry sends only what was not confirmed. `run_date` is the day
    of the logical date unless you give another.
    """

    template_fields: Sequence[str] = (*_Operator.template_fields, "run_date")

    def __init__(self, *, run_date: str = DS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_date = run_date

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Refresh, and return what was done as XCom.

        Raises RefreshError, or AirflowFailException for a wrong setting, which no retry mends.
        """
        return self._run(context, self._refresh)

    def _refresh(self, *arguments: Any, **options: Any) -> Outcome:
        if not self.run_date:
            raise UsageError(
                "run_date is empty, because this DAG run has no logical date",
                where=type(self).__name__,
                hint="Trigger it with a logical date, or give run_date",
            )
        return refresh(*arguments, run_date=self.run_date, **options)


class AnyMetricsRetryOperator(_Operator):
    """Send what is pending in the ledger, at the end of a group of dbt tasks, or from time to time.

    What failed tests hold back is not sent.
    """

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Send, and return what was done as XCom. Raises what the other operator does."""
        return self._run(context, retry)
