"""Reading a manifest and its run results: time and memory, from a small project to the largest known ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.large_project import write_large_project
from benchmarks.measure import Pairs, Usage, child, in_turn
from benchmarks.peers import programs
from benchmarks.report import Goal, Row, Subject, megabytes, ratio_at_most, times_faster

_OURS = "dbt-anymetrics"

_NODES = {"1 MB": 210, "10 MB": 2_100, "95 MB": 20_000}

_FULL = {"300 MB": 62_000}

_PEERS = ("orjson", "dbt-artifacts-parser", "dbt-core")

_SLOW = frozenset({"dbt-artifacts-parser", "dbt-core"})

_MIDDLE = 2_000

_LARGE = 20_000

_HOW = """\
`manifest.json` and `run_results.json` of 210, 2,100 and 20,000 nodes, made from those a real dbt 1.11 wrote. Each read
is in a process of its own, after the imports, the files in the system's cache: in seven rounds, in three with the slow
peers (dbt-artifacts-parser and dbt-core's own reader) from 10 MB on, and in one of all at 300 MB."""


def measure(folder: Path, *, full: bool) -> Subject:
    """Measure every size."""
    rows = []
    for size, nodes in {**_NODES, **(_FULL if full else {})}.items():
        target = write_large_project(folder / str(nodes), nodes)
        rows += _rows(size, nodes, target)
    return Subject("Reading", _HOW, rows)


def _rows(size: str, nodes: int, target: Path) -> list[Row]:
    peers = [peer for peer in _PEERS if programs(peer)]
    slow = [peer for peer in peers if peer in _SLOW and nodes >= _MIDDLE]
    rounds, slow_rounds = (7, 3) if nodes <= _LARGE else (1, 1)
    samples = _samples([_OURS, "json.load", *(peer for peer in peers if peer not in slow)], target, rounds)
    slowly = _samples([_OURS, *slow], target, slow_rounds) if slow else {}
    rows = []
    for way in ("json.load", *peers):
        taken = slowly if way in slow else samples
        ours, theirs = taken[_OURS], taken[way]
        time_goals, memory_goals = _goals(way, nodes)
        seconds = Pairs([each.seconds for each in ours], [each.seconds for each in theirs])
        peak = Pairs([each.peak for each in ours], [each.peak for each in theirs])
        rows.append(Row(f"{size}: time against {way}", seconds, time_goals))
        rows.append(Row(f"{size}: memory against {way}", peak, memory_goals, megabytes))
    return [*rows, _against_file(size, nodes, target, samples[_OURS])]


def _samples(ways: list[str], target: Path, rounds: int) -> dict[str, list[Usage]]:
    measures: dict[str, Callable[[], Usage]] = {
        way: partial(child, "readers", way, target, python=_python(way)) for way in ways
    }
    return in_turn(measures, rounds)


def _python(way: str) -> str | Path:
    folder = programs(way) if way in _PEERS else None
    return folder / "python" if folder else sys.executable


def _goals(way: str, nodes: int) -> tuple[tuple[Goal, ...], tuple[Goal, ...]]:
    """Goals of time and of memory; they are set for 95 MB."""
    goals: dict[str, tuple[tuple[Goal, ...], tuple[Goal, ...]]] = {
        "json.load": ((times_faster(8), times_faster(5)), (ratio_at_most(0.4),)),
        "dbt-artifacts-parser": ((times_faster(60),), ()),
    }
    return goals.get(way, ((), ())) if nodes == _LARGE else ((), ())


def _against_file(size: str, nodes: int, target: Path, ours: list[Usage]) -> Row:
    file = (target / "manifest.json").stat().st_size
    limit = file + 30e6
    goal = Goal("at most the file and 30 MB", lambda pairs: median(pairs.ours) <= limit)
    pairs = Pairs([each.peak for each in ours], [file] * len(ours))
    return Row(f"{size}: memory against the manifest's own size", pairs, (goal,) if nodes == _LARGE else (), megabytes)
