"""The plans of the sandbox: which tables move them, and how far they got."""

from __future__ import annotations

import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from time import monotonic

EVERY_TABLE = "every_table"
"""The plan of a sandbox that is told of none. Every table that is triggered moves it."""

CRON = "0 0 2 * * ?"
"""The schedule of a plan that has one: two o'clock each night."""

_SECOND = timedelta(seconds=1)


class PlanFault(str, Enum):
    """A way in which plans do not do what they should."""

    NEVER = "never"
    BACK = "back"
    NULL = "null"
    NOT_READY = "not-ready"


@dataclass
class Plan:
    """A plan. `tables` is None for one that every table moves, and empty for an external one, which no table moves.

    One with a `cron` follows that schedule, and no table moves it either.
    """

    name: str
    tables: Sequence[str] | None
    refreshed: datetime
    cron: str | None = None
    partitions: set[date] = field(default_factory=set)

    @property
    def id(self) -> str:
        """What other calls name uuid: the name if that is one, else one that is always the same for the name."""
        is_uuid = re.fullmatch("[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", self.name)
        return self.name if is_uuid else uuid.uuid5(uuid.NAMESPACE_DNS, self.name).hex

    @property
    def is_external(self) -> bool:
        """Whether another scheduler builds it, which says so by updatePartition."""
        return self.tables is not None and not self.tables

    @property
    def moved_by(self) -> str:
        """What moves it, in words."""
        if self.cron:
            return f"on a schedule, {self.cron}"
        if self.is_external:
            return "external, moved by updatePartition"
        return f"moved by {', '.join(self.tables)}" if self.tables else "moved by every table"

    @property
    def kind(self) -> str:
        """Its materializeType."""
        return "EXTERNAL" if self.is_external else "RESULT"

    def is_moved_by(self, table: str) -> bool:
        """Whether it depends on this `catalog.schema.table`; its own tables may be named by the last parts alone."""
        if self.cron:
            return False
        return self.tables is None or any(f".{table}".endswith(f".{own}") for own in self.tables)


@dataclass(frozen=True)
class _Move:
    """What becomes of a plan at a moment to come."""

    due: float
    plan: Plan
    made: frozenset[date]
    lost: frozenset[date] = frozenset()


class Plans:
    """The plans, which a trigger moves after a while; safe to share between threads.

    `scheduled` are more plans, which follow a schedule. `clock` counts seconds, and `now` is the local time, of which
    the server's times are made.
    """

    def __init__(
        self,
        plans: Mapping[str, Sequence[str] | None] | None = None,
        moves_after: float = 3.0,
        fault: PlanFault | None = None,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = datetime.now,
        scheduled: Iterable[str] = (),
    ) -> None:
        start = now().replace(microsecond=0) - timedelta(days=1)
        own = dict.fromkeys(scheduled)
        given = {**(plans or ({} if own else {EVERY_TABLE: None})), **own}
        self._plans = {name: Plan(name, tables, start, CRON if name in own else None) for name, tables in given.items()}
        self._moves_after = moves_after
        self._fault = fault
        self._clock = clock
        self._now = now
        self._moves: deque[_Move] = deque()
        self._lock = threading.Lock()

    def all(self) -> list[Plan]:
        """Every plan as it is now."""
        with self._lock:
            self._catch_up()
            return list(self._plans.values())

    def named(self, name: str) -> Plan | None:
        """The plan with this name."""
        return next((plan for plan in self.all() if plan.name == name), None)

    def with_id(self, wanted: str) -> Plan | None:
        """The plan with this uuid."""
        return next((plan for plan in self.all() if plan.id == wanted), None)

    def trigger(self, table: str, day: date) -> None:
        """Move, after a while, every plan that depends on this table."""
        for plan in self.all():
            if plan.is_moved_by(table):
                self.move(plan, [day])

    def move(self, plan: Plan, made: Iterable[date], lost: Iterable[date] = ()) -> None:
        """Let a plan have these partitions, and no longer those, after a while."""
        if self._fault is PlanFault.NEVER:
            return
        with self._lock:
            self._moves.append(_Move(self._clock() + self._moves_after, plan, frozenset(made), frozenset(lost)))

    def state(self, plan: Plan) -> tuple[bool, str | None, str | None]:
        """Whether something of it is not ready, its least data time, and when it was refreshed last."""
        with self._lock:
            self._catch_up()
            if self._fault is PlanFault.NULL:
                return True, None, None
            data_time = f"{max(plan.partitions)} 00:00:00" if plan.partitions else None
            is_unready = self._fault is PlanFault.NOT_READY or not plan.partitions
            return is_unready, data_time, f"{plan.refreshed:%Y-%m-%d %H:%M:%S}"

    def days(self, plan: Plan) -> list[date]:
        """Its partitions, the newest first."""
        with self._lock:
            self._catch_up()
            return sorted(plan.partitions, reverse=True)

    def _catch_up(self) -> None:
        """Make the moves that are due."""
        now = self._clock()
        while self._moves and self._moves[0].due <= now:
            move = self._moves.popleft()
            move.plan.partitions = (move.plan.partitions | move.made) - move.lost
            move.plan.refreshed = self._next(move.plan.refreshed)

    def _next(self, last: datetime) -> datetime:
        """The time of a refresh: now, but later than the last one by at least the second that the API's times show."""
        if self._fault is PlanFault.BACK:
            return last - timedelta(days=1)
        return max(self._now().replace(microsecond=0), last + _SECOND)
