"""What `status` shows of the ledger: what is pending and why, and the last commands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics.ledger.claims import ENDED_EARLY
from dbt_anymetrics.ledger.database import Row
from dbt_anymetrics.result import Counts

PAGE = 500
"""Rows that are read at once: pending refreshes are changed while they are walked through."""


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """One pending refresh: why it is pending, the failed tests that hold it, and since when."""

    unique_id: str
    table_name: str
    partition: date
    invocation_id: str | None
    message: str | None
    tests: Sequence[str]
    perhaps_sent: bool
    since: datetime


class CommandEntry(Struct, frozen=True, kw_only=True):
    """One command that the ledger knows.

    It has no end while it runs, and no exit code when it was killed or could not write to the ledger any more.
    """

    command: str
    invocation_id: str | None
    run_date: str | None
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    counts: Counts


class Elsewhere(Struct, frozen=True, kw_only=True):
    """How many refreshes are pending for another AnyMetrics or tenant."""

    address: str
    tenant_id: str
    pending: int

    def __str__(self) -> str:
        """As `https://anymetrics.example.com, tenant tn_1: 6 refreshes`."""
        return f"{self.address}, tenant {self.tenant_id}: {refreshes(self.pending)}"


_RUNNING = "a command that is still running sends it"
_NOT_SENT = "not sent: its command ended before it sent anything"
_UNKNOWN = "it is not known whether it was sent: the end of its command is not in the ledger"
"""Why a refresh is pending for which no outcome was noted."""

ENTRIES = f"""
SELECT r.unique_id, r.table_name, r.partition, r.invocation_id, r.message, r.held_by, r.perhaps_sent, r.asked_at, r.id,
    CASE WHEN r.held_by IS NULL THEN c.command END,
    CASE WHEN r.message IS NULL AND r.held_by IS NULL THEN (
        SELECT max(k.id) FROM command k WHERE k.invocation_id = r.invocation_id AND k.service = r.service
        AND k.ended_at IS NULL
    ) END,
    CASE WHEN r.message IS NULL AND r.held_by IS NULL THEN (
        SELECT min(CASE WHEN k.exit_code IS NULL THEN 0 ELSE 1 END) FROM command k
        WHERE k.invocation_id = r.invocation_id AND k.service = r.service
    ) ELSE 1 END
FROM refresh r
LEFT JOIN claim c ON c.service = r.service AND c.table_name = r.table_name AND c.partition = r.partition
WHERE r.service = ? AND r.status = 'pending' AND (
    r.table_name > ? OR (r.table_name = ? AND r.partition > ?)
    OR (r.table_name = ? AND r.partition = ? AND r.id > ?)
) ORDER BY r.table_name, r.partition, r.id LIMIT {PAGE}
"""
"""Everything pending, with the command that has claimed it and, where no outcome was noted, the newest command of the
same dbt run whose end is not in the ledger, and whether the end of each command of that run is there."""


def as_entry(row: Row, dead: Collection[int]) -> Entry:
    """A row of `ENTRIES`, when these commands are known to be dead."""
    message, perhaps_sent = _reason(row, dead)
    return Entry(
        unique_id=row[0],
        table_name=row[1],
        partition=date.fromisoformat(row[2]),
        invocation_id=row[3] or None,
        message=message,
        tests=msgspec.json.decode(row[5]) if row[5] else [],
        perhaps_sent=perhaps_sent,
        since=moment(row[7]),
    )


def _reason(row: Row, dead: Collection[int]) -> tuple[str | None, bool]:
    """Why a row of `ENTRIES` is pending, and whether it was perhaps sent."""
    message, held_by, perhaps_sent, claimed_by, unended, is_ended = row[4], row[5], bool(row[6]), *row[9:]
    if claimed_by in dead:
        return ENDED_EARLY, True
    if message or held_by:
        return message, perhaps_sent
    if claimed_by or (unended and unended not in dead):
        return _RUNNING, perhaps_sent
    return (_NOT_SENT, perhaps_sent) if is_ended else (_UNKNOWN, True)


def as_command(row: Row, dead: Collection[int]) -> CommandEntry:
    """A row of the last commands, when these commands are known to be dead."""
    ok, error, skip, not_sent, already, waiting, command, seen_at = row[6:]
    ended_at = row[4] or (seen_at if command in dead else None)
    return CommandEntry(
        command=row[0],
        invocation_id=row[1] or None,
        run_date=row[2],
        started_at=moment(row[3]),
        ended_at=moment(ended_at) if ended_at else None,
        exit_code=row[5],
        counts=Counts(ok=ok, error=error, skip=skip, not_sent=not_sent, already=already, waiting=waiting),
    )


def moment(text: Any) -> datetime:
    """The moment that a text of the ledger means."""
    return datetime.fromisoformat(text)


def refreshes(number: int) -> str:
    """As `1 refresh` or `1,200 refreshes`."""
    return "1 refresh" if number == 1 else f"{number:,} refreshes"
