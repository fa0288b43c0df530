"""Rendering of Jinja in a partition, with dbt's own names, safe on a manifest that nobody has vouched for.

What a template may use is a list, not a guess at what is dangerous: expressions and `if` only (no loop, no assignment,
no macro), a few filters, and the methods that dates and texts need. So the work is bounded by the template's length,
nothing of Python is in reach, and every value stays small.
"""

from __future__ import annotations

import datetime  # noqa: ICN001 (templates know it by this name)
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import FunctionType, SimpleNamespace
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import SandboxedEnvironment

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

MAX_TEMPLATE = 2000
"""Characters of a template."""

MAX_VALUE = 50_000
"""Characters of a text, and items of a list, that a template may make on its way: a list of ten years of dates fits."""

MAX_ARGUMENT = 100
"""Characters of a text given to a filter or a method: joining or replacing multiplies the two lengths."""

_SECRETS = re.compile(r"DBT_(ENGINE_)?ENV_SECRET|ANYMETRICS_AUTH_VALUE", re.IGNORECASE)

_EXPRESSIONS = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Const, nodes.Name, nodes.List,
    nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call,
    nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos,
)  # fmt: skip

_FILTERS = ("d", "default", "first", "int", "join", "last", "list", "lower", "replace", "string", "trim", "upper")

_TEXT_METHODS = frozenset(
    {"endswith", "isdigit", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "split"}
    | {"splitlines", "startswith", "strip", "upper"}
)

_DATE_TYPES = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo)

_MODULES = SimpleNamespace(
    datetime=SimpleNamespace(
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
    names = {"var": _var(variables), "env_var": _env_var(environment), "modules": _MODULES, **(run or {})}
    try:
        return _bounded(_defined(_compiled(source).render(names)))
    except UsageError:
        raise
    except RecursionError:
        raise _failed(source, "it is nested too deeply") from None
    except SecurityError as error:
        raise _failed(source, f"it may not do that: {error}") from None
    except Exception as error:  # noqa: BLE001 (the template is the user's program: whatever it raises is its failure)
        raise _failed(source, f"{type(error).__name__}: {error}") from None


def _failed(source: str, why: str) -> UsageError:
    return UsageError(f"the template {shown(source)} fails: {why}")


class _Environment(SandboxedEnvironment):
    """Jinja with nothing but what is listed above."""

    code_generator_class = NativeCodeGenerator
    intercepted_binops = frozenset({"*"})

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined)
        self.finalize = _as_it_is
        builtin = dict(self.filters)
        self.filters = {name: _bounded_filter(builtin[name]) for name in _FILTERS}
        self.globals = {}

    @staticmethod
    def concat(values: Iterable[object]) -> object:  # type: ignore[override]
        """Keep the value of a lone expression as it is; join anything else to text."""
        parts = list(values)
        return parts[0] if len(parts) == 1 else "".join(map(str, parts))

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:  # noqa: ARG002
        """Allow what dates and texts need, and the entries of our own namespaces."""
        if attr.startswith("_"):
            return False
        if isinstance(obj, str):
            return attr in _TEXT_METHODS
        kind = obj if isinstance(obj, type) else type(obj)
        return issubclass(kind, (*_DATE_TYPES, SimpleNamespace))

    def is_safe_callable(self, obj: object) -> bool:
        """Allow our own functions, and what dates and texts bring with them (but not str.format, which Jinja wraps)."""
        if isinstance(obj, FunctionType):
            return obj.__module__ == __name__
        owner = obj if isinstance(obj, type) else getattr(obj, "__self__", None)
        kind = owner if isinstance(owner, type) else type(owner)
        return issubclass(kind, (str, *_DATE_TYPES))

    def call_binop(self, context: object, operator: str, left: object, right: object) -> object:
        """Multiply numbers and lengths of time only: a text times a number can fill the memory."""
        numbers = (int, float, datetime.timedelta)
        if not (isinstance(left, numbers) and isinstance(right, numbers)):
            raise SecurityError("only numbers can be multiplied")
        return super().call_binop(context, operator, left, right)  # type: ignore[arg-type]

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> object:
        """Call a function or method, and refuse an answer too large to be a date."""
        _check_arguments(args)
        return _bounded(super().call(context, obj, *args, **kwargs))


@jinja2.pass_context
def _as_it_is(_context: object, value: object) -> object:
    """Keep Jinja from making text of a constant expression, such as a list, while it compiles."""
    return value


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    return _Environment()


@lru_cache(maxsize=1024)
def _compiled(source: str) -> jinja2.Template:
    if len(source) > MAX_TEMPLATE:
        raise SecurityError(f"a template has at most {MAX_TEMPLATE:,} characters")
    tree = _environment().parse(source)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _EXPRESSIONS):
            raise SecurityError(f"{type(node).__name__} is not supported in a partition")
    return _environment().from_string(tree)


def _defined(value: object) -> object:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, with Jinja's own words
    return value


def _bounded(value: object) -> object:
    if isinstance(value, (str, list, tuple, dict)) and len(value) > MAX_VALUE:
        raise SecurityError(f"a value of {len(value):,} characters or items is too large")
    return value


def _check_arguments(arguments: Iterable[object]) -> None:
    if any(isinstance(argument, str) and len(argument) > MAX_ARGUMENT for argument in arguments):
        raise SecurityError(f"an argument has at most {MAX_ARGUMENT} characters")


def _bounded_filter(builtin: Callable[..., object]) -> Callable[..., object]:
    def filtered(*args: object, **kwargs: object) -> object:
        # The value comes first, or second behind Jinja's own environment; what follows are arguments.
        _check_arguments((*args[2:], *kwargs.values()))
        return _bounded(builtin(*args, **kwargs))

    # Jinja passes the environment to a filter that is marked for it; the mark must survive.
    filtered.__dict__.update(builtin.__dict__)
    return filtered


def _var(variables: Mapping[str, Any]) -> Callable[..., object]:
    def var(name: str, default: object = None) -> object:
        value = variables.get(name, default)
        if value is None:
            raise UsageError(f"the var {name!r} is not set", hint=f"Give --vars '{{{name}: ...}}', or a default")
        return value

    return var


def _env_var(environment: Mapping[str, str]) -> Callable[..., object]:
    def env_var(name: str, default: str | None = None) -> str:
        if _SECRETS.search(name):
            raise UsageError(f"the environment variable {name} is a secret and no template may read it")
        value = environment.get(name, default)
        if value is None:
            raise UsageError(f"the environment variable {name} is not set", hint="Set it, or give env_var() a default")
        return value

    return env_var
