"""What the on-run-end hook asks for, done inside dbt's process once dbt has written its run results."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
import msgspec
from dbt.flags import get_flags
from msgspec import Struct

from dbt_anymetrics.commands.prepare import inputs_of, plan_with_ledger, project_of
from dbt_anymetrics.commands.refresh import refresh
from dbt_anymetrics.dbt_run.artifacts import read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.dbt_run.invocation import BUILDING_COMMANDS, is_refreshable, spelled
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.progress import Progress
from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.output.terminal import fitted
from dbt_anymetrics.output.text import TextReporter
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
    invocation_id: str | None = None


class DbtOutput:
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

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""
        self.result(line, level)

    def columns(self) -> int:
        """No limit, because dbt does not cut lines."""
        return sys.maxsize

    def progress(self, progress: Progress) -> None:
        """Write a line from time to time. There is no bar, because the terminal is dbt's."""
        if progress.is_due:
            self.log(str(progress), "info")


def _fire_with_data(text: str, result: Result, level: Any) -> bool:
    """Fire an event with the data of a result; false where this dbt does not allow that."""
    try:
        from dbt_anymetrics.integrations.dbt_event import AnyMetricsRefresh  # lazy: it may fail in a dbt to come

        data = msgspec.to_builtins(result)
        fire_event(AnyMetricsRefresh(text, data), level=level)
    except Exception:  # noqa: BLE001 (dbt may change its classes: the line is shown without data then)
        return False
    return True


def answer(requests: list[str], invocation_id: str, written: str | None) -> bool:
    """Do what each request asks for, and return whether dbt's command has to fail because of it.

    `written` is where dbt says that it wrote its run results, which dbt 1.10 and later do.
    """
    flags = get_flags()
    reporter = TextReporter(DbtOutput())
    target = Path(written).parent if written else _target(flags)
    outcomes = [_answer(request, invocation_id, flags, target, reporter) for request in requests]
    return any(outcomes)


def tell_skipped(invocation_id: str, written: str | None) -> None:
    """Say what dbt did not: that it built tables, and that our hook was not called, because one before it failed."""
    flags = get_flags()
    target = Path(written).parent if written else _target(flags)
    project = Project(_text(flags.PROJECT_DIR), _text(target and target.resolve()))
    results = read_run_results(project.target / RUN_RESULTS)
    built = any(each.status == "success" and is_refreshable(each.unique_id) for each in results.results)
    if project.has_hook and built and results.metadata.invocation_id == invocation_id:
        TextReporter(DbtOutput()).error(
            "AnyMetrics was not refreshed: dbt skipped anymetrics.refresh(), because an on-run-end hook before it "
            "failed. Run 'dbt-anymetrics refresh', and put anymetrics.refresh() first in on-run-end"
        )


def _target(flags: Any) -> Path | None:
    """The target folder that dbt worked out, for one dbt run a process; None where dbt does not say."""
    with suppress(Exception):
        from dbt.adapters.factory import FACTORY  # lazy: only for dbt-core before 1.10

        folders = {
            Path(adapter.config.project_root, adapter.config.target_path) for adapter in FACTORY.adapters.values()
        }
        if len(folders) == 1:
            return folders.pop()
    return Path(flags.PROJECT_DIR or ".", flags.TARGET_PATH) if flags.TARGET_PATH else None


def _answer(text: str, invocation_id: str, flags: Any, target: Path | None, reporter: TextReporter) -> bool:
    request = Request(on_error="warn")
    try:
        request = _request(text)
        options = _options(request, flags, target)
        if flags.WHICH not in BUILDING_COMMANDS and not _frees_something(options, invocation_id, flags):
            reporter.note(f"AnyMetrics: nothing to refresh, because '{spelled(flags.WHICH)}' builds nothing")
            return False
        _check_artifacts(options, invocation_id, flags)
        exit_code = refresh(options, reporter).exit_code
    except AnyMetricsError as error:
        reporter.error(f"AnyMetrics was not refreshed: {error}")
        exit_code = error.exit_code
    return bool(exit_code) and request.on_error == "fail"


def _request(text: str) -> Request:
    try:
        request = msgspec.json.decode(text, type=Request)
    except msgspec.DecodeError as error:
        raise UsageError(f"its arguments cannot be understood ({error})", where="anymetrics.refresh()") from None
    if request.on_error not in ("warn", "fail"):
        raise UsageError(f"on_error is {request.on_error!r}, neither warn nor fail", where="anymetrics.refresh()")
    # An undefined name in Jinja arrives as an empty text or list, and must not be taken for no argument at all.
    for name in ("run_date", "partition", "models"):
        if getattr(request, name) in ("", []):
            raise UsageError(f"{name} is empty", where="anymetrics.refresh()", hint="Is the name in it defined?")
    return request


def _options(request: Request, flags: Any, target: Path | None) -> Options:
    return from_environment(
        _around(),
        command="hook",
        project_dir=_text(flags.PROJECT_DIR),
        target_path=_text(target and target.resolve()),
        hook_run_date=request.run_date,
        hook_partition=request.partition,
        models=request.models or (),
    )


def _around() -> list[str]:
    """The options of `dbt-anymetrics dbt` around this run: both refresh the same then. Raises UsageError."""
    try:
        return msgspec.json.decode(os.environ.get(AROUND_VARIABLE) or "[]", type=list[str])
    except msgspec.DecodeError:
        raise UsageError("is not what 'dbt-anymetrics dbt' writes", where=AROUND_VARIABLE) from None


def _frees_something(options: Options, invocation_id: str, flags: Any) -> bool:
    """Whether this is `dbt test`, and a test passes now that held back what an earlier run built."""
    if flags.WHICH == "test":
        with suppress(AnyMetricsError):
            _check_artifacts(options, invocation_id, flags)
            plan, opened = plan_with_ledger(options, inputs_of(options), only_to_read=True)
            with closing(opened.database):
                return not plan.is_idle
    return False


def _check_artifacts(options: Options, invocation_id: str, flags: Any) -> None:
    """Make sure that the run results on disk are those of this very command."""
    if not flags.WRITE_JSON:
        raise UsageError("dbt wrote no run results", where="--no-write-json", hint="Leave it out, or the hook")
    path = project_of(options).target / RUN_RESULTS
    if read_run_results(path).metadata.invocation_id != invocation_id:
        raise UsageError("belongs to an earlier dbt run, because this one wrote none", where=str(path))


def _text(path: object) -> str | None:
    return str(path) if path else None
