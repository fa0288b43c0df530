"""Attempts to make pictures of: the same ones every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from zlib import crc32

from dbt_anymetrics.picture import Attempt, Outcome, Status, Table

NOON = datetime(2025, 11, 25, 12, tzinfo=timezone.utc)
TODAY = date(2025, 11, 25)
ORDERS = Table("starrocks", "default_catalog", "shop", "orders")

OK = Outcome(Status.REFRESHED, code="200", http_status=200)
SYSTEM_ERROR = Outcome(Status.REFUSED, "System error", "The scheduler did not accept the task", "SM99002", 200)
UNAVAILABLE = Outcome(Status.FAILED, "the gateway says 503 Service Unavailable", http_status=503)
TEST_FAILED = Outcome(Status.SKIPPED, "its test not_null_orders_id failed", by="dbt-anymetrics refresh")


def attempt(
    outcome: Outcome = OK, table: Table | None = ORDERS, day: date | None = TODAY, minute: float = 0, what: str = ""
) -> Attempt:
    """An attempt so many minutes after noon, with a trace id of the vendor's look."""
    seed = crc32(f"{table} {day} {minute} {what}".encode(errors="backslashreplace"))
    trace_id = f"{seed * 7919:032x}.{seed % 1000:03d}.17{seed:012d}"
    return Attempt(outcome, table, day, NOON + timedelta(minutes=minute), trace_id, what=what)


def many(tables: int, days: int, failing: int = 100) -> Iterator[Attempt]:
    """One attempt of each table and date, oldest first; one of so many fails."""
    names = [Table("starrocks", "default_catalog", f"schema_{n % 7}", f"table_{n:04d}") for n in range(tables)]
    for back in range(days - 1, -1, -1):
        for number, table in enumerate(names):
            outcome = SYSTEM_ERROR if (number * 31 + back * 17) % failing == 1 else OK
            yield attempt(outcome, table, TODAY - timedelta(days=back), number / 60 - back * 1440)
