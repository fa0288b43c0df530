"""What is seen of long work: a bar in a real terminal, lines in a pipe or a file, nothing where it is not wanted."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from dbt_anymetrics.output.progress import Bar, Progress
from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.shop import Shop

COMMAND = [sys.executable, "-m", "dbt_anymetrics", "refresh", "-m", "dim_customers", "--partition"]
LONG = "2024-01-01..2024-04-09"
"""A hundred days, the least that is long."""
SHORT = "2024-01-01..2024-04-08"

ERASE = "\r\x1b[K"
DRAWING = re.compile(re.escape(ERASE) + r"([^\r\n]*)")


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Shop]:
    """As `recorded`, but the tenth request is refused."""
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 9 else None) as sandbox:
        yield Shop(tmp_path, sandbox.environment)


@contextmanager
def terminal(columns: int) -> Iterator[tuple[int, int]]:
    """Both ends of a terminal of this width: the one to look at, and the one that a program gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def shown_on(ours: int) -> str:
    """What a terminal gets until nobody holds its other end any more."""
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # how Linux says so
            part = b""
        if not part:
            return shown.decode()
        shown += part


def on_a_terminal(recorded: Shop, *arguments: str, stdout: Path | None = None, columns: int = 80) -> str:
    """What a terminal on stderr gets, and on stdout unless that is a file."""
    with terminal(columns) as (ours, theirs), stdout.open("w") if stdout else nullcontext(theirs) as out:
        command = [*COMMAND, *arguments]
        with subprocess.Popen(
            command, cwd=recorded.folder, env=recorded.environment, stdout=out, stderr=theirs
        ) as process:
            os.close(theirs)
            shown = shown_on(ours)
    assert process.returncode in (0, 1)
    return shown


def drawn_on_a_terminal(
    draw: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *, columns: int = 80, stdout: Path | None = None
) -> list[str]:
    """The drawings of a bar in this process."""
    with terminal(columns) as (ours, theirs):
        with os.fdopen(theirs, "w") as screen, stdout.open("w") if stdout else nullcontext(screen) as out:
            monkeypatch.setattr(sys, "stderr", screen)
            monkeypatch.setattr(sys, "stdout", out)
            draw()
        return drawings(shown_on(ours))


def left_on(shown: str) -> list[str]:
    """The lines that a terminal is left with, without their time of day."""
    return [line[10:] for line in DRAWING.sub(lambda drawn: drawn[1] if is_line(drawn[1]) else "", shown).splitlines()]


def is_line(text: str) -> bool:
    return re.match(r"\d\d:\d\d:\d\d  ", text) is not None


def drawings(shown: str) -> list[str]:
    """Each state of the bar."""
    return [text for text in DRAWING.findall(shown) if text and not is_line(text)]


def starts(lines: list[str]) -> list[str]:
    """The beginnings of lines, without what differs from run to run."""
    return [re.sub(r"( done, OK=\d+ ERROR=\d+,| ERROR|: ).*", r"\1", line) for line in lines]


# A terminal


def test_long_work_draws_a_bar_and_leaves_the_failures(failing: Shop) -> None:
    shown = on_a_terminal(failing, LONG, "--threads", "1")
    assert drawings(shown)[0] == "1 of 100 done, OK=1 ERROR=0 [------------------------]"
    assert "10 of 100 done, OK=9 ERROR=1 [##----------------------]" in drawings(shown)
    assert starts(left_on(shown))[-4:-2] == ["10 of 100 ERROR", "  model.shop.dim_customers: "]
    assert left_on(shown)[-2].startswith("AnyMetrics: Done. OK=99 ERROR=1 ")
    assert left_on(shown)[-1].startswith("AnyMetrics: To see what failed and why, run: dbt-anymetrics")
    assert " OK duckdb" not in shown


def test_short_work_draws_no_bar_and_has_a_line_for_each_refresh(recorded: Shop) -> None:
    shown = on_a_terminal(recorded, SHORT)
    assert ERASE not in shown
    assert shown.count(" of 99 OK duckdb") == 99


def test_a_file_gets_lines_while_the_terminal_has_the_bar(failing: Shop, tmp_path: Path) -> None:
    shown = on_a_terminal(failing, LONG, "--threads", "1", stdout=tmp_path / "out")
    assert drawings(shown)[0].startswith("1 of 100 done, ")
    assert starts(left_on(shown)) == ["AnyMetrics: "]
    assert starts(left_on((tmp_path / "out").read_text()))[-6:-1] == [
        "10 of 100 ERROR",
        "  model.shop.dim_customers: ",
        "25 of 100 done, OK=24 ERROR=1,",
        "50 of 100 done, OK=49 ERROR=1,",
        "75 of 100 done, OK=74 ERROR=1,",
    ]


def test_the_artifact_on_stdout_leaves_the_terminal_its_bar(recorded: Shop, tmp_path: Path) -> None:
    shown = on_a_terminal(recorded, LONG, "--output", "json", stdout=tmp_path / "out")
    assert drawings(shown)
    assert not any(" done, " in line for line in left_on(shown))
    assert json.loads((tmp_path / "out").read_text())["results"]


def test_quiet_draws_nothing(recorded: Shop) -> None:
    assert on_a_terminal(recorded, LONG, "--quiet") == ""


def test_quiet_leaves_the_failures(failing: Shop) -> None:
    shown = on_a_terminal(failing, LONG, "--quiet", "--threads", "1")
    assert starts(left_on(shown))[:2] == ["10 of 100 ERROR", "  model.shop.dim_customers: "]
    assert left_on(shown)[2].startswith("AnyMetrics: Done. OK=99 ERROR=1 ")


def test_events_come_for_each_refresh_and_without_a_bar(recorded: Shop) -> None:
    shown = on_a_terminal(recorded, LONG, "--log-format", "json")
    events = [json.loads(line) for line in shown.splitlines()]
    assert [event["data"]["number"] for event in events if "number" in event["data"]] == [*range(1, 101)]
    assert {event["info"]["name"] for event in events} == {"Opening", "Refresh", "Done", "Untouched"}


@pytest.mark.parametrize("columns", [80, 50, 10])
def test_no_drawing_is_as_wide_as_the_terminal(columns: int, recorded: Shop) -> None:
    shown = on_a_terminal(recorded, LONG, columns=columns, stdout=Path(os.devnull))
    assert all(len(drawing) < columns for drawing in drawings(shown))


# A log


def test_a_pipe_gets_a_line_now_and_then_and_each_failure(failing: Shop) -> None:
    done = failing.run([*COMMAND, LONG, "--threads", "1"], {})
    assert starts(left_on(done.stderr)) == ["AnyMetrics: "]
    assert "\r" not in done.stdout
    assert " OK duckdb" not in done.stdout
    lines = left_on(done.stdout)
    assert starts(lines)[-6:-1] == [
        "10 of 100 ERROR",
        "  model.shop.dim_customers: ",
        "25 of 100 done, OK=24 ERROR=1,",
        "50 of 100 done, OK=49 ERROR=1,",
        "75 of 100 done, OK=74 ERROR=1,",
    ]
    assert re.fullmatch(r"25 of 100 done, OK=24 ERROR=1, 0:\d\d:\d\d left, [\d,]+\.\d/s", lines[-4])
    assert lines[-1].startswith("AnyMetrics: Done. OK=99 ERROR=1 ")


def test_short_work_has_a_line_for_each_refresh_and_no_other(recorded: Shop) -> None:
    done = recorded.run([*COMMAND, SHORT], {})
    assert done.stdout.count(" of 99 OK duckdb") == 99
    assert " done, " not in done.stdout


def test_quiet_writes_nothing(recorded: Shop) -> None:
    done = recorded.run([*COMMAND, LONG, "--quiet"], {})
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_stops_nothing(closed: str, output: str, recorded: Shop) -> None:
    done = recorded.run(["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, LONG, "--output", output], {})
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert {result["status"] for result in recorded.artifact()["results"]} <= {"success", "skipped", "untouched"}


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_log_on_a_full_disk_stops_no_refresh(output: str, recorded: Shop) -> None:
    done = recorded.run(["sh", "-c", '"$@" >/dev/full', "sh", *COMMAND, LONG, "--output", output], {})
    assert done.returncode == (output == "json")  # the lines are beside the work, the artifact was asked for
    assert "Traceback" not in done.stderr
    assert {result["status"] for result in recorded.artifact()["results"]} <= {"success", "skipped", "untouched"}


# The counting and the drawing themselves, at times of our choice


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("total", "first", "lines"), [(99, 25, 3), (100, 25, 3), (500, 25, 19), (501, 26, 19), (10_000, 500, 19)]
)
def test_a_log_gets_at_most_twenty_lines_and_none_at_the_end(total: int, first: int, lines: int) -> None:
    progress = Progress()
    due = []
    for number in range(1, total + 1):
        progress.count(number, total, ok=True)
        if progress.is_due:
            due.append(number)
    assert (due[0], len(due)) == (first, lines)
    assert total not in due


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (24, 60, "24 of 10000 done, OK=24 ERROR=0"),
        (25, 0, "25 of 10000 done, OK=25 ERROR=0, 0:00:00 left, 25,000.0/s"),
        (25, 50, "25 of 10000 done, OK=25 ERROR=0, 5:32:30 left, 0.5/s"),
        (500, 3.5, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left, 142.9/s"),
    ],
)
def test_the_time_left_is_told_once_the_pace_can_be_known(done: int, seconds: float, said: str) -> None:
    clock = Clock()
    progress = Progress(clock)
    clock.now += seconds
    progress.count(done, 10_000, ok=True)
    assert str(progress) == said


def test_the_bar_is_drawn_once_in_a_while_and_after_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()

    def draw() -> None:
        progress, bar = Progress(clock), Bar(clock=clock)
        for number in range(1, 31):
            progress.count(number, 200, ok=True)
            bar.draw(progress)
            clock.now += 0.04
        bar.erase()
        bar.draw(progress)

    drawn = drawn_on_a_terminal(draw, monkeypatch)
    assert [int(drawing.split()[0]) for drawing in drawn] == [*range(1, 31, 3), 30]


@pytest.mark.parametrize(("seconds", "times"), [(0, 1), (0.03, 2)])
def test_a_line_that_went_elsewhere_keeps_the_bar_away_for_a_moment(
    seconds: float, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def draw() -> None:
        progress, bar = Progress(clock), Bar(clock=clock)
        progress.count(1, 100, ok=True)
        bar.draw(progress)
        bar.erase()
        clock.now += seconds
        bar.draw(progress)

    assert len(drawn_on_a_terminal(draw, monkeypatch, stdout=Path(os.devnull))) == times


@pytest.mark.parametrize(
    ("columns", "drawn"),
    [
        (200, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left, 142.9/s [#-----------------------]"),
        (80, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left, 142.9/s [#-------------------]"),
        (57, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left, 142.9/s"),
        (56, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left"),
        (47, "500 of 10000 done, OK=500 ERROR=0 [----------]"),
        (44, "500 of 10000 done, OK=500 ERROR=0"),
        (20, "500 of 10000 done"),
        (0, "500 of 10000 done, OK=500 ERROR=0, 0:01:06 left, 142.9/s [#-------------------]"),
    ],
)
def test_the_bar_gives_way_to_the_numbers_and_these_to_the_width(
    columns: int, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    progress = Progress(clock)
    clock.now += 3.5
    progress.count(500, 10_000, ok=True)
    assert drawn_on_a_terminal(lambda: Bar(clock=clock).draw(progress), monkeypatch, columns=columns) == [drawn]
