"""Lengths of time as a user writes them: 90s, 15m, 2h, 1d."""

from __future__ import annotations

import re
from datetime import timedelta

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

_LENGTH = re.compile(r"(\d{1,6})\s*([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_interval(text: object) -> timedelta:
    """The length of time that a text means; 0 needs no unit. Raises UsageError."""
    if isinstance(text, str) and text.strip() == "0":
        return timedelta()
    found = _LENGTH.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{shown(text)} is not a length of time", hint="Write 90s, 15m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def spelled(length: timedelta) -> str:
    """A length of time as a user writes it, in the largest unit that it is a whole number of."""
    units = {unit: timedelta(**{name: 1}) for unit, name in _UNITS.items()}
    unit = next(unit for unit, one in reversed(units.items()) if not length % one)
    return f"{length // units[unit]}{unit}"
