"""The function that orchestrators call after dbt, whatever dbt did."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from dbt_anymetrics.commands.remarks import NO_SETTINGS
from dbt_anymetrics.dbt_run.artifacts import RunResults, read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.dbt_run.invocation import BUILDING_COMMANDS
from dbt_anymetrics.dbt_run.project import PROJECT_FILE, Project
from dbt_anymetrics.errors import AnyMetricsError, RefreshError, UsageError
from dbt_anymetrics.integrations.access import Access
from dbt_anymetrics.integrations.log_output import LOG
from dbt_anymetrics.integrations.python import Outcome, StrPath, refresh
from dbt_anymetrics.options import is_enabled
from dbt_anymetrics.planning.run_date import RUN_DATE_VARIABLE

OnError = Literal["fail", "warn"]

_FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


class Attempt(Struct, frozen=True):
    """A refresh after dbt: what it did, what failed, and whether that is an error of the task."""

    outcome: Outcome | None = None
    failure: str | None = None
    is_fatal: bool = False

    def settle(self) -> Outcome | None:
        """Raise RefreshError for a failure that is fatal, log any other, and return what was done."""
        if self.failure and self.is_fatal:
            raise RefreshError(self.failure)
        self.log()
        return self.outcome

    def log(self) -> None:
        """Log what failed."""
        if self.failure:
            LOG.error("%s", self.failure)


def refresh_after(
    project_dir: StrPath,
    *,
    target_path: StrPath | None = None,
    run_date: str | None = None,
    on_error: OnError = "fail",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> Outcome | None:
    """Refresh what dbt has just rebuilt, from a callback or a `finally`: dbt may have failed, or written nothing.

    `options` are those of `refresh`. Without `run_date`, `context`, which Cosmos gives to its callbacks, says the
    date: `ds` of Airflow's context, unless the dbt run or the environment names a date.

    Where dbt wrote no run results, this says so in the log and returns None. Raises RefreshError when a refresh failed
    or a setting is wrong; with `on_error="warn"`, and where dbt failed itself, that is logged only.
    """
    return attempt(
        project_dir, target_path=target_path, run_date=run_date, on_error=on_error, context=context, **options
    ).settle()


def attempt(
    project_dir: StrPath,
    *,
    target_path: StrPath | None = None,
    run_date: str | None = None,
    on_error: OnError = "fail",
    context: Mapping[str, Any] | None = None,
    find_access: Callable[[], Access | None] = lambda: None,
    **options: Any,
) -> Attempt:
    """The same, with a failure as a value, and with access that is looked for only where there is something to do.

    Raises UsageError for an `on_error` that does not exist.
    """
    check_on_error(on_error, "refresh_after()")
    outcome, results = None, None
    try:
        path = _run_results(project_dir, target_path, options.get("vars"))
        if not path.exists():
            _check_project(Path(project_dir))
            LOG.info("AnyMetrics: nothing is refreshed, because dbt wrote no %s", path)
            return Attempt()
        results = read_run_results(path)
        day = run_date if run_date is not None or context is None else _airflows_date(context, results)
        given = {"access": find_access(), **options}
        outcome = refresh(project_dir, target_path=target_path, run_date=day, **given)
        if mistake := unconfigured(outcome):
            raise mistake
        failure = outcome.failure
    except AnyMetricsError as error:
        failure = f"AnyMetrics was not refreshed: {error}"
    return Attempt(outcome, failure, is_fatal=on_error == "fail" and not (results and _has_failed(results)))


def _check_project(folder: Path) -> None:
    """Where there is no project, dbt has not written nothing: the folder is the wrong one. Raises UsageError."""
    if not (folder / PROJECT_FILE).is_file():
        hint = "Is it the folder of a dbt project?"
        raise UsageError(f"there is no {PROJECT_FILE}", where=str(folder), hint=hint)


def unconfigured(outcome: Outcome) -> UsageError | None:
    """The error of a project in which no node has settings: a task that can never do anything must not be green."""
    return None if outcome.document.results or not is_enabled() else UsageError(NO_SETTINGS)


def check_on_error(on_error: str, where: str) -> None:
    """Raise UsageError for a value that does not exist."""
    if on_error not in ("fail", "warn"):
        raise UsageError(f"on_error is {on_error!r}, neither warn nor fail", where=where)


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
