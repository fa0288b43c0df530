"""What the picture is made of: attempts to refresh one date of a table, and the cells they fill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone
from enum import Enum
from typing import NamedTuple

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


class Status(str, Enum):
    """The status of an attempt, or of the cell of a table and date."""

    REFRESHED = "refreshed"
    AGAIN = "again"
    """A cell that was refreshed more than once; no single attempt has this status."""
    FAILED = "failed"
    """There was no usable answer."""
    REFUSED = "refused"
    """AnyMetrics answered, and said no."""
    PENDING = "pending"
    """Asked for, and not sent yet."""
    WAITING = "waiting"
    """Sent and accepted; the refresh itself was not seen yet."""
    SKIPPED = "skipped"
    """Left out on purpose; the message says why."""

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look at it."""
        return self in (Status.FAILED, Status.REFUSED)


class Table(NamedTuple):
    """A table as AnyMetrics names it. Tables of one data source, catalog and schema are shown together."""

    source: str
    catalog: str
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; equal outcomes of many attempts are stored once."""

    status: Status
    message: str = ""
    detail: str = ""
    code: str = ""
    http_status: int | None = None
    by: str = ""
    """Who made the attempt, for example a command."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt.

    One without a table or a day has no cell: `what` then says what was asked for, such as a request that named no
    table. `time` is None where nothing was tried yet.
    """

    outcome: Outcome
    table: Table | None = None
    day: date | None = None
    time: datetime | None = None
    trace_id: str = ""
    seconds: float | None = None
    what: str = ""


def when(attempt: Attempt) -> datetime:
    """The time of an attempt, to sort by; one that has none is older than all."""
    return attempt.time or _LONG_AGO


@dataclass(frozen=True, slots=True)
class Run:
    """One command that sent refreshes; without `seconds` while its end is not known. `note` says what is odd of it."""

    name: str
    started: datetime
    seconds: float | None
    refreshed: int
    failed: int
    not_sent: int = 0
    note: str = ""


@dataclass(slots=True)
class Cell:
    """All attempts of one table and date, oldest first; there is at least one.

    `earlier` counts refreshes before them, of which no more is known.
    """

    attempts: list[Attempt]
    earlier: int = 0

    @property
    def last(self) -> Attempt:
        """The newest attempt, which decides the status of the cell."""
        return self.attempts[-1]

    @property
    def times(self) -> int:
        """How often it was refreshed."""
        return self.earlier + sum(attempt.outcome.status is Status.REFRESHED for attempt in self.attempts)

    @property
    def status(self) -> Status:
        """The status of the cell."""
        status = self.last.outcome.status
        return Status.AGAIN if status is Status.REFRESHED and self.times > 1 else status

    @property
    def last_failure(self) -> Attempt | None:
        """The newest attempt that failed, also when a later one succeeded."""
        return next((each for each in reversed(self.attempts) if each.outcome.status.is_failure), None)

    @property
    def is_resolved(self) -> bool:
        """Whether it failed first and was refreshed later."""
        return self.last.outcome.status is Status.REFRESHED and self.last_failure is not None
