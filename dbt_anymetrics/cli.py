"""The command line: a thin skin over `commands`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from dbt_anymetrics import __version__
from dbt_anymetrics.defaults import AUTH_TYPES, MAX_THREADS, THREADS, TIMEOUT
from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.text import one_line

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PATH = click.Path(path_type=Path, dir_okay=False)


class _Commands(click.Group):
    """A group whose commands end with one clear line when something is wrong, and never with a traceback of it."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (as in click)
        try:
            return super().invoke(ctx)
        except AnyMetricsError as error:
            click.echo(f"{click.style('Error', fg='red')}: {one_line(str(error), 2000)}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


class _Vars(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A YAML mapping, as dbt's --vars."""

    name = "yaml"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        if not isinstance(value, str):
            return value
        from dbt_anymetrics.project import load_vars  # noqa: PLC0415

        try:
            return load_vars(value)
        except AnyMetricsError as error:
            self.fail(error.what, param, ctx)


class _Shape(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A shape of the sandbox's answers."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        from dbt_anymetrics.sandbox import Shape  # noqa: PLC0415 (a server is slow to import)

        try:
            return Shape(value)
        except ValueError:
            self.fail(f"{value!r} is not one of {', '.join(shape.value for shape in Shape)}.", param, ctx)


# Options that several commands have.

_PROJECT = [
    click.option("--project-dir", metavar="DIR", help="The dbt project's folder, found as dbt finds it."),
    click.option("--target-path", metavar="DIR", help="dbt's target folder, found as dbt finds it."),
]

_ARTIFACT = [
    *_PROJECT,
    click.option("--manifest", type=_PATH, help="The manifest.json to read, instead of the target folder's."),
    click.option(
        "--run-results", type=_PATH, multiple=True, help="A run_results.json to read, instead of the target folder's."
    ),
]

_PLAN = [
    click.option(
        "--datasource",
        envvar="ANYMETRICS_DATASOURCE",
        show_envvar=True,
        help="For models without anymetrics.datasource.",
    ),
    click.option(
        "--run-date",
        envvar="ANYMETRICS_RUN_DATE",
        show_envvar=True,
        metavar="DATE",
        help="The run's own date, yyyy-MM-dd. [default: the date on which the dbt run started]",
    ),
    click.option(
        "--timezone",
        envvar="ANYMETRICS_TIMEZONE",
        show_envvar=True,
        default="UTC",
        show_default=True,
        help="IANA name of the zone in which the run's start has its date.",
    ),
    click.option("--partition", metavar="DATES", help="Refresh these dates for every model: a date, range or list."),
    click.option("--vars", type=_Vars(), metavar="YAML", help="Vars for templates in partitions."),
    click.option("-m", "--model", "models", multiple=True, metavar="GLOB", help="Only nodes whose name matches."),
    click.option("--force", is_flag=True, help="Send again what was already refreshed for this dbt run."),
]

_SENDING = [
    click.option("--url", envvar="ANYMETRICS_URL", show_envvar=True, help="AnyMetrics' base address."),
    click.option(
        "--tenant-id",
        envvar="ANYMETRICS_TENANT_ID",
        show_envvar=True,
        help="Shown in AnyMetrics under Metric Applications > API Integration.",
    ),
    click.option(
        "--auth-type", envvar="ANYMETRICS_AUTH_TYPE", show_envvar=True, help=f"One of {', '.join(AUTH_TYPES)}."
    ),
    click.option(
        "--timeout",
        type=float,
        envvar="ANYMETRICS_TIMEOUT",
        show_envvar=True,
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for a connection, and for each answer.",
    ),
    click.option(
        "--ca-bundle",
        envvar="ANYMETRICS_CA_BUNDLE",
        show_envvar=True,
        metavar="FILE",
        help="Certificates to trust, for a private authority.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, MAX_THREADS),
        envvar="ANYMETRICS_THREADS",
        show_envvar=True,
        default=THREADS,
        show_default=True,
        help="Refreshes under way at once.",
    ),
    click.option("--fail-fast", is_flag=True, help="Send nothing more after the first refresh that fails."),
]

_OUTPUT = [
    click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: the results artifact on stdout, and nothing else there.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: one object a line.",
    ),
    click.option("--quiet", is_flag=True, help="Say only what went wrong."),
]


def _options(*options: _Decorator) -> _Decorator:
    """Give a command several options at once, in this order; click 8.0 takes no `params=`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="ANYMETRICS_AUTH_VALUE, the credential, is read from the environment only. "
    "ANYMETRICS_ENABLED=false switches every refresh off.",
)
@click.version_option(__version__, prog_name="dbt-anymetrics")
def main() -> None:
    """Refresh in AnyMetrics what a dbt run rebuilt."""


@main.command()
@_options(*_ARTIFACT, *_PLAN, *_SENDING, *_OUTPUT)
def refresh(**options: Any) -> None:  # noqa: ANN401
    """Refresh the tables and dates of the last dbt run.

    Exit code: 0 done or nothing to do, 1 some refresh failed, 2 wrong usage, settings or artifacts and nothing sent.
    """
    from dbt_anymetrics.commands import refresh as run  # noqa: PLC0415 (--help does not need it)

    _run(run, options)


@main.command()
@_options(*_ARTIFACT, *_PLAN, *_OUTPUT)
def plan(**options: Any) -> None:  # noqa: ANN401
    """Show what refresh would do; needs no connection and sends nothing."""
    from dbt_anymetrics.planning import reporter_for, show_plan  # noqa: PLC0415

    given = _given(options)
    _exit(show_plan(given, reporter_for(given)))


@main.command(
    name="dbt",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="DBT_ARGUMENTS...")
def around(arguments: tuple[str, ...]) -> None:
    """Run dbt with these arguments, then refresh what it built.

    Our own options come from the environment. The exit code is dbt's where that is not 0, else refresh's.
    """
    from dbt_anymetrics.around import run  # noqa: PLC0415

    _exit(run(arguments))


@main.command()
@_options(*_PROJECT, *_SENDING, *_OUTPUT)
def retry(**options: Any) -> None:  # noqa: ANN401
    """Send again what failed, or was not sent, the last time."""
    from dbt_anymetrics.commands import retry as run  # noqa: PLC0415

    _run(run, options)


@main.command()
@_options(*_ARTIFACT, *_PLAN, *_SENDING)
@click.pass_context
def debug(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Show every setting and where it comes from, and try the connection."""
    from dbt_anymetrics.debug import debug as run  # noqa: PLC0415

    _exit(run(_given(options), context))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: any that is free]")
@click.option(
    "--answer", metavar="SHAPE", type=_Shape(), help="Answer every call in this shape, for example no-permission."
)
def sandbox(port: int, answer: Any) -> None:  # noqa: ANN401
    """Run a local stand-in for the AnyMetrics API, to try things out."""
    from dbt_anymetrics.sandbox.command import serve  # noqa: PLC0415

    serve(port, answer)


def _run(command: Callable[[Any, Any], Any], options: dict[str, Any]) -> NoReturn:
    from dbt_anymetrics.planning import print_document, reporter_for  # noqa: PLC0415

    given = _given(options)
    ending = command(given, reporter_for(given))
    if given.output == "json":
        print_document(ending.read())
    _exit(ending.exit_code)


def _given(options: dict[str, Any]) -> Any:  # noqa: ANN401 (Options, which costs --help the import of msgspec)
    from dbt_anymetrics.options import Options  # noqa: PLC0415

    return Options.of(options)


def _exit(code: int) -> NoReturn:
    click.get_current_context().exit(code)
