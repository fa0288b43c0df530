"""kill -9 of the real command while refreshes are in flight: what is recorded stays, the next command does the rest."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dbt_anymetrics.ledger.record import FILE_NAME, JOURNAL_NAME, Record
from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from tests.artifacts import scenario
from tests.expected import sent
from tests.shop import Shop

REFRESHES = 29
"""What the recorded build is to refresh."""

THREADS = "4"

ENDED = 60
"""Seconds after which a command that should have ended fails its test."""


class Moment(NamedTuple):
    """So many seconds after the arrival of this request, counted from 0."""

    request: int
    pause: float


_RANDOM = random.Random(2024)
MOMENTS = [Moment(_RANDOM.randrange(REFRESHES), _RANDOM.uniform(0, 0.004)) for _ in range(50)]
RETRY_MOMENTS = [Moment(_RANDOM.randrange(REFRESHES), _RANDOM.uniform(0, 0.004)) for _ in range(6)]


def started(shop: Shop, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dbt_anymetrics", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=shop.folder, env=shop.environment, stdout=pipe, stderr=pipe, text=True)


class Watch:
    """Looks at the artifact at every request: it is whole JSON and holds the whole plan, whoever is writing it."""

    def __init__(self, target: Path) -> None:
        self.looks = 0
        self.faults: list[str] = []
        self._path = target / FILE_NAME

    def look(self) -> None:
        try:
            results = json.loads(self._path.read_bytes())["results"]
        except (OSError, ValueError, KeyError) as error:
            self.faults.append(repr(error))
            return
        self.looks += 1
        planned = [result for result in results if result["partition"]]
        if len(planned) != REFRESHES:
            self.faults.append(f"{len(planned)} refreshes in the artifact")


def killed_at(moment: Moment, folder: Path, *arguments: str, port: int = 0) -> tuple[Shop, Sandbox, Watch]:
    """Run the command against a sandbox, kill it at the moment, and give what it left.

    The answer to the last request is held back until then, so that the command never ends by itself.
    """
    shop, watch = Shop(folder), Watch(folder / "target")
    due, over = threading.Event(), threading.Event()

    def hold_the_last(number: int) -> Shape | None:
        if number == REFRESHES - 1:
            over.wait(ENDED)
        return None

    def note(received: Received) -> None:
        watch.look()
        if received.number == moment.request:
            due.set()

    sandbox = Sandbox(port=port, answers=hold_the_last, on_request=note)
    sandbox.start()
    if moment.request == REFRESHES - 1:
        # The sandbox notes a request when its answer is decided, and this one's never is before the end.
        moment = Moment(REFRESHES - 2, moment.pause)
    shop.environment.update(sandbox.environment)
    with started(shop, *arguments, "--threads", THREADS) as process:
        assert due.wait(ENDED), "the command did not send so many requests"
        over.wait(moment.pause)
        process.kill()
        process.communicate(timeout=ENDED)
    over.set()
    assert process.returncode == -signal.SIGKILL
    return shop, sandbox, watch


def refreshes(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for result in document["results"] if result["partition"]]


def held_by_record(shop: Shop) -> dict[tuple[str | None, str | None], str | None]:
    """The trace of every success that the record of a killed command holds, journal included."""
    document = Record(shop.target).read()
    assert document is not None
    successes = (result for result in document.results if result.partition and result.was_refreshed)
    return {(result.table_name, str(result.partition)): result.trace_id for result in successes}


def check_that_the_rest_is_done_by(command: str, shop: Shop, sandbox: Sandbox) -> None:
    """Run the command again to its end: every refresh done, and none sent again that the record held as a success."""
    held = held_by_record(shop)
    assert set(held.values()) <= {received.trace_id for received in sandbox.received}
    done = shop.cli(command, "--threads", THREADS)
    assert done.returncode == 0, done.stdout + done.stderr
    everything = Counter(sent(sandbox))
    assert len(everything) == REFRESHES
    assert {refresh: everything[refresh] for refresh in held} == dict.fromkeys(held, 1)
    recorded = refreshes(shop.artifact())
    assert {(result["table_name"], result["partition"]) for result in recorded} == set(everything)
    assert len(recorded) == REFRESHES
    assert all(result["trace_id"] and result["status"] in ("success", "skipped") for result in recorded)
    assert not (shop.target / JOURNAL_NAME).exists()


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment.request}+{moment.pause * 1000:.1f}ms")
def test_a_refresh_killed_at_any_moment_forgets_nothing_and_repeats_no_recorded_success(
    moment: Moment, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    shop, sandbox, watch = killed_at(moment, tmp_path, "refresh")
    try:
        assert len(refreshes(shop.artifact())) == REFRESHES
        check_that_the_rest_is_done_by("refresh", shop, sandbox)
        assert watch.faults == []
        assert watch.looks >= REFRESHES
    finally:
        sandbox.stop()


@pytest.mark.parametrize("moment", RETRY_MOMENTS, ids=lambda moment: f"{moment.request}+{moment.pause * 1000:.1f}ms")
def test_a_retry_killed_at_any_moment_forgets_nothing_and_repeats_no_recorded_success(
    moment: Moment, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=Shape.NO_PERMISSION) as refusing:
        assert Shop(tmp_path, refusing.environment).cli("refresh").returncode == 1
    port = int(refusing.url.rpartition(":")[2])
    shop, sandbox, watch = killed_at(moment, tmp_path, "retry", port=port)
    try:
        check_that_the_rest_is_done_by("retry", shop, sandbox)
        assert watch.faults == []
    finally:
        sandbox.stop()


@pytest.mark.parametrize("answered", [1, 14, REFRESHES - 1])
def test_every_answer_that_came_before_a_kill_is_in_the_record_and_exactly_the_rest_is_sent(
    answered: int, tmp_path: Path
) -> None:
    target = scenario("1.11", "build", tmp_path / "target")
    arrived, over = threading.Event(), threading.Event()

    def hold(number: int) -> Shape | None:
        if number == answered:
            arrived.set()
            over.wait(ENDED)
        return None

    with Sandbox(answers=hold) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        with started(shop, "refresh", "--threads", "1") as process:
            assert arrived.wait(ENDED)
            for _ in range(ENDED * 100):  # the thread that records may be a moment behind the one that sends
                if (target / JOURNAL_NAME).read_bytes().count(b"\n") > answered:
                    break
                over.wait(0.01)
            process.kill()
            process.communicate(timeout=ENDED)
        over.set()
        held = held_by_record(shop)
        assert len(held) == answered
        assert shop.cli("refresh").returncode == 0
        again = Counter(sent(sandbox))
        assert {refresh: again[refresh] for refresh in held} == dict.fromkeys(held, 1)
        assert len(again) == REFRESHES


# The moments that chance seldom hits: between two operations on files.

KILL_BEFORE_FILE_OPERATION = """
import os, signal, sys
left, folder = int(sys.argv.pop(1)), os.path.realpath(sys.argv.pop(1))

def before(event, arguments):
    global left
    opens = event == "open" and not isinstance(arguments[0], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if (opens or event in ("os.rename", "os.remove")) and os.path.realpath(os.fspath(arguments[0])).startswith(folder):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

from dbt_anymetrics.cli import main
sys.addaudithook(before)
main(prog_name="dbt-anymetrics")
"""

MOST_OPERATIONS = 16
"""More than a refresh makes on files in the target folder."""


def killed_before(operation: int, shop: Shop) -> int:
    arguments = [str(operation), str(shop.target), "refresh", "--threads", THREADS]
    return shop.run([sys.executable, "-c", KILL_BEFORE_FILE_OPERATION, *arguments], {}).returncode


@pytest.fixture(params=[None, "seed"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project without a record, or with that of an earlier dbt run."""
    shop = Shop(tmp_path / "earlier")
    if request.param:
        scenario("1.11", request.param, shop.target)
        with Sandbox() as sandbox:
            assert shop.cli("refresh", **sandbox.environment).returncode == 0
    scenario("1.11", "build", shop.target)
    return shop.folder


def test_a_kill_between_any_two_file_operations_leaves_a_record_that_can_be_read(earlier: Path, tmp_path: Path) -> None:
    has_record = (earlier / "target" / FILE_NAME).exists()
    code = -signal.SIGKILL
    operation = 0
    while code:
        with Sandbox() as sandbox:
            shop = Shop(earlier).copy(tmp_path / str(operation), sandbox.environment)
            code = killed_before(operation, shop)
            assert code in (0, -signal.SIGKILL)
            if has_record or (shop.target / FILE_NAME).exists():
                assert shop.artifact()["results"]
            if code:
                # Nothing is sent before the record says that it will be.
                if sandbox.received:
                    assert len(refreshes(shop.artifact())) == REFRESHES
                    check_that_the_rest_is_done_by("refresh", shop, sandbox)
                operation += 1
    assert 6 <= operation <= MOST_OPERATIONS


def test_what_a_killed_command_leaves_is_cleared_away_by_the_next(tmp_path: Path) -> None:
    # The first three operations are those of the lock, the draft of the artifact, and its way into place.
    with Sandbox() as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        scenario("1.11", "build", shop.target)
        for operation in range(4):
            assert killed_before(operation, shop) == -signal.SIGKILL
        assert shop.cli("refresh").returncode == 0
    drafts = [path.name for path in shop.target.iterdir() if path.name.startswith(f".{FILE_NAME}.")]
    assert drafts == []


# Two processes on one target folder


def while_refreshing(folder: Path, act: Callable[[Shop, Sandbox], None]) -> tuple[Shop, int, str]:
    """Act while a refresh in this folder waits for its first answer; then let it end."""
    scenario("1.11", "build", folder / "target")
    arrived, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == 0:
            arrived.set()
            go_on.wait(ENDED)

    with Sandbox(answers=hold) as sandbox:
        shop = Shop(folder, sandbox.environment)
        with started(shop, "refresh", "--threads", "1") as process:
            assert arrived.wait(ENDED)
            try:
                act(shop, sandbox)
            finally:
                go_on.set()
            stdout, stderr = process.communicate(timeout=ENDED)
        assert len(sandbox.received) == REFRESHES
    return shop, process.returncode, stdout + stderr


@pytest.mark.parametrize("command", [("refresh",), ("refresh", "--force"), ("retry",)], ids=" ".join)
def test_a_second_command_on_the_same_folder_is_refused_and_sends_nothing(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    def second(shop: Shop, sandbox: Sandbox) -> None:
        before = (shop.target / FILE_NAME).read_bytes(), len(sandbox.received)
        done = shop.cli(*command)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "another dbt-anymetrics is refreshing from this folder" in done.stderr
        assert done.stdout == ""
        assert ((shop.target / FILE_NAME).read_bytes(), len(sandbox.received)) == before

    shop, code, output = while_refreshing(tmp_path, second)
    assert code == 0, output
    assert {result["status"] for result in refreshes(shop.artifact())} == {"success"}


def test_a_plan_is_made_while_another_command_refreshes(tmp_path: Path) -> None:
    def plan(shop: Shop, sandbox: Sandbox) -> None:
        done = shop.cli("plan")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Plan: {REFRESHES} to refresh" in done.stdout

    assert while_refreshing(tmp_path, plan)[1] == 0


def test_another_target_folder_is_refreshed_at_the_same_time(tmp_path: Path) -> None:
    def elsewhere(shop: Shop, sandbox: Sandbox) -> None:
        scenario("1.11", "seed", shop.folder / "elsewhere")
        with Sandbox() as other:
            done = shop.cli("refresh", "--target-path", "elsewhere", **other.environment)
            assert done.returncode == 0, done.stderr
            assert other.received

    assert while_refreshing(tmp_path / "shop", elsewhere)[1] == 0


def test_of_many_commands_started_together_each_refresh_is_sent_by_one(tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox() as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        processes = [started(shop, "refresh") for _ in range(4)]
        for process in processes:
            process.communicate(timeout=ENDED)
        # Whoever came while another was at it was refused; whoever came after it found nothing to do.
        assert {process.returncode for process in processes} <= {0, 2}
        assert 0 in {process.returncode for process in processes}
        assert max(Counter(sent(sandbox)).values()) == 1
        assert len(sandbox.received) == REFRESHES
    assert len(refreshes(shop.artifact())) == REFRESHES
