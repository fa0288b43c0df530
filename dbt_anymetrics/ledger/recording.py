"""One command's part of the ledger: what it was asked for, what it sends at this moment, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone

import msgspec
from msgspec import Struct

from dbt_anymetrics import __version__
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger import awaited, unbuilt
from dbt_anymetrics.ledger.awaited import Baseline
from dbt_anymetrics.ledger.claims import BEAT, Claim, Claimed, Pair, claim, end_the_dead, host, release, unclaim
from dbt_anymetrics.ledger.database import Database, Row, Statements
from dbt_anymetrics.ledger.ledger import OUTCOME, Ledger, as_result
from dbt_anymetrics.planning.plan import Held
from dbt_anymetrics.planning.unbuilt import NO_NEWS, Unbuilt
from dbt_anymetrics.result import Counts, Item, PlanSeen, Refresh, Result, Status

_ENOUGH = 20_000
"""Old entries that one command removes at most: to remove more would make it wait."""


class Command(Struct, frozen=True, kw_only=True):
    """A command that sends, as the ledger keeps it; `hook_run_date` and `hook_partition` are the hook's arguments."""

    kind: str
    process: int
    invocation_id: str | None = None
    run_date: str | None = None
    hook_run_date: str | None = None
    hook_partition: list[str] | None = None


class Recording:
    """The ledger as a command writes it. Every method may raise RecordError.

    `note` says why what is asked for is pending, where it is not to be sent by this command.
    """

    def __init__(
        self, database: Database, address: str, tenant_id: str, command: Command, note: str | None = None
    ) -> None:
        self._note = note
        self._database = database
        self._service, self._command, self._first = database.write(
            lambda statements: _begin(statements, address, tenant_id, command)
        )
        self._seen = _now()

    @property
    def ledger(self) -> Ledger:
        """What is known of the AnyMetrics that this command sends to."""
        return Ledger(self._database, self._service)

    def ask(
        self,
        items: Iterable[Item],
        held: Sequence[Held],
        gone: Collection[str] = (),
        not_built: Unbuilt = NO_NEWS,
        *,
        force: bool = False,
    ) -> None:
        """Note everything that is asked for as pending, before anything is sent.

        With `force`, what was confirmed for its dbt run is asked for again. What was wrong with nodes that are `gone`
        from the project is forgotten.
        """

        def write(statements: Statements) -> None:
            self._ask(statements, items, held, gone, force=force)
            unbuilt.note(statements, self._service, not_built, _now())

        self._database.write(write)

    def _ask(
        self,
        statements: Statements,
        items: Iterable[Item],
        held: Sequence[Held],
        gone: Collection[str],
        *,
        force: bool,
    ) -> None:
        wrong: list[Result] = []
        right = {each.refreshes.unique_id for each in held} | set(gone)
        statements.many(_ASK_AGAIN if force else _ASK, self._asked(items, held, wrong, right))
        mistakes = {row[0] for row in statements.rows("SELECT unique_id FROM mistake WHERE service = ?", self._service)}
        for unique_id in mistakes & right:
            statements.run("DELETE FROM mistake WHERE service = ? AND unique_id = ?", self._service, unique_id)
        for result in wrong:
            mistake = (result.unique_id, result.message or "", result.invocation_id or "")
            statements.run(_MISTAKE, self._service, *mistake, _now())

    def _asked(
        self, items: Iterable[Item], held: Sequence[Held], wrong: list[Result], right: set[str]
    ) -> Iterator[Row]:
        """A row for each refresh; on the way, note which nodes have wrong settings and which have right ones."""
        now = _now()
        for item in items:
            if isinstance(item, Refresh):
                right.add(item.unique_id)
                yield *self._key(item), item.unique_id, self._note, None, now, _external(item)
            elif item.postponed:
                right.add(item.unique_id)
                yield *self._key_of(item), item.unique_id, _POSTPONED, None, now, None
            elif item.status is Status.ERROR:
                wrong.append(item)
        for each in held:
            tests = msgspec.json.encode(each.tests).decode()
            for refresh in each.refreshes:
                yield *self._key(refresh), refresh.unique_id, None, tests, now, _external(refresh)

    def hold(self, reheld: Iterable[tuple[Held, Sequence[str]]]) -> None:
        """Note which tests hold what was held back before from now on."""
        rows = [
            (msgspec.json.encode(tests).decode(), self._service, which.invocation_id or "", which.table_name)
            for which, tests in ((each.refreshes, tests) for each, tests in reheld)
        ]
        self._database.write(lambda statements: statements.many(_HOLD, rows))

    def drop(self, unique_ids: Collection[str], keep_days: float) -> None:
        """Take what is pending or not built of these nodes, their mistakes, and their plans, for done with, and end."""
        self._database.write(lambda statements: self._drop(statements, unique_ids))
        self.end(Counts(), 0, keep_days)

    def _drop(self, statements: Statements, unique_ids: Collection[str]) -> None:
        awaited.forget(statements, self._service, unique_ids)
        unbuilt.forget(statements, self._service, unique_ids)
        for unique_id in unique_ids:
            statements.run(_DROP, self._service, unique_id)
            statements.run("DELETE FROM mistake WHERE service = ? AND unique_id = ?", self._service, unique_id)

    def claim(self, refreshes: Sequence[Refresh], *, force: bool) -> Claimed:
        """Claim what is to be sent next; with `force`, also what was confirmed for its dbt run meanwhile."""
        return self._database.write(lambda statements: self._claim(statements, refreshes, force=force))

    def _claim(self, statements: Statements, refreshes: Sequence[Refresh], *, force: bool) -> Claimed:
        claims = [claim(statements, self._pair(refresh), self._command) for refresh in refreshes]
        if not all(claims):
            end_the_dead(statements)
        states = [
            self._state(statements, refresh, claimed=claimed, force=force)
            for refresh, claimed in zip(refreshes, claims, strict=True)
        ]
        for refresh, state in zip(refreshes, states, strict=True):
            if state is Claim.DONE:
                unclaim(statements, self._pair(refresh), self._command)
        ((newest,),) = statements.rows("SELECT max(id) FROM refresh")
        return Claimed(states, newest or 0)

    def _state(self, statements: Statements, refresh: Refresh, *, claimed: bool, force: bool) -> Claim:
        if not claimed:
            return Claim.BUSY
        is_done = not force and statements.rows(_IS_DONE, *self._key(refresh))
        return Claim.DONE if is_done else Claim.OURS

    def add(self, results: Sequence[tuple[Result, int]]) -> None:
        """Note what came of refreshes, all at once.

        A success also counts for every earlier run that asked for the same table and date. Each result comes with the
        newest entry that the ledger had when it was claimed: later entries are not confirmed by it.
        """
        self._database.write(lambda statements: self._add(statements, results))

    def _add(self, statements: Statements, results: Sequence[tuple[Result, int]]) -> None:
        for result, horizon in results:
            self._add_one(statements, result, horizon)
        if _age(self._seen) > BEAT:
            self._seen = _now()
            statements.run("UPDATE command SET seen_at = ? WHERE id = ?", self._seen, self._command)

    def _add_one(self, statements: Statements, result: Result, horizon: int) -> None:
        pair = (result.table_name or "", str(result.partition))
        key = (self._service, result.invocation_id or "", *pair)
        outcome = statements.insert(_OUTCOME, self._command, *_columns(result), *key)
        if outcome is None:
            raise RecordError("has lost what this command was asked for", where=self._database.where)
        if result.status is Status.SUCCESS:
            statements.run(_CONFIRM, outcome, *key)
            statements.run(_CONFIRM_OTHERS, outcome, self._service, *pair, horizon)
        elif result.status is not Status.SKIPPED:
            statements.run(_FAIL, result.message, int(result.perhaps_sent), outcome, *key)
        unclaim(statements, (self._service, *pair), self._command)

    def expect(self, found: Mapping[Baseline, Sequence[str]]) -> None:
        """Note the plans that what is about to be sent should refresh."""
        self._database.write(lambda statements: awaited.expect(statements, self._service, self._command, found, _now()))

    def triggered(self, days: Mapping[str, Iterable[date]]) -> None:
        """Note the dates that were confirmed for each of these plans."""
        self._database.write(lambda statements: awaited.triggered(statements, self._command, days))

    def note_plan(self, seen: PlanSeen) -> None:
        """Note how the wait for a plan ended."""
        self._database.write(lambda statements: awaited.note(statements, self._service, seen, _now()))

    def beat(self) -> None:
        """Note that the command still runs, unless that was noted a moment ago."""
        if _age(self._seen) > BEAT:
            self._database.write(lambda statements: self._add(statements, []))

    def outcomes(self) -> Iterator[Result]:
        """What came of this command's refreshes, in the order in which they ended."""
        last = self._first
        while rows := self._database.rows(_OUTCOMES, last, self._command):
            yield from map(as_result, rows)
            last = rows[-1][-1]

    def end(self, counts: Counts, exit_code: int, keep_days: float) -> None:
        """Close the command's entry, release what it claimed, and remove what is older than `keep_days`."""
        self._database.check_kept()
        self._database.write(lambda statements: self._end(statements, counts, exit_code))
        self._database.write(lambda statements: _prune(statements, _now(timedelta(days=-keep_days))))

    def _end(self, statements: Statements, counts: Counts, exit_code: int) -> None:
        release(statements, self._command)
        statements.run(
            "UPDATE command SET ended_at = ?, exit_code = ?, ok = ?, error = ?, skip = ?, not_sent = ?, already = ?, "
            "waiting = ? WHERE id = ?",
            *(_now(), exit_code, counts.ok, counts.error, counts.skip, counts.not_sent, counts.already),
            *(counts.waiting, self._command),
        )

    def _pair(self, refresh: Refresh) -> Pair:
        return self._service, refresh.table_name, refresh.partition.isoformat()

    def _key_of(self, result: Result) -> tuple[int, str, str, str]:
        return self._service, result.invocation_id or "", result.table_name or "", str(result.partition)

    def _key(self, refresh: Refresh) -> tuple[int, str, str, str]:
        return self._service, refresh.invocation_id or "", refresh.table_name, refresh.partition.isoformat()


def _begin(statements: Statements, address: str, tenant_id: str, command: Command) -> tuple[int, int, int]:
    """Enter a command, and return its AnyMetrics, its own id, and the newest outcome before it."""
    end_the_dead(statements)
    service = _service_id(statements, address, tenant_id)
    ((newest,),) = statements.rows("SELECT max(id) FROM outcome")
    entered = statements.insert(
        "INSERT INTO command (service, kind, version, invocation_id, run_date, hook_run_date, hook_partition, host, "
        "pid, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(service, command.kind, __version__, command.invocation_id or "", command.run_date, command.hook_run_date),
        *(command.hook_partition and msgspec.json.encode(command.hook_partition).decode(), host(), command.process),
        *(_now(), _now()),
    )
    return service, entered or 0, newest or 0


def _service_id(statements: Statements, address: str, tenant_id: str) -> int:
    """The id of an AnyMetrics and tenant, which are entered at their first use."""
    query = "SELECT id FROM service WHERE address = ? AND tenant_id = ?"
    if not (rows := statements.rows(query, address, tenant_id)):
        statements.run(
            "INSERT INTO service (address, tenant_id) VALUES (?, ?) ON CONFLICT DO NOTHING", address, tenant_id
        )
        rows = statements.rows(query, address, tenant_id)
    return int(rows[0][0])


def _prune(statements: Statements, before: str) -> None:
    """Remove what ended before a moment, of the oldest entries. What is pending stays, however old it is."""
    oldest = statements.rows("SELECT asked_at FROM refresh ORDER BY id LIMIT 1")
    if oldest and oldest[0][0] < before:
        statements.run(_FORGET_REFRESHES, before, before)
        statements.run(_FORGET_OUTCOMES, before)
        statements.run("DELETE FROM command WHERE ended_at < ?", before)
    statements.run("DELETE FROM awaited WHERE asked_at < ?", before)
    statements.run("DELETE FROM unbuilt WHERE noted_at < ?", before)


_POSTPONED = "not sent: its minimum interval had not passed since it was confirmed last"


def _external(refresh: Refresh) -> str | None:
    return msgspec.json.encode(refresh.external).decode() if refresh.external else None


def _columns(result: Result) -> Row:
    timing = result.timing
    return (
        *(result.status.value, result.message, result.http_status, result.code, result.trace_id, result.attempts),
        *((timing.started_at.isoformat(), timing.completed_at.isoformat()) if timing else (None, _now())),
    )


def _now(shift: timedelta = timedelta()) -> str:
    return (datetime.now(timezone.utc) + shift).isoformat(timespec="microseconds")


def _age(moment: str) -> timedelta:
    return datetime.now(timezone.utc) - datetime.fromisoformat(moment)


_ASK = """
INSERT INTO refresh
    (service, invocation_id, table_name, partition, unique_id, message, held_by, asked_at, external, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')
ON CONFLICT (service, invocation_id, table_name, partition) DO UPDATE
SET unique_id = excluded.unique_id, message = excluded.message, held_by = excluded.held_by,
    external = excluded.external, status = 'pending'
WHERE refresh.status <> 'success'
"""

_ASK_AGAIN = _ASK.replace("WHERE refresh.status <> 'success'", ", perhaps_sent = 0")

_MISTAKE = """
INSERT INTO mistake (service, unique_id, message, invocation_id, asked_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (service, unique_id) DO UPDATE
SET message = excluded.message, invocation_id = excluded.invocation_id
"""

_OUTCOME = """
INSERT INTO outcome
    (refresh, command, status, message, http_status, code, trace_id, attempts, started_at, completed_at)
SELECT id, CAST(? AS INTEGER), ?, ?, CAST(? AS INTEGER), ?, ?, CAST(? AS INTEGER), ?, ? FROM refresh
WHERE service = ? AND invocation_id = ? AND table_name = ? AND partition = ?
"""

_CONFIRM = """
UPDATE refresh SET status = 'success', message = NULL, held_by = NULL, perhaps_sent = 0, outcome = ?
WHERE service = ? AND invocation_id = ? AND table_name = ? AND partition = ?
"""

_CONFIRM_OTHERS = """
UPDATE refresh SET status = 'success', message = NULL, held_by = NULL, perhaps_sent = 0, outcome = ?
WHERE service = ? AND table_name = ? AND partition = ? AND status = 'pending' AND id <= ?
"""

_FAIL = """
UPDATE refresh SET message = ?, perhaps_sent = ?, outcome = ?
WHERE service = ? AND invocation_id = ? AND table_name = ? AND partition = ? AND status = 'pending'
"""

_HOLD = """
UPDATE refresh SET held_by = ?
WHERE service = ? AND invocation_id = ? AND table_name = ? AND status = 'pending' AND held_by IS NOT NULL
"""

_DROP = """
UPDATE refresh SET status = 'dropped', held_by = NULL, perhaps_sent = 0
WHERE service = ? AND unique_id = ? AND status = 'pending'
"""

_IS_DONE = """
SELECT 1 FROM refresh
WHERE service = ? AND invocation_id = ? AND table_name = ? AND partition = ? AND status = 'success'
"""

_FORGET_REFRESHES = f"""
DELETE FROM refresh WHERE id IN (SELECT id FROM refresh ORDER BY id LIMIT {_ENOUGH})
AND status <> 'pending' AND asked_at < ?
AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.id = refresh.outcome AND o.completed_at >= ?)
"""

_FORGET_OUTCOMES = f"""
DELETE FROM outcome WHERE id IN (SELECT id FROM outcome ORDER BY id LIMIT {_ENOUGH})
AND completed_at < ? AND NOT EXISTS (SELECT 1 FROM refresh r WHERE r.id = outcome.refresh)
"""

_OUTCOMES = f"""
SELECT r.unique_id, r.table_name, r.partition, r.invocation_id, {OUTCOME}, o.id
FROM outcome o JOIN refresh r ON r.id = o.refresh
WHERE o.id > ? AND o.command = ? ORDER BY o.id LIMIT 500
"""
