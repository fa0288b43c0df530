"""A table and date to refresh: a `Refresh` in the plan, and a `Result` when its outcome is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

WRONG_SETTINGS = "; its settings are wrong: "
"""Separates, in the reason of a node that is not refreshed, why not from what is wrong with its settings as well."""


class Status(str, Enum):
    """The status of a result."""

    PLANNED = "planned"
    """To be sent, in a plan."""
    SUCCESS = "success"
    ERROR = "error"
    WAITING = "waiting"
    """Confirmed, and a plan that depends on it was not seen refreshed since: only where that was waited for."""
    PENDING = "pending"
    """Not sent, or sent without waiting for the answer: it stays pending in the ledger."""
    SKIPPED = "skipped"
    UNTOUCHED = "untouched"
    """Configured, but not part of this run: there was nothing to do."""


class Timing(Struct, frozen=True, gc=False):
    """When the first request for a refresh began and its last answer came, UTC."""

    started_at: datetime
    completed_at: datetime

    @property
    def seconds(self) -> float:
        """How long the refresh took, retries included."""
        return (self.completed_at - self.started_at).total_seconds()


_PLAN = "plan "


def is_external(table_name: str) -> bool:
    """Whether this is the name of an external plan, in the place of a table's."""
    return table_name.startswith(_PLAN) and "`" not in table_name


class External(Struct, frozen=True, gc=False):
    """The external plan of AnyMetrics that dbt builds a table for. It is told which dates were built, and which failed.

    `plan` is what the API names uuid, `granularity` the size of the plan's partitions, such as DAY.
    """

    plan: str
    granularity: str = "DAY"
    is_failed: bool = False

    @property
    def name(self) -> str:
        """What stands in the place of a table name."""
        return f"{_PLAN}{self.plan}"


Key = tuple[str | None, str, date]
"""dbt's invocation, a table name and a date: two refreshes with the same key are the same."""


class Refresh(Struct, frozen=True, kw_only=True, gc=False):
    """One table and date to refresh: the dbt node that it belongs to, and dbt's id of the run that built it.

    It is not sent when it was confirmed less than `min_interval` ago, whichever run asked for it. With `external`, it
    tells an external plan of the date, and `table_name` names the plan.
    """

    unique_id: str
    table_name: str
    partition: date
    invocation_id: str | None = None
    min_interval: timedelta | None = None
    external: External | None = None

    @property
    def key(self) -> Key:
        """Which refresh this is."""
        return self.invocation_id, self.table_name, self.partition

    def result(self, status: Status, message: str | None = None, **facts: Any) -> Result:
        """What became of it."""
        return Result(
            unique_id=self.unique_id,
            table_name=self.table_name,
            partition=self.partition,
            invocation_id=self.invocation_id,
            status=status,
            message=message or (_FAILED_DATE if self.external and self.external.is_failed else None),
            **facts,
        )


_FAILED_DATE = "reported to the plan as failed, because dbt did not build it"


class Result(Struct, frozen=True, kw_only=True, gc=False):
    """What became of a refresh, or why a node has none. It is one entry of the results artifact.

    `partition` is the date of the refresh. What concerns a whole node (a skip, a wrong setting) has no partition.
    `timing` is there exactly when a refresh that was sent has ended.
    """

    unique_id: str
    table_name: str | None = None
    partition: date | None = None
    status: Status
    message: str | None = None
    http_status: int | None = None
    code: str | None = None
    trace_id: str | None = None
    attempts: int = 0
    perhaps_sent: bool = False
    """Whether it was sent without an answer: AnyMetrics may have refreshed it."""
    timing: Timing | None = None
    invocation_id: str | None = None
    postponed: bool = False
    """Whether it is not sent now, and stays pending."""

    @property
    def is_done_before(self) -> bool:
        """Whether an earlier command refreshed this, so that this one did not."""
        return self.status is Status.SKIPPED and self.timing is not None


Item = Refresh | Result
"""An entry of a plan: a refresh to send, or why a node has none."""


class LazyCollection(Collection[T], Generic[T]):
    """Things that are made anew each time they are walked through: a hundred thousand take no more memory than one."""

    def __init__(self, walk: Callable[[], Iterable[T]]) -> None:
        self._walk = walk

    def __iter__(self) -> Iterator[T]:
        return iter(self._walk())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        # Without it, Python would count them all.
        return any(True for _ in self)

    def __contains__(self, thing: object) -> bool:
        return any(each == thing for each in self)


def shown(item: Item) -> Result:
    """An entry of a plan as the artifact and the output show it."""
    return item.result(Status.PLANNED) if isinstance(item, Refresh) else item


class Freshness(str, Enum):
    """How the wait for a plan ended."""

    REFRESHED = "refreshed"
    """Refreshed since the trigger; whether with what this run built, AnyMetrics does not tell."""
    NOT_SEEN = "not seen"
    """Not before the deadline: that is no failure."""
    UNKNOWN = "unknown"
    NOT_TRIGGERED = "not triggered"


class PlanSeen(Struct, frozen=True, kw_only=True):
    """An acceleration plan after the wait for it; `latest_refresh_time` is in the local time of AnyMetrics."""

    plan: str
    freshness: Freshness
    message: str
    latest_refresh_time: str | None = None

    def __str__(self) -> str:
        """As `plan daily_sales: refreshed since the trigger (at 2024-09-01 18:09:16 in the time of AnyMetrics)`."""
        is_fresh = self.freshness is Freshness.REFRESHED
        at = f" (at {self.latest_refresh_time} in the time of AnyMetrics)" if is_fresh else ""
        return f"plan {self.plan}: {self.message}{at}"


class Counts(Struct, frozen=True, kw_only=True):
    """How many results have which status.

    `waiting` counts what was confirmed, and whose plans were waited for and not seen refreshed. `already` counts what
    an earlier command refreshed, and `untouched` the nodes that are not part of the run. `late_plans` counts the
    acceleration plans that were waited for and not seen refreshed.
    """

    ok: int = 0
    waiting: int = 0
    error: int = 0
    skip: int = 0
    not_sent: int = 0
    already: int = 0
    untouched: int = 0
    late_plans: int = 0

    def __add__(self, other: Counts) -> Counts:
        """The counts of both together."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    @property
    def total(self) -> int:
        """Everything that this command had to do."""
        return self.ok + self.waiting + self.error + self.skip + self.not_sent

    @property
    def all_well(self) -> bool:
        """Whether nothing failed and nothing was left over."""
        return not (self.error or self.not_sent or self.late_plans)

    def __str__(self) -> str:
        """As dbt ends a run: `OK=2 ERROR=1 SKIP=4 TOTAL=7`, with what was not sent where there is any."""
        waiting = f" WAITING={self.waiting}" if self.waiting else ""
        not_sent = f" NOT_SENT={self.not_sent}" if self.not_sent else ""
        return f"OK={self.ok}{waiting} ERROR={self.error} SKIP={self.skip}{not_sent} TOTAL={self.total}"


_COUNTED_AS = {
    Status.SUCCESS: "ok",
    Status.WAITING: "waiting",
    Status.ERROR: "error",
    Status.SKIPPED: "skip",
    Status.PLANNED: "not_sent",
    Status.PENDING: "not_sent",
    Status.UNTOUCHED: "untouched",
}


def count(items: Iterable[Item]) -> Counts:
    """Count entries by their status; what is still to be sent counts as not sent."""
    return Counts(**Counter(_counted_as(item) for item in items))


def _counted_as(item: Item) -> str:
    if isinstance(item, Refresh):
        return "not_sent"
    return "already" if item.is_done_before else _COUNTED_AS[item.status]
