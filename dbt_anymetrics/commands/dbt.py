"""`dbt-anymetrics dbt ...`: dbt run as given, then a refresh of what this run built."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.commands.prepare import address_of, project_of, reporter_for
from dbt_anymetrics.commands.refresh import refresh
from dbt_anymetrics.dbt_run.artifacts import Args, read_run_results
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS
from dbt_anymetrics.dbt_run.invocation import BUILDING_COMMANDS
from dbt_anymetrics.dbt_run.yaml_text import load_vars
from dbt_anymetrics.errors import AnyMetricsError, ArtifactError, UsageError
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.terminal import echo
from dbt_anymetrics.parameters import AROUND_VARIABLE, from_environment

DBT_VARIABLE = "ANYMETRICS_DBT"


class Seen(Struct, frozen=True):
    """What dbt's own arguments say. `args` may be in no artifact: dbt 2.x records little of its command line."""

    project_dir: str | None
    target_path: str | None
    target: str | None
    profile: str | None
    profiles_dir: str | None
    vars: str
    is_json: bool
    quiet: bool
    builds: bool
    args: Args


def separate(arguments: Sequence[str], parameters: Sequence[click.Parameter]) -> tuple[list[str], list[str]]:
    """Our own options, which stand before dbt's command or before `--`, and everything else, which is dbt's.

    Raises UsageError for an option of ours behind dbt's command, where dbt would refuse it.
    """
    own = {name: parameter for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    ours: list[str] = []
    dbts: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if argument == "--" or not argument.startswith("-"):
            dbts += [] if argument == "--" else [argument]
            break
        owner = ours if isinstance(own.get(name), click.Option) else dbts
        owner.append(argument)
        if not equals and _takes_value(name, own.get(name)):
            owner += [value for value in [next(rest, None)] if value is not None]
    dbts += rest
    _check_places(dbts, own.keys())
    return ours, dbts


def _takes_value(name: str, parameter: click.Parameter | None) -> bool:
    return not parameter.is_flag if isinstance(parameter, click.Option) else name in _WITH_VALUE


def _check_places(dbts: Sequence[str], own: Collection[str]) -> None:
    rest = iter(dbts)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if name in own and name.startswith("--") and name != "--help":
            raise UsageError(
                f"{name} is an option of dbt-anymetrics and must go before dbt's command",
                hint=f"Write: dbt-anymetrics dbt {name} ... build",
            )
        if name in _WITH_VALUE and not equals:
            next(rest, None)


def run(arguments: Sequence[str], given: Mapping[str, Any] = MappingProxyType({}), ours: Sequence[str] = ()) -> int:
    """Run dbt, refresh, and return dbt's exit code where it is not 0, else our own.

    `given` are options of ours, and `ours` is how they were written, for a hook in the dbt run to use the same.

    Raises UsageError, before dbt runs, when there is no dbt or an environment variable cannot be read.
    """
    program = find_dbt()
    seen = look(arguments)
    options = from_environment(
        **{
            **given,
            "command": "dbt",
            "project_dir": seen.project_dir,
            "target_path": seen.target_path,
            "target": seen.target,
            "profile": seen.profile,
            "profiles_dir": seen.profiles_dir,
            "vars": load_vars(seen.vars),
            **({"log_format": "json"} if seen.is_json else {}),
            **({"quiet": True} if seen.quiet else {}),
        }
    )
    address_of(options)
    before = None
    with suppress(UsageError):  # it is told after dbt has run
        before = _invocation(options)
    dbt_code = _run_dbt([program, *arguments], ours)
    our_code = _refresh(options, seen, before)
    code, whose = (dbt_code, "dbt's") if dbt_code else (our_code, "dbt-anymetrics'")
    if code:
        echo(f"The exit code {code} is {whose} (dbt: {dbt_code}, dbt-anymetrics: {our_code}).", err=True)
    return code


def find_dbt() -> str:
    """The dbt to run: the one that ANYMETRICS_DBT names, the one beside this Python, the first in PATH."""
    named = os.environ.get(DBT_VARIABLE)
    if named:
        found = shutil.which(named)
    else:
        found = shutil.which("dbt", path=str(Path(sys.executable).parent)) or shutil.which("dbt")
    if found is None:
        where = DBT_VARIABLE if named else "PATH"
        raise UsageError(f"there is no {named or 'dbt'} to run", where=where, hint=f"Name it with {DBT_VARIABLE}")
    return found


def look(arguments: Sequence[str]) -> Seen:
    """Read in dbt's arguments what concerns the refresh, `--option value` and `--option=value` alike."""
    given: dict[str, str] = {}
    flags: set[str] = set()
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if option.startswith("-t") and len(option) > len("-t"):  # as click takes it: -tprod
            given["-t"] = argument[len("-t") :]
        elif option in _WITH_VALUE:
            given[option] = value if equals else next(rest, "")
        else:
            flags.add(argument)
    return Seen(
        project_dir=given.get("--project-dir"),
        target_path=given.get("--target-path"),
        target=given.get("--target") or given.get("-t"),
        profile=given.get("--profile"),
        profiles_dir=given.get("--profiles-dir"),
        vars=given.get("--vars") or "{}",
        is_json=(given.get("--log-format") or os.environ.get("DBT_LOG_FORMAT")) == "json",
        quiet=bool(flags & {"--quiet", "-q"}),
        builds=bool(flags & BUILDING_COMMANDS),
        args=Args(
            full_refresh=bool(flags & {"--full-refresh", "-f"}),
            empty="--empty" in flags,
            sample=given.get("--sample"),
            event_time_start=given.get("--event-time-start"),
            event_time_end=given.get("--event-time-end"),
        ),
    )


_WITH_VALUE = frozenset(
    {
        *("--project-dir", "--target-path", "--vars", "--sample", "--target", "-t", "--profile", "--profiles-dir"),
        *("--event-time-start", "--event-time-end", "--threads", "--state", "--defer-state", "--selector"),
        *("--log-level", "--log-level-file", "--log-format", "--log-format-file", "--log-path", "--log-file-max-bytes"),
        *("--printer-width", "--record-timing-info", "-r", "--warn-error-options", "--indirect-selection", "--output"),
    }
)
"""Options of dbt's that take a value: it must not be taken for an option itself, nor for dbt's command."""


def _run_dbt(command: Sequence[str], ours: Sequence[str]) -> int:
    """Run dbt with our own terminal; its exit code, as a shell tells it when a signal ended it."""
    environment = {**os.environ, AROUND_VARIABLE: json.dumps([each for each in ours if each != "--force"])}
    with subprocess.Popen(command, env=environment) as process, _forwarding(process):  # noqa: S603 (the user's own dbt command)
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Outlive Ctrl-C and SIGTERM while dbt ends its work, and see that dbt gets them.

    A terminal sends Ctrl-C to dbt too; to send it once more would make dbt drop what it is doing.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if not (number == signal.SIGINT and _terminal_signals_us()):
            with suppress(OSError):
                process.send_signal(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_signals_us() -> bool:
    if not hasattr(os, "tcgetpgrp"):
        return True  # Windows sends Ctrl-C to every process of the console
    with suppress(OSError, ValueError):
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0) == os.getpgrp()
    return False


def _refresh(options: Options, seen: Seen, before: str | None) -> int:
    """Refresh what this run of dbt built; an error is shown, so that dbt's exit code can still win."""
    reporter = reporter_for(options)
    try:
        after = _invocation(options)
        if after is None or after == before:
            if seen.builds:
                reporter.warning("dbt wrote no run results this time, so nothing is refreshed")
            return 0
        return refresh(replace(options, seen_args=seen.args), reporter).exit_code
    except AnyMetricsError as error:
        reporter.error(str(error))
        return error.exit_code


def _invocation(options: Options) -> str | None:
    """dbt's id of the run whose results are on disk, or None when there are none to use.

    Raises UsageError when it is not known where they are.
    """
    path = project_of(options).target / RUN_RESULTS
    try:
        return read_run_results(path).metadata.invocation_id
    except ArtifactError:
        return None
