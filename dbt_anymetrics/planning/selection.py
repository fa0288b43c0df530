"""Which nodes `--select` means, in dbt's words: names, globs and methods, joined as dbt joins them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from dbt_anymetrics.dbt_run.selectable import Selectable
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

_WHERE = "--select"

_GRAPH = re.compile(r"^(?:@|\d*\+)|\+\d*$")


class Criterion(Struct, frozen=True):
    """One `method:value`, such as `tag:nightly`; a name or a glob alone is of the method `name`."""

    method: str
    value: str

    def matches(self, unique_id: str, node: Selectable) -> bool:
        """Whether a node is meant."""
        if self.method.startswith("config."):
            return _is_configured(node, self.method.split(".")[1:], self.value)
        return _METHODS[self.method](self.value, unique_id, node)

    @property
    def is_plain(self) -> bool:
        """Whether the node's own name decides."""
        return self.method == "name"


Selection = Sequence[Sequence[Criterion]]
"""Nodes that fit all criteria of one of the lists."""


def parse(select: Iterable[str]) -> Selection:
    """What `--select` says: a space or another option adds nodes, a comma asks for both. Raises UsageError."""
    return [[_criterion(part) for part in union.split(",")] for each in select for union in each.split()]


def selected(selection: Selection, nodes: Mapping[str, Selectable]) -> frozenset[str]:
    """The nodes that are meant, by unique_id."""
    return frozenset(
        unique_id
        for unique_id, node in nodes.items()
        if any(all(criterion.matches(unique_id, node) for criterion in criteria) for criteria in selection)
    )


def _criterion(text: str) -> Criterion:
    if _GRAPH.search(text):
        raise UsageError(
            f"{shown(text)} has a graph operator",
            where=_WHERE,
            hint="Which nodes depend on which is for dbt to say: select them in dbt, and refresh what it built",
        )
    method, colon, value = text.partition(":")
    if not colon:
        return Criterion(_method_of(text), text)
    if not value or (method not in _METHODS and not re.fullmatch(r"config(\.[^.]+)+", method)):
        methods = ", ".join(name for name in _METHODS if name != "name")
        raise UsageError(f"{shown(text)} is not a selection that is known here", where=_WHERE, hint=_HINT + methods)
    return Criterion(method, value)


_HINT = "Write a name or a glob, config.<key>:<value>, or one of these methods: "


def _method_of(text: str) -> str:
    """The method that dbt takes for a value without one."""
    if "/" in text:
        return "path"
    return "file" if text.endswith((".sql", ".py", ".csv", ".yml")) else "name"


def _by_name(value: str, unique_id: str, node: Selectable) -> bool:
    names = (node.name, f"{node.name}.v{node.version}", unique_id)
    return any(fnmatchcase(name, value) for name in names) or _by_fqn(value, unique_id, node)


def _by_fqn(value: str, _unique_id: str, node: Selectable) -> bool:
    """As dbt compares a dotted name with a node's folders, with or without the package before them."""
    wanted = value.split(".")
    return any(_begins(path, wanted) for path in (node.fqn, node.fqn[1:]))


def _begins(path: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(path) >= len(wanted) and all(map(fnmatchcase, path, wanted))


def _by_path(value: str, _unique_id: str, node: Selectable) -> bool:
    path = PurePosixPath(node.original_file_path.replace("\\", "/"))
    pattern = str(PurePosixPath(value))
    return any(fnmatchcase(str(each), pattern) for each in (path, *path.parents))


def _by_file(value: str, _unique_id: str, node: Selectable) -> bool:
    path = PurePosixPath(node.original_file_path.replace("\\", "/"))
    return fnmatchcase(path.name, value) or fnmatchcase(path.stem, value)


_METHODS: dict[str, Callable[[str, str, Selectable], bool]] = {
    "name": _by_name,
    "fqn": _by_fqn,
    "tag": lambda value, _, node: any(fnmatchcase(tag, value) for tag in node.tags),
    "path": _by_path,
    "file": _by_file,
    "package": lambda value, _, node: fnmatchcase(node.package_name, value),
    "resource_type": lambda value, _, node: node.resource_type == value,
}


def _is_configured(node: Selectable, keys: Sequence[str], value: str) -> bool:
    return any(_equals(found, value) for found in _descend(node.config, keys))


def _descend(config: Any, keys: Sequence[str]) -> Iterable[Any]:
    """What stands under the keys; a key of meta may have dots of its own, as `anymetrics.datasource` has."""
    if not keys:
        yield config
    elif isinstance(config, Mapping):
        for number in range(1, len(keys) + 1):
            key = ".".join(keys[:number])
            if key in config:
                yield from _descend(config[key], keys[number:])


def _equals(found: Any, value: str) -> bool:
    if isinstance(found, list):
        return any(_equals(each, value) for each in found)
    if isinstance(found, bool):
        return value.lower() == str(found).lower()
    return not isinstance(found, Mapping) and str(found) == value
