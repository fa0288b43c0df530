"""What `debug` and `doctor` look at: each look says what it found, warns, or raises."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import click
from msgspec import Struct

from dbt_anymetrics.commands.prepare import (
    Plan,
    connection_of,
    inputs_of,
    plan_with_ledger,
    project_of,
    read_only,
)
from dbt_anymetrics.commands.remarks import NO_SETTINGS
from dbt_anymetrics.commands.server import Server
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS, Inputs
from dbt_anymetrics.dbt_run.project import PROJECT_FILE
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.planning.run_date import time_zone
from dbt_anymetrics.result import count
from dbt_anymetrics.server.connection import (
    APP_ID_VARIABLE,
    SECRET_VARIABLES,
    app_secret,
    secret,
)
from dbt_anymetrics.text import one_line

NEEDED = ("folder", "manifest", "settings", "call")
"""After an error in one of these, the rest of its section is not checked."""


class Check(Struct, frozen=True):
    """One thing looked at: what was found, a warning, or an error with its exit code."""

    name: str
    finding: str
    warns: bool = False
    exit_code: int = 0


Look = Callable[[Options], str]
"""A look at one thing: it returns what it found, or raises WarningError or another AnyMetricsError."""

Sections = Sequence[tuple[str, Sequence[tuple[str, Look]]]]
"""What is looked at, under a title each."""


def look_at(
    sections: Sections, options: Options, tell: Callable[[str], None], tell_check: Callable[[Check], None]
) -> list[Check]:
    """Look at everything in turn. After an error in what the rest of a section needs, the rest is left out."""
    checks: list[Check] = []
    for title, looks in sections:
        tell(f"\n{title}")
        for name, look in looks:
            checks.append(checked(name, look, options))
            tell_check(checks[-1])
            if checks[-1].exit_code and name in NEEDED:
                break
    return checks


def verdict(checks: list[Check]) -> str:
    """The last line, which sums up all checks."""
    errors, warnings = sum(check.exit_code > 0 for check in checks), sum(check.warns for check in checks)
    if errors:
        return f"{errors} problem{'s' * (errors > 1)} found: see ERROR above."
    if warnings:
        return "The settings and the connection work. Before you rely on it, see WARN above."
    return "Everything is in order."


def checked(name: str, look: Look, options: Options) -> Check:
    """Look at one thing, and say what was found."""
    try:
        return Check(name, look(options))
    except WarningError as warning:
        return Check(name, str(warning), warns=True)
    except AnyMetricsError as error:
        return Check(name, str(error), exit_code=error.exit_code)


def show_check(check: Check) -> None:
    """Print one finding."""
    label, colour = ("ERROR", "red") if check.exit_code else ("WARN", "yellow") if check.warns else ("OK", "green")
    show(f"  {check.name:<12} {click.style(label, fg=colour)} {one_line(check.finding, 2000)}")


class WarningError(AnyMetricsError):
    """Something that may be intended, or may be the reason why nothing is refreshed."""


def folder(options: Options) -> str:
    """The project's folder. Raises UsageError when there is no project."""
    folder = project_of(options).folder.resolve()
    if not (folder / PROJECT_FILE).is_file() and not (options.manifest or options.run_results):
        raise UsageError(
            f"there is no {PROJECT_FILE}",
            where=str(folder),
            hint="Run this in a dbt project, or name its folder with --project-dir",
        )
    return str(folder)


def hook(options: Options) -> str:
    """Whether on-run-end calls our macro, and `dbt deps` installed it."""
    project = project_of(options)
    if not project.has_hook:
        raise WarningError(
            f"none in {PROJECT_FILE}: 'dbt build' alone refreshes nothing",
            hint="Add anymetrics.refresh() to on-run-end, run 'dbt-anymetrics refresh' after dbt, or run "
            "'dbt-anymetrics dbt build'",
        )
    if not project.has_package:
        raise UsageError(
            "on-run-end calls anymetrics.refresh(), but the dbt package is not installed",
            where=PROJECT_FILE,
            hint="Add it to packages.yml and run 'dbt deps'",
        )
    return f"anymetrics.refresh() in on-run-end of {PROJECT_FILE}"


def artifacts(options: Options) -> str:
    """What dbt wrote last, and what a refresh of it would send."""
    time_zone(options.timezone)
    project = project_of(options)
    if not options.run_results and not (project.target / RUN_RESULTS).exists():
        raise WarningError(
            f"there are none in {project.target} yet, so the settings of the models are not known",
            hint="Run dbt first",
        )
    inputs = inputs_of(options)
    plan, opened = plan_with_ledger(options, inputs, only_to_read=True)
    with closing(opened.database):
        return _planned(inputs, plan, [*opened.warnings, *read_only(opened), *plan.warnings])


def _planned(inputs: Inputs, plan: Plan, warnings: list[str]) -> str:
    if not plan.items:
        raise AnyMetricsError(NO_SETTINGS, where=str(inputs.folder))
    counts = count(plan.items)
    if counts.error:
        nodes = "1 node" if counts.error == 1 else f"{counts.error} nodes"
        hint = "'dbt-anymetrics plan' lists them"
        raise AnyMetricsError(f"there are wrong settings on {nodes}", where=str(inputs.folder), hint=hint)
    tables = len({refresh.table_name for refresh in plan.planned})
    if warnings:
        raise WarningError(". ".join(warnings))
    to_refresh = f"{counts.not_sent} date{'s' * (counts.not_sent != 1)} of {tables} table{'s' * (tables != 1)}"
    return (
        f"{_described(inputs)}; to refresh: {to_refresh}, already refreshed: {counts.already}, skipped: {counts.skip}, "
        f"not part of this run: {counts.untouched}"
    )


def _described(inputs: Inputs) -> str:
    metadata, args = inputs.runs[-1].results.metadata, inputs.runs[-1].results.args
    return (
        f"{inputs.folder.resolve()}: dbt {args.which or args.command or '(unknown command)'} of dbt "
        f"{metadata.dbt_version}, written {metadata.generated_at:%Y-%m-%d %H:%M:%S %Z}"
    )


def settings(options: Options) -> str:
    """Whether the connection is complete."""
    missing = list(_missing(options))
    if len(missing) > 1:
        hint = "'dbt-anymetrics sandbox' gives a set of them to try things out"
        raise UsageError(f"not set: {', '.join(missing)}", hint=hint)
    connection = connection_of(options)
    if not is_enabled():
        raise WarningError("complete, but every refresh is switched off", where=ENABLED_VARIABLE)
    if connection.is_exposed:
        raise WarningError("complete, but the credentials travel unencrypted: use https where the server has it")
    return "complete"


def _missing(options: Options) -> Iterator[str]:
    """The variables of a connection that have no value. A single one has an error of its own, with its own hint."""
    has_app = bool(os.environ.get(APP_ID_VARIABLE) or app_secret(os.environ))
    for name in ("url", "tenant_id", *(() if has_app else ("auth_type",))):
        if not (getattr(options, name) or "").strip():
            yield f"ANYMETRICS_{name.upper()}"
    if not has_app and not (secret(os.environ) or "").strip():
        yield SECRET_VARIABLES[0]


def probe(options: Options) -> str:
    """Whether AnyMetrics answers, and takes the credentials."""
    with closing(Server(options)) as server:
        return probed(server)


def probed(server: Server) -> str:
    """Whether AnyMetrics answers, and takes the credentials. Raises AnyMetricsError."""
    from dbt_anymetrics.server.client import PROBE  # lazy: requests is slow to import

    answer, address = server.client.probe(), server.connection.address(PROBE)
    trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
    if answer.message is not None:
        code = f" [{answer.code}]" if answer.code else ""
        raise AnyMetricsError(f"{answer.message}{code}{trace}", where=address)
    return f"{address} answered {answer.http_status}{trace}"
