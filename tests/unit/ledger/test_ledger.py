"""The ledger by itself: what it remembers, whom it lets send, and what becomes of a file that is none."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.ledger import claims, sqlite
from dbt_anymetrics.ledger.claims import Claim
from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import FILE_NAME, Location, Opened, open_ledger, publish
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.ledger.schema import APPLICATION_ID, VERSION
from dbt_anymetrics.planning.plan import Held, Refreshes
from dbt_anymetrics.result import Counts, LazyCollection, Refresh, Result, Status, Timing
from tests.disk import read_only
from tests.ledgers import Another, changed, opened, rows

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
DAYS = [date(2024, 7, day) for day in (15, 16, 17)]


def refresh(day: date = DAYS[0], invocation: str = "i", table: str = "t", node: str = "model.shop.orders") -> Refresh:
    return Refresh(unique_id=node, table_name=table, partition=day, invocation_id=invocation)


def done(each: Refresh, status: Status = Status.SUCCESS) -> Result:
    message = None if status is Status.SUCCESS else "no"
    return each.result(status, message, http_status=200, trace_id="x", attempts=1, timing=Timing(MOMENT, MOMENT))


def begin(database: Database, *, tenant: str = "tn", kind: str = "refresh", invocation: str = "i") -> Recording:
    command = Command(kind=kind, process=os.getpid(), invocation_id=invocation)
    return Recording(database, "http://a", tenant, command)


def send(recording: Recording, *results: Result) -> None:
    """Claim what these are the results of, and enter them."""
    sent = [
        Refresh(
            unique_id=each.unique_id,
            table_name=str(each.table_name),
            partition=each.partition or date.min,
            invocation_id=each.invocation_id,
        )
        for each in results
    ]
    claimed = recording.claim(sent, force=True)
    recording.add([(result, claimed.horizon) for result in results])


def asked(database: Database) -> list[tuple[str, str]]:
    """Each table and date that is pending."""
    found = database.rows("SELECT table_name, partition FROM refresh WHERE status = 'pending' ORDER BY 1, 2")
    return [(table, day) for table, day in found]


# What is remembered


def test_everything_asked_for_is_pending_before_anything_is_sent(database: Database) -> None:
    begin(database).ask([refresh(day) for day in DAYS], ())
    assert asked(database) == [("t", str(day)) for day in DAYS]


def test_what_is_confirmed_for_a_dbt_run_is_skipped_and_keeps_its_facts(database: Database) -> None:
    recording = begin(database, kind="hook")
    recording.ask([refresh()], ())
    send(recording, done(refresh()))
    items = LazyCollection[Refresh | Result](lambda: [refresh(), refresh(DAYS[1]), refresh(invocation="other")])
    first, second, third = recording.ledger.without_confirmed(items, ["i", "other"])
    assert isinstance(first, Result)
    assert (first.status, first.trace_id, first.timing) == (Status.SKIPPED, "x", Timing(MOMENT, MOMENT))
    assert first.message == "already refreshed by the hook; --force sends it again"
    assert (second, third) == (refresh(DAYS[1]), refresh(invocation="other"))


def test_another_tenant_knows_nothing_of_it_and_loses_nothing(database: Database) -> None:
    ours, theirs = begin(database), begin(database, tenant="other")
    ours.ask([refresh()], ())
    theirs.ask([refresh()], ())
    send(ours, done(refresh()))
    items = LazyCollection[Refresh | Result](lambda: [refresh()])
    assert list(theirs.ledger.without_confirmed(items, ["i"])) == [refresh()]
    assert list(theirs.ledger.pending()) == [refresh()]
    assert list(ours.ledger.pending()) == []


def test_a_failure_stays_pending_over_later_runs_until_its_table_and_date_are_confirmed(database: Database) -> None:
    first = begin(database)
    first.ask([refresh(day) for day in DAYS], ())
    send(first, *(done(refresh(day), Status.ERROR) for day in DAYS))
    second = begin(database, invocation="later")
    later = refresh(invocation="later")
    second.ask([later], ())
    assert second.ledger.backlog(["later"]).refreshes == 3
    assert list(second.ledger.pending()) == [later, *(refresh(day) for day in DAYS[1:])]
    send(second, done(later))
    assert list(second.ledger.pending()) == [refresh(day) for day in DAYS[1:]]
    assert str(second.ledger.backlog(["later"])).startswith("pending from earlier dbt runs: 2 refreshes of 1 table.")


def test_a_success_does_not_count_for_a_run_that_asked_after_it_was_sent(database: Database) -> None:
    first, second = begin(database), begin(database, invocation="later")
    first.ask([refresh()], ())
    sent = first.claim([refresh()], force=False)
    second.ask([refresh(invocation="later")], ())
    first.add([(done(refresh()), sent.horizon)])
    assert list(second.ledger.pending()) == [refresh(invocation="later")]


def test_force_keeps_what_was_confirmed_until_there_is_a_new_answer(database: Database) -> None:
    recording = begin(database)
    recording.ask([refresh(day) for day in DAYS], ())
    send(recording, *(done(refresh(day)) for day in DAYS))
    again = begin(database)
    again.ask([refresh(day) for day in DAYS], ())
    assert asked(database) == []
    assert again.claim([refresh()], force=True).states == [Claim.OURS]


def test_outcomes_come_again_in_the_order_in_which_they_came(database: Database) -> None:
    days = [DAYS[0] + timedelta(days=number) for number in range(1200)]
    recording = begin(database)
    recording.ask([refresh(day) for day in days], ())
    send(recording, *(done(refresh(day)) for day in reversed(days)))
    assert [result.partition for result in recording.outcomes()] == days[::-1]
    assert list(begin(database).outcomes()) == []


def test_a_thousand_pending_pairs_come_once_each_though_two_runs_asked_for_them(database: Database) -> None:
    days = [DAYS[0] + timedelta(days=number) for number in range(1200)]
    for invocation in ("i", "later"):
        begin(database).ask([refresh(day, invocation) for day in days], ())
    assert list(begin(database).ledger.pending()) == [refresh(day, "later") for day in days]


def test_what_a_test_holds_is_pending_but_not_sent_again(database: Database) -> None:
    held = Held(Refreshes("model.shop.orders", "t", DAYS, "i"), ["test.shop.a", "test.shop.b"])
    recording = begin(database)
    recording.ask([], [held])
    assert list(recording.ledger.pending()) == []
    assert recording.ledger.held() == [held]
    assert recording.ledger.backlog().held == 3
    # The same dates, when nothing holds them any longer.
    recording.ask(list(held.refreshes), ())
    assert recording.ledger.held() == []
    assert list(recording.ledger.pending()) == list(held.refreshes)


def test_a_later_run_that_is_confirmed_counts_for_what_was_held(database: Database) -> None:
    recording = begin(database)
    recording.ask([], [Held(Refreshes("model.shop.orders", "t", DAYS, "i"), ["test.shop.a"])])
    later = begin(database, invocation="later")
    later.ask([refresh(invocation="later")], ())
    send(later, done(refresh(invocation="later")))
    assert [each for held in later.ledger.held() for each in held.refreshes] == [refresh(day) for day in DAYS[1:]]


def test_a_node_with_wrong_settings_is_remembered_until_it_is_planned(database: Database) -> None:
    wrong = Result(unique_id="model.shop.orders", status=Status.ERROR, message="no such key", invocation_id="i")
    recording = begin(database)
    recording.ask([wrong], ())
    assert recording.ledger.mistakes() == [wrong]
    recording.ask([refresh(node="model.shop.other")], ())
    assert recording.ledger.mistakes() == [wrong]
    recording.ask([refresh()], ())
    assert recording.ledger.mistakes() == []


def test_what_is_old_is_removed_and_what_is_pending_stays(database: Database) -> None:
    recording = begin(database)
    recording.ask([refresh(day) for day in DAYS], ())
    send(recording, done(refresh()), done(refresh(DAYS[1]), Status.ERROR))
    recording.end(Counts(ok=1, error=1), 1, keep_days=1)
    assert len(database.rows("SELECT * FROM refresh")) == 3
    later = begin(database)
    later.end(Counts(), 0, keep_days=0)
    assert asked(database) == [("t", str(day)) for day in DAYS[1:]]
    assert len(database.rows("SELECT * FROM outcome")) == 1
    assert len(database.rows("SELECT * FROM refresh")) == 2


# Who sends


def test_a_table_and_date_is_sent_by_one_command_at_a_time(database: Database) -> None:
    first, second = begin(database), begin(database, invocation="later")
    ours, theirs = refresh(), refresh(invocation="later")
    first.ask([ours], ())
    second.ask([theirs], ())
    assert first.claim([ours], force=False).states == [Claim.OURS]
    assert second.claim([theirs], force=False).states == [Claim.BUSY]
    first.add([(done(ours), 0)])
    assert second.claim([theirs], force=False).states == [Claim.OURS]


def test_what_another_command_sent_for_the_same_run_is_not_sent_again(database: Database) -> None:
    first, second = begin(database), begin(database)
    for recording in (first, second):
        recording.ask([refresh()], ())
    send(first, done(refresh()))
    assert second.claim([refresh()], force=False).states == [Claim.DONE]
    assert second.claim([refresh()], force=False).states == [Claim.DONE]
    confirmed = second.ledger.confirmed(refresh())
    assert confirmed is not None
    assert "already refreshed by dbt-anymetrics refresh" in (confirmed.message or "")


@pytest.mark.parametrize(
    "change",
    ["pid = 4194304", "host = 'elsewhere', seen_at = '2024-01-01T00:00:00.000000+00:00'"],
    ids=["killed", "of another machine, long unseen"],
)
def test_what_a_dead_command_was_sending_is_free_and_perhaps_sent(change: str, database: Database) -> None:
    dead, living = begin(database), begin(database)
    dead.ask([refresh(), refresh(DAYS[1])], ())
    dead.claim([refresh()], force=False)
    database.write(lambda statements: statements.run(f"UPDATE command SET {change} WHERE id = 1"))
    assert living.claim([refresh()], force=False).states == [Claim.BUSY]
    assert living.claim([refresh()], force=False).states == [Claim.OURS]
    found = database.rows("SELECT perhaps_sent, message FROM refresh ORDER BY id")
    assert [perhaps for perhaps, _ in found] == [1, 0]
    assert "AnyMetrics may have refreshed it" in found[0][1]


def reasons(database: Database) -> list[tuple[str | None, bool]]:
    """Why each entry is pending, and whether it was perhaps sent, without a command that ends the dead."""
    ledger, _ = Ledger.find(database, "http://a", "tn")
    return [(entry.message, entry.perhaps_sent) for entry in ledger.entries()]


def test_while_a_command_runs_what_it_is_asked_for_is_its_work(database: Database) -> None:
    running = begin(database)
    running.ask([refresh(), refresh(DAYS[1])], ())
    running.claim([refresh()], force=False)
    assert reasons(database) == [("a command that is still running sends it", False)] * 2
    (command,) = running.ledger.commands(1)
    assert (command.ended_at, command.exit_code) == (None, None)


@pytest.mark.parametrize("is_noted", [False, True], ids=["seen by a reader", "noted by a later command"])
def test_what_a_command_without_an_end_was_asked_for_is_perhaps_sent(is_noted: bool, database: Database) -> None:
    # It was killed, or its ledger went away while it sent: the ledger looks the same.
    dead = begin(database)
    dead.ask([refresh(day) for day in DAYS], ())
    send(dead, done(refresh(DAYS[2]), Status.ERROR))
    dead.claim([refresh()], force=False)
    database.write(lambda statements: statements.run("UPDATE command SET pid = 4194304 WHERE id = 1"))
    if is_noted:
        begin(database, invocation="later")
    (claimed, waiting, failed) = reasons(database)
    assert (claimed[0] or "").endswith("AnyMetrics may have refreshed it")
    assert (waiting[0] or "").startswith("it is not known whether it was sent")
    assert (claimed[1], waiting[1], failed) == (True, True, ("no", False))
    command = dead.ledger.commands(2)[-1]
    assert (command.ended_at is None, command.exit_code) == (False, None)


def test_what_a_command_left_that_ended_as_it_should_was_not_sent(database: Database) -> None:
    command = begin(database)
    command.ask([refresh()], ())
    command.end(Counts(not_sent=1), 2, 90)
    assert reasons(database) == [("not sent: its command ended before it sent anything", False)]


def test_a_command_of_another_machine_that_was_just_seen_is_not_disturbed(database: Database) -> None:
    theirs, ours = begin(database), begin(database)
    theirs.ask([refresh()], ())
    theirs.claim([refresh()], force=False)
    database.write(lambda statements: statements.run("UPDATE command SET host = 'elsewhere', pid = 1 WHERE id = 1"))
    for _ in range(2):
        assert ours.claim([refresh()], force=False).states == [Claim.BUSY]


def test_a_command_at_work_is_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = begin(database)
    before = database.rows("SELECT seen_at FROM command")
    recording.beat()
    assert database.rows("SELECT seen_at FROM command") == before
    monkeypatch.setattr("dbt_anymetrics.ledger.recording.BEAT", timedelta(0))
    recording.beat()
    assert database.rows("SELECT seen_at FROM command") > before


def test_many_threads_claim_each_refresh_once(another: Another) -> None:
    days = [DAYS[0] + timedelta(days=number) for number in range(100)]
    taken: list[date] = []

    def work() -> None:
        with another() as own:
            recording = begin(own)
            recording.ask([refresh(day) for day in days], ())
            for day in days:
                if recording.claim([refresh(day)], force=False).states == [Claim.OURS]:
                    taken.append(day)
                    recording.add([(done(refresh(day)), 0)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == days


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_ledger_that_was_published_is_never_replaced(is_empty: bool, tmp_path: Path) -> None:
    """Of many that make one at once, all use that of the first: another one may be open already."""
    together = threading.Barrier(8)
    found: list[set[int]] = []

    def work(path: Path, number: int, seen: set[int]) -> None:
        draft = path.with_name(f"{path.name}.{number}")
        draft.write_text("a ledger")
        together.wait()
        publish(draft, path)
        seen.add(path.stat().st_ino)
        together.wait()
        seen.add(path.stat().st_ino)

    for number in range(200):
        path, seen = tmp_path / str(number), set[int]()
        if is_empty:
            path.touch()
        threads = [threading.Thread(target=work, args=(path, each, seen)) for each in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found.append(seen)
    assert [len(seen) for seen in found] == [1] * 200


# Which file


def location(path: Path, *, is_named: bool = False) -> Location:
    return Location(path, is_named=is_named)


def open_at(path: Path, *, is_named: bool = False, only_to_read: bool = False) -> Opened:
    return open_ledger(location(path, is_named=is_named), lambda _database: None, only_to_read=only_to_read)


def test_a_ledger_is_made_with_its_marks_and_nothing_beside_it(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert rows(tmp_path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION,)]
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_a_ledger_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    found = open_at(tmp_path / FILE_NAME, only_to_read=True)
    with closing(found.database):
        assert found.loss is None
        assert Ledger.find(found.database, None, None)[0].backlog().refreshes == 0
    assert list(tmp_path.iterdir()) == []


def test_the_state_may_name_a_file_or_a_folder_and_folders_are_made(tmp_path: Path) -> None:
    assert Location.of(None, tmp_path) == location(tmp_path / FILE_NAME)
    assert Location.of(" ", tmp_path) == location(tmp_path / FILE_NAME)
    assert Location.of(str(tmp_path), Path("/x")) == location(tmp_path / FILE_NAME, is_named=True)
    named = Location.of(str(tmp_path / "a" / "b.db"), Path("/x"))
    assert named == location(tmp_path / "a" / "b.db", is_named=True)
    found = open_ledger(named, lambda _database: None)
    found.database.close()
    assert (found.loss, named.path.is_file()) == (None, True)


def test_a_new_file_that_is_empty_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    found = open_at(tmp_path / FILE_NAME)
    found.database.close()
    assert found.loss is None
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION,)]


def test_a_corrupt_ledger_is_set_aside_whole_and_a_new_one_begins(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"garbage" * 1000)
    found = open_at(tmp_path / FILE_NAME)
    found.database.close()
    (warning,) = found.warnings
    assert "was set aside as" in warning
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == b"garbage" * 1000
    assert found.loss is None


def test_a_ledger_without_its_tables_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as empty:
        empty.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        empty.execute(f"PRAGMA user_version = {VERSION}")
        empty.execute("CREATE TABLE other (x)")
        empty.commit()
    found = open_at(tmp_path / FILE_NAME)
    found.database.close()
    assert (found.loss, len(found.warnings)) == (None, 1)


def test_a_corrupt_ledger_that_is_only_read_stays(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"garbage")
    found = open_at(tmp_path / FILE_NAME, only_to_read=True)
    found.database.close()
    assert "is not a ledger" in str(found.loss)
    assert (tmp_path / FILE_NAME).read_bytes() == b"garbage"


@pytest.mark.parametrize("content", [b"id,name\n", b"SQLite format 3\x00" + b"\x00" * 100])
def test_a_file_that_the_user_names_and_is_no_ledger_is_left_alone(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(content)
    with pytest.raises(UsageError, match="is not a ledger of dbt-anymetrics, and is left as it is"):
        open_at(tmp_path / "mine", is_named=True)
    assert (tmp_path / "mine").read_bytes() == content


def lost(path: Path) -> str:
    """What is said of a ledger that cannot be used, in whose place there is a temporary one."""
    found = open_at(path)
    with closing(found.database):
        begin(found.database).ask([refresh()], ())
    assert found.loss is not None
    return str(found.loss)


def test_a_ledger_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        database.write(lambda statements: statements.run(f"PRAGMA user_version = {VERSION + 1}"))
    assert "was written by a newer dbt-anymetrics" in lost(tmp_path / FILE_NAME)
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION + 1,)]


def earlier_form(path: Path, version: int = 1) -> None:
    """A ledger as an earlier version made it, with a pending refresh."""
    with opened(path) as database:
        begin(database).ask([refresh()], ())
    changed(path, "DROP TABLE unbuilt")
    changed(path, "ALTER TABLE command DROP COLUMN waiting")
    if version == 1:
        changed(path, "DROP TABLE awaited")
        changed(path, "ALTER TABLE refresh DROP COLUMN external")
    changed(path, f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", range(1, VERSION))
@pytest.mark.parametrize("only_to_read", [False, True])
def test_a_ledger_of_an_earlier_version_is_brought_up_to_date(only_to_read: bool, version: int, tmp_path: Path) -> None:
    earlier_form(tmp_path, version)
    found = open_at(tmp_path / FILE_NAME, only_to_read=only_to_read)
    with closing(found.database):
        ledger, _ = Ledger.find(found.database, None, None)
        assert [each.table_name for each in ledger.pending()] == ["t"]
        assert (ledger.awaited(), ledger.unbuilt()) == ([], [])
    assert (found.loss, found.warnings) == (None, [])
    assert rows(tmp_path, "PRAGMA user_version") == [(version if only_to_read else VERSION,)]


def test_a_ledger_of_an_earlier_version_that_is_read_only_is_read(tmp_path: Path) -> None:
    earlier_form(tmp_path)
    with read_only(tmp_path):
        found = open_at(tmp_path / FILE_NAME)
        with closing(found.database):
            assert found.database.is_read_only
            assert [each.table_name for each in Ledger.find(found.database, None, None)[0].pending()] == ["t"]
            with pytest.raises(RecordError, match="read-only"):
                begin(found.database)
    assert rows(tmp_path, "PRAGMA user_version") == [(1,)]


@pytest.mark.parametrize("beside", ["", "-wal", "-shm"])
@pytest.mark.parametrize("make", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_not_opened(make: str, beside: str, tmp_path: Path) -> None:
    place = tmp_path / f"{FILE_NAME}{beside}"
    if beside:
        with opened(tmp_path):
            pass
    if make == "link":
        (tmp_path / "theirs").write_bytes(b"theirs")
        place.symlink_to(tmp_path / "theirs")
    elif make == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    assert "is not a regular file" in lost(tmp_path / FILE_NAME)
    assert not (tmp_path / "theirs").exists() or (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not stat.S_ISREG(place.lstat().st_mode)


def test_a_folder_that_does_not_let_us_write_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used" in lost(tmp_path / "file" / FILE_NAME)


def test_a_ledger_that_another_program_keeps_locked_is_told_in_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path):
        pass
    monkeypatch.setattr(sqlite, "PATIENCE", 0.01)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = open_at(tmp_path / FILE_NAME)
        with closing(found.database), pytest.raises(RecordError, match="another program has kept it locked"):
            begin(found.database)


def test_a_host_is_told_apart_by_its_process_ids_too() -> None:
    assert claims.host() == claims.host() != ""
