"""A ledger in a SQLite file: in WAL mode, so that readers and a writer do not wait for each other."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.database import LOSS, DamagedError, Row, Statements, newer
from dbt_anymetrics.ledger.schema import APPLICATION_ID, MIGRATIONS, TABLES, VERSION

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for another writer; its transactions are short."""

_TUNING = (
    # A crash of the machine may cost the last outcomes, which are sent again then; a kill costs nothing.
    "PRAGMA synchronous = NORMAL",
    # Kilobytes: a larger cache is not faster here, and grows with the number of refreshes.
    "PRAGMA cache_size = -200",
    # Pages: to move them to the file itself waits for the disk, so it is done seldom.
    "PRAGMA wal_autocheckpoint = 8000",
)

_QUICKLY_CHECKED = 1 << 25
"""Bytes that are checked within some 30 ms. Damage in a larger ledger is found by the command that meets it."""

_COLUMNS = {"id": "INTEGER PRIMARY KEY", "reference": "INTEGER"}

_READ_ONLY = "it is read-only: its disk or its permissions do not allow writing"

_IN_WORDS = {
    "database is locked": f"another program has kept it locked for {PATIENCE:.0f} seconds",
    "database or disk is full": "the disk is full",
    "attempt to write a readonly database": _READ_ONLY,
    "unable to open database file": "it cannot be opened or created",
}

_BESIDE = ("attempt to write a readonly database", "unable to open database file")
"""What SQLite says, even when it only reads, if it cannot create the files next to the database: a read-only folder."""


def _connect(name: str, *, is_uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=is_uri)


def _needs_files(connection: sqlite3.Connection) -> bool:
    """Whether SQLite can open the database but not read it, because it cannot create the files next to it."""
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        if str(error) not in _BESIDE:
            raise
        return True
    except sqlite3.DatabaseError:  # it is damaged, or no database: `is_ledger` and `check` tell these apart
        return False
    return False


class SqliteStatements:
    """What can be done within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, *values: object) -> int:
        """Do it, and return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Do it once for each row of values."""
        self._connection.executemany(sql, rows)

    def insert(self, sql: str, *values: object) -> int | None:
        """Insert a row, and return its id; None where nothing was inserted."""
        cursor = self._connection.execute(sql, values)
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""
        return self._connection.execute(sql, values).fetchall()


class SqliteDatabase:
    """A ledger in a file, or in a temporary one of its own that goes with the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._is_copy = False
        with self._in_words():
            self._connection = _connect(str(path or ""))
            try:
                self._is_frozen = path is not None and _needs_files(self._connection)
            except BaseException:
                self._connection.close()
                raise
            if path and self._is_frozen:
                self._connection.close()
                self._connection = self._connect_frozen(path)
        self._identity = self._found()

    def _connect_frozen(self, path: Path) -> sqlite3.Connection:
        """Open a ledger in a folder where SQLite cannot create files, as a file that nobody changes.

        SQLite does not read the WAL file then, so a ledger with outcomes in that file is refused.
        """
        wal = Path(f"{path}-wal")
        if wal.exists() and wal.stat().st_size:
            raise RecordError(
                f"cannot be read (its folder is read-only, and a part of it is in {wal})", where=self.where
            )
        return _connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", is_uri=True)

    def _found(self) -> tuple[int, int] | None:
        """Which file has the ledger's name at this moment."""
        try:
            found = self._path and self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def check_kept(self) -> None:
        """Raise RecordError when another file, or none, has the ledger's name by now: what was written is lost."""
        if self._found() != self._identity:
            raise RecordError("was removed or replaced by another program while it was in use", where=self.where)
        is_small = self._path is None or self._path.stat().st_size < _QUICKLY_CHECKED
        if is_small and self.rows("PRAGMA quick_check(1)") != [("ok",)]:
            raise DamagedError("is damaged", where=self.where)

    @property
    def where(self) -> str:
        """The path of the file."""
        return str(self._path or "a temporary ledger")

    @property
    def is_read_only(self) -> bool:
        """Whether the file or its folder do not allow writing."""
        return self._is_frozen or (self._path is not None and not os.access(self._path, os.W_OK))

    def write(self, work: Callable[[Statements], T]) -> T:
        """Do the work in one transaction: all of it or nothing."""
        if self._is_copy:
            raise RecordError(f"cannot be used ({_READ_ONLY})", where=self.where)
        with self._in_words(), self._lock:
            # Reading first and writing later could fail at once where another has written meanwhile.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                done = work(SqliteStatements(self._connection))
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return done

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""
        with self._in_words(), self._lock:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def create(self) -> None:
        """Make the tables in a new, empty file."""
        with self._in_words():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._tune()
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self.write(self._create)

    def _tune(self) -> None:
        for pragma in _TUNING:
            self._connection.execute(pragma)

    def _create(self, statements: Statements) -> None:
        for table in TABLES:
            statements.run(table.format(**_COLUMNS))
        statements.run(f"PRAGMA user_version = {VERSION}")

    def is_ledger(self) -> bool:
        """Whether the file has the mark of a ledger in its header."""
        try:
            (row,) = self.rows("PRAGMA application_id")
        except DamagedError:
            return False
        return bool(row[0] == APPLICATION_ID)

    def check(self, *, only_to_read: bool = False) -> None:
        """Bring the tables to this version; those of a copy, where the file is only to be read.

        Raises RecordError for tables of a newer version, DamagedError for no tables.
        """
        with self._in_words():
            self._tune()
        version = self._version()
        if version > VERSION:
            raise newer(version, self.where)
        if version < VERSION:
            if only_to_read or self.is_read_only:
                self._work_on_a_copy()
            self.write(self._migrate)
            self._is_copy = only_to_read or self.is_read_only
        self.rows("SELECT count(*) FROM (SELECT 1 FROM refresh WHERE status = 'pending' LIMIT 1)")

    def _work_on_a_copy(self) -> None:
        """Go on with a temporary copy: the file stays as it is for those who have an older version."""
        copy = _connect("")
        with self._in_words(), self._lock:
            self._connection.backup(copy)
            self._connection.close()
            self._connection = copy

    def _migrate(self, statements: Statements) -> None:
        for version in range(self._version(), VERSION):  # another process may have been faster
            if version not in MIGRATIONS:
                raise DamagedError("has no tables of a ledger", where=self.where)
            for statement in MIGRATIONS[version]:
                statements.run(statement.format(**_COLUMNS))
            statements.run(f"PRAGMA user_version = {version + 1}")

    def _version(self) -> int:
        (row,) = self.rows("PRAGMA user_version")
        return int(row[0])

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if type(error) is sqlite3.DatabaseError or text.startswith("no such"):
                raise DamagedError(f"is damaged ({text})", where=self.where) from None
            raise RecordError(f"cannot be used ({_IN_WORDS.get(text, text)})", where=self.where, hint=LOSS) from None
        except UnicodeEncodeError:
            raise RecordError("cannot be used (a value for it is not valid text)", where=self.where) from None
