"""What the ledger needs of a database: short transactions, the same SQL in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.schema import VERSION

T = TypeVar("T")

Row = Sequence[Any]

LOSS = "What is sent now is not remembered: a later command would send it again, and not know what failed"
"""What it means for a command that sends when the ledger cannot be used."""


class DamagedError(RecordError):
    """The file is a ledger no longer: its content is corrupt."""


def newer(version: int, where: str) -> RecordError:
    """The error for tables that a newer dbt-anymetrics has made."""
    return RecordError(
        f"was written by a newer dbt-anymetrics (form {version}, this one knows {VERSION})",
        where=where,
        hint="Upgrade dbt-anymetrics, or name another ledger with --state",
    )


def is_server(state: str | None) -> bool:
    """Whether `--state` names a database on a server."""
    return bool(state and state.strip().lower().startswith(("postgresql://", "postgres://")))


def is_address(state: str) -> bool:
    """Whether `--state` is an address of any kind, which may hold a password, and no path."""
    return "://" in state


def shown_address(address: str) -> str:
    """The address of a PostgreSQL database as it may be shown: without the user, the password and the options."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or "localhost"
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "postgresql://..."
    return f"postgresql://{host}{port}{parts.path}"


class Statements(Protocol):
    """What can be done within one transaction; `?` in the SQL stands for each of the values."""

    def run(self, sql: str, *values: object) -> int:
        """Do it, and return how many rows it changed."""

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Do it once for each row of values, however many there are."""

    def insert(self, sql: str, *values: object) -> int | None:
        """Insert a row, and return its id; None where nothing was inserted."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""


class Database(Protocol):
    """A ledger's database; safe to share between threads. Its methods raise RecordError."""

    @property
    def where(self) -> str:
        """Where it is, as a user may see it: without a password."""

    @property
    def is_read_only(self) -> bool:
        """Whether it can be read and not written: a read-only disk, or permissions."""

    def write(self, work: Callable[[Statements], T]) -> T:
        """Do the work in one transaction: all of it or nothing. It is repeated when another writer was faster."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query finds."""

    def check_kept(self) -> None:
        """Raise RecordError when what was written will not be found by a later command."""

    def close(self) -> None:
        """Close the connection to it."""
