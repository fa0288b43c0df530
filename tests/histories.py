"""A ledger with a long history, entered by SQL: to send so much would take minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

from dbt_anymetrics.ledger.database import Database, Statements
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.result import Counts

ADDRESS, TENANT = "https://can.example.com", "tn_1"
TODAY = date(2025, 11, 25)
NOON = datetime(2025, 11, 25, 12, tzinfo=timezone.utc)

_REFRESH = (
    "INSERT INTO refresh (id, service, invocation_id, table_name, partition, unique_id, status, message, asked_at, "
    "outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OUTCOME = (
    "INSERT INTO outcome (id, refresh, command, status, message, http_status, code, trace_id, attempts, started_at, "
    "completed_at) VALUES (?, ?, 1, ?, ?, 200, ?, ?, 1, ?, ?)"
)


def long_history(database: Database, tables: int = 1000, days: int = 90, times: int = 1, failing: int = 997) -> None:
    """Enter so many tables and dates, each refreshed so many times by a dbt run of its own; one of so many fails."""
    recording = Recording(database, ADDRESS, TENANT, Command(kind="refresh", process=os.getpid()))
    recording.end(Counts(ok=tables * days), 0, 90)

    def enter(statements: Statements) -> None:
        statements.many(_REFRESH, _refreshes(tables, days, times, failing))
        statements.many(_OUTCOME, _outcomes(tables, days, times, failing))

    database.write(enter)


def _numbered(tables: int, days: int, times: int) -> Iterator[tuple[int, int, int, int]]:
    number = 0
    for back in range(days - 1, -1, -1):
        for time in range(times):
            for table in range(tables):
                number += 1
                yield number, back, time, table


def _refreshes(tables: int, days: int, times: int, failing: int) -> Iterator[tuple[object, ...]]:
    for number, back, time, table in _numbered(tables, days, times):
        fails = number % failing == 0 and time == times - 1
        name, day = f"starrocks.`default_catalog.schema_{table % 7}`.table_{table:04d}", TODAY - timedelta(days=back)
        yield (
            *(
                number,
                1,
                f"run-{back}-{time}",
                name,
                str(day),
                f"model.shop.table_{table:04d}",
            ),
            *("pending" if fails else "success", "System error" if fails else None, _moment(number, back), number),
        )


def _outcomes(tables: int, days: int, times: int, failing: int) -> Iterator[tuple[object, ...]]:
    for number, back, time, _ in _numbered(tables, days, times):
        fails = number % failing == 0 and time == times - 1
        yield (
            *(number, number, "error" if fails else "success", "System error" if fails else None),
            "SM99002" if fails else "200",
            f"{number * 7919:032x}.{number % 1000:03d}.17{number:012d}",
            *(_moment(number, back), _moment(number, back, 0.05 + number % 13 / 10)),
        )


def _moment(number: int, back: int, seconds: float = 0) -> str:
    moment = NOON - timedelta(days=back) + timedelta(milliseconds=number % 100_000 * 7, seconds=seconds)
    return moment.isoformat(timespec="microseconds")
