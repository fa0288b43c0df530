"""The `anymetrics.*` keys of one node's `config.meta`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.planning import partition
from dbt_anymetrics.planning.interval import parse_interval
from dbt_anymetrics.text import shown

PREFIX = "anymetrics"

GRANULARITIES = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
"""Sizes of a plan's partitions that dates can name."""

OnTestFailure = Literal["skip", "refresh"]


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's meta says; None where it says nothing. A null value counts as saying nothing."""

    datasource: str | None = None
    catalog: str | None = None
    schema: str | None = None
    table: str | None = None
    partition: str | list[str] | None = None
    full_refresh_from: str | None = None
    enabled: bool | None = None
    on_test_failure: OnTestFailure = "skip"
    min_interval: str | None = None
    plans: str | list[str] | None = None
    external_plan: str | None = None
    granularity: str | None = None

    @property
    def plan_names(self) -> Sequence[str]:
        """The acceleration plans that depend on the node."""
        return [self.plans] if isinstance(self.plans, str) else self.plans or []


KEYS = NodeSettings.__struct_fields__

_ANY_KEY = "|".join(KEYS)

NEARLY = re.compile(rf"\W*(?:meta\W+)?any[\W_]*metrics?(?:[\W_]+(.*)|({_ANY_KEY}))", re.IGNORECASE)
"""A key that can only be meant for us; to pass over it in silence would refresh the wrong dates."""

_OWN = re.compile(rf"\W*(?:meta\W+)?{PREFIX}[\W_]*({_ANY_KEY})")


def not_read_at(place: str) -> NodeError:
    """The error for a setting in a place where nobody looks for it."""
    key = place.rpartition(": ")[2].removeprefix(PREFIX).lstrip("._-") or "<key>"
    return NodeError(
        "is not a place where settings are read",
        where=place,
        hint=f"Write it in the meta of the node, as 'config: meta: {PREFIX}.{key}', or under +meta in dbt_project.yml",
    )


def read_settings(meta: object) -> NodeSettings | None:
    """The settings in a node's meta, or None when it has none at all.

    Flat `anymetrics.key` entries win over the same key of a nested `anymetrics:` map. Raises NodeError, which names
    the key.
    """
    if not isinstance(meta, dict):
        return None
    values = _collect(meta)
    for key, value in values.items():
        _check(key, value)
    given = {key: value for key, value in values.items() if value is not None}
    return NodeSettings(**given) if given else None


def settings_in(found: object, depth: int = 3) -> Iterator[str]:
    """Where settings stand in maps within maps, as `config: meta: anymetrics.partition`."""
    if not isinstance(found, Mapping) or not depth:
        return
    for key, value in found.items():
        if _OWN.fullmatch(str(key)) or (key == PREFIX and isinstance(value, Mapping) and value.keys() & set(KEYS)):
            yield str(key)
        else:
            yield from (f"{key}: {place}" for place in settings_in(value, depth - 1))


def _collect(meta: Mapping[str, Any]) -> dict[str, Any]:
    nested = meta.get(PREFIX)
    if nested is not None and not isinstance(nested, dict):
        raise NodeError("is not a map of settings", where=PREFIX, hint=f"Write '{PREFIX}.<key>: ...' or a map under it")
    for key in meta:
        if (near := NEARLY.fullmatch(key)) and not key.startswith(f"{PREFIX}."):
            raise NodeError("is not a setting", where=key, hint=_nearest((near[1] or near[2] or "").lower()))
    for place in settings_in({key: value for key, value in meta.items() if isinstance(value, Mapping)}):
        if not place.startswith(PREFIX):
            raise not_read_at(f"meta: {place}")
    flat = {key.removeprefix(f"{PREFIX}."): value for key, value in meta.items() if key.startswith(f"{PREFIX}.")}
    return {**(nested or {}), **flat}


def _check(key: str, value: object) -> None:
    if key not in KEYS:
        raise NodeError("is not a setting", where=f"{PREFIX}.{key}", hint=_nearest(key))
    if value is None:
        return
    try:
        _CHECKS.get(key, _check_text)(value)
    except UsageError as error:
        raise NodeError(error.what, where=f"{PREFIX}.{key}", hint=error.hint) from None


def _nearest(key: str) -> str:
    from difflib import get_close_matches  # lazy: only needed for a mistake

    # A cut-off of 0 always finds one: the nearest right key is a better guess than none.
    nearest = get_close_matches(key, KEYS, n=1, cutoff=0)
    return f"Did you mean {PREFIX}.{nearest[0]}? The settings are {', '.join(KEYS)}"


def _check_text(value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"needs a text, not {shown(value)}")


def _check_switch(value: object) -> None:
    if not isinstance(value, bool):
        raise UsageError(
            f"needs true or false, not {shown(value)}", hint="Write it without quotes, or with '| as_bool'"
        )


def _check_on_test_failure(value: object) -> None:
    if value not in ("skip", "refresh"):
        raise UsageError(f"needs skip or refresh, not {shown(value)}")


def _check_interval(value: object) -> None:
    parse_interval(value)


def _check_partition(value: object) -> None:
    """Check what is not a template; a template is checked when it is rendered."""
    terms = value if isinstance(value, list) else [value]
    for term in terms:
        _check_text(term)
        if not partition.is_template(term):
            partition.resolve(term, _SOME_DATE)


def _check_single_date(value: object) -> None:
    _check_text(value)
    _check_partition(value)
    text = str(value)
    if not partition.is_template(text) and len(partition.resolve(text, _SOME_DATE)) != 1:
        raise UsageError(f"needs one date, not {shown(value)}")


# Only the form is checked before the run's date is known; this date stands in for it.
_SOME_DATE = date(2024, 7, 17)


def _check_plans(value: object) -> None:
    for name in value if isinstance(value, list) else [value]:
        _check_text(name)


def _check_uuid(value: object) -> None:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise UsageError(
            f"needs the uuid of a plan, not {shown(value)}",
            hint="AnyMetrics lists it as the id of the plan, for example 31f0ad8bc8e94a0f9a31e7c9b2b1a6d4",
        )


def _check_granularity(value: object) -> None:
    if value not in GRANULARITIES:
        raise UsageError(f"needs one of {', '.join(GRANULARITIES)}, not {shown(value)}")


_UUID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
"""What AnyMetrics names uuid; no page prints its form, so it is not held to that of a UUID."""

_CHECKS: dict[str, Callable[[object], None]] = {
    "partition": _check_partition,
    "full_refresh_from": _check_single_date,
    "enabled": _check_switch,
    "on_test_failure": _check_on_test_failure,
    "min_interval": _check_interval,
    "plans": _check_plans,
    "external_plan": _check_uuid,
    "granularity": _check_granularity,
}
