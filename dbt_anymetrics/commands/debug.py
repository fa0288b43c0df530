"""`dbt-anymetrics debug`: every setting and where it comes from, the artifacts, and the connection."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import closing

import click
from click.core import ParameterSource
from msgspec import Struct

from dbt_anymetrics import __version__
from dbt_anymetrics.commands.prepare import (
    Plan,
    connection_of,
    inputs_of,
    plan_with_ledger,
    project_of,
    read_only,
    shown_state,
)
from dbt_anymetrics.commands.remarks import NO_SETTINGS
from dbt_anymetrics.dbt_run.inputs import RUN_RESULTS, Inputs
from dbt_anymetrics.dbt_run.project import PROJECT_FILE
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.planning.run_date import time_zone
from dbt_anymetrics.result import count
from dbt_anymetrics.server.connection import (
    APP_ID_VARIABLE,
    PRIVATE_MARKS,
    SECRET_VARIABLES,
    app_secret,
    secret,
    secret_variable,
)
from dbt_anymetrics.text import one_line

_SETTINGS = (
    "url", "tenant_id", "auth_type", "timeout", "threads", "ca_bundle", "datasource", "run_date", "timezone", "state",
)  # fmt: skip


_NEEDED = ("folder", "settings")
"""After an error in one of these, the rest of its section is not checked."""


class _Check(Struct, frozen=True):
    """One thing looked at: what was found, a warning, or an error with its exit code."""

    name: str
    finding: str
    warns: bool = False
    exit_code: int = 0


def debug(options: Options, context: click.Context) -> int:
    """Print everything, and return the worst exit code: 1 for a node or the server, 2 for settings or artifacts."""
    show(f"dbt-anymetrics {__version__}, Python {platform.python_version()}, {platform.system()}")
    show("\nSettings")
    for name, value, source in _settings(options, context):
        show(f"  {name:<12} {one_line(value, 300):<40} {source}")
    checks: list[_Check] = []
    for title, looks in (
        ("Project", (("folder", _folder), ("hook", _hook), ("artifacts", _artifacts))),
        ("Connection", (("settings", _connection), ("call", _probe))),
    ):
        show(f"\n{title}")
        for name, look in looks:
            checks.append(_checked(name, look, options))
            _show(checks[-1])
            if checks[-1].exit_code and name in _NEEDED:
                break
    show(f"\n{_verdict(checks)}")
    return max(check.exit_code for check in checks)


def _verdict(checks: list[_Check]) -> str:
    """The last line, which sums up all checks."""
    errors, warnings = sum(check.exit_code > 0 for check in checks), sum(check.warns for check in checks)
    if errors:
        return f"{errors} problem{'s' * (errors > 1)} found: see ERROR above."
    if warnings:
        return "The settings and the connection work. Before you rely on it, see WARN above."
    return "Everything is in order."


def _settings(options: Options, context: click.Context) -> Iterator[tuple[str, str, str]]:
    for name in _SETTINGS:
        yield name.replace("_", "-"), _value(options, name), _source(name, context)
    variable = secret_variable(os.environ)
    shown = "**********" if variable else "(not set)"
    yield "auth-value", shown, f"environment variable {variable or ' or '.join(SECRET_VARIABLES)}"
    if os.environ.get(APP_ID_VARIABLE) or app_secret(os.environ):
        for name, value in (("app-id", os.environ.get(APP_ID_VARIABLE)), ("app-secret", app_secret(os.environ))):
            yield name, "**********" if value else "(not set)", f"environment variable ANYMETRICS_{_upper(name)}"
    switch = os.environ.get(ENABLED_VARIABLE)
    yield "enabled", switch or "true", f"environment variable {ENABLED_VARIABLE}" if switch else "default"


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def _value(options: Options, name: str) -> str:
    value = getattr(options, name)
    if name == "state":
        value = shown_state(value)
    if name == "url" and value and any(mark in value for mark in PRIVATE_MARKS):
        return "(not shown, it may hold a password)"
    return "(not set)" if value is None else str(value)


def _source(name: str, context: click.Context) -> str:
    parameter = next(parameter for parameter in context.command.params if parameter.name == name)
    source = context.get_parameter_source(name)
    if source is ParameterSource.ENVIRONMENT:
        return f"environment variable {parameter.envvar}"
    if source is ParameterSource.COMMANDLINE:
        return f"option {parameter.opts[0]}"
    return f"default; set {parameter.opts[0]} or {parameter.envvar}"


def _checked(name: str, look: Callable[[Options], str], options: Options) -> _Check:
    try:
        return _Check(name, look(options))
    except _WarningError as warning:
        return _Check(name, str(warning), warns=True)
    except AnyMetricsError as error:
        return _Check(name, str(error), exit_code=error.exit_code)


def _show(check: _Check) -> None:
    label, colour = ("ERROR", "red") if check.exit_code else ("WARN", "yellow") if check.warns else ("OK", "green")
    show(f"  {check.name:<12} {click.style(label, fg=colour)} {one_line(check.finding, 2000)}")


class _WarningError(AnyMetricsError):
    """Something that may be intended, or may be the reason why nothing is refreshed."""


def _folder(options: Options) -> str:
    folder = project_of(options).folder.resolve()
    if not (folder / PROJECT_FILE).is_file() and not (options.manifest or options.run_results):
        raise UsageError(
            f"there is no {PROJECT_FILE}",
            where=str(folder),
            hint="Run this in a dbt project, or name its folder with --project-dir",
        )
    return str(folder)


def _hook(options: Options) -> str:
    project = project_of(options)
    if not project.has_hook:
        raise _WarningError(
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


def _artifacts(options: Options) -> str:
    time_zone(options.timezone)
    project = project_of(options)
    if not options.run_results and not (project.target / RUN_RESULTS).exists():
        raise _WarningError(
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
        raise _WarningError(". ".join(warnings))
    return (
        f"{_described(inputs)}; to refresh: {counts.not_sent} dates of {tables} tables, already refreshed: "
        f"{counts.already}, skipped: {counts.skip}, not part of this run: {counts.untouched}"
    )


def _described(inputs: Inputs) -> str:
    metadata, args = inputs.runs[-1].results.metadata, inputs.runs[-1].results.args
    return (
        f"{inputs.folder.resolve()}: dbt {args.which or args.command or '(unknown command)'} of dbt "
        f"{metadata.dbt_version}, written {metadata.generated_at:%Y-%m-%d %H:%M:%S %Z}"
    )


def _connection(options: Options) -> str:
    missing = list(_missing(options))
    if len(missing) > 1:
        hint = "'dbt-anymetrics sandbox' gives a set of them to try things out"
        raise UsageError(f"not set: {', '.join(missing)}", hint=hint)
    connection = connection_of(options)
    if not is_enabled():
        raise _WarningError("complete, but every refresh is switched off", where=ENABLED_VARIABLE)
    if connection.is_exposed:
        raise _WarningError("complete, but the credentials travel unencrypted: use https where the server has it")
    return "complete"


def _missing(options: Options) -> Iterator[str]:
    """The variables of a connection that have no value. A single one has an error of its own, with its own hint."""
    has_app = bool(os.environ.get(APP_ID_VARIABLE) or app_secret(os.environ))
    for name in ("url", "tenant_id", *(() if has_app else ("auth_type",))):
        if not (getattr(options, name) or "").strip():
            yield f"ANYMETRICS_{name.upper()}"
    if not has_app and not (secret(os.environ) or "").strip():
        yield SECRET_VARIABLES[0]


def _probe(options: Options) -> str:
    from dbt_anymetrics.server.client import PROBE  # lazy: requests is slow to import
    from dbt_anymetrics.server.opened import client_of  # lazy: the same

    connection = connection_of(options)
    with closing(client_of(connection, os.environ)) as client:
        answer = client.probe()
    trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
    if answer.message is not None:
        code = f" [{answer.code}]" if answer.code else ""
        raise AnyMetricsError(f"{answer.message}{code}{trace}", where=connection.address(PROBE))
    return f"{connection.address(PROBE)} answered {answer.http_status}{trace}"
