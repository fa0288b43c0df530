"""The sandbox's page: what it received, as the picture shows it."""

from __future__ import annotations

import shlex
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from dbt_anymetrics.picture import Attempt, Live, Outcome, Page, Picture, Status, Table, encode, render
from dbt_anymetrics.sandbox.received import Received
from dbt_anymetrics.sandbox.validation import TRIGGER_PATH, parse_partition, parse_table_name

PICTURE_PATH = "/picture"
RECEIVED_PATH = "/received"

_COMMANDS = "dbt build\ndbt-anymetrics refresh"


class FrontPage:
    """The page, and the data that keep it up to date; safe to share between threads.

    A variable of the environment whose value is None is shown without it.
    """

    def __init__(self, received: Callable[[], Sequence[Received]], environment: Mapping[str, str | None]) -> None:
        self._received = received
        self._environment = environment
        self._session = uuid.uuid4().hex[:8]
        self._lock = threading.Lock()
        self._seen = 0
        self._attempts: list[Attempt] = []

    def html(self) -> str:
        """Give the current page."""
        attempts, version = self._now()
        environment = self._environment
        page = Page(
            title="AnyMetrics sandbox",
            place=f"{environment['ANYMETRICS_URL']} · tenant {environment['ANYMETRICS_TENANT_ID']}",
            everything=RECEIVED_PATH,
            steps=_steps(environment),
            live=Live(PICTURE_PATH, version, lost="The sandbox has stopped"),
        )
        return render(Picture.of(attempts), page)

    def news(self, seen: str) -> tuple[str, str] | None:
        """Give the data and their version, or None when that is the version the reader has seen."""
        attempts, version = self._now()
        return None if version == seen else (encode(Picture.of(attempts)), version)

    def _now(self) -> tuple[list[Attempt], str]:
        with self._lock:
            new = self._received()[self._seen :]
            self._seen += len(new)
            self._attempts += [_attempt(each) for each in new if not each.ok or each.path == TRIGGER_PATH]
            return list(self._attempts), f"{self._session}-{len(self._attempts)}"


def _attempt(received: Received) -> Attempt:
    table, day = _place(received)
    named = f"{received.table_name} {received.partition or ''}".rstrip()
    return Attempt(
        outcome=_outcome(received),
        table=table,
        day=day,
        time=datetime.fromisoformat(received.time),
        trace_id=received.trace_id,
        what="" if table else named if received.table_name else f"{received.method} {received.path}",
    )


def _place(received: Received) -> tuple[Table, date] | tuple[None, None]:
    """The table and date of a trigger that names both; without them it has no place among the tables."""
    if received.path != TRIGGER_PATH or received.table_name is None or received.partition is None:
        return None, None
    try:
        return Table(*parse_table_name(received.table_name)), parse_partition(received.partition)
    except ValueError:
        return None, None


def _outcome(received: Received) -> Outcome:
    return Outcome(
        _status(received),
        message=received.message or "",
        detail=received.detail or "",
        code=received.code or "",
        http_status=received.status,
    )


def _status(received: Received) -> Status:
    if received.ok:
        return Status.REFRESHED
    # A code other than 200 is a refusal by AnyMetrics itself. Without a code, a gateway answered, or nothing did.
    return Status.REFUSED if received.code not in (None, "200") else Status.FAILED


def _steps(environment: Mapping[str, str | None]) -> list[tuple[str, str]]:
    exports = "\n".join(_export(name, value) for name, value in environment.items())
    return [
        ("In the shell where you run dbt, point dbt-anymetrics at this sandbox:", exports),
        ("In your dbt project, build with dbt and refresh what it built. This page fills itself.", _COMMANDS),
    ]


def _export(name: str, value: str | None) -> str:
    return f"export {name}={'<the value this sandbox was started with>' if value is None else shlex.quote(value)}"
