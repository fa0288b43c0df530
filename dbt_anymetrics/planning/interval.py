"""Lengths of time as a user writes them: 90s, 15m, 2h, 1d."""

from __future__ import annotations

import re
from datetime import timedelta

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

_LENGTH = re.compile(r"(\d{1,6})\s*([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_interval(text: object) -> timedelta:
    """The length of time that a text means. Raises UsageError."""
    found = _LENGTH.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{shown(text)} is not a length of time", hint="Write 90s, 15m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
