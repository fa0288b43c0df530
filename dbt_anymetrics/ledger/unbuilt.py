"""Nodes that dbt was to build and did not, as the ledger keeps them until they are built."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct

from dbt_anymetrics.ledger.database import Row, Statements
from dbt_anymetrics.ledger.entries import moment
from dbt_anymetrics.result import Result


class UnbuiltNode(Struct, frozen=True, kw_only=True):
    """A node that dbt did not build: what dbt said last, and since when it is so."""

    unique_id: str
    message: str
    since: datetime


UNBUILT = "SELECT unique_id, message, asked_at FROM unbuilt WHERE service = ? ORDER BY asked_at, unique_id"


def as_unbuilt(row: Row) -> UnbuiltNode:
    """A row of `UNBUILT`."""
    return UnbuiltNode(unique_id=row[0], message=row[1], since=moment(row[2]))


def note(statements: Statements, service: int, found: Iterable[Result], now: str) -> None:
    """Note nodes that dbt did not build; of one that is known already, what is said now."""
    statements.many(
        "INSERT INTO unbuilt (service, unique_id, message, asked_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (service, unique_id) DO UPDATE SET message = excluded.message",
        ((service, result.unique_id, result.message or "", now) for result in found),
    )


def forget(statements: Statements, service: int, unique_ids: Collection[str]) -> None:
    """Take these nodes off the list."""
    statements.many("DELETE FROM unbuilt WHERE service = ? AND unique_id = ?", ((service, each) for each in unique_ids))
