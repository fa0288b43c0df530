from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from dbt_anymetrics import __version__
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.record import FILE_NAME, JOURNAL_NAME, Document, Record
from dbt_anymetrics.result import Result, Status, Timing
from tests.disk import room_for

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
FIRST, SECOND = (
    Result(unique_id="m", table_name="t", partition=day, status=Status.PLANNED, invocation_id="i")
    for day in (date(2024, 7, 16), date(2024, 7, 17))
)


def done(result: Result) -> Result:
    return replace(result, status=Status.SUCCESS, http_status=200, trace_id="x", timing=Timing(MOMENT, MOMENT))


def begun(folder: Path, *outcomes: Result) -> Document:
    """The record of a command that was killed after these outcomes."""
    record, document = Record(folder), Document.of({"threads": 2}, [FIRST, SECOND], "i")
    record.begin(document)
    for outcome in outcomes:
        record.add(outcome)
    record.close()  # as the end of the process does
    return document


def read(folder: Path) -> list[Result]:
    document = Record(folder).read()
    assert document is not None
    return list(document.results)


def test_without_a_file_there_is_no_record(tmp_path: Path) -> None:
    assert Record(tmp_path).read() is None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    document = Document.of({"datasource": "sr"}, [done(FIRST), SECOND], "i")
    Record(tmp_path).finish(document)
    assert Record(tmp_path).read() == document


def test_the_artifact_has_dbts_form(tmp_path: Path) -> None:
    Record(tmp_path).finish(Document.of({"datasource": "sr"}, [done(FIRST)], "i"))
    written = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    assert set(written) == {"metadata", "args", "results"}
    assert (written["metadata"]["version"], written["metadata"]["invocation_id"]) == (__version__, "i")
    assert written["args"] == {"datasource": "sr"}
    (result,) = written["results"]
    assert (result["partition"], result["status"], result["http_status"]) == ("2024-07-16", "success", 200)
    assert result["timing"]["started_at"] == "2024-07-18T06:00:00Z"


def test_a_finished_record_leaves_no_journal_and_no_draft(tmp_path: Path) -> None:
    record, document = Record(tmp_path), Document.of({}, [FIRST], "i")
    record.begin(document)
    record.add(done(FIRST))
    record.finish(replace(document, results=[done(FIRST)]))
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_the_artifact_is_replaced_whole(tmp_path: Path) -> None:
    Record(tmp_path).finish(Document.of({}, [FIRST], "i"))
    before = tmp_path / "before"
    before.hardlink_to(tmp_path / FILE_NAME)
    Record(tmp_path).finish(Document.of({}, [SECOND], "i"))
    assert json.loads(before.read_bytes())["results"][0]["partition"] == "2024-07-16"
    assert read(tmp_path) == [SECOND]


def test_an_outcome_is_on_disk_at_once(tmp_path: Path) -> None:
    begun(tmp_path, done(FIRST))
    assert read(tmp_path) == [done(FIRST), SECOND]
    assert json.loads((tmp_path / FILE_NAME).read_bytes())["results"][0]["status"] == "planned"


def test_the_last_outcome_of_a_refresh_counts(tmp_path: Path) -> None:
    begun(tmp_path, replace(done(FIRST), status=Status.ERROR), done(FIRST))
    assert read(tmp_path) == [done(FIRST), SECOND]


def test_a_kill_loses_no_outcome_that_was_added(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from tests import test_record as t;"
        "record = t.Record(Path(sys.argv[1])); record.begin(t.Document.of({}, [t.FIRST, t.SECOND], 'i'));"
        "record.add(t.done(t.FIRST)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parent.parent
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read(tmp_path) == [done(FIRST), SECOND]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_half_a_last_line_of_a_killed_writer_is_no_outcome(cut: int, tmp_path: Path) -> None:
    begun(tmp_path, done(FIRST), done(SECOND))
    journal = tmp_path / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[: -cut - 1])
    assert read(tmp_path) == [done(FIRST), SECOND]


@pytest.mark.parametrize("length", range(0, 46, 5))
def test_half_a_first_line_of_a_killed_writer_is_no_journal(length: int, tmp_path: Path) -> None:
    begun(tmp_path)
    journal = tmp_path / JOURNAL_NAME
    journal.write_bytes(journal.read_bytes()[:length])
    assert read(tmp_path) == [FIRST, SECOND]


@pytest.mark.parametrize(
    "content", [b"\n", b"[]\n", b"\xff\n", b'{"generated_at": "soon"}\n', b"[" * 100_000], ids=lambda c: repr(c)[:20]
)
def test_a_journal_that_is_none_is_ignored(content: bytes, tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    assert read(tmp_path) == [FIRST, SECOND]


@pytest.mark.parametrize("line", [b"\xff", b'{"status": "odd"}', b"[" * 100_000], ids=lambda c: repr(c)[:20])
def test_a_line_that_is_no_outcome_is_ignored_and_the_others_stay(line: bytes, tmp_path: Path) -> None:
    begun(tmp_path, done(FIRST))
    with (tmp_path / JOURNAL_NAME).open("ab") as journal:
        journal.write(line + b"\n")
    assert read(tmp_path) == [done(FIRST), SECOND]


def test_the_journal_of_another_artifact_is_ignored(tmp_path: Path) -> None:
    document = begun(tmp_path, done(FIRST))
    later = replace(document.metadata, generated_at=document.metadata.generated_at + timedelta(microseconds=1))
    Record(tmp_path).finish(replace(document, metadata=later))
    assert (tmp_path / JOURNAL_NAME).exists()
    assert read(tmp_path) == [FIRST, SECOND]


def test_a_new_record_starts_a_new_journal(tmp_path: Path) -> None:
    begun(tmp_path, done(FIRST))
    begun(tmp_path, done(SECOND))
    assert read(tmp_path) == [FIRST, done(SECOND)]


def test_an_outcome_of_nothing_planned_adds_nothing(tmp_path: Path) -> None:
    begun(tmp_path, replace(done(FIRST), table_name="other"))
    assert read(tmp_path) == [FIRST, SECOND]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"\xff", b'{"metadata": {"version": 5}}', b"[" * 100_000),
        b'{"metadata": {"generated_at": "2024-07-18T06:00:00Z"}, "results": [{"unique_id": "m", "status": "odd"}]}',
    ],
    ids=lambda content: repr(content)[:40],
)
def test_a_file_that_is_no_record_is_refused_and_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(RecordError, match="is not a results artifact") as refusal:
        Record(tmp_path).read()
    assert refusal.value.where == str(tmp_path / FILE_NAME)


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        Record(tmp_path).read()


@pytest.mark.parametrize("blocked", [FILE_NAME, JOURNAL_NAME])
def test_a_record_that_cannot_be_begun_says_what_that_means(blocked: str, tmp_path: Path) -> None:
    (tmp_path / blocked).mkdir()
    with pytest.raises(RecordError, match=r"cannot be written \(.*Nothing remembers what was sent"):
        Record(tmp_path).begin(Document.of({}, [], "i"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("write", [Record.begin, Record.finish])
def test_a_folder_that_is_none_cannot_be_written_to(write: object, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"):
        write(Record(tmp_path / "file"), Document.of({}, [], "i"))  # type: ignore[operator]


@pytest.mark.parametrize("room", [0, 1, 100])
def test_an_outcome_that_cannot_be_added_whole_is_an_error_and_none_at_all(room: int, tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.begin(Document.of({}, [FIRST, SECOND], "i"))
    record.add(done(FIRST))
    size = (tmp_path / JOURNAL_NAME).stat().st_size
    with room_for(size + room), pytest.raises(RecordError, match="cannot be written"):
        record.add(done(SECOND))
    assert list(record.added()) == [done(FIRST)]
    record.close()
    assert read(tmp_path) == [done(FIRST), SECOND]


def test_what_was_added_is_there_again_though_its_file_was_removed(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.begin(Document.of({}, [FIRST, SECOND], "i"))
    for _ in range(500):
        record.add(done(FIRST))
    (tmp_path / JOURNAL_NAME).unlink()
    record.add(done(SECOND))
    assert list(record.added()) == [done(FIRST)] * 500 + [done(SECOND)]
    assert list(record.added())[-1] == done(SECOND)
    record.close()


def test_an_artifact_that_is_gone_or_of_another_command_is_not_read_again(tmp_path: Path) -> None:
    ours, theirs = (replace(Document.of({}, [done(FIRST)], "i")) for _ in range(2))
    with pytest.raises(RecordError, match="is gone"):
        Record(tmp_path).reread(ours)
    Record(tmp_path).finish(ours)
    assert Record(tmp_path).reread(ours) == ours
    Record(tmp_path).finish(theirs)
    with pytest.raises(RecordError, match="replaced by another command"):
        Record(tmp_path).reread(ours)


def test_a_journal_that_cannot_be_removed_harms_no_finished_artifact(tmp_path: Path) -> None:
    record, document = Record(tmp_path), Document.of({}, [FIRST], "i")
    record.begin(document)
    (tmp_path / JOURNAL_NAME).unlink()
    (tmp_path / JOURNAL_NAME).mkdir()
    record.finish(replace(document, results=[done(FIRST)]))
    assert read(tmp_path) == [done(FIRST)]


def test_where_locks_do_not_work_a_second_command_changes_nothing_of_the_first(tmp_path: Path) -> None:
    first, second = Record(tmp_path), Record(tmp_path)
    first.begin(Document.of({}, [FIRST], "i"))
    first.add(done(FIRST))
    second.begin(Document.of({}, [SECOND], "i"))
    second.add(done(SECOND))
    assert (list(first.added()), list(second.added())) == ([done(FIRST)], [done(SECOND)])
    first.close()
    second.close()
