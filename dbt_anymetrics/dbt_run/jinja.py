"""Rendering of Jinja in a partition, with dbt's own names, safe on a manifest that nobody has vouched for."""

from __future__ import annotations

import datetime  # noqa: ICN001 (templates know it by this name)
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes

from dbt_anymetrics.dbt_run.expression import Expression, Namespace, TooMuchError, UndefinedError
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

MAX_TEMPLATE = 2000
"""Characters of a template."""

_SECRETS = re.compile(r"DBT_(ENGINE_)?ENV_SECRET|ANYMETRICS_(AUTH_VALUE|APP_SECRET)", re.IGNORECASE)

_MODULES = Namespace(
    datetime=Namespace(
        date=datetime.date,
        datetime=datetime.datetime,
        time=datetime.time,
        timedelta=datetime.timedelta,
        timezone=datetime.timezone,
    )
)


def render(
    source: str,
    variables: Mapping[str, Any],
    environment: Mapping[str, str],
    run: Mapping[str, object] | None = None,
) -> object:
    """What a template means: a lone expression gives its value, anything else gives text.

    `var()` looks in `variables`, `env_var()` in `environment`, and `run` holds dbt's `run_started_at` and
    `invocation_id`. Raises UsageError for a template that fails, or asks for more than a date needs.
    """
    read: set[str] = set()
    names = {"var": _var(variables), "env_var": _env_var(environment, read), "modules": _MODULES, **(run or {})}
    try:
        return Expression(names).of(_parsed(source))
    except UsageError as error:
        fault = error
    except RecursionError:
        fault = _failed(source, "it is nested too deeply")
    except TooMuchError as error:
        fault = _failed(source, f"it may not do that: {error}")
    except UndefinedError as error:
        fault = _failed(source, str(error))
    except Exception as error:  # noqa: BLE001 (the template is the user's program: whatever it raises is its failure)
        fault = _failed(source, f"{type(error).__name__}: {error}")
    raise _private(source) if read else fault


def _private(source: str) -> UsageError:
    """The fault of a template that has read the environment: what it says might hold what is private there."""
    why = "it has read the environment, so what went wrong is not shown"
    return UsageError(f"the template {shown(source)} fails: {why}", hint="Try it with a constant in place of env_var()")


def _failed(source: str, why: str) -> UsageError:
    return UsageError(f"the template {shown(source)} fails: {why}")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=False)  # noqa: S701 (it only parses)


@lru_cache(maxsize=1024)
def _parsed(source: str) -> nodes.Template:
    if len(source) > MAX_TEMPLATE:
        raise TooMuchError(f"a template has at most {MAX_TEMPLATE:,} characters")
    return _environment().parse(source)


def _var(variables: Mapping[str, Any]) -> Callable[..., object]:
    def var(name: str, default: object = None) -> object:
        value = variables.get(name, default)
        if value is None:
            raise UsageError(f"the var {name!r} is not set", hint=f"Give --vars '{{{name}: ...}}', or a default")
        return value

    return var


def _env_var(environment: Mapping[str, str], read: set[str]) -> Callable[..., object]:
    """dbt's `env_var()`, which notes what it has `read`."""

    def env_var(name: str, default: str | None = None) -> str:
        if _SECRETS.search(name):
            raise UsageError(f"the environment variable {name} is a secret and no template may read it")
        value = environment.get(name, default)
        if value is None:
            raise UsageError(f"the environment variable {name} is not set", hint="Set it, or give env_var() a default")
        if value and name in environment:
            read.add(value)
        return value

    return env_var
