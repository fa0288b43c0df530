"""The command line: a thin layer over `commands`."""

# lazy: the imports inside these functions are there because --help, and each command, needs only its own modules.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import click

from dbt_anymetrics import __version__
from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.output.terminal import echo
from dbt_anymetrics.parameters import (
    AROUND,
    ARTIFACT,
    BACKFILL,
    CONNECTION,
    DATASOURCE,
    DATES,
    DROP,
    EVERY,
    FORCE,
    KEEP,
    MANIFEST,
    OBJECT,
    OUTPUT,
    PLAN,
    PROJECT,
    REPORT,
    SELECT,
    SENDING,
    SERVICE,
    STATE,
    STRICT,
    VARS,
    WAIT,
    WAITING,
    options,
)
from dbt_anymetrics.text import one_line


class _Commands(click.Group):
    """A group whose commands end with one clear line when something is wrong, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AnyMetricsError as error:
            echo(f"{click.style('Error', fg='red')}: {one_line(str(error), 2000)}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            echo("Interrupted.", err=True)
            ctx.exit(130)


class _AroundDbt(click.Command):
    """A command with its own options before dbt's command. It passes on everything else unchanged."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from dbt_anymetrics.commands.dbt import separate

        ours, dbts = separate(args, self.get_params(ctx))
        ctx.obj = ours
        return super().parse_args(ctx, [*ours, "--", *dbts])


class _Shape(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A shape of the sandbox's answers."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from dbt_anymetrics.sandbox import Shape

        try:
            return Shape(value)
        except ValueError:
            self.fail(f"{value!r} is not one of {', '.join(shape.value for shape in Shape)}.", param, ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The credential, ANYMETRICS_AUTH_VALUE, is read from the environment only. "
    "ANYMETRICS_ENABLED=false switches every refresh off.",
)
@click.version_option(__version__, prog_name="dbt-anymetrics")
def main() -> None:
    """Refresh in AnyMetrics the tables and dates that a dbt run rebuilt."""


@main.command()
@options(*ARTIFACT, *PLAN, *SENDING, *WAIT, *STATE, *KEEP, *OUTPUT)
def refresh(**given: Any) -> None:
    """Refresh the tables and dates that the last dbt run rebuilt.

    Exit codes: 0 when all is done or there is nothing to do, 1 when a refresh failed, 2 when the usage, a setting or an
    artifact is wrong and nothing was sent.
    """
    from dbt_anymetrics.commands.refresh import refresh as run

    _run(run, given)


@main.command()
@options(*ARTIFACT, *PLAN, *SERVICE, *STATE, *OUTPUT, *EVERY)
def plan(**given: Any) -> None:
    """Show what refresh would do, without sending anything.

    It needs no connection. The address and the tenant only tell it what was already sent there.
    """
    from dbt_anymetrics.commands.plan import show_plan
    from dbt_anymetrics.commands.prepare import reporter_for

    asked = _options({**given, "command": "plan"})
    _exit(show_plan(asked, reporter_for(asked)))


@main.command(name="dbt", cls=_AroundDbt, options_metavar="[OPTIONS]")
@options(*AROUND)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--] DBT_COMMAND [DBT_OPTIONS]...")
@click.pass_obj
def around(ours: list[str], /, arguments: tuple[str, ...], **given: Any) -> None:
    """Run dbt with the given arguments, then refresh what it built.

    The options below go before dbt's command, and dbt's own options after it: dbt-anymetrics dbt --run-date 2024-07-17
    build -s marts. Options that both have, such as --vars and --threads, belong to dbt, so they go after its command.
    The exit code is dbt's unless that is 0.
    """
    from dbt_anymetrics.commands.dbt import run

    _exit(run(arguments, given, ours))


@main.command()
@options(*PROJECT, *MANIFEST, *DATASOURCE, *VARS, *SELECT, *CONNECTION, *STRICT, *OBJECT)
def doctor(**given: Any) -> None:
    """Check everything from dbt to the tables in AnyMetrics.

    It is meant for the time before the first run, and sends nothing. Without a connection it checks the side of dbt
    alone.
    """
    from dbt_anymetrics.commands.doctor import doctor as run

    _exit(run(_options(given)))


@main.command()
@options(
    *(*PROJECT, *MANIFEST, *DATASOURCE, *DATES, *FORCE, *VARS, *SELECT, *BACKFILL),
    *(*SENDING, *WAIT, *STATE, *KEEP, *OUTPUT),
)
def backfill(**given: Any) -> None:
    """Refresh tables for dates that no dbt run rebuilt.

    It needs -s NODES and --partition, such as 2024-01-01..2024-06-30. Each table and date is one Data
    Update in AnyMetrics, as after a dbt run. The same backfill, run again, goes on where it stopped. With --plan in the
    place of -s, AnyMetrics computes the dates of one acceleration plan by a task of its own.
    """
    if given["plan_name"] is not None or given["days_per_batch"] is not None:
        from dbt_anymetrics.commands.backfill_plan import backfill_plan
        from dbt_anymetrics.commands.prepare import reporter_for

        asked = _options({**given, "command": "backfill"})
        _exit(backfill_plan(asked, reporter_for(asked)))
    from dbt_anymetrics.commands.backfill import backfill as run

    _run(run, {**given, "command": "backfill"})


@main.command()
@options(*PROJECT, *VARS, *SELECT, *SENDING, *WAIT, *STATE, *KEEP, *DROP, *OUTPUT)
def retry(**given: Any) -> None:
    """Send again what failed or was not sent, of every dbt run."""
    if given["drop"]:
        from dbt_anymetrics.commands.drop import drop as forget
        from dbt_anymetrics.commands.prepare import reporter_for

        asked = _options(given)
        _exit(forget(asked, reporter_for(asked)))
    from dbt_anymetrics.commands.retry import retry as run

    _run(run, {**given, "command": "retry"})


@main.command()
@options(*PROJECT, *VARS, *CONNECTION, *WAITING, *STATE, *KEEP, *OUTPUT)
def wait(**given: Any) -> None:
    """Wait for the plans that earlier commands triggered.

    These are the plans that anymetrics.plans names, after any command but one with --wait, which has waited for them
    itself. Exit codes: 0 when each was refreshed since the trigger, 1 when one was not seen refreshed or that cannot
    be told, 2 when there is nothing to wait for at all.
    """
    from dbt_anymetrics.commands.prepare import reporter_for
    from dbt_anymetrics.commands.wait import wait as run

    asked = _options(given)
    _exit(run(asked, reporter_for(asked)))


@main.command()
@options(*PROJECT, *VARS, *SERVICE, *STATE, *OBJECT)
def status(**given: Any) -> None:
    """Show what is pending, why and since when, and the last commands."""
    from dbt_anymetrics.commands.status import status as run

    _exit(run(_options(given)))


@main.command()
@options(*REPORT, *PROJECT, *MANIFEST, *VARS, *SERVICE, *STATE)
def report(**given: Any) -> None:
    """Write one page of what was refreshed and what was not, and why.

    It is made from the ledger alone, and nothing is sent. The page is one HTML file that loads nothing from anywhere.
    The exit code is 0 whatever failed, and 2 when a setting is wrong or the ledger cannot be read.
    """
    from dbt_anymetrics.commands.report import report as run

    _exit(run(_options(given)))


@main.command()
@options(*ARTIFACT, *PLAN, *SENDING, *STATE)
@click.pass_context
def debug(context: click.Context, /, **given: Any) -> None:
    """Show the settings and try the connection."""
    from dbt_anymetrics.commands.debug import debug as run

    _exit(run(_options(given), context))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="[default: 8083, or the next that is free]")
@click.option(
    "--answer", metavar="SHAPE", type=_Shape(), help="Answer every call in this shape, for example no-permission."
)
@click.option(
    "--plan",
    "plans",
    multiple=True,
    metavar="NAME[=TABLE,...]",
    help="A plan, and the tables that move it: every table where none is named. NAME= is an external plan. Repeatable. "
    "[default: every_table]",
)
@click.option(
    "--scheduled-plan",
    "scheduled",
    multiple=True,
    metavar="NAME",
    help="A plan that follows a schedule, so that no table moves it. Repeatable.",
)
@click.option(
    "--moves-after",
    type=click.FloatRange(0),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="How long after a trigger its plans are refreshed.",
)
@click.option(
    "--plan-fails",
    type=click.Choice(["never", "back", "null", "not-ready"]),
    help="Plans never move, move back in time, have no times, or are never ready.",
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="CATALOG.SCHEMA.TABLE",
    help="A table that lineage lists, beside those that were triggered. Repeatable.",
)
@click.option("--lineage-edges", type=click.IntRange(0), default=0, metavar="N", help="Make lineage N edges long.")
@click.option("--slow", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Wait before every answer.")
def sandbox(port: int | None, answer: Any, **world: Any) -> None:
    """Run a local stand-in for AnyMetrics to try things out."""
    from dbt_anymetrics.commands import sandbox as command
    from dbt_anymetrics.sandbox import PlanFault

    fails = world.pop("plan_fails")
    world["plans"], world["tables"] = command.plans(world["plans"]), command.tables(world["tables"])
    command.serve(port, answer, plan_fails=PlanFault(fails) if fails else None, **world)


def _run(command: Callable[[Any, Any, Any], Any], given: dict[str, Any]) -> NoReturn:
    from dbt_anymetrics.commands.deliver import show_nothing
    from dbt_anymetrics.commands.plan import print_document
    from dbt_anymetrics.commands.prepare import reporter_for

    asked = _options(given)
    ending = command(asked, reporter_for(asked), print_document if asked.output == "json" else show_nothing)
    _exit(ending.exit_code)


def _options(given: dict[str, Any]) -> Any:
    from dbt_anymetrics.options import Options

    return Options.of(given)


def _exit(code: int) -> NoReturn:
    click.get_current_context().exit(code)
