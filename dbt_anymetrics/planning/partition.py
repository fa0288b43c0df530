"""Which dates a partition setting means.

2024-07-17 · 2024-07-01..2024-07-17 · run_date · run_date-1 · run_date-7..run_date-1 · a list of these
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import shown

MAX_DAYS = 3660
"""Ten years and a week: a partition that means more dates is taken for a mistake."""

FORMS = "yyyy-MM-dd, run_date, run_date-1, a range a..b of these, or a list of these"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_RELATIVE = re.compile(r"run_date\s*(?:-\s*(\d{1,5}))?", re.ASCII)


def is_template(text: str) -> bool:
    """Whether a text has Jinja in it, to be rendered before it is resolved."""
    return "{{" in text or "{%" in text


def parse_date(text: str) -> date:
    """The date that `yyyy-MM-dd` says. Raises UsageError."""
    text = text.strip()
    if not _DATE.fullmatch(text):
        raise UsageError(f"{shown(text)} is not a date of the form yyyy-MM-dd", hint=_hint(text))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{shown(text)} is a date that does not exist") from None


def resolve(partition: object, run_date: date) -> Sequence[date]:
    """The dates that a partition means, in order, each once.

    `partition` is text or a list of texts, its templates already rendered. Raises UsageError.
    """
    return _resolved(tuple(_terms(partition)), run_date)


@lru_cache(maxsize=1024)
def _resolved(terms: tuple[str, ...], run_date: date) -> tuple[date, ...]:
    """The same for single terms, worked out once for all the nodes that share them."""
    dates: set[date] = set()
    for term in terms:
        dates.update(_term(term, run_date))
        if len(dates) > MAX_DAYS:
            raise UsageError(f"{shown(', '.join(terms))} means more than {MAX_DAYS:,} dates")
    if not dates:
        raise UsageError("a partition without a date", hint=f"Write {FORMS}")
    return tuple(sorted(dates))


def days(first: date, last: date) -> Sequence[date]:
    """Every date from the first to the last, both included. Raises UsageError."""
    count = (last - first).days + 1
    if count < 1:
        raise UsageError(f"the range {first}..{last} runs backwards", hint="Write the earlier date first")
    if count > MAX_DAYS:
        raise UsageError(f"the range {first}..{last} has {count:,} dates, more than {MAX_DAYS:,}")
    return [first + timedelta(days=n) for n in range(count)]


def _terms(partition: object, depth: int = 2) -> Iterable[str]:
    """The single terms of a partition: a list may hold lists, which is what a template may make of one of its terms."""
    if isinstance(partition, str):
        return [term for term in partition.split(",") if term.strip()]
    if isinstance(partition, date):
        return [partition.isoformat()]
    if isinstance(partition, (list, tuple)) and depth:
        return [term for part in partition for term in _terms(part, depth - 1)]
    raise UsageError(f"{shown(partition)} is not a partition", hint=f"Write {FORMS}")


def _term(term: str, run_date: date) -> Sequence[date]:
    first, dots, last = term.partition("..")
    start = _point(first, run_date)
    return days(start, _point(last, run_date)) if dots else [start]


def _point(text: str, run_date: date) -> date:
    relative = _RELATIVE.fullmatch(text.strip())
    if not relative:
        return parse_date(text)
    try:
        return run_date - timedelta(days=int(relative[1] or 0))
    except OverflowError:
        raise UsageError(f"{shown(text)} lies before the first year") from None


def _hint(text: str) -> str:
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", text):
        return "It has a time of day: give the date alone, for example with .strftime('%Y-%m-%d')"
    return f"Write {FORMS}"
