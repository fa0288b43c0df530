"""kill -9 of the real command while refreshes are in flight: what is recorded stays, the next command does the rest.

`make test` kills at 12 of the 50 moments of a refresh and at 2 of the 6 of a retry, `make soak` at all of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from tests.artifacts import scenario
from tests.expected import sent
from tests.ledgers import confirmed, pending, rows
from tests.shop import Shop
from tests.tiers import tiered

REFRESHES = 29
"""What the recorded build is to refresh."""

THREADS = "4"

ENDED = 60
"""Seconds after which a command that should have ended fails its test."""


class Moment(NamedTuple):
    """So many seconds after the arrival of this request, counted from 0."""

    request: int
    pause: float

    def __str__(self) -> str:
        return f"{self.request}+{self.pause * 1000:.1f}ms"


_RANDOM = random.Random(2024)
MOMENTS = [Moment(_RANDOM.randrange(REFRESHES), _RANDOM.uniform(0, 0.004)) for _ in range(50)]
RETRY_MOMENTS = [Moment(_RANDOM.randrange(REFRESHES), _RANDOM.uniform(0, 0.004)) for _ in range(6)]


def killed_at(moment: Moment, folder: Path, *arguments: str, port: int = 0) -> tuple[Shop, Sandbox]:
    """Run the command against a sandbox, kill it at the moment, and give what it left.

    The answer to the last request is held back until then, so that the command never ends by itself.
    """
    shop = Shop(folder)
    due, over = threading.Event(), threading.Event()

    def hold_the_last(number: int) -> Shape | None:
        if number == REFRESHES - 1:
            over.wait(ENDED)
        return None

    def note(received: Received) -> None:
        if received.number == moment.request:
            due.set()

    sandbox = Sandbox(port=port, answers=hold_the_last, on_request=note)
    sandbox.start()
    if moment.request == REFRESHES - 1:
        # The sandbox notes a request when its answer is decided, and this one's never is before the end.
        moment = Moment(REFRESHES - 2, moment.pause)
    shop.environment.update(sandbox.environment)
    with shop.started(*arguments, "--threads", THREADS) as process:
        assert due.wait(ENDED), "the command did not send so many requests"
        over.wait(moment.pause)
        process.kill()
        process.communicate(timeout=ENDED)
    over.set()
    assert process.returncode == -signal.SIGKILL
    return shop, sandbox


def check_that_the_rest_is_done_by(command: str, shop: Shop, sandbox: Sandbox) -> None:
    """Run the command again to its end: every refresh done, and none sent again that the ledger held as a success."""
    held = confirmed(shop.target)
    assert len(held) + len(pending(shop.target)) == REFRESHES
    assert set(held.values()) <= {received.trace_id for received in sandbox.received}
    before = Counter(sent(sandbox))
    done = shop.cli(command, "--threads", THREADS)
    assert done.returncode == 0, done.stdout + done.stderr
    everything = Counter(sent(sandbox))
    assert len(everything) == REFRESHES
    assert {refresh: everything[refresh] for refresh in held} == dict.fromkeys(held, 1)
    assert set(everything - before) == set(everything) - set(held)
    assert set(confirmed(shop.target)) == set(everything)
    assert pending(shop.target) == []
    # What was under way when the command was killed is told apart from what was never sent.
    assert rows(shop.target, "SELECT count(*) FROM claim") == [(0,)]


@pytest.mark.parametrize("moment", tiered(MOMENTS, lambda number, _: number < 12), ids=Moment.__str__)
def test_a_refresh_killed_at_any_moment_forgets_nothing_and_repeats_no_recorded_success(
    moment: Moment, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    shop, sandbox = killed_at(moment, tmp_path, "refresh")
    try:
        check_that_the_rest_is_done_by("refresh", shop, sandbox)
    finally:
        sandbox.stop()


@pytest.mark.parametrize("moment", tiered(RETRY_MOMENTS, lambda number, _: number < 2), ids=Moment.__str__)
def test_a_retry_killed_at_any_moment_forgets_nothing_and_repeats_no_recorded_success(
    moment: Moment, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=Shape.NO_PERMISSION) as refusing:
        assert Shop(tmp_path, refusing.environment).cli("refresh").returncode == 1
    port = int(refusing.url.rpartition(":")[2])
    shop, sandbox = killed_at(moment, tmp_path, "retry", port=port)
    try:
        check_that_the_rest_is_done_by("retry", shop, sandbox)
    finally:
        sandbox.stop()


@pytest.mark.parametrize("moment", MOMENTS[:2], ids=Moment.__str__)
def test_a_forced_refresh_killed_at_any_moment_leaves_pending_what_it_was_asked_for(
    moment: Moment, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox() as first:
        assert Shop(tmp_path, first.environment).cli("refresh").returncode == 0
    shop, sandbox = killed_at(moment, tmp_path, "refresh", "--force", port=int(first.url.rpartition(":")[2]))
    try:
        check_that_the_rest_is_done_by("refresh", shop, sandbox)
    finally:
        sandbox.stop()


def remove(ledger: Path) -> None:
    for beside in ("", "-wal", "-shm"):
        Path(f"{ledger}{beside}").unlink(missing_ok=True)


def cut(ledger: Path) -> None:
    os.truncate(f"{ledger}-wal", 0)
    os.truncate(ledger, 4096 * 3)


@pytest.mark.parametrize("harm", [remove, cut])
def test_a_ledger_that_others_take_away_midway_is_told_and_every_refresh_is_sent(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    target = scenario("1.11", "build", tmp_path / "target")

    def note(received: Received) -> None:
        if received.number == 10:
            harm(target / "anymetrics.db")

    with Sandbox(on_request=note) as sandbox:
        done = Shop(tmp_path, sandbox.environment).program("refresh", "--threads", THREADS)
        assert len(set(sent(sandbox))) == REFRESHES
    assert done.returncode == 1
    assert "ERROR " in done.stderr
    assert "anymetrics.db" in done.stderr
    assert f"OK={REFRESHES} ERROR=0" in done.stdout


def test_an_artifact_that_cannot_be_written_loses_nothing_of_the_ledger(tmp_path: Path) -> None:
    target = scenario("1.11", "build", tmp_path / "target")
    (target / "anymetrics_results.json" / "in the way").mkdir(parents=True)
    with Sandbox() as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        done = shop.cli("refresh")
        assert done.returncode == 1
        assert "anymetrics_results.json" in done.stderr
        assert "remember" not in done.stderr
        assert len(confirmed(target)) == REFRESHES
        shop.cli("refresh")
        assert len(sandbox.received) == REFRESHES


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
        with shop.started("refresh", "--threads", "1") as process:
            assert arrived.wait(ENDED)
            for _ in range(ENDED * 100):  # the thread that records may be a moment behind the one that sends
                if len(confirmed(target)) == answered:
                    break
                over.wait(0.01)
            process.kill()
            process.communicate(timeout=ENDED)
        over.set()
        held = confirmed(shop.target)
        assert len(held) == answered
        assert shop.cli("refresh").returncode == 0
        again = Counter(sent(sandbox))
        assert {refresh: again[refresh] for refresh in held} == dict.fromkeys(held, 1)
        assert len(again) == REFRESHES


def test_status_after_a_kill_says_at_once_what_was_perhaps_sent(tmp_path: Path) -> None:
    target = scenario("1.11", "build", tmp_path / "target")
    arrived, over = threading.Barrier(3), threading.Event()

    def hold(_number: int) -> None:
        arrived.wait(ENDED)
        over.wait(ENDED)

    with Sandbox(answers=hold) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        with shop.started("refresh", "--threads", "2") as process:
            arrived.wait(ENDED)
            running = shop.cli("status").stdout
            process.kill()
            process.communicate(timeout=ENDED)
        over.set()
        for _ in range(2):  # the first look changes nothing
            shown = shop.cli("status").stdout
            found = json.loads(shop.cli("status", "--output", "json").stdout)
            pending_ones = found["pending"]
            assert len(pending_ones) == REFRESHES
            assert all(entry["perhaps_sent"] for entry in pending_ones)
            claimed = sum("AnyMetrics may have refreshed it" in entry["message"] for entry in pending_ones)
            assert claimed == rows(target, "SELECT count(*) FROM claim")[0][0] >= 2
            assert "not sent" not in shown
            assert "(it ended early: its end is not in the ledger" in shown
            assert found["commands"][0]["ended_at"] is not None
    assert "a command that is still running sends it" in running
    assert "(it is running" in running


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
    code = -signal.SIGKILL
    operation = 0
    while code:
        with Sandbox() as sandbox:
            shop = Shop(earlier).copy(tmp_path / str(operation), sandbox.environment)
            code = killed_before(operation, shop)
            assert code in (0, -signal.SIGKILL)
            if code and sandbox.received:
                check_that_the_rest_is_done_by("refresh", shop, sandbox)
            if code:
                assert shop.cli("refresh").returncode == 0
                assert set(sent(sandbox)) == set(confirmed(shop.target)), operation
                operation += 1
    assert 3 <= operation <= MOST_OPERATIONS


def test_what_a_killed_command_leaves_is_cleared_away_by_a_later_one(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        scenario("1.11", "build", shop.target)
        for operation in range(4):
            assert killed_before(operation, shop) == -signal.SIGKILL
        drafts = list(shop.target.glob(".*.draft*"))
        assert drafts
        for draft in drafts:
            os.utime(draft, (0, 0))
        (shop.target / "anymetrics.db").unlink(missing_ok=True)
        assert shop.cli("refresh").returncode == 0
    assert list(shop.target.glob(".*.draft*")) == []


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
        with shop.started("refresh", "--threads", "1") as process:
            assert arrived.wait(ENDED)
            try:
                act(shop, sandbox)
            finally:
                go_on.set()
            stdout, stderr = process.communicate(timeout=ENDED)
        assert len(sandbox.received) == REFRESHES
    return shop, process.returncode, stdout + stderr


@pytest.mark.parametrize("command", ["refresh", "retry"])
def test_a_second_command_shares_the_work_of_the_first(command: str, tmp_path: Path) -> None:
    ended: list[subprocess.Popen[str]] = []

    def second(shop: Shop, sandbox: Sandbox) -> None:
        # It sends all but what the first one holds, and waits for that one.
        process = shop.started(command)
        ended.append(process)
        for _ in range(ENDED * 100):
            if len(confirmed(shop.target)) >= REFRESHES - 1:
                break
            threading.Event().wait(0.01)
        assert process.poll() is None

    shop, code, output = while_refreshing(tmp_path, second)
    stdout, stderr = ended[0].communicate(timeout=ENDED)
    assert (code, ended[0].returncode) == (0, 0), output + stdout + stderr
    assert f"OK={REFRESHES - 1} ERROR=0" in stdout
    assert "already refreshed by dbt-anymetrics refresh: 1" in stdout
    assert f"OK=1 ERROR=0 SKIP=1 TOTAL=2, already refreshed by dbt-anymetrics {command}: {REFRESHES - 1}" in output
    assert len(confirmed(shop.target)) == REFRESHES


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
        processes = [shop.started("refresh") for _ in range(4)]
        said = [process.communicate(timeout=ENDED) for process in processes]
        assert {process.returncode for process in processes} == {0}, said
        assert set(Counter(sent(sandbox)).values()) == {1}
        assert len(sandbox.received) == REFRESHES
    assert len(confirmed(shop.target)) == REFRESHES
