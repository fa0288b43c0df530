"""What becomes of each node and date: one `Result`, from the plan to the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from enum import Enum

from msgspec import Struct


class Status(str, Enum):
    """Where a result stands."""

    PLANNED = "planned"
    """To be sent; in the record of an ended run: not sent."""
    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"
    UNTOUCHED = "untouched"
    """Configured, but no part of this run: nothing was to be done."""


class Timing(Struct, frozen=True, gc=False):
    """When the first request for a refresh began and its last answer came, UTC."""

    started_at: datetime
    completed_at: datetime

    @property
    def seconds(self) -> float:
        """How long the refresh took, retries included."""
        return (self.completed_at - self.started_at).total_seconds()


Key = tuple[str | None, str | None, date | None]
"""dbt's invocation, a table name and a date: what makes two results one and the same refresh."""


class Result(Struct, frozen=True, kw_only=True, gc=False):
    """One node and date: planned, then sent or not, and why.

    `partition` is the date to refresh. What concerns a whole node (a skip, a wrong setting) has no partition.
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
    timing: Timing | None = None
    invocation_id: str | None = None

    @property
    def key(self) -> Key:
        """Which refresh this is."""
        return self.invocation_id, self.table_name, self.partition

    @property
    def is_done_before(self) -> bool:
        """Whether an earlier command refreshed this, so that this one did not."""
        return self.status is Status.SKIPPED and self.timing is not None

    @property
    def was_refreshed(self) -> bool:
        """Whether AnyMetrics confirmed this refresh, now or when an earlier command sent it."""
        return self.timing is not None and self.status is not Status.ERROR


class Results(Collection[Result]):
    """Results that are made anew each time they are walked through: a hundred thousand take no more memory than one."""

    def __init__(self, walk: Callable[[], Iterable[Result]]) -> None:
        self._walk = walk

    def __iter__(self) -> Iterator[Result]:
        return iter(self._walk())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        # Without it, Python would count them all.
        return any(True for _ in self)

    def __contains__(self, result: object) -> bool:
        return any(each == result for each in self)


class Counts(Struct, frozen=True, kw_only=True):
    """How many results stand where.

    `already` counts what an earlier command refreshed, and `untouched` the nodes that are no part of the run.
    """

    ok: int = 0
    error: int = 0
    skip: int = 0
    not_sent: int = 0
    already: int = 0
    untouched: int = 0

    def __add__(self, other: Counts) -> Counts:
        """The counts of both together."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    @property
    def total(self) -> int:
        """All that this command had to do with."""
        return self.ok + self.error + self.skip + self.not_sent

    @property
    def all_well(self) -> bool:
        """Whether nothing failed and nothing was left over."""
        return not (self.error or self.not_sent)

    def __str__(self) -> str:
        """As dbt ends a run: `OK=2 ERROR=1 SKIP=4 TOTAL=7`, with what was not sent where there is any."""
        waiting = f" NOT_SENT={self.not_sent}" if self.not_sent else ""
        return f"OK={self.ok} ERROR={self.error} SKIP={self.skip}{waiting} TOTAL={self.total}"


_COUNTED_AS = {
    Status.SUCCESS: "ok",
    Status.ERROR: "error",
    Status.SKIPPED: "skip",
    Status.PLANNED: "not_sent",
    Status.UNTOUCHED: "untouched",
}


def count(results: Iterable[Result]) -> Counts:
    """Count results by what became of them."""
    return Counts(**Counter("already" if result.is_done_before else _COUNTED_AS[result.status] for result in results))
