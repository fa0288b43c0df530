"""The ledger's history as the picture shows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import product

from msgspec import Struct

from dbt_anymetrics.commands.deliver import INTERRUPTED
from dbt_anymetrics.ledger.awaited import Awaited
from dbt_anymetrics.ledger.entries import CommandEntry, Entry
from dbt_anymetrics.ledger.history import Dropped, Mistake, Past
from dbt_anymetrics.ledger.ledger import Ledger, way
from dbt_anymetrics.ledger.unbuilt import UnbuiltNode
from dbt_anymetrics.picture import Attempt, Outcome, Picture, Run, Status, Table
from dbt_anymetrics.picture.model import when
from dbt_anymetrics.result import Status as Ended
from dbt_anymetrics.result import is_external

MOST = 12
"""Attempts of one table and date that are shown, the newest."""

_PLENTY = 100_000
"""So many attempts are more than a page has room for: of older tables and dates, it is given the last one alone."""

_RUNS = 20
_DROP = "dbt-anymetrics retry --drop"

_NAME = re.compile(r"([^`]*)\.`([^`.]*)\.([^`]*)`\.(.*)", re.DOTALL)


class Pictured(Struct, frozen=True):
    """A picture of a ledger, and how many attempts it leaves out because later ones of the same dates are many."""

    picture: Picture
    left_out: int


def pictured(ledger: Ledger, tags: Mapping[str, Sequence[str]], since: datetime | None = None) -> Pictured:
    """The picture of everything since a moment, and of all that is pending. `tags` are those of each node."""
    arranging = _Arranging(ledger, since)
    attempts = sorted(arranging.attempts(), key=when)
    tagged = {table: tags[node] for table, node in arranging.nodes.items() if tags.get(node)}
    runs = [_run(each) for each in ledger.commands(_RUNS) if since is None or each.started_at >= since]
    found = Picture.of(attempts, tags=tagged, runs=runs, earlier=arranging.earlier)
    return Pictured(found, arranging.left_out)


class _Arranging:
    """Makes attempts of what the ledger knows. Tables, days and outcomes that are equal are one object."""

    def __init__(self, ledger: Ledger, since: datetime | None) -> None:
        self.nodes: dict[Table, str] = {}
        self.left_out = 0
        self.earlier: Counter[tuple[Table, date]] = Counter()
        self._kept = 0
        self._failed: set[tuple[str, date]] = set()
        self._ledger = ledger
        self._since = since
        self._numbers: Counter[tuple[str, date]] = Counter()
        self._outcomes: dict[Outcome, Outcome] = {}
        self._table = cache(table_of)
        self._late = _late(ledger.awaited())

    def attempts(self) -> Iterator[Attempt]:
        pending = {(each.table_name, each.partition, each.invocation_id): each for each in self._ledger.entries()}
        floors: dict[tuple[str, date, str | None], datetime] = {}
        for past in self._ledger.history(self._since):
            key = past.table_name, past.partition, past.invocation_id
            entry = pending.get(key)
            if entry and key not in floors:
                floors[key] = past.ended_at
                if entry.message and entry.message == past.message:  # what is pending is what this attempt left behind
                    del pending[key]
            yield from self._tried(past)
        for key, entry in pending.items():
            yield self._open(entry, max(entry.since, floors.get(key, entry.since)))
        yield from map(self._dropped, self._ledger.dropped())
        yield from map(_wrong, self._ledger.wrong())
        yield from map(_unbuilt, self._ledger.unbuilt())

    def _tried(self, past: Past) -> Iterator[Attempt]:
        """An attempt, unless nothing was tried, or many later ones are known of the same table and date."""
        if past.status is Ended.SKIPPED:
            return
        self._numbers[past.table_name, past.partition] += 1
        number = self._numbers[past.table_name, past.partition]
        if not self._is_kept(past, number):
            self.left_out += 1
            if past.status is Ended.SUCCESS:
                self.earlier[self._table(past.table_name), past.partition] += 1
            return
        self._kept += 1
        # A plan is waited for since the newest trigger.
        late = self._late.get((past.unique_id, past.partition)) if number == 1 else None
        outcome = outcome_of(past, late)
        yield Attempt(
            outcome=self._outcomes.setdefault(outcome, outcome),
            table=self._known(past.table_name, past.unique_id),
            day=past.partition,
            time=past.ended_at,
            trace_id=past.trace_id or "",
            seconds=past.seconds,
        )

    def _is_kept(self, past: Past, number: int) -> bool:
        """Whether it is one of the newest of its table and date, or the newest that failed."""
        place = past.table_name, past.partition
        is_first_failure = past.status is Ended.ERROR and place not in self._failed
        if past.status is Ended.ERROR:
            self._failed.add(place)
        return is_first_failure or number <= (MOST if self._kept < _PLENTY else 1)

    def _known(self, table_name: str, unique_id: str) -> Table:
        table = self._table(table_name)
        self.nodes.setdefault(table, unique_id)
        return table

    def _open(self, entry: Entry, time: datetime) -> Attempt:
        outcome = _held(entry) if entry.tests else Outcome(Status.PENDING, entry.message or "not sent yet")
        return Attempt(outcome, self._known(entry.table_name, entry.unique_id), entry.partition, time)

    def _dropped(self, dropped: Dropped) -> Attempt:
        outcome = Outcome(Status.SKIPPED, f"given up with {_DROP}", by=_DROP)
        return Attempt(outcome, self._known(dropped.table_name, dropped.unique_id), dropped.partition, dropped.after)


def outcome_of(past: Past, late: str | None = None) -> Outcome:
    """How the picture shows what came of one attempt; `late` says which plans were waited for in vain."""
    status = status_of(past)
    if late and status is Status.REFRESHED:
        status = Status.WAITING
    message = late if late and status is Status.WAITING else past.message or ""
    by = way(past.command) if past.command else ""
    return Outcome(status, message, code=past.code or "", http_status=past.http_status, by=by)


def status_of(past: Past) -> Status:
    """What came of one attempt.

    A code other than 200 is a refusal by AnyMetrics itself. Without one, a gateway answered, or nothing did.
    """
    if past.status is Ended.SUCCESS:
        return Status.REFRESHED
    if past.status is not Ended.ERROR:
        return Status.PENDING
    return Status.REFUSED if past.code not in (None, "", "200") else Status.FAILED


def _late(awaited: Iterable[Awaited]) -> dict[tuple[str, date], str]:
    """For each node and date, the plans that somebody waited for in vain; of others nobody has looked yet."""
    found: dict[tuple[str, date], list[str]] = {}
    for each in awaited:
        if each.message:
            for node, day in product(each.nodes, each.days or ()):
                found.setdefault((node, day), []).append(f"plan {each.plan}: {each.message}")
    return {place: "; ".join(texts) for place, texts in found.items()}


def table_of(name: str) -> Table:
    """The parts of a table name; an external plan and what has another form are a name alone."""
    if found := _NAME.fullmatch(name):
        return Table(*found.groups())
    return Table("external plan", "", "", name.partition(" ")[2]) if is_external(name) else Table("", "", "", name)


def _held(entry: Entry) -> Outcome:
    tests = ", ".join(entry.tests)
    message = f"held back by a failed test until it passes: {tests}"
    return Outcome(Status.SKIPPED, message, by="dbt")


def _wrong(mistake: Mistake) -> Attempt:
    outcome = Outcome(Status.FAILED, f"its settings are wrong: {mistake.message}")
    return Attempt(outcome, time=mistake.asked_at, what=mistake.unique_id)


def _unbuilt(node: UnbuiltNode) -> Attempt:
    outcome = Outcome(Status.SKIPPED, node.message, by="dbt")
    return Attempt(outcome, time=node.since, what=node.unique_id)


def _run(entry: CommandEntry) -> Run:
    return Run(
        name=way(entry.command),
        started=entry.started_at,
        seconds=(entry.ended_at - entry.started_at).total_seconds() if entry.ended_at else None,
        refreshed=entry.counts.ok + entry.counts.waiting,
        failed=entry.counts.error,
        not_sent=entry.counts.not_sent,
        note=_note(entry),
    )


def _note(entry: CommandEntry) -> str:
    """What is odd about a command. Its counts are noted at its end."""
    if entry.exit_code is None:
        return "ended early: its end is not in the ledger" if entry.ended_at else "running"
    if entry.command == "wait":
        return "these are plans, not tables and dates"
    if waiting := entry.counts.waiting:
        return f"{waiting:,} of them waiting for a plan"
    return "interrupted" if entry.exit_code == INTERRUPTED else ""
