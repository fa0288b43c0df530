"""Tasks of Airflow that refresh AnyMetrics: after a dbt task, and at the end of a group of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from dbt_anymetrics.commands.wait import awaited, note_seen
from dbt_anymetrics.defaults import WAIT_TIMEOUT
from dbt_anymetrics.errors import AnyMetricsError, RefreshError, UsageError
from dbt_anymetrics.integrations.airflow.done import done
from dbt_anymetrics.integrations.airflow.final import AirflowFailException
from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
from dbt_anymetrics.integrations.airflow.stale import check_run
from dbt_anymetrics.integrations.airflow.trigger import AnyMetricsFreshTrigger
from dbt_anymetrics.integrations.callback import OnError, check_on_error, unconfigured
from dbt_anymetrics.integrations.log_output import LOG
from dbt_anymetrics.integrations.python import Outcome, refresh, reporter_of, retry
from dbt_anymetrics.ledger.awaited import Awaited
from dbt_anymetrics.options import Options
from dbt_anymetrics.parameters import from_environment
from dbt_anymetrics.result import Freshness, PlanSeen

try:
    from airflow.sdk import BaseOperator
except ImportError:  # Airflow 2
    from airflow.models import BaseOperator

DS = "{{ ds | default('', true) }}"
"""The day of the logical date; empty where a run has none."""


_NOT_WAITED = "AnyMetrics took the refreshes, but its plans could not be waited for"


def _as_airflows(what: str, error: AnyMetricsError) -> Exception:
    """An error as the end of the task. A wrong setting is the same at the next try, so that there is none."""
    failure: Exception = (AirflowFailException if isinstance(error, UsageError) else RefreshError)(f"{what}: {error}")
    return failure


class _Operator(BaseOperator):  # type: ignore[misc]
    """What both operators share: the connection, the folders, the wait, and what becomes of the outcome."""

    template_fields: Sequence[str] = ("project_dir", "target_path", "select")
    ui_color = "#e6f2ff"

    def __init__(
        self,
        *,
        project_dir: str,
        target_path: str | None = None,
        select: str | Sequence[str] = (),
        state: str | None = None,
        anymetrics_conn_id: str = AnyMetricsHook.default_conn_name,
        on_error: OnError = "fail",
        wait_for_fresh: bool = False,
        wait_timeout: float = WAIT_TIMEOUT,
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
        self.wait_for_fresh = wait_for_fresh
        self.wait_timeout = Options.of({"wait_timeout": wait_timeout}).wait_timeout

    def _run(self, context: Any, send: Callable[..., Outcome], **more: Any) -> dict[str, Any] | None:
        try:
            outcome = send(
                self.project_dir,
                target_path=self.target_path or None,
                models=[self.select] if isinstance(self.select, str) and self.select else list(self.select or ()),
                state=self._state,
                access=AnyMetricsHook(self.anymetrics_conn_id).get_conn(),
                **more,
            )
        except AnyMetricsError as error:
            return self._failed(context, None, _as_airflows("AnyMetrics was not refreshed", error))
        did = done(outcome)
        if mistake := unconfigured(outcome):
            return self._failed(context, did, _as_airflows("AnyMetrics was not refreshed", mistake))
        if outcome.failure:
            return self._failed(context, did, RefreshError(outcome.failure))
        return self._wait(context, did, self._nodes(outcome)) if self.wait_for_fresh else did

    def _failed(self, context: Any, did: dict[str, Any] | None, failure: Exception) -> dict[str, Any] | None:
        if self.on_error == "fail":
            if did:
                context["ti"].xcom_push(key="return_value", value=did)  # the end of a task that fails pushes none
            raise failure from None
        LOG.error("%s", failure)
        return did

    def _nodes(self, outcome: Outcome) -> Collection[str] | None:
        """The nodes whose plans are waited for; None for all that the ledger knows."""
        return {each.unique_id for each in outcome.document.results if each.timing}

    def _wait(self, context: Any, did: dict[str, Any], nodes: Collection[str] | None) -> dict[str, Any] | None:
        """Leave the worker until each plan is refreshed."""
        try:
            ended, known = awaited(self._options(), nodes)
        except AnyMetricsError as error:
            return self._failed(context, did, _as_airflows(_NOT_WAITED, error))
        if known:
            self._leave(did, ended, known)
        return self._settled(context, did, ended)

    def _leave(self, did: dict[str, Any], ended: list[PlanSeen], known: list[Awaited]) -> None:
        names = ", ".join(each.plan for each in known)
        LOG.info("Waiting for plans to be refreshed, for at most %g s: %s", self.wait_timeout, names)
        trigger = AnyMetricsFreshTrigger(
            anymetrics_conn_id=self.anymetrics_conn_id,
            awaited=msgspec.to_builtins(known),
            until=time.time() + self.wait_timeout,
            carried={"did": did, "ended": msgspec.to_builtins(ended)},
        )
        self.defer(trigger=trigger, method_name="wake")

    def wake(self, context: Any, event: dict[str, Any]) -> dict[str, Any] | None:
        """Go on when the wait is over. Raises RefreshError when a plan was not seen refreshed."""
        if error := event.get("error"):
            return self._failed(context, event["did"], RefreshError(f"{_NOT_WAITED}: {error}"))
        plans = msgspec.convert([*event["ended"], *event["plans"]], list[PlanSeen])
        return self._settled(context, event["did"], plans)

    def _settled(self, context: Any, did: dict[str, Any], plans: list[PlanSeen]) -> dict[str, Any] | None:
        did = {**did, "plans": [str(seen) for seen in plans]}
        try:
            options = self._options()
            note_seen(options, plans, reporter_of(options))
        except AnyMetricsError as error:
            return self._failed(context, did, _as_airflows("how the wait ended could not be noted", error))
        late = [str(seen) for seen in plans if seen.freshness is not Freshness.REFRESHED]
        failure = f"AnyMetrics took the refreshes, but its plans were not all seen refreshed: {'; '.join(late)}"
        return self._failed(context, did, RefreshError(failure)) if late else did

    def _options(self) -> Options:
        return from_environment(
            command="wait",
            project_dir=self.project_dir,
            target_path=self.target_path or None,
            state=self._state,
            **AnyMetricsHook(self.anymetrics_conn_id).get_conn().options(),
        )


class AnyMetricsRefreshOperator(_Operator):
    """Refresh what the last dbt run in a project rebuilt, after the task that ran dbt.

    Its target folder must be there for this task too. A retry sends only what was not confirmed. `run_date` is the day
    of the logical date unless you give another. With `wait_for_fresh`, the task is deferred until the plans that
    `anymetrics.plans` names are refreshed, and fails when that is not seen within `wait_timeout` seconds.

    The task fails when the dbt run in the target folder was refreshed as that of another day: then dbt has written
    nothing since, or another DAG uses the folder.
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
        check_run(replace(self._options(), run_date=self.run_date))
        return refresh(*arguments, run_date=self.run_date, **options)


class AnyMetricsRetryOperator(_Operator):
    """Send what is pending in the ledger, at the end of a group of dbt tasks, or from time to time.

    What failed tests hold back is not sent. `wait_for_fresh` is as for the other operator.
    """

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Send, and return what was done as XCom. Raises what the other operator does."""
        return self._run(context, retry)

    def _nodes(self, outcome: Outcome) -> Collection[str] | None:  # noqa: ARG002 (a retry of the task sends nothing)
        return None
