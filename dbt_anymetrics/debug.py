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
from dbt_anymetrics.connection import SECRET_VARIABLES, secret_variable
from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.inputs import RUN_RESULTS, read_inputs
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.plan import plan
from dbt_anymetrics.project import PROJECT_FILE
from dbt_anymetrics.result import Status, count
from dbt_anymetrics.run import time_zone
from dbt_anymetrics.text import one_line

_SETTINGS = (
    "url", "tenant_id", "auth_type", "timeout", "threads", "ca_bundle", "datasource", "run_date", "timezone",
)  # fmt: skip


class _Check(Struct, frozen=True):
    """One thing looked at: what was found, or the error."""

    name: str
    finding: str
    exit_code: int = 0


def debug(options: Options, context: click.Context) -> int:
    """Print everything, and return the worst of the exit codes: 0, 1 (the server), 2 (settings or artifacts)."""
    click.echo(f"dbt-anymetrics {__version__}, Python {platform.python_version()}, {platform.system()}")
    click.echo("\nSettings")
    for name, value, source in _settings(options, context):
        click.echo(f"  {name:<12} {one_line(value, 300):<40} {source}")
    checks: list[_Check] = []
    for title, looks in (
        ("Project", (("folder", _folder), ("artifacts", _artifacts))),
        ("Connection", (("settings", _connection), ("call", _probe))),
    ):
        click.echo(f"\n{title}")
        for name, look in looks:
            checks.append(_checked(name, look, options))
            _show(checks[-1])
            if title == "Connection" and checks[-1].exit_code:
                break
    exit_code = max(check.exit_code for check in checks)
    click.echo("\nEverything is in order." if exit_code == 0 else "\nSomething is to be mended: see ERROR above.")
    return exit_code


def _settings(options: Options, context: click.Context) -> Iterator[tuple[str, str, str]]:
    for name in _SETTINGS:
        value = getattr(options, name)
        yield name.replace("_", "-"), "(not set)" if value is None else str(value), _source(name, context)
    variable = secret_variable(os.environ)
    shown = "**********" if variable else "(not set)"
    yield "auth-value", shown, f"environment variable {variable or ' or '.join(SECRET_VARIABLES)}"
    switch = os.environ.get(ENABLED_VARIABLE)
    yield "enabled", switch or "true", f"environment variable {ENABLED_VARIABLE}" if switch else "default"


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
    except AnyMetricsError as error:
        return _Check(name, str(error), error.exit_code)


def _show(check: _Check) -> None:
    label = click.style("ERROR", fg="red") if check.exit_code else click.style("OK", fg="green")
    click.echo(f"  {check.name:<12} {label} {one_line(check.finding, 2000)}")


def _folder(options: Options) -> str:
    folder = options.project().folder
    found = "" if (folder / PROJECT_FILE).is_file() else f" (without a {PROJECT_FILE})"
    return f"{folder.resolve()}{found}"


def _artifacts(options: Options) -> str:
    time_zone(options.timezone)
    project = options.project()
    if not options.run_results and not (project.target / RUN_RESULTS).exists():
        return f"none yet in {project.target}: run dbt first"
    inputs = read_inputs(project, options.manifest, options.run_results)
    results = plan(inputs.manifest, inputs.runs, options.orders(), project.vars(), os.environ)
    counts = count(results)
    metadata, args = inputs.runs[-1].results.metadata, inputs.runs[-1].results.args
    tables = len({result.table_name for result in results if result.status is Status.PLANNED})
    return (
        f"{inputs.folder.resolve()}: dbt {args.which or args.command or '(unknown command)'} of dbt "
        f"{metadata.dbt_version}, written {metadata.generated_at:%Y-%m-%d %H:%M:%S %Z}; to refresh: "
        f"{counts.not_sent} dates of {tables} tables, skipped {counts.skip}, wrong {counts.error}"
    )


def _connection(options: Options) -> str:
    connection = options.connection()
    notes = ["complete"]
    if connection.is_exposed:
        notes.append("but the credentials travel unencrypted: use https where the server has it")
    if not is_enabled():
        notes.append(f"but {ENABLED_VARIABLE} switches every refresh off")
    return ", ".join(notes)


def _probe(options: Options) -> str:
    from dbt_anymetrics.client import PROBE, Client  # noqa: PLC0415 (requests is slow to import)

    connection = options.connection()
    with closing(Client(connection, os.environ)) as client:
        answer = client.probe()
    trace = f" (traceId {answer.trace_id})" if answer.trace_id else ""
    if answer.message is not None:
        code = f" [{answer.code}]" if answer.code else ""
        raise AnyMetricsError(f"{answer.message}{code}{trace}", where=connection.address(PROBE))
    return f"{connection.address(PROBE)} answered {answer.http_status}{trace}"
