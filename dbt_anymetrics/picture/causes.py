"""Why tables and dates are not refreshed: equal problems together, with all tables and dates that they concern."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from dbt_anymetrics.picture.model import Attempt, Cell, Status, Table, when
from dbt_anymetrics.picture.words import named, span
from dbt_anymetrics.text import one_line

_ORDER = (Status.FAILED, Status.REFUSED, Status.WAITING, Status.PENDING, Status.SKIPPED)

# What differs from one message to the next although the cause is the same: names in quotes, trace ids, dates and
# numbers. A number that belongs to a word is a part of a code, as in ORA-00942, and tells causes apart.
_VARIABLE = re.compile(
    r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|`[^`]*`|\b(?=[a-f]*\d)[0-9a-f]{8,}(?:[.-][0-9a-f]+)*\b|(?<![\w-])\d[\d.,:T-]*(?![\w-])""",
)
_ELLIPSIS = "…"
_NAME = 60

Key = tuple[bool, Status, str, "int | None", str]


@dataclass(frozen=True)
class Cause:
    """One problem and all attempts it concerns, newest first: one of each cell, and each that has no cell."""

    id: str
    title: str
    attempts: Sequence[Attempt]
    is_resolved: bool
    """Whether later attempts succeeded."""

    @property
    def status(self) -> Status:
        """The status that all its attempts have."""
        return self.attempts[0].outcome.status

    @property
    def where(self) -> str:
        """Which tables and dates: `orders, 5 to 25 Nov 2025`."""
        tables = sorted({each.table for each in self.attempts if each.table})
        days = {each.day for each in self.attempts if each.day}
        others = dict.fromkeys(each.what for each in self.attempts if each.what)
        names = named([one_line(name, _NAME) for name in (*_short_names(tables), *others)])
        return ", ".join(part for part in (names, span(days)) if part)


def causes(cells: Iterable[Cell], unplaced: Iterable[Attempt]) -> list[Cause]:
    """Group the problems by cause: open ones before resolved ones, and failures before the rest.

    Then the causes of the newest day come first, and those of one day by the number of attempts.
    """
    groups: dict[Key, list[Attempt]] = {}
    for is_resolved, attempt in _problems(cells, unplaced):
        groups.setdefault(_key(attempt, is_resolved=is_resolved), []).append(attempt)
    return sorted(map(_cause, groups, groups.values()), key=_rank)


def _problems(cells: Iterable[Cell], unplaced: Iterable[Attempt]) -> Iterator[tuple[bool, Attempt]]:
    for cell in cells:
        if cell.last.outcome.status is not Status.REFRESHED:
            yield False, cell.last
        elif cell.last_failure:
            yield True, cell.last_failure
    for attempt in unplaced:
        if attempt.outcome.status is not Status.REFRESHED:
            yield False, attempt


def _key(attempt: Attempt, *, is_resolved: bool) -> Key:
    outcome = attempt.outcome
    return is_resolved, outcome.status, outcome.code, outcome.http_status, _shape(attempt)


def _shape(attempt: Attempt) -> str:
    """The message without what is particular to this attempt."""
    text = attempt.outcome.message
    if attempt.table:
        own = rf"(?<!\w)(?:[\w.]+\.)?`?{re.escape(attempt.table.name)}(?!\w)"
        text = re.sub(own, _ELLIPSIS, text)
    return _VARIABLE.sub(_ELLIPSIS, text)


def _cause(key: Key, attempts: list[Attempt]) -> Cause:
    is_resolved, status, code, http_status, shape = key
    newest_first = sorted(attempts, key=when, reverse=True)
    messages = {attempt.outcome.message for attempt in attempts}
    message = shape if len(messages) > 1 else next(iter(messages))
    title = message or code or (f"HTTP {http_status}" if http_status else status.value)
    digest = sha256(repr(key).encode(errors="backslashreplace")).hexdigest()[:12]
    return Cause(digest, title, newest_first, is_resolved)


def _rank(cause: Cause) -> tuple[object, ...]:
    newest = when(cause.attempts[0])
    order = 0 if cause.status.is_failure else _ORDER.index(cause.status)
    return cause.is_resolved, order, -newest.date().toordinal(), -len(cause.attempts), -newest.timestamp(), cause.title


def _short_names(tables: Sequence[Table]) -> Iterator[str]:
    """Each name alone, unless two of these tables share it."""
    alike = Counter(table.name for table in tables)
    return (table.name if alike[table.name] == 1 else f"{table.schema}.{table.name}" for table in tables)
