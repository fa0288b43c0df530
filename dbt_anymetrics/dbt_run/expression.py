"""What a template means, worked out node by node: expressions and `if` only, with dates, texts, lists and numbers.

Jinja parses the template; nothing of it is compiled or run. What a node may do is listed here, and every value on the
way is weighed, so that time and memory are bounded whoever wrote the template.
"""

from __future__ import annotations

import datetime  # noqa: ICN001 (templates know it by this name)
import operator
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.filters import do_int, do_lower, do_trim, do_upper
from jinja2.tests import TESTS

MAX_WEIGHT = 50_000
"""Characters and items that a value may have, those of its items included: a list of ten years of dates fits."""

MAX_WORK = 10 * MAX_WEIGHT
"""Characters and items of all values on the way together: what a template does is soon done."""

MAX_ARGUMENT = 100
"""Characters of a text given to a filter or a method: joining or replacing multiplies the two lengths."""

MAX_NUMBER = 10**18

_DATE_TYPES = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo)

_TEXT_METHODS = frozenset(
    {"endswith", "isdigit", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "split"}
    | {"splitlines", "startswith", "strip", "upper"}
)

_FILTERS: dict[str, Callable[..., object]] = {
    "first": lambda value: next(iter(value), Undefined("the first of nothing")),
    "int": do_int,
    "join": lambda value, d="": str(d).join(map(str, value)),
    "last": lambda value: next(reversed(value), Undefined("the last of nothing")),
    "list": list,
    "lower": do_lower,
    "replace": lambda text, old, new: str(text).replace(str(old), str(new)),
    "string": str,
    "trim": do_trim,
    "upper": do_upper,
}

_ASK_MORE = frozenset({"callable", "defined", "escaped", "filter", "test", "undefined"})

_TESTS: dict[str, Any] = {name: test for name, test in TESTS.items() if name not in _ASK_MORE}

_COMPARED: dict[str, Callable[[Any, Any], object]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "gteq": operator.ge, "lt": operator.lt,
    "lteq": operator.le, "in": lambda a, b: a in b, "notin": lambda a, b: a not in b,
}  # fmt: skip

_NUMBERS = (int, float, datetime.timedelta)


class TooMuchError(Exception):
    """A template asks for more than a date needs; says what."""


class UndefinedError(Exception):
    """A template uses what there is not; says what."""


class Undefined:
    """A value that there is not, until it is used; `what` says so in words."""

    def __init__(self, what: str) -> None:
        self.what = what


class Namespace:
    """Names behind a dot that are ours, such as `modules.datetime`."""

    def __init__(self, **names: object) -> None:
        self.names = names


class Expression:
    """A parsed template, evaluated with the names that it may use."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self._names = names
        self._work = MAX_WORK
        self._evaluators: dict[type[nodes.Node], Callable[[Any], object]] = {
            nodes.Const: lambda node: node.value,
            nodes.Name: lambda node: self._names.get(node.name, Undefined(f"'{node.name}' is undefined")),
            nodes.List: lambda node: [self._value(each) for each in node.items],
            nodes.Tuple: lambda node: tuple(self._value(each) for each in node.items),
            nodes.Dict: lambda node: {self._value(pair.key): self._value(pair.value) for pair in node.items},
            nodes.TemplateData: lambda node: node.data,
            nodes.Getattr: self._attribute,
            nodes.Getitem: self._item,
            nodes.Slice: lambda node: slice(*map(self._optional, (node.start, node.stop, node.step))),
            nodes.Call: self._call,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Compare: self._compare,
            nodes.Concat: lambda node: "".join(str(self._value(each)) for each in node.nodes),
            nodes.CondExpr: self._choice,
            nodes.Add: lambda node: self._value(node.left) + self._value(node.right),
            nodes.Sub: lambda node: self._value(node.left) - self._value(node.right),
            nodes.Mul: self._product,
            nodes.And: lambda node: self._value(node.left) and self._value(node.right),
            nodes.Or: lambda node: self._value(node.left) or self._value(node.right),
            nodes.Not: lambda node: not self._value(node.node),
            nodes.Neg: lambda node: -self._value(node.node),
            nodes.Pos: lambda node: +self._value(node.node),
        }

    def of(self, template: nodes.Template) -> object:
        """The value of a lone expression as it is, and the text of anything else.

        Raises TooMuchError, UndefinedError, and whatever the operations of Python raise.
        """
        parts = self._parts(template.body)
        if len(parts) == 1:
            return parts[0]
        text = "".join(map(str, parts))
        weight(text)
        return text

    def _parts(self, body: list[nodes.Node]) -> list[object]:
        parts: list[object] = []
        for node in body:
            if isinstance(node, nodes.Output):
                parts += [self._value(each) for each in node.nodes]
            elif isinstance(node, nodes.If):
                parts += self._parts(self._branch(node))
            else:
                raise _unsupported(node)
        return parts

    def _branch(self, node: nodes.If) -> list[nodes.Node]:
        for each in (node, *node.elif_):
            if self._value(each.test):
                return each.body
        return node.else_

    def _value(self, node: nodes.Node) -> Any:
        """The value of a node, which must be there."""
        value = self._found(node)
        if isinstance(value, Undefined):
            raise UndefinedError(value.what)
        return value

    def _found(self, node: nodes.Node) -> object:
        evaluate = self._evaluators.get(type(node))
        if evaluate is None:
            raise _unsupported(node)
        value = evaluate(node)
        self._work -= weight(value)
        if self._work < 0:
            raise TooMuchError("it does more work than a date needs")
        return value

    def _optional(self, node: nodes.Node | None) -> object:
        return None if node is None else self._value(node)

    def _attribute(self, node: nodes.Getattr) -> object:
        owner, name = self._value(node.node), node.attr
        missing = Undefined(f"'{type(owner).__name__}' has no attribute '{name}'")
        if isinstance(owner, Namespace):
            return owner.names.get(name, missing)
        if isinstance(owner, dict):
            return owner.get(name, missing)
        kind = owner if isinstance(owner, type) else type(owner)
        is_known = name in _TEXT_METHODS if kind is str else issubclass(kind, _DATE_TYPES) and name[:1] != "_"
        return getattr(owner, name, missing) if is_known else missing

    def _item(self, node: nodes.Getitem) -> object:
        owner, key = self._value(node.node), self._value(node.arg)
        if not isinstance(owner, (str, list, tuple, dict)):
            raise TooMuchError(f"{type(owner).__name__} has no items")
        try:
            return owner[key]
        except LookupError:
            return Undefined(f"'{type(owner).__name__}' has no attribute '{key}'")

    def _call(self, node: nodes.Call) -> object:
        called = self._value(node.node)
        owner = called if isinstance(called, type) else getattr(called, "__self__", None)
        kind = owner if isinstance(owner, type) else type(owner)
        if not any(called is ours for ours in self._names.values()) and not issubclass(kind, (str, *_DATE_TYPES)):
            raise TooMuchError("it is not a function that a template may call")
        return _called(called, self._arguments(node), self._named(node))

    def _filter(self, node: nodes.Filter) -> object:
        if node.name in ("d", "default"):
            return self._default(node)
        if node.name not in _FILTERS or node.node is None:
            raise TooMuchError(f"there is no filter {node.name!r} here")
        return _FILTERS[node.name](self._value(node.node), *self._arguments(node), **self._named(node))

    def _default(self, node: nodes.Filter) -> object:
        value = self._found(node.node) if node.node else None
        otherwise, also_empty = _default_arguments(*self._arguments(node), **self._named(node))
        return otherwise if isinstance(value, Undefined) or (also_empty and not value) else value

    def _test(self, node: nodes.Test) -> object:
        if node.name in ("defined", "undefined"):
            return isinstance(self._found(node.node), Undefined) is (node.name == "undefined")
        if node.name not in _TESTS:
            raise TooMuchError(f"there is no test {node.name!r} here")
        return _TESTS[node.name](self._value(node.node), *self._arguments(node))

    def _compare(self, node: nodes.Compare) -> object:
        left = self._value(node.expr)
        for operand in node.ops:
            right = self._value(operand.expr)
            if not _COMPARED[operand.op](left, right):
                return False
            left = right
        return True

    def _choice(self, node: nodes.CondExpr) -> object:
        if self._value(node.test):
            return self._found(node.expr1)
        return self._found(node.expr2) if node.expr2 else Undefined("the condition has no 'else'")

    def _product(self, node: nodes.Mul) -> object:
        left, right = self._value(node.left), self._value(node.right)
        if not (isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)):
            raise TooMuchError("only numbers can be multiplied")
        return left * right  # type: ignore[operator]

    def _arguments(self, node: nodes.Call | nodes.Filter | nodes.Test) -> list[Any]:
        if node.dyn_args or node.dyn_kwargs:
            raise TooMuchError("arguments are written one by one")
        return [_argument(self._value(each)) for each in node.args]

    def _named(self, node: nodes.Call | nodes.Filter) -> dict[str, Any]:
        return {str(each.key): _argument(self._value(each.value)) for each in node.kwargs}


def _called(function: Callable[..., object], arguments: list[Any], named: dict[str, Any]) -> object:
    return function(*arguments, **named)


def _default_arguments(default_value: object = "", boolean: object = False) -> tuple[object, object]:
    return default_value, boolean


def _unsupported(node: nodes.Node) -> TooMuchError:
    return TooMuchError(f"{type(node).__name__} is not supported in a partition")


def _argument(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_ARGUMENT:
        raise TooMuchError(f"an argument has at most {MAX_ARGUMENT} characters")
    return value


def weight(value: object) -> int:
    """How large a value is, its items included. Raises TooMuchError when it is larger than a date could need."""
    total, several = 0, [value]
    while several:
        each = several.pop()
        total += len(each) + 1 if isinstance(each, (str, list, tuple, dict)) else 1
        if total > MAX_WEIGHT:
            raise TooMuchError(f"a value has more than {MAX_WEIGHT:,} characters or items")
        if isinstance(each, (list, tuple)):
            several += each
        elif isinstance(each, dict):
            several += [*each, *each.values()]
        elif isinstance(each, (int, float)) and not -MAX_NUMBER <= each <= MAX_NUMBER:
            raise TooMuchError("a number is too large")
    return total
