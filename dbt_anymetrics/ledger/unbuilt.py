"""Nodes that dbt was to build and did not, as the ledger keeps them until they are built."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from dbt_anymetrics.ledger.database import Row, Statements
from dbt_anymetrics.ledger.entries import moment
from dbt_anymetrics.planning.unbuilt import Unbuilt


class UnbuiltNode(Struct, frozen=True, kw_only=True):
    """A node that is not built: what is missing, and the start of the first dbt run in a row that did not build it."""

    unique_id: str
    message: str
    since: datetime
    project: str


UNBUILT = "SELECT unique_id, message, since, project FROM unbuilt WHERE service = ? ORDER BY since, unique_id"


def as_unbuilt(row: Row) -> UnbuiltNode:
    """A row of `UNBUILT`."""
    return UnbuiltNode(unique_id=row[0], message=row[1], since=moment(row[2]), project=row[3])


def note(statements: Statements, service: int, news: Unbuilt, now: str) -> None:
    """Note what is new. What an older dbt run says than the last one that was read changes nothing."""
    place = service, news.project
    statements.many(f"{_DELETE} AND unique_id = ?", ((*place, each) for each in news.gone))
    statements.many(
        f"{_DELETE} AND unique_id = ? AND seen_at <= ?",
        ((*place, unique_id, at.isoformat()) for unique_id, at in news.built.items()),
    )
    statements.many(
        _FOUND,
        ((*place, each.unique_id, each.reason, each.at.isoformat(), each.at.isoformat(), now) for each in news.found),
    )


def forget(statements: Statements, service: int, unique_ids: Collection[str]) -> None:
    """Take these nodes off the list, of whatever project."""
    statements.many("DELETE FROM unbuilt WHERE service = ? AND unique_id = ?", ((service, each) for each in unique_ids))


_DELETE = "DELETE FROM unbuilt WHERE service = ? AND project = ?"

_FOUND = """
INSERT INTO unbuilt (service, project, unique_id, message, since, seen_at, noted_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (service, project, unique_id) DO UPDATE
SET message = excluded.message, seen_at = excluded.seen_at, noted_at = excluded.noted_at
WHERE unbuilt.seen_at <= excluded.seen_at
"""
