"""What the ledger knows of one AnyMetrics: what was confirmed, what is pending, and what a failed test holds back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import groupby

import msgspec
from msgspec import Struct

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.awaited import NODES, OPEN, Awaited, awaited, plans_by_node
from dbt_anymetrics.ledger.claims import RUNNING, dead_among
from dbt_anymetrics.ledger.database import Database, Row
from dbt_anymetrics.ledger.entries import (
    ENTRIES,
    PAGE,
    CommandEntry,
    Elsewhere,
    Entry,
    as_command,
    as_entry,
    moment,
    refreshes,
)
from dbt_anymetrics.ledger.history import (
    AT_ONCE,
    DROPPED,
    MISTAKES,
    OF_PENDING,
    OUTCOMES,
    Dropped,
    Mistake,
    Past,
    as_dropped,
    as_mistake,
    as_past,
)
from dbt_anymetrics.ledger.unbuilt import UNBUILT, UnbuiltNode, as_unbuilt
from dbt_anymetrics.planning.interval import spelled
from dbt_anymetrics.planning.plan import Held, Refreshes
from dbt_anymetrics.result import External, Item, LazyCollection, Refresh, Result, Status, Timing

WAYS = {
    "backfill": "dbt-anymetrics backfill",
    "dbt": "dbt-anymetrics dbt",
    "hook": "the hook",
    "python": "dbt_anymetrics.refresh()",
    "refresh": "dbt-anymetrics refresh",
    "retry": "dbt-anymetrics retry",
}
"""What a user calls the commands that send."""

OUTCOME = (
    "o.status, o.message, o.http_status, o.code, o.trace_id, o.attempts, o.started_at, o.completed_at, r.perhaps_sent"
)
"""What `as_result` reads: the outcome `o` of the refresh `r`."""


class Hooked(Struct, frozen=True):
    """What the on-run-end hook of a dbt run was given."""

    run_date: str | None = None
    partition: list[str] | None = None


class Backlog(Struct, frozen=True):
    """What is pending: refreshes that `retry` would send, their tables, and those that failed tests hold back."""

    refreshes: int = 0
    tables: int = 0
    held: int = 0

    def __bool__(self) -> bool:
        return bool(self.refreshes or self.held)

    def __str__(self) -> str:
        """As `pending from earlier dbt runs: 21 refreshes of 3 tables and 2 refreshes held back by a failed test`."""
        parts = [
            f"{refreshes(self.refreshes)} of {self.tables} table{'s' * (self.tables > 1)}" if self.refreshes else "",
            f"{refreshes(self.held)} held back by a failed test" if self.held else "",
        ]
        pending = " and ".join(part for part in parts if part)
        send = f"'dbt-anymetrics retry' sends {_them(self.refreshes)}, " if self.refreshes else ""
        lists = f"'dbt-anymetrics status' lists {_them(self.refreshes + self.held)}"
        return f"pending from earlier dbt runs: {pending}. {send}{lists}"


class Ledger:
    """What is known of one AnyMetrics and tenant; of none, when the database does not know them yet.

    What counts as confirmed is what was so when this was made: a plan stays the same while it is carried out. What
    cannot be read counts as unknown, so that the work goes on; `loss` says so.
    """

    def __init__(self, database: Database, service: int | None) -> None:
        self.loss: RecordError | None = None
        self._database = database
        self._service = service
        self._newest = next((row[0] or 0 for row in self._rows("SELECT max(id) FROM outcome")), 0)

    @classmethod
    def find(cls, database: Database, address: str | None, tenant_id: str | None) -> tuple[Ledger, Sequence[str]]:
        """What is known of the AnyMetrics that the address and the tenant mean, and those that they leave open.

        A command that sends nothing may leave out either: then the only one that fits is meant.
        """
        ledger = cls(database, None)
        rows = ledger._rows(
            "SELECT id, address, tenant_id FROM service WHERE (address = ? OR ? = '') AND (tenant_id = ? OR ? = '') "
            "ORDER BY address, tenant_id",
            *(address or "", address or "", tenant_id or "", tenant_id or ""),
        )
        ledger._service = rows[0][0] if len(rows) == 1 else None
        return ledger, [f"{row[1]}, tenant {row[2]}" for row in rows] if len(rows) > 1 else []

    def _rows(self, sql: str, *values: object) -> list[Row]:
        try:
            return self._database.rows(sql, *values)
        except RecordError as loss:
            self.loss = self.loss or loss
            return []

    def without_confirmed(self, items: LazyCollection[Item], invocations: Sequence[str | None]) -> LazyCollection[Item]:
        """The same items, with what was already refreshed for the same dbt run as skipped."""
        if not any(self._has_confirmed(invocation) for invocation in invocations):
            return items
        return LazyCollection(lambda: self._without(items))

    def _without(self, items: LazyCollection[Item]) -> Iterator[Item]:
        for table, group in groupby(items, _table):
            if table is None:
                yield from group
            else:
                done = self._confirmed(*table)
                yield from (_of_node(item.unique_id, done.get(str(item.partition))) or item for item in group)

    def without_recent(self, items: LazyCollection[Item]) -> LazyCollection[Item]:
        """The same items, with what was confirmed less than its minimum interval ago as postponed."""
        return LazyCollection(lambda: self._without_recent(items))

    def _without_recent(self, items: LazyCollection[Item]) -> Iterator[Item]:
        now, known, recent = datetime.now(timezone.utc), timedelta(), dict[tuple[str, str], datetime]()
        for item in items:
            if isinstance(item, Refresh) and item.min_interval:
                if item.min_interval > known:
                    known, recent = item.min_interval, self._confirmed_since(now - item.min_interval)
                confirmed_at = recent.get((item.table_name, str(item.partition)))
                if confirmed_at and now - confirmed_at < item.min_interval:
                    yield _postponed(item, now - confirmed_at)
                    continue
            yield item

    def _confirmed_since(self, moment: datetime) -> dict[tuple[str, str], datetime]:
        """When each table and date was confirmed, as far as that was since then. Outcomes are in the order of time."""
        found: dict[tuple[str, str], datetime] = {}
        last = self._newest + 1
        while rows := self._rows(
            "SELECT o.id, o.status, o.completed_at, r.service, r.table_name, r.partition FROM outcome o "
            f"JOIN refresh r ON r.id = o.refresh WHERE o.id < ? ORDER BY o.id DESC LIMIT {PAGE}",
            last,
        ):
            last = rows[-1][0]
            for _, status, completed_at, service, table_name, partition in rows:
                ended = datetime.fromisoformat(completed_at)
                if ended < moment:
                    return found
                if service == self._service and status == Status.SUCCESS.value:
                    found.setdefault((table_name, partition), ended)
        return found

    def knows_run(self, invocation_id: str | None) -> bool:
        """Whether a command has worked for this dbt run."""
        sql = "SELECT 1 FROM command WHERE service = ? AND invocation_id = ? LIMIT 1"
        return bool(invocation_id and self._rows(sql, self._service, invocation_id))

    def knows_run_since(self, moment: datetime, other_than: str | None) -> bool:
        """Whether a command has worked since then for another dbt run than this one."""
        sql = "SELECT 1 FROM command WHERE service = ? AND started_at > ? AND invocation_id NOT IN ('', ?) LIMIT 1"
        return bool(self._rows(sql, self._service, moment.isoformat(), other_than or ""))

    def confirmed(self, refresh: Refresh) -> Result | None:
        """The refresh as skipped, when it was already refreshed for its dbt run."""
        day = refresh.partition.isoformat()
        return _of_node(refresh.unique_id, self._confirmed(refresh.invocation_id, refresh.table_name, day).get(day))

    def _has_confirmed(self, invocation_id: str | None) -> bool:
        return bool(
            self._rows(
                "SELECT 1 FROM refresh WHERE service = ? AND invocation_id = ? AND status = 'success' LIMIT 1",
                *(self._service, invocation_id or ""),
            )
        )

    def _confirmed(self, invocation_id: str | None, table_name: str, day: str = "") -> dict[str, Result]:
        """What was confirmed of a table, by date; of one date alone, where it is named."""
        rows = self._rows(
            f"SELECT r.unique_id, r.table_name, r.partition, r.invocation_id, {OUTCOME}, c.kind "
            "FROM refresh r JOIN outcome o ON o.id = r.outcome JOIN command c ON c.id = o.command "
            "WHERE r.service = ? AND r.invocation_id = ? AND r.table_name = ? AND r.status = 'success' AND o.id <= ?"
            + (" AND r.partition = ?" if day else ""),
            *(self._service, invocation_id or "", table_name, self._newest, *([day] if day else [])),
        )
        return {row[2]: _already(as_result(row), row[-1]) for row in rows}

    def hooked(self, invocation_id: str | None) -> Hooked:
        """What the hook of a dbt run was given, if the hook ran."""
        rows = self._rows(
            "SELECT hook_run_date, hook_partition FROM command "
            "WHERE invocation_id = ? AND kind = 'hook' ORDER BY id DESC LIMIT 1",
            invocation_id or "",
        )
        return Hooked(rows[0][0], rows[0][1] and msgspec.json.decode(rows[0][1])) if rows else Hooked()

    def run_dates(self, invocation_id: str | None, kind: str) -> list[str]:
        """The dates that commands of a kind took for the date of a dbt run, the newest last."""
        rows = self._rows(
            "SELECT run_date FROM command WHERE service = ? AND invocation_id = ? AND kind = ? "
            "AND run_date IS NOT NULL ORDER BY id",
            *(self._service, invocation_id or "", kind),
        )
        return [row[0] for row in rows]

    def held(self) -> list[Held]:
        """The refreshes that failed tests hold back."""
        rows = self._rows(
            "SELECT unique_id, table_name, invocation_id, held_by, external, partition FROM refresh "
            "WHERE service = ? AND held_by IS NOT NULL "
            "ORDER BY unique_id, table_name, invocation_id, held_by, external, partition",
            self._service,
        )
        return [
            Held(
                Refreshes(
                    *(unique_id, table, [date.fromisoformat(row[5]) for row in group], invocation or None),
                    external=_external(external),
                ),
                msgspec.json.decode(tests),
            )
            for (unique_id, table, invocation, tests, external), group in groupby(rows, lambda row: tuple(row[:5]))
        ]

    def pending(self) -> LazyCollection[Refresh]:
        """Every table and date that failed or was not sent, once, for the newest dbt run that asked for it."""
        return LazyCollection(self._pending)

    def _pending(self) -> Iterator[Refresh]:
        last: tuple[str, str] = ("", "")
        while rows := self._pending_after(*last):
            for pair, group in groupby(rows, lambda row: (row[1], row[2])):
                row = next(group)
                yield msgspec.structs.replace(as_refresh(row), external=_external(row[4]))
                last = pair

    def _pending_after(self, table_name: str, partition: str) -> list[Row]:
        return self._rows(
            "SELECT unique_id, table_name, partition, invocation_id, external FROM refresh "
            "WHERE service = ? AND status = 'pending' AND held_by IS NULL "
            "AND (table_name > ? OR (table_name = ? AND partition > ?)) "
            f"ORDER BY table_name, partition, id DESC LIMIT {PAGE}",
            *(self._service, table_name, table_name, partition),
        )

    def waiting(self, unique_id: str) -> Iterator[Refreshes]:
        """What is pending of a node and held back by nothing, of every dbt run."""
        rows = self._rows(
            "SELECT table_name, invocation_id, external, partition FROM refresh "
            "WHERE service = ? AND status = 'pending' AND held_by IS NULL AND unique_id = ? ORDER BY 1, 2, 3, 4",
            *(self._service, unique_id),
        )
        for (table, invocation, external), group in groupby(rows, lambda row: tuple(row[:3])):
            days = [date.fromisoformat(row[3]) for row in group]
            yield Refreshes(unique_id, table, days, invocation or None, external=_external(external))

    def backlog(self, beside: Sequence[str | None] = ()) -> Backlog:
        """How much is pending, `beside` what these dbt runs asked for."""
        others = f" AND invocation_id NOT IN ({', '.join('?' * len(beside))})" if beside else ""
        rows = self._rows(
            "SELECT table_name, count(DISTINCT CASE WHEN held_by IS NULL THEN partition END), "
            "count(DISTINCT CASE WHEN held_by IS NOT NULL THEN partition END) FROM refresh "
            f"WHERE service = ? AND status = 'pending'{others} GROUP BY table_name",
            *(self._service, *(invocation or "" for invocation in beside)),
        )
        return Backlog(sum(row[1] for row in rows), sum(bool(row[1]) for row in rows), sum(row[2] for row in rows))

    def entries(self) -> Iterator[Entry]:
        """Everything pending, by table and date, what failed tests hold included."""
        dead = self._dead()
        last = ("", "", 0)
        while rows := self._rows(ENTRIES, self._service, last[0], last[0], last[1], *last):
            yield from (as_entry(row, dead) for row in rows)
            last = (rows[-1][1], rows[-1][2], rows[-1][8])

    def commands(self, number: int) -> list[CommandEntry]:
        """The last commands, the newest first."""
        dead = self._dead()
        rows = self._rows(
            "SELECT kind, invocation_id, run_date, started_at, ended_at, exit_code, ok, error, skip, not_sent, "
            "already, waiting, id, seen_at FROM command WHERE service = ? ORDER BY id DESC LIMIT ?",
            *(self._service, number),
        )
        return [as_command(row, dead) for row in rows]

    def service(self) -> tuple[str, str] | None:
        """The address and the tenant that this is known of, or None where nothing is known."""
        rows = self._rows("SELECT address, tenant_id FROM service WHERE id = ?", self._service or 0)
        return (rows[0][0], rows[0][1]) if rows else None

    def history(self, since: datetime | None = None) -> Iterator[Past]:
        """Everything that was tried, the newest first; of what is still pending, also what was tried before `since`."""
        first = self._newest + 1
        for row in self._walk(OUTCOMES, first):
            past = as_past(row)
            if since and past.ended_at < since:
                break
            first = row[0]
            yield past
        if since:
            yield from map(as_past, self._walk(OF_PENDING, first))

    def _walk(self, query: str, before: int) -> Iterator[Row]:
        while rows := self._rows(query, before, self._service or 0):
            yield from rows
            if len(rows) < AT_ONCE:
                return
            before = rows[-1][0]

    def dropped(self) -> list[Dropped]:
        """What the user gave up."""
        return [as_dropped(row) for row in self._rows(DROPPED, self._service or 0)]

    def wrong(self) -> list[Mistake]:
        """The nodes of `mistakes`, and when each was found."""
        return [as_mistake(row) for row in self._rows(MISTAKES, self._service or 0)]

    def unbuilt(self) -> list[UnbuiltNode]:
        """The nodes that dbt was to build, and has not built since."""
        return [as_unbuilt(row) for row in self._rows(UNBUILT, self._service or 0)]

    def _dead(self) -> set[int]:
        """The commands that were killed, or lost their ledger, and that no command has noted as ended since.

        Only a command that writes notes it. A command that only reads has to see it too.
        """
        return dead_among(self._rows(RUNNING))

    def elsewhere(self) -> list[Elsewhere]:
        """What is pending for every other AnyMetrics and tenant."""
        rows = self._rows(
            "SELECT s.address, s.tenant_id, count(*) FROM refresh r JOIN service s ON s.id = r.service "
            "WHERE r.status = 'pending' AND s.id <> ? GROUP BY s.address, s.tenant_id ORDER BY s.address, s.tenant_id",
            self._service or 0,
        )
        return [Elsewhere(address=row[0], tenant_id=row[1], pending=row[2]) for row in rows]

    def awaited(self) -> list[Awaited]:
        """The plans that were triggered, and not seen refreshed since."""
        return awaited(self._rows(OPEN, self._service))

    def plans_by_node(self) -> dict[str, list[str]]:
        """The plans that each node named when it was last sent."""
        return plans_by_node(self._rows(NODES, self._service))

    def pending_by_node(self) -> dict[str, int]:
        """How many refreshes are pending of each node, held back or not; 0 for one whose settings were wrong."""
        sql = "SELECT unique_id, count(*) FROM refresh WHERE service = ? AND status = 'pending' GROUP BY unique_id"
        numbers = {row[0]: int(row[1]) for row in self._rows(sql, self._service)}
        return {**{mistake.unique_id: 0 for mistake in self.mistakes()}, **numbers}

    def mistakes(self) -> list[Result]:
        """The nodes that were built and could not be refreshed, because their settings were wrong."""
        rows = self._rows(
            "SELECT unique_id, message, invocation_id FROM mistake WHERE service = ? ORDER BY unique_id", self._service
        )
        return [
            Result(unique_id=row[0], status=Status.ERROR, message=row[1], invocation_id=row[2] or None) for row in rows
        ]


def _postponed(refresh: Refresh, ago: timedelta) -> Result:
    minutes = int(ago.total_seconds() // 60)
    when = "less than a minute" if not minutes else f"{minutes:,} minute{'s' * (minutes > 1)}"
    interval = spelled(refresh.min_interval or timedelta())
    message = f"confirmed {when} ago, and its minimum interval is {interval}; it stays pending"
    return refresh.result(Status.SKIPPED, message, postponed=True)


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def as_refresh(row: Row) -> Refresh:
    """The refresh of a row that begins with the node, the table, the date and the dbt run."""
    return Refresh(
        unique_id=row[0], table_name=row[1], partition=date.fromisoformat(row[2]), invocation_id=row[3] or None
    )


def _external(text: str | None) -> External | None:
    return msgspec.json.decode(text, type=External) if text else None


def as_result(row: Row) -> Result:
    """The result of the refresh of such a row, from the columns of `OUTCOME` that follow."""
    status, message, http_status, code, trace_id, attempts, started, completed, perhaps_sent = row[4:13]
    return as_refresh(row).result(
        Status(status),
        message,
        http_status=http_status,
        code=code,
        trace_id=trace_id,
        attempts=attempts,
        perhaps_sent=bool(perhaps_sent),
        timing=Timing(moment(started), moment(completed)) if started and completed else None,
    )


def way(kind: str) -> str:
    """What a user calls a kind of command."""
    return WAYS.get(kind, f"dbt-anymetrics {kind}")


def _already(result: Result, kind: str) -> Result:
    way = WAYS.get(kind, "an earlier command")
    message = f"already refreshed by {way}; --force sends it again"
    return msgspec.structs.replace(result, status=Status.SKIPPED, message=message)


def _of_node(unique_id: str, earlier: Result | None) -> Result | None:
    """An earlier result as that of the node that has the table now."""
    return earlier and msgspec.structs.replace(earlier, unique_id=unique_id)


def _table(item: Item) -> tuple[str | None, str] | None:
    return (item.invocation_id, item.table_name) if isinstance(item, Refresh) else None
