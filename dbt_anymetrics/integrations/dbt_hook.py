"""What the on-run-end hook asks for, done inside dbt's process once dbt has written its run results."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from dbt_anymetrics.commands.prepare import inputs_of, plan_with_ledger
from dbt_anymetrics.commands.refresh import refresh
from dbt_anymetrics.dbt_run.artifacts import read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.dbt_run.invocation import BUILDING_COMMANDS, is_refreshable, spelled
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.integrations.dbt_plugin import Invocation, Stamp, stamp
from dbt_anymetrics.integrations.failure import failed, failure_of
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.output.terminal import fitted
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.output.unwatched import UnwatchedOutput
from dbt_anymetrics.parameters import AROUND_VARIABLE, from_environment
from dbt_anymetrics.result import Result

try:
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.functions import fire_event
    from dbt_common.events.types import Note
except ImportError:  # dbt-core 1.6 and 1.7
    from dbt.events.base_types import EventLevel
    from dbt.events.functions import fire_event
    from dbt.events.types import Note


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of the macro `anymetrics.refresh`, as dbt evaluated them."""

    run_date: str | None = None
    partition: list[str] | None = None
    models: list[str] | None = None
    on_error: str = "warn"
    when: str = "now"
    wait: bool = False
    invocation_id: str | None = None


class DbtOutput(UnwatchedOutput):
    """Lines as events of dbt's own: they appear where dbt's do, in its form, its log file and its callbacks.

    They have no colours: dbt writes the same text to its terminal and to its log file.
    """

    def result(self, line: str, level: Level, result: Result | None = None) -> None:
        """Write a line that the user asked for, with the data of the result that it is about."""
        text = fitted(click.unstyle(line), sys.stdout)
        # Never as a warning of dbt's: with --warn-error it would end the command.
        at = EventLevel.ERROR if level == "error" else EventLevel.INFO
        if result is None or not _fire_with_data(text, result, at):
            with suppress(Exception):  # an exception in one of dbt's outputs must not stop the work
                fire_event(Note(msg=text), level=at)


def _fire_with_data(text: str, result: Result, level: Any) -> bool:
    """Fire an event with the data of a result; false where this dbt does not allow that."""
    try:
        from dbt_anymetrics.integrations.dbt_event import AnyMetricsRefresh  # lazy: it may fail in a dbt to come

        data = msgspec.to_builtins(result)
        fire_event(AnyMetricsRefresh(text, data), level=level)
    except Exception:  # noqa: BLE001 (dbt may change its classes: the line is shown without data then)
        return False
    return True


def answer(invocation: Invocation) -> str | None:
    """Do what each request asks for, and return why dbt's command is to fail for it, if it is."""
    reporter = TextReporter(DbtOutput())
    failures = [_answer(request, invocation, reporter) for request in invocation.requests]
    return "; ".join(failure for failure in failures if failure) or None


def tell_skipped(invocation: Invocation) -> None:
    """Say what dbt did not: that it built tables, and that our hook was not called, because one before it failed."""
    project = Project(str(invocation.folder), str(invocation.target))
    if project.has_hook and _has_built(invocation):
        TextReporter(DbtOutput()).error(
            "AnyMetrics was not refreshed: dbt skipped anymetrics.refresh(), because an on-run-end hook before it "
            "failed. Run 'dbt-anymetrics refresh', and put anymetrics.refresh() first in on-run-end"
        )


def _has_built(invocation: Invocation) -> bool:
    found = read_run_results(invocation.target / RUN_RESULTS)
    is_own = invocation.written or found.metadata.invocation_id == invocation.id
    return bool(is_own) and any(each.status == "success" and is_refreshable(each.unique_id) for each in found.results)


def _answer(text: str, invocation: Invocation, reporter: TextReporter) -> str | None:
    # What the macro was given counts also where another of its arguments is wrong.
    request = Request(on_error="fail" if '"on_error": "fail"' in text else "warn")
    try:
        request = _request(text)
        failure = _refreshed(request, invocation, reporter)
    except AnyMetricsError as error:
        failure = f"AnyMetrics was not refreshed: {error}"
        reporter.error(failure)
    return failure if request.on_error == "fail" else None


def _refreshed(request: Request, invocation: Invocation, reporter: TextReporter) -> str | None:
    """Refresh, and return what failed, if anything did. Raises UsageError."""
    options = _options(request, invocation)
    which = invocation.flags.WHICH
    if which not in BUILDING_COMMANDS and not _concerns_tests(options, request, invocation):
        reporter.note(f"AnyMetrics: nothing to refresh, because '{spelled(which)}' builds nothing")
        return None
    _check_artifacts(request, invocation)
    failures: list[str] = []
    ending = refresh(options, reporter, lambda written: failures.extend(failed(written.results)))
    return failure_of(ending.counts, failures) if ending.exit_code else None


def _request(text: str) -> Request:
    try:
        request = msgspec.json.decode(text, type=Request)
    except msgspec.DecodeError as error:
        raise UsageError(f"its arguments cannot be understood ({error})", where="anymetrics.refresh()") from None
    if request.on_error not in ("warn", "fail"):
        raise UsageError(f"on_error is {request.on_error!r}, neither warn nor fail", where="anymetrics.refresh()")
    if request.when not in ("now", "later"):
        raise UsageError(f"when is {request.when!r}, neither now nor later", where="anymetrics.refresh()")
    if request.when == "later" and request.wait:
        raise UsageError("when='later' sends nothing that wait=true could wait for", where="anymetrics.refresh()")
    # An undefined name in Jinja arrives as an empty text or list, and must not be taken for no argument at all.
    for name in ("run_date", "partition", "models"):
        if getattr(request, name) in ("", []):
            raise UsageError(f"{name} is empty", where="anymetrics.refresh()", hint="Is the name in it defined?")
    return request


def _options(request: Request, invocation: Invocation) -> Options:
    return from_environment(
        _around(),
        command="hook",
        project_dir=str(invocation.folder),
        target_path=str(invocation.target),
        hook_run_date=request.run_date,
        hook_partition=request.partition,
        models=request.models or (),
        later=request.when == "later",
        wait=request.wait or None,
    )


def _around() -> list[str]:
    """The options of `dbt-anymetrics dbt` around this run: both refresh the same then. Raises UsageError."""
    try:
        return msgspec.json.decode(os.environ.get(AROUND_VARIABLE) or "[]", type=list[str])
    except msgspec.DecodeError:
        raise UsageError("is not what 'dbt-anymetrics dbt' writes", where=AROUND_VARIABLE) from None


def _concerns_tests(options: Options, request: Request, invocation: Invocation) -> bool:
    """Whether this is `dbt test`, and its tests let go of what an earlier run built, or hold it back from now on."""
    if invocation.flags.WHICH == "test":
        with suppress(AnyMetricsError):
            _check_artifacts(request, invocation)
            plan, opened = plan_with_ledger(options, inputs_of(options), only_to_read=True)
            with closing(opened.database):
                return not plan.is_idle
    return False


def _check_artifacts(request: Request, invocation: Invocation) -> None:
    """Make sure that the run results on disk are those of this very command."""
    if not invocation.flags.WRITE_JSON:
        raise UsageError("dbt wrote no run results", where="--no-write-json", hint="Leave it out, or the hook")
    path = invocation.target / RUN_RESULTS
    if invocation.written and _is_overwritten(*invocation.written):
        raise UsageError(
            "another dbt command has overwritten it, so what this one built is not known",
            where=str(path),
            hint="Give each of the dbt commands that run at the same time a --target-path of its own",
        )
    if not invocation.written and read_run_results(path).metadata.invocation_id != request.invocation_id:
        raise UsageError(
            "belongs to another dbt run, as its invocation_id says",
            where=str(path),
            hint="If several dbt commands run in this process, run 'dbt-anymetrics refresh' for this one",
        )


def _is_overwritten(path: Path, then: Stamp) -> bool:
    try:
        return stamp(path) != then
    except OSError:
        return True
