"""What a ledger holds, read with SQL of its own: a second opinion on the code that writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.ledger.opening import FILE_NAME, Location, open_ledger, open_server


def rows(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query finds in a ledger; the path is that of the file, or of the target folder."""
    file = path / FILE_NAME if path.is_dir() else path
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(sql, values).fetchall()


def changed(path: Path, sql: str) -> None:
    """Change what stands in a ledger, as time would."""
    with closing(sqlite3.connect(path / FILE_NAME)) as connection:
        connection.execute(sql)
        connection.commit()


def confirmed(path: Path) -> dict[tuple[str, str], str]:
    """The trace of each table and date that stands as refreshed."""
    query = (
        "SELECT r.table_name, r.partition, o.trace_id FROM refresh r JOIN outcome o ON o.id = r.outcome "
        "WHERE r.status = 'success'"
    )
    return {(table, day): trace for table, day, trace in rows(path, query)}


def pending(path: Path) -> list[tuple[str, str]]:
    """Each table and date that is pending."""
    return rows(path, "SELECT table_name, partition FROM refresh WHERE status = 'pending' ORDER BY 1, 2")


Another = Callable[[], AbstractContextManager[Database]]
"""Opens the ledger of a test once more, as another command does."""


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The database of a ledger, made where there is none."""
    ledger = open_ledger(Location(path / FILE_NAME if path.is_dir() else path, is_named=False), lambda _database: None)
    assert ledger.loss is None
    with closing(ledger.database):
        yield ledger.database


@contextmanager
def served(address: str) -> Iterator[Database]:
    """The database of a ledger on a server."""
    ledger = open_server(address, lambda _database: None)
    assert ledger.loss is None, ledger.loss
    with closing(ledger.database):
        yield ledger.database
