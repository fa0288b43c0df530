"""The options of the command line, each declared once, and the same options read from the environment alone."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from dbt_anymetrics.defaults import AUTH_TYPES, KEEP_DAYS, MAX_THREADS, MOST_DAYS, THREADS, TIMEOUT, WAIT_TIMEOUT
from dbt_anymetrics.errors import AnyMetricsError, UsageError

if TYPE_CHECKING:
    from dbt_anymetrics.options import Options

AROUND_VARIABLE = "DBT_ANYMETRICS_AROUND"
"""Where `dbt-anymetrics dbt` leaves its options, as a JSON list, for the hook in the dbt run that it starts."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_FILE = click.Path(path_type=Path, dir_okay=False)


class _Vars(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A YAML mapping, as dbt's --vars."""

    name = "yaml"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        from dbt_anymetrics.dbt_run.yaml_text import load_vars  # lazy: --help does not need it

        try:
            return load_vars(value)
        except AnyMetricsError as error:
            self.fail(error.what, param, ctx)


class _Number(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number within bounds, which not-a-number is never; `what` says in words which numbers are right."""

    def __init__(self, name: str, what: str, is_right: Callable[[float], bool]) -> None:
        self.name = name
        self._what = what
        self._is_right = is_right

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self._is_right(number):
            self.fail(f"{value!r} is not {self._what}", param, ctx)
        return number


_DAYS = _Number("days", f"a number of days from 0 to {MOST_DAYS:,}", lambda days: 0 <= days <= MOST_DAYS)
_SECONDS = _Number("seconds", "a number of seconds greater than 0", lambda seconds: 0 < seconds < threading.TIMEOUT_MAX)
_PACE = _Number("number", "a number greater than 0", lambda pace: 0 < pace < math.inf)


class _Selection(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Nodes in dbt's words; what only dbt can select is refused, since it would match nothing."""

    name = "selection"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from dbt_anymetrics.planning.selection import parse  # lazy: --help does not need it

        try:
            parse([value])
        except AnyMetricsError as error:
            self.fail(f"{error.what}. {error.hint}", param, ctx)
        return value


def _refuse_secret(_context: click.Context, _parameter: click.Parameter, value: object) -> None:
    if value is not None:
        raise click.UsageError(
            "--auth-value: the credential is read from the environment only, since everybody on the machine can see a "
            "command line. Set ANYMETRICS_AUTH_VALUE."
        )


def _refuse_password(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an address with a password on the command line, where everybody on the machine can see it."""
    is_given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if value and is_given and re.search(r"://[^/]*:[^/]*@|[?&]password=", value):
        raise click.UsageError(
            "--state: an address with a password is read from the environment only, since everybody on the machine can "
            "see a command line. Set ANYMETRICS_STATE."
        )
    return value


def options(*several: Decorator) -> Decorator:
    """Give a command several options at once, in this order; click 8.0 takes no `params=`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate


PROJECT = (
    click.option("--project-dir", metavar="DIR", help="Folder of the dbt project. [default: found as dbt finds it]"),
    click.option("--target-path", metavar="DIR", help="dbt's target folder. [default: found as dbt finds it]"),
    click.option("--target", "-t", metavar="NAME", help="dbt's target, where target-path: has {{ target }} in it."),
    click.option("--profile", metavar="NAME", help="dbt's profile, likewise."),
    click.option("--profiles-dir", metavar="DIR", help="Folder of profiles.yml, likewise."),
)

VARS = (click.option("--vars", type=_Vars(), metavar="YAML", help="Variables for templates in partitions, as in dbt."),)

STATE = (
    click.option(
        "--state",
        envvar="ANYMETRICS_STATE",
        callback=_refuse_password,
        show_envvar=True,
        metavar="FILE",
        help="The ledger, which remembers every refresh. [default: anymetrics.db in the target folder]",
    ),
)

KEEP = (
    click.option(
        "--keep-days",
        type=_DAYS,
        envvar="ANYMETRICS_KEEP_DAYS",
        show_envvar=True,
        default=KEEP_DAYS,
        show_default=True,
        metavar="DAYS",
        help="How long the ledger keeps what was refreshed, and the commands. What is pending is always kept.",
    ),
)

MANIFEST = (
    click.option(
        "--manifest", type=_FILE, metavar="FILE", help="The manifest.json to read. [default: the target folder's]"
    ),
)

ARTIFACT = (
    *PROJECT,
    *MANIFEST,
    click.option(
        "--run-results",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="A run_results.json to read; can be given several times. [default: the target folder's]",
    ),
)

DATASOURCE = (
    click.option(
        "--datasource",
        envvar="ANYMETRICS_DATASOURCE",
        show_envvar=True,
        metavar="NAME",
        help="Data source in AnyMetrics for nodes that do not set anymetrics.datasource.",
    ),
)

DATES = (
    click.option(
        "--run-date",
        envvar="ANYMETRICS_RUN_DATE",
        show_envvar=True,
        metavar="DATE",
        help="Date of the run, yyyy-MM-dd. [default: the day on which the dbt run started]",
    ),
    click.option(
        "--timezone",
        envvar="ANYMETRICS_TIMEZONE",
        show_envvar=True,
        metavar="NAME",
        default="UTC",
        show_default=True,
        help="Time zone (IANA name) that decides on which day the run started.",
    ),
    click.option(
        "--partition",
        metavar="DATES",
        help="Refresh these dates for every node, regardless of its settings: a date, a range or a list.",
    ),
)

FORCE = (click.option("--force", is_flag=True, help="Send again what was already refreshed for this dbt run."),)

_INTERVAL = (
    click.option(
        "--min-interval",
        envvar="ANYMETRICS_MIN_INTERVAL",
        show_envvar=True,
        metavar="LENGTH",
        help="Do not send what was confirmed less long ago, such as 15m; it stays pending. [default: off]",
    ),
)

_PLAN = (*DATASOURCE, *DATES, *_INTERVAL, *FORCE)

SELECT = (
    click.option(
        "-s",
        "--select",
        "-m",
        "--model",
        "models",
        multiple=True,
        type=_Selection(),
        metavar="NODES",
        help="Only these nodes, in dbt's words: names, globs, tag:, path:, config.meta...; can be given several times.",
    ),
)

PLAN = (*_PLAN, *VARS, *SELECT)

SERVICE = (
    click.option("--url", envvar="ANYMETRICS_URL", show_envvar=True, metavar="URL", help="Base address of AnyMetrics."),
    click.option(
        "--tenant-id",
        envvar="ANYMETRICS_TENANT_ID",
        show_envvar=True,
        metavar="ID",
        help="Shown in AnyMetrics under Metric Applications > API Integration.",
    ),
)

_SENDING = (
    *SERVICE,
    click.option(
        "--auth-type",
        envvar="ANYMETRICS_AUTH_TYPE",
        show_envvar=True,
        metavar="TYPE",
        help=f"One of {', '.join(AUTH_TYPES)}.",
    ),
    click.option("--auth-value", hidden=True, expose_value=False, is_eager=True, callback=_refuse_secret),
    click.option(
        "--timeout",
        type=float,
        envvar="ANYMETRICS_TIMEOUT",
        show_envvar=True,
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for a connection, and then for each answer.",
    ),
    click.option(
        "--ca-bundle",
        envvar="ANYMETRICS_CA_BUNDLE",
        show_envvar=True,
        metavar="FILE",
        help="Certificates to trust, for a private authority.",
    ),
)

_DBTS_SENDING = (
    click.option(
        "--threads",
        type=click.IntRange(1, MAX_THREADS),
        envvar="ANYMETRICS_THREADS",
        show_envvar=True,
        default=THREADS,
        show_default=True,
        help="How many refreshes to send at once.",
    ),
    click.option("--fail-fast", is_flag=True, help="Send nothing more after the first refresh that fails."),
)

CONNECTION = _SENDING

SENDING = (*_SENDING, *_DBTS_SENDING)


_WAIT_TIMEOUT = (
    click.option(
        "--wait-timeout",
        type=_SECONDS,
        envvar="ANYMETRICS_WAIT_TIMEOUT",
        show_envvar=True,
        default=WAIT_TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for all plans together.",
    ),
)

WAIT = (
    click.option(
        "--wait",
        is_flag=True,
        help="Wait until the plans that anymetrics.plans names are refreshed, and exit with 1 if one is not.",
    ),
    *_WAIT_TIMEOUT,
)

WAITING = _WAIT_TIMEOUT

AROUND = (*_PLAN, *_SENDING, *WAIT, *KEEP)
"""Those that dbt has no option of the same name for."""

YES = (click.option("--yes", is_flag=True, help="Answer yes to the question."),)

DROP = (
    click.option("--drop", is_flag=True, help="Do not send what is pending, but forget it, after a question."),
    *YES,
)

BACKFILL = (
    click.option(
        "--plan",
        "plan_name",
        metavar="NAME",
        help="Compute the dates of this acceleration plan, by one task in AnyMetrics, and no table. Without -s.",
    ),
    click.option(
        "--days-per-batch",
        type=click.IntRange(min=1),
        metavar="DAYS",
        help="With --plan: how many days AnyMetrics computes at once. [default: AnyMetrics decides]",
    ),
    click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing."),
    click.option("--newest-first", is_flag=True, help="Begin with the newest date. [default: the oldest]"),
    click.option(
        "--pace",
        type=_PACE,
        metavar="NUMBER",
        help="Send at most so many refreshes a minute. [default: as fast as the answers come]",
    ),
    *YES,
)


def _output(what: str) -> Decorator:
    return click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=f"json prints {what} on stdout, and nothing else there.",
    )


OUTPUT = (
    _output("the results artifact"),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json writes one object a line.",
    ),
    click.option("--quiet", is_flag=True, help="Show only what went wrong."),
)

OBJECT = (_output("one object"),)

REPORT = (
    click.option(
        "--format",
        "form",
        type=click.Choice(["html", "markdown"]),
        default="html",
        show_default=True,
        help="markdown prints a summary of about 30 lines, for the summary of a job.",
    ),
    click.option(
        "--file",
        type=_FILE,
        metavar="FILE",
        help="Where to write it. [default: anymetrics_report.html in the target folder; Markdown goes to stdout]",
    ),
    click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser."),
    click.option(
        "--since",
        metavar="WHEN",
        help="Leave out what was done before: a date such as 2025-11-01, or a length of time such as 30d or 12h. What "
        "is pending is always shown.",
    ),
)

STRICT = (click.option("--strict", is_flag=True, help="Exit with 1 for a warning too, as in CI."),)

EVERY = (click.option("--all", "every", is_flag=True, help="List also each node that the run did not touch."),)


@click.command("refresh")
@options(*ARTIFACT, *PLAN, *SENDING, *WAIT, *STATE, *KEEP, *OUTPUT)
def _everything(**_given: object) -> NoReturn:
    raise AssertionError("only its options are of use")


def from_environment(arguments: Sequence[str] = (), **given: Any) -> Options:
    """The options of `refresh`: those given, those of an argument list, the environment's, the defaults.

    Raises UsageError for an argument or environment variable that cannot be read.
    """
    from dbt_anymetrics.options import Options  # lazy: --help does not need it

    try:
        found = _everything.make_context("refresh", list(arguments)).params
    except click.UsageError as error:
        raise UsageError(error.format_message()) from None
    return Options.of(found, given)
