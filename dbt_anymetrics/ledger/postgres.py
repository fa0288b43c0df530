"""A ledger in a PostgreSQL database, which workers on several machines share. It needs the extra `[postgres]`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar

import psycopg
from psycopg import Cursor, errors
from psycopg.conninfo import conninfo_to_dict

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.database import LOSS, Database, Row, Statements, newer, shown_address
from dbt_anymetrics.ledger.schema import APPLICATION_ID, MIGRATIONS, TABLES, VERSION

T = TypeVar("T")

SCHEMA = "anymetrics"
"""The schema of our tables: the database may be the one of Airflow, with tables of its own."""

_COLUMNS = {"id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "reference": "BIGINT"}

_TRIES = 20
"""How often a transaction is done again that met another one's."""

_PATIENCE = "60s"

_PART = 1000
"""Rows that are sent to the server at once."""

_CONNECTING: dict[str, int] = {
    "connect_timeout": 10,
    # A server that is gone without a word is noticed after seconds, not after hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_MET_ANOTHER = (errors.DeadlockDetected, errors.SerializationFailure)


class PostgresStatements:
    """What can be done within one transaction."""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor

    def run(self, sql: str, *values: object) -> int:
        """Do it, and return how many rows it changed."""
        return self._cursor.execute(_marked(sql), values).rowcount

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Do it once for each row of values."""
        waiting = iter(rows)
        # A part at a time: what makes the rows may itself ask the database, which has to be free then.
        while part := list(islice(waiting, _PART)):
            self._cursor.executemany(_marked(sql), part)

    def insert(self, sql: str, *values: object) -> int | None:
        """Insert a row, and return its id; None where nothing was inserted."""
        row = self._cursor.execute(_marked(f"{sql} RETURNING id"), values).fetchone()
        return row[0] if row else None

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""
        return self._cursor.execute(_marked(sql), values).fetchall()


class PostgresDatabase:
    """A ledger on a server. A connection that breaks is opened anew once for each transaction."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.RLock()
        with self._in_words():
            self._connection = self._connect()

    def _connect(self) -> psycopg.Connection[Any]:
        given = conninfo_to_dict(self._address)
        settings: dict[str, Any] = {name: value for name, value in _CONNECTING.items() if name not in given}
        # A pooler such as PgBouncer does not keep prepared statements.
        return psycopg.connect(self._address, autocommit=True, prepare_threshold=None, **settings)

    @property
    def where(self) -> str:
        """The address without the user and the password."""
        return shown_address(self._address)

    @property
    def is_read_only(self) -> bool:
        """Never known beforehand."""
        return False

    def write(self, work: Callable[[Statements], T]) -> T:
        """Do the work in one transaction: all of it or nothing. It is repeated when another writer was faster."""
        with self._in_words(), self._lock:
            if self._connection.closed:
                self._connection = self._connect()
            return self._tried(work, 1)

    def _tried(self, work: Callable[[Statements], T], number: int) -> T:
        try:
            return self._once(work)
        except psycopg.OperationalError as error:
            if number == _TRIES or not self._is_worth_another_try(error, number):
                raise
        return self._tried(work, number + 1)

    def _is_worth_another_try(self, error: psycopg.OperationalError, tries: int) -> bool:
        """Whether the transaction met another one, or the connection was broken and could be opened anew."""
        if isinstance(error, _MET_ANOTHER):
            return True
        if tries == 1 and self._connection.closed:
            self._connection = self._connect()
            return True
        return False

    def _once(self, work: Callable[[Statements], T]) -> T:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            # Each time, since a pooler may give each transaction another session.
            cursor.execute(f"SET LOCAL search_path = {SCHEMA}")
            cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            return work(PostgresStatements(cursor))

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""
        return self.write(lambda statements: statements.rows(sql, *values))

    def check_kept(self) -> None:
        """Nothing to check: a server keeps what it has confirmed."""

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error), self._lock:
            self._connection.close()

    def prepare(self, fill: Callable[[Database], None]) -> None:
        """Make the tables where there are none, and `fill` them; bring older ones to this version."""
        if self.write(self._make):
            fill(self)

    def _make(self, statements: Statements) -> bool:
        """Whether the tables are new. Of many processes that start together, one makes them."""
        statements.rows(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        is_new = not statements.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = ?", SCHEMA)
        if is_new:
            statements.run(f"CREATE SCHEMA {SCHEMA}")
        if not statements.rows("SELECT to_regclass(?)", f"{SCHEMA}.form")[0][0]:
            is_new = True
            for table in (*TABLES, "CREATE TABLE form (version INTEGER NOT NULL)"):
                statements.run(table.format(**_COLUMNS))
            statements.run("INSERT INTO form (version) VALUES (?)", VERSION)
        self._migrate(statements)
        return is_new

    def _migrate(self, statements: Statements) -> None:
        ((version,),) = statements.rows("SELECT version FROM form")
        if version > VERSION:
            raise newer(version, self.where)
        for older in range(version, VERSION):
            for statement in MIGRATIONS[older]:
                statements.run(statement.format(**_COLUMNS))
            statements.run("UPDATE form SET version = ?", older + 1)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            said = _safe(error, self._address)
            raise RecordError(f"cannot be used ({said})", where=self.where, hint=LOSS) from None
        except UnicodeEncodeError:
            raise RecordError("cannot be used (a value for it is not valid text)", where=self.where) from None


def _safe(error: psycopg.Error, address: str) -> str:
    """What the library says, on one line, without the password should it be in it."""
    try:
        password = conninfo_to_dict(address).get("password")
    except psycopg.Error:
        return "its address cannot be read; the form is postgresql://user:password@host:5432/database"
    text = " ".join(str(error).split())
    return (text.replace(str(password), "**********") if password else text) or type(error).__name__


def _marked(sql: str) -> bytes:
    """The SQL with psycopg's mark for a value; ours has no other use for either character."""
    return sql.replace("?", "%s").encode()
