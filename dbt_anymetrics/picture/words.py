"""Dates and names in few words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FEW = 3


def day_text(day: date) -> str:
    """`5 Nov 2025`, in every locale."""
    return f"{day.day} {_month(day)}"


def span(days: Collection[date]) -> str:
    """`5 to 25 Nov 2025`; `9 dates, 5 to 25 Nov 2025` when some days between are missing."""
    if not days:
        return ""
    first, last = min(days), max(days)
    if first == last:
        return day_text(first)
    missing = last - first >= timedelta(days=len(days))
    return (f"{len(days)} dates, " if missing else "") + f"{_without_what_follows(first, last)} to {day_text(last)}"


def named(names: Sequence[str]) -> str:
    """`orders, customers and 5 more`."""
    if len(names) <= _FEW + 1:
        return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    return f"{', '.join(names[:_FEW])} and {len(names) - _FEW:,} more"


def _without_what_follows(first: date, last: date) -> str:
    if first.year != last.year:
        return day_text(first)
    return str(first.day) if first.month == last.month else f"{first.day} {_MONTHS[first.month - 1]}"


def _month(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.year}"
