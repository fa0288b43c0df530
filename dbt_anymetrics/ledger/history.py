"""What `report` shows of the ledger: everything that was tried, and what was given up."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct

from dbt_anymetrics.ledger.database import Row
from dbt_anymetrics.ledger.entries import PAGE, moment
from dbt_anymetrics.result import Status

AT_ONCE = 10 * PAGE
"""Rows that are read at once: the history is only read, and may be long."""


class Past(Struct, frozen=True, kw_only=True, gc=False):
    """One time that a refresh was sent or not, and what came of it; `command` is the kind of command that did it."""

    unique_id: str
    table_name: str
    partition: date
    invocation_id: str | None
    status: Status
    message: str | None
    http_status: int | None
    code: str | None
    trace_id: str | None
    started_at: datetime | None
    ended_at: datetime
    command: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took, retries included; None where nothing was sent."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at else None


class Dropped(Struct, frozen=True, kw_only=True, gc=False):
    """A refresh that the user gave up, and when something was last noted of it before."""

    unique_id: str
    table_name: str
    partition: date
    after: datetime


class Mistake(Struct, frozen=True, kw_only=True):
    """A node that was built and cannot be refreshed until its settings are corrected."""

    unique_id: str
    message: str
    asked_at: datetime


_OUTCOMES = """
SELECT o.id, r.unique_id, r.table_name, r.partition, r.invocation_id, o.status, o.message, o.http_status, o.code,
    o.trace_id, o.started_at, o.completed_at, c.kind
FROM outcome o JOIN refresh r ON r.id = o.refresh LEFT JOIN command c ON c.id = o.command
"""

OUTCOMES = f"{_OUTCOMES} WHERE o.id < ? AND r.service = ? ORDER BY o.id DESC LIMIT {AT_ONCE}"
"""What came of everything, the newest first."""

OF_PENDING = f"""
{_OUTCOMES} WHERE o.id < ? AND r.service = ? AND r.status = 'pending' AND r.outcome = o.id
ORDER BY o.id DESC LIMIT {AT_ONCE}
"""
"""The same of what is still pending alone."""

DROPPED = """
SELECT r.unique_id, r.table_name, r.partition, coalesce(o.completed_at, r.asked_at)
FROM refresh r LEFT JOIN outcome o ON o.id = r.outcome
WHERE r.service = ? AND r.status = 'dropped' ORDER BY r.id
"""

MISTAKES = "SELECT unique_id, message, asked_at FROM mistake WHERE service = ? ORDER BY asked_at, unique_id"


def as_past(row: Row) -> Past:
    """A row of `OUTCOMES`."""
    return Past(
        unique_id=row[1],
        table_name=row[2],
        partition=date.fromisoformat(row[3]),
        invocation_id=row[4] or None,
        status=Status(row[5]),
        message=row[6],
        http_status=row[7],
        code=row[8],
        trace_id=row[9],
        started_at=moment(row[10]) if row[10] else None,
        ended_at=moment(row[11]),
        command=row[12],
    )


def as_dropped(row: Row) -> Dropped:
    """A row of `DROPPED`."""
    return Dropped(unique_id=row[0], table_name=row[1], partition=date.fromisoformat(row[2]), after=moment(row[3]))


def as_mistake(row: Row) -> Mistake:
    """A row of `MISTAKES`."""
    return Mistake(unique_id=row[0], message=row[1], asked_at=moment(row[2]))
