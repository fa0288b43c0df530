"""Where the ledger is, and how it is opened, made, or set aside when it is damaged."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct

from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.files import clear_drafts, create, draft_of
from dbt_anymetrics.ledger.database import LOSS, DamagedError, Database, is_address
from dbt_anymetrics.ledger.sqlite import SqliteDatabase

FILE_NAME = "anymetrics.db"

STATE = "--state / ANYMETRICS_STATE"

_WITH_IT = ("", "-wal", "-shm")
"""The file of a SQLite database and those that SQLite keeps beside it while it is open."""

_DAMAGED = ".damaged-"


class Opened(Struct):
    """A ledger that is open. Where it could not be, `loss` says why, and a temporary one takes its place."""

    database: Database
    path: Path | None = None
    warnings: list[str] = []
    loss: RecordError | None = None


class Location(Struct, frozen=True):
    """Where a ledger in a file is: in the target folder unless the user names another place."""

    path: Path
    is_named: bool

    @classmethod
    def of(cls, state: str | None, folder: Path) -> Location:
        """The place that `--state` names (a file, or a folder for it), else the target folder. Raises UsageError."""
        if not state or not state.strip():
            return cls(folder / FILE_NAME, is_named=False)
        if is_address(state):
            hint = "Write a path, or postgresql://user:password@host/database (without a +driver)"
            raise UsageError("is an address that is not known, and is not shown", where=STATE, hint=hint)
        path = Path(state.strip()).expanduser().resolve()
        is_folder = path.is_dir() or state.strip().endswith(("/", os.sep))
        return cls(path / FILE_NAME if is_folder else path, is_named=True)


def open_server(address: str, fill: Callable[[Database], None]) -> Opened:
    """Open the ledger in a PostgreSQL database, its tables made at the first use. Raises UsageError without psycopg."""
    try:
        from dbt_anymetrics.ledger.postgres import PostgresDatabase  # lazy: only with the extra
    except ImportError:
        hint = "Install it with 'pip install \"dbt-anymetrics[postgres]\"'"
        raise UsageError("a ledger in PostgreSQL needs the library psycopg", where=STATE, hint=hint) from None
    try:
        database = PostgresDatabase(address.strip())
        database.prepare(fill)
    except RecordError as loss:
        return temporary(loss)
    return Opened(database)


def open_ledger(location: Location, fill: Callable[[Database], None], *, only_to_read: bool = False) -> Opened:
    """Open the ledger; where there is none, make one and `fill` it, in memory where it is only to be read.

    A damaged one is set aside. One that cannot be used is no reason not to refresh. Raises UsageError when the user
    named a file that is something else.
    """
    try:
        return Opened(_opened(location, fill, only_to_read=only_to_read), location.path)
    except DamagedError as damage:
        return replaced(location, fill, damage, only_to_read=only_to_read)
    except RecordError as loss:
        return temporary(loss)


def replaced(
    location: Location, fill: Callable[[Database], None], damage: DamagedError, *, only_to_read: bool
) -> Opened:
    """Set a damaged ledger aside and open a new one, unless it is only to be read."""
    if only_to_read:
        return temporary(damage)
    try:
        aside = set_aside(location.path)
        database = _opened(location, fill, only_to_read=False)
    except RecordError as loss:
        return temporary(loss)
    return Opened(database, location.path, [f"{damage}. It was set aside as {aside}, and a new one begins"])


def temporary(loss: RecordError) -> Opened:
    """A ledger that goes with the process, in the place of one that cannot be used."""
    database = SqliteDatabase()
    database.create()
    return Opened(database, loss=RecordError(loss.what, where=loss.where, hint=loss.hint or LOSS))


def _opened(location: Location, fill: Callable[[Database], None], *, only_to_read: bool) -> SqliteDatabase:
    path = location.path
    if not _is_there(path):
        if only_to_read:
            database = SqliteDatabase()
            database.create()
            fill(database)
            return database
        _make(path, fill)
    database = SqliteDatabase(path)
    try:
        _check(database, location, only_to_read=only_to_read)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: SqliteDatabase, location: Location, *, only_to_read: bool) -> None:
    if not database.is_ledger():
        raise _something_else(location)
    database.check(only_to_read=only_to_read)


def _something_else(location: Location) -> UsageError | DamagedError:
    if not location.is_named:
        return DamagedError("is not a ledger", where=str(location.path))
    return UsageError(
        f"{location.path} is not a ledger of dbt-anymetrics, and is left as it is",
        where=STATE,
        hint="Name a file that does not exist yet, or a folder",
    )


def _is_there(path: Path) -> bool:
    """Whether something has the ledger's name that SQLite may open; it is not opened here.

    To open and close the file beside SQLite would take away the locks that another thread of this process holds on it.
    """
    for beside in _WITH_IT:
        _check_regular(Path(f"{path}{beside}"))
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(path, error) from None


def _check_regular(path: Path) -> None:
    """SQLite would follow a link to a file of the user's, and wait for ever for what a pipe says."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, OSError(errno.EINVAL, "it is not a regular file"))


def _make(path: Path, fill: Callable[[Database], None]) -> None:
    """Make a new ledger under another name, then give it its own: nobody ever sees half a ledger."""
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_drafts(path)
        create(draft).close()
        database = SqliteDatabase(draft)
        try:
            database.create()
            fill(database)
        finally:
            database.close()
        publish(draft, path)
    except OSError as error:
        raise _unusable(path, error) from None
    finally:
        for beside in _WITH_IT:
            with suppress(OSError):
                Path(f"{draft}{beside}").unlink(missing_ok=True)


def publish(draft: Path, path: Path) -> None:
    """Give a new ledger its name, unless another command was faster: its ledger is never replaced, it may be in use."""
    try:
        os.link(draft, path)
    except OSError:  # the name is taken, or the file system has no hard links
        with _alone_in(path.parent):
            if not path.exists() or not path.stat().st_size:
                draft.replace(path)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Be the only one, of the threads and processes that ask for it, to do something in a folder."""
    try:
        import fcntl  # lazy: not on Windows
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no such locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def damaged_beside(path: Path) -> list[Path]:
    """The ledgers that were set aside, and that nobody has removed since."""
    return sorted(found for found in path.parent.glob(f"{glob.escape(path.name)}{_DAMAGED}*") if _is_whole(found))


def _is_whole(path: Path) -> bool:
    return not path.name.endswith(_WITH_IT[1:])


def set_aside(path: Path) -> Path:
    """Give a damaged ledger another name, under which it stays. Raises RecordError."""
    aside = path.with_name(f"{path.name}{_DAMAGED}{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")
    try:
        for beside in _WITH_IT:
            with suppress(FileNotFoundError):
                Path(f"{path}{beside}").rename(f"{aside}{beside}")
    except OSError as error:
        raise _unusable(path, error) from None
    return aside


def _unusable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"cannot be used ({error.strerror or error})", where=str(path), hint=LOSS)
