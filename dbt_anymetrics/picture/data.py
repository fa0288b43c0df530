"""The picture as compact JSON, which the scripts draw.

A cell is one character, an attempt is five items of a flat list, and what many attempts share is stored once, in a list
of outcomes. Attempts that would make the page too large are left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, groupby, pairwise
from typing import Any

from dbt_anymetrics.picture.causes import Cause
from dbt_anymetrics.picture.details import Details
from dbt_anymetrics.picture.model import Attempt, Cell, Outcome, Run, Status, Table, when
from dbt_anymetrics.picture.picture import Picture

ROOM = 850_000
"""Bytes that the data may take, so that the page of a thousand tables and ninety dates stays below a megabyte."""

_LONGEST_TEXT = 20_000
_LETTERS = {
    Status.FAILED: "f",
    Status.REFUSED: "x",
    Status.PENDING: "p",
    Status.WAITING: "w",
    Status.SKIPPED: "s",
}
_NONE = "."
_REFRESHED = "123456789+"
_RESOLVED = "ABCDEFGHIJ"
"""As the line before, for cells that were refreshed after a failure."""


def encode(picture: Picture, room: int = ROOM) -> str:
    """Give the picture as JSON that is safe in a `<script>` of an HTML page."""
    text = json.dumps(_Document(picture, room).content(), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class _Document:
    def __init__(self, picture: Picture, room: int) -> None:
        self._picture = picture
        self._days = {day: index for index, day in enumerate(picture.days)}
        self._gaps = {at for at, (newer, older) in enumerate(pairwise(picture.days), 1) if (newer - older).days > 1}
        self._tables = {table: index for index, table in enumerate(picture.tables)}
        self._rows = {table: self._row(cells) for table, cells in picture.tables.items()}
        self._places = {cause.id: self._places_of(cause) for cause in picture.causes}
        always = json.dumps([[*self._rows.items()], self._places], separators=(",", ":"))
        self._details = Details(picture, room - len(always))
        self._others = [each for each in reversed(picture.unplaced) if each in self._details]
        self._newest = max((_milliseconds(each.time) for each in picture.attempts if each.time), default=0)

    def content(self) -> dict[str, Any]:
        picture = self._picture
        return {
            "newest": self._newest,
            "days": [day.isoformat() for day in picture.days],
            "counts": {status.value: count for status, count in picture.counts.items()},
            "groups": [
                [*place, [self._table(table) for table in tables]]
                for place, tables in groupby(picture.tables, key=lambda table: table[:3])
            ],
            "others": [[each.what or _full_name(each.table), *self._attempt(each)[1:]] for each in self._others],
            "causes": [self._cause(cause) for cause in picture.causes],
            "runs": [_run(run) for run in picture.runs],
            "outcomes": [_outcome(outcome) for outcome in self._details.outcomes],
            "left": self._details.left,
        }

    def _table(self, table: Table) -> list[Any]:
        cells = self._picture.tables[table]
        attempts = sorted((each for cell in cells.values() for each in reversed(cell.attempts)), key=when, reverse=True)
        flat = list(chain.from_iterable(self._attempt(each) for each in attempts if each in self._details))
        return [table.name, self._rows[table], flat, list(self._picture.tags.get(table, ()))]

    def _row(self, cells: Mapping[date, Cell]) -> str:
        row = "".join(_letter(cells[day]) if day in cells else _NONE for day in self._picture.days)
        return row.rstrip(_NONE)

    def _attempt(self, attempt: Attempt) -> list[Any]:
        """Its date, how long before the newest attempt it was, its outcome, its trace id, and how long it took."""
        return [
            self._days[attempt.day] if attempt.table and attempt.day else -1,
            self._newest - _milliseconds(attempt.time) if attempt.time else -1,
            self._details.outcomes[attempt.outcome],
            attempt.trace_id if self._details.has_trace(attempt) else None,
            -1 if attempt.seconds is None else round(attempt.seconds * 1000),
        ]

    def _cause(self, cause: Cause) -> list[Any]:
        own = {id(attempt) for attempt in cause.attempts}
        others = [position for position, each in enumerate(self._others) if id(each) in own]
        _, age, outcome, *_ = self._attempt(cause.attempts[0])
        places, count, is_resolved = self._places[cause.id], len(cause.attempts), int(cause.is_resolved)
        return [cause.id, outcome, age, _text(cause.title), cause.where, count, is_resolved, places, others]

    def _places_of(self, cause: Cause) -> list[list[int]]:
        """The index of each table, and the ranges of its days."""
        days: dict[int, list[int]] = {}
        for attempt in cause.attempts:
            if attempt.table and attempt.day:
                days.setdefault(self._tables[attempt.table], []).append(self._days[attempt.day])
        return [[table, *_ranges(indexes, self._gaps)] for table, indexes in sorted(days.items())]


def _letter(cell: Cell) -> str:
    letter = _LETTERS.get(cell.status)
    if letter:
        return letter
    return (_RESOLVED if cell.is_resolved else _REFRESHED)[min(cell.times, len(_REFRESHED)) - 1]


def _ranges(indexes: Iterable[int], gaps: Container[int]) -> list[int]:
    """First and last of each run of neighbours, one after the other: 3, 5, 9, 9 of 3, 4, 5 and 9.

    The day at an index in `gaps` is no neighbour of the one before it: the days between them are not in the picture.
    """
    ranges: list[int] = []
    for index in sorted(indexes):
        if ranges and index == ranges[-1] + 1 and index not in gaps:
            ranges[-1] = index
        else:
            ranges += [index, index]
    return ranges


def _outcome(outcome: Outcome) -> Sequence[object]:
    texts = _text(outcome.message), _text(outcome.detail)
    return outcome.status.value, outcome.http_status, outcome.code, *texts, outcome.by


def _run(run: Run) -> Sequence[object]:
    took = -1 if run.seconds is None else round(run.seconds * 1000)
    return run.name, _milliseconds(run.started), took, run.refreshed, run.failed, run.not_sent, run.note


def _text(text: str) -> str:
    """A text that somebody may want to read to its end."""
    rest = len(text) - _LONGEST_TEXT
    return text if rest <= 0 else f"{text[:_LONGEST_TEXT]}… (and {rest:,} more characters)"


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _full_name(table: Table | None) -> str:
    return ".".join(table) if table else ""
