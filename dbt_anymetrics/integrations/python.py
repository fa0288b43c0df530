"""The function for libraries and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.commands.deliver import Ending, Show
from dbt_anymetrics.commands.prepare import reporter_for
from dbt_anymetrics.commands.refresh import refresh as run
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.integrations.access import Access
from dbt_anymetrics.integrations.failure import failed, failure_of
from dbt_anymetrics.integrations.log_output import LOG, LogOutput
from dbt_anymetrics.ledger.artifact import Document
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.parameters import from_environment
from dbt_anymetrics.result import Counts

StrPath = str | PathLike[str]

When = Literal["now", "later"]

_NAMES = (
    *("auth_type", "datasource", "partition", "run_date", "state", "tenant_id", "threads", "timezone", "url"),
    "wait_timeout",
)
_ARGUMENTS = {"--select": "models", **{f"--{name.replace('_', '-')}": name for name in _NAMES}}


class Outcome(Struct, frozen=True):
    """What a refresh did: the results artifact, the counts of this call, and the exit code the command would have."""

    document: Document
    counts: Counts
    exit_code: int

    @property
    def failure(self) -> str | None:
        """What failed, in one line, for an exception to raise; None when `exit_code` is 0."""
        return failure_of(self.counts, list(failed(self.document.results))) if self.exit_code else None


def refresh(  # noqa: PLR0913 (the options of a command, by keyword)
    project_dir: StrPath | None = None,
    *,
    target_path: StrPath | None = None,
    manifest: StrPath | None = None,
    run_results: Sequence[StrPath] = (),
    datasource: str | None = None,
    run_date: str | None = None,
    partition: str | None = None,
    timezone: str | None = None,
    vars: Mapping[str, Any] | None = None,  # noqa: A002 (dbt's name)
    models: Sequence[str] = (),
    state: StrPath | None = None,
    access: Access | None = None,
    when: When = "now",
    force: bool = False,
    threads: int | None = None,
    fail_fast: bool = False,
    wait: bool = False,
    wait_timeout: float | None = None,
    quiet: bool = False,
) -> Outcome:
    """Refresh in AnyMetrics what the last dbt run in a project rebuilt, as the command `dbt-anymetrics refresh` does.

    The arguments are that command's options. What is not given is read from the `ANYMETRICS_*` environment variables,
    and so are the connection and its credential without `access`. `when="later"` sends nothing and notes what was
    built, as the hook does then: `retry` sends it. Lines go to the logger `dbt_anymetrics` where the program has set
    up logging, else to stdout and stderr. For a callback, there is `refresh_after`.

    A refresh that fails raises nothing: see `exit_code` and `failure` of what is returned. Raises
    ArtifactError when dbt's artifacts are missing or not usable, and UsageError when a setting is wrong; nothing was
    sent then. Raises RecordError when the ledger cannot be read again at the end.
    """
    if when not in ("now", "later"):
        raise UsageError(f"when is {when!r}, neither now nor later", where="refresh()")
    if when == "later" and wait:
        raise UsageError("when='later' sends nothing that wait=True could wait for", where="refresh()")
    return _outcome(
        run,
        access,
        command="python",
        project_dir=_text(project_dir),
        target_path=_text(target_path),
        manifest=Path(manifest) if manifest else None,
        run_results=[Path(path) for path in run_results],
        datasource=datasource,
        run_date=run_date,
        partition=partition,
        timezone=timezone,
        vars=vars,
        models=models,
        state=_text(state),
        force=force,
        later=when == "later",
        threads=threads,
        fail_fast=fail_fast,
        wait=wait,
        wait_timeout=wait_timeout,
        quiet=quiet,
    )


def retry(  # noqa: PLR0913 (the options of a command, by keyword)
    project_dir: StrPath | None = None,
    *,
    target_path: StrPath | None = None,
    vars: Mapping[str, Any] | None = None,  # noqa: A002 (dbt's name)
    models: Sequence[str] = (),
    state: StrPath | None = None,
    access: Access | None = None,
    threads: int | None = None,
    fail_fast: bool = False,
    quiet: bool = False,
) -> Outcome:
    """Send what is pending, of every dbt run, as the command `dbt-anymetrics retry` does.

    The arguments, what is returned and what is raised are those of `refresh`.
    """
    from dbt_anymetrics.commands.retry import retry as run_retry  # lazy: a refresh does without

    return _outcome(
        run_retry,
        access,
        command="retry",
        project_dir=_text(project_dir),
        target_path=_text(target_path),
        vars=vars,
        models=models,
        state=_text(state),
        threads=threads,
        fail_fast=fail_fast,
        quiet=quiet,
    )


def _outcome(work: Callable[[Options, Reporter, Show], Ending], access: Access | None, **given: Any) -> Outcome:
    """Run a command; its errors name the argument of the function, in the place of the option of the command line."""
    try:
        return outcome_of(work, from_environment(**given, **(access.options() if access else {})))
    except UsageError as error:
        option, *more = (error.where or "").split(" ", 1)
        where = " ".join([_ARGUMENTS.get(option, option), *more])
        raise type(error)(error.what, where=where or None, hint=error.hint) from None


def outcome_of(command: Callable[[Options, Reporter, Show], Ending], options: Options) -> Outcome:
    """Run a command, and keep what it did."""
    written: list[Document] = []
    keep: Show = lambda shown: written.append(replace(shown, results=list(shown.results)))  # noqa: E731
    ending = command(options, reporter_of(options), keep)
    return Outcome(written[0], ending.counts, ending.exit_code)


def reporter_of(options: Options) -> Reporter:
    """Lines to `logging` where the program has set it up, else to stdout and stderr."""
    return TextReporter(LogOutput(quiet=options.quiet)) if LOG.hasHandlers() else reporter_for(options)


def _text(path: StrPath | None) -> str | None:
    return None if path is None else fspath(path)
