"""The function that orchestrators call after dbt, whatever dbt did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dbt_anymetrics.dbt_run.artifacts import RunResults, read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.dbt_run.invocation import BUILDING_COMMANDS
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import AnyMetricsError, RefreshError, UsageError
from dbt_anymetrics.integrations.log_output import LOG
from dbt_anymetrics.integrations.python import Outcome, StrPath, refresh
from dbt_anymetrics.planning.run_date import RUN_DATE_VARIABLE

_FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


def refresh_after(
    project_dir: StrPath,
    *,
    target_path: StrPath | None = None,
    run_date: str | None = None,
    on_error: Literal["fail", "warn"] = "fail",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> Outcome | None:
    """Refresh what dbt has just rebuilt, from a callback or a `finally`: dbt may have failed, or written nothing.

    `options` are those of `refresh`. Without `run_date`, `context`, which Cosmos gives to its callbacks, says the
    date: `ds` of Airflow's context, unless the dbt run or the environment names a date.

    Where dbt wrote no run results, this says so in the log and returns None. Raises RefreshError when a refresh failed
    or a setting is wrong; with `on_error="warn"`, and where dbt failed itself, that is logged only.
    """
    if on_error not in ("fail", "warn"):
        raise UsageError(f"on_error is {on_error!r}, neither warn nor fail", where="refresh_after()")
    outcome, results = None, None
    try:
        path = _run_results(project_dir, target_path, options.get("vars"))
        if not path.exists():
            LOG.info("AnyMetrics: nothing is refreshed, because dbt wrote no %s", path)
            return None
        results = read_run_results(path)
        day = run_date if run_date is not None or context is None else _airflows_date(context, results)
        outcome = refresh(project_dir, target_path=target_path, run_date=day, **options)
        failure = outcome.failure
    except AnyMetricsError as error:
        failure = f"AnyMetrics was not refreshed: {error}"
    if failure:
        _fail(failure, is_fatal=on_error == "fail" and not (results and _has_failed(results)))
    return outcome


def _run_results(project_dir: StrPath, target_path: StrPath | None, given_vars: Mapping[str, Any] | None) -> Path:
    target = None if target_path is None else os.fspath(target_path)
    return Project(os.fspath(project_dir), target, given_vars=given_vars or {}).target / RUN_RESULTS


def _airflows_date(context: Mapping[str, Any], results: RunResults) -> str | None:
    """`ds` of Airflow's context, or None where the run has a date of its own, or needs none. Raises UsageError."""
    recorded = results.metadata.env
    given = os.environ.get("ANYMETRICS_RUN_DATE"), *map(recorded.get, ("ANYMETRICS_RUN_DATE", RUN_DATE_VARIABLE))
    if any(given) or results.args.which not in BUILDING_COMMANDS:
        return None
    day = context.get("ds")
    if not day:
        raise UsageError(
            "Airflow's context has no ds, because this DAG run has no logical date",
            hint="Trigger it with a logical date, or give run_date",
        )
    LOG.info("AnyMetrics: the date of the run is ds of Airflow, %s", day)
    return str(day)


def _has_failed(results: RunResults) -> bool:
    """Whether dbt ends with an error of its own, which ours must not cover."""
    return any(result.status in _FAILED for result in results.results)


def _fail(failure: str, *, is_fatal: bool) -> None:
    if is_fatal:
        raise RefreshError(failure)
    LOG.error("%s", failure)
