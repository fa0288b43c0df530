"""Which running command sends a table and date: one at a time, and none for longer than it lives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

from msgspec import Struct

from dbt_anymetrics.ledger.database import Row, Statements

LEASE = timedelta(seconds=120)
"""A command that gave no sign of life for so long counts as ended, even if nobody can look at its process."""

BEAT = timedelta(seconds=10)
"""How often a running command notes in the ledger that it still runs."""

ENDED_EARLY = "the command that sent it ended before the answer came; AnyMetrics may have refreshed it"


def host() -> str:
    """The machine as far as process ids tell processes apart: containers have numbers of their own."""
    import platform  # lazy: a plan asks for no host

    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{platform.node()} {space}".strip()


Pair = tuple[int, str, str]
"""An AnyMetrics, a table name and a date."""


class Claim(Enum):
    """What became of an attempt to claim a table and date."""

    OURS = "to be sent by us"
    BUSY = "another command sends it at this moment"
    DONE = "another command has sent it for the same dbt run"


class Claimed(Struct, frozen=True):
    """What became of several claims, and the newest entry of the ledger at that moment."""

    states: Sequence[Claim]
    horizon: int


def claim(statements: Statements, pair: Pair, command: int) -> bool:
    """Claim a table and date for a command, unless another one has it that the ledger knows."""
    done = statements.run(
        "INSERT INTO claim (service, table_name, partition, command) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (service, table_name, partition) DO UPDATE SET command = excluded.command "
        "WHERE claim.command = excluded.command OR NOT EXISTS (SELECT 1 FROM command WHERE id = claim.command)",
        *(*pair, command),
    )
    return done == 1


def unclaim(statements: Statements, pair: Pair, command: int) -> None:
    """Give up one claim of a command."""
    statements.run(
        "DELETE FROM claim WHERE service = ? AND table_name = ? AND partition = ? AND command = ?", *pair, command
    )


def release(statements: Statements, command: int) -> None:
    """Give up every claim of a command."""
    statements.run("DELETE FROM claim WHERE command = ?", command)


RUNNING = "SELECT id, host, pid, seen_at FROM command WHERE ended_at IS NULL"
"""The commands whose end is not in the ledger. Some of them may be dead."""


def dead_among(running: Iterable[Row]) -> set[int]:
    """The ids of those rows of `RUNNING` whose command no longer runs."""
    return {row[0] for row in running if _is_dead(row)}


def end_the_dead(statements: Statements) -> None:
    """Free what commands had claimed that no longer run; what they were sending is perhaps sent."""
    for command in dead_among(statements.rows(RUNNING)):
        _end(statements, command)


def _end(statements: Statements, command: int) -> None:
    claimed = statements.rows("SELECT service, table_name, partition FROM claim WHERE command = ?", command)
    for each in claimed:
        statements.run(
            "UPDATE refresh SET perhaps_sent = 1, message = ? "
            "WHERE service = ? AND table_name = ? AND partition = ? AND status = 'pending' AND held_by IS NULL",
            *(ENDED_EARLY, *each),
        )
    release(statements, command)
    statements.run("UPDATE command SET ended_at = seen_at WHERE id = ?", command)


def _is_dead(row: Row) -> bool:
    _, on, process, seen_at = row
    if datetime.now(timezone.utc) - datetime.fromisoformat(seen_at) > LEASE:
        return True
    return on == host() and process != os.getpid() and not _is_running(process)


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return True  # to ask there would end the process: the lease decides
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
