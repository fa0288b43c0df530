"""`dbt-anymetrics debug`: every setting and where it comes from, the artifacts, and the connection."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import click
from click.core import ParameterSource

from dbt_anymetrics import __version__
from dbt_anymetrics.commands import checks
from dbt_anymetrics.commands.checks import look_at, show_check, verdict
from dbt_anymetrics.commands.prepare import (
    shown_state,
)
from dbt_anymetrics.options import ENABLED_VARIABLE, Options
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.server.connection import (
    APP_ID_VARIABLE,
    PRIVATE_MARKS,
    SECRET_VARIABLES,
    app_secret,
    secret_variable,
)
from dbt_anymetrics.text import one_line

_SETTINGS = (
    "url", "tenant_id", "auth_type", "timeout", "threads", "ca_bundle", "datasource", "run_date", "timezone", "state",
)  # fmt: skip


def debug(options: Options, context: click.Context) -> int:
    """Print everything, and return the worst exit code: 1 for a node or the server, 2 for settings or artifacts."""
    show(f"dbt-anymetrics {__version__}, Python {platform.python_version()}, {platform.system()}")
    show("\nSettings")
    for name, value, source in _settings(options, context):
        show(f"  {name:<12} {one_line(value, 300):<40} {source}")
    found = look_at(
        (
            ("Project", (("folder", checks.folder), ("hook", checks.hook), ("artifacts", checks.artifacts))),
            ("Connection", (("settings", checks.settings), ("call", checks.probe))),
        ),
        options,
        show,
        show_check,
    )
    show(f"\n{verdict(found)}")
    return max(check.exit_code for check in found)


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
