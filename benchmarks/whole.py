"""The whole command: `refresh` after a run of a large project, against a script that does the same."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks.large_project import write_large_project
from benchmarks.measure import Pairs, Usage, in_turn, run
from benchmarks.peers import ours
from benchmarks.report import Row, Subject, megabytes, ratio_at_most
from benchmarks.server import connected_to, serving

_SCRIPT = Path(__file__).with_name("user_script.py")

_HOW = """\
20,000 nodes, 500 of them refreshed, on a server that takes 50 ms for each: `dbt-anymetrics refresh --force` with its 8
threads against `benchmarks/user_script.py`, which reads with json.load and posts with requests, once with a pool of 8
threads and once one after the other (measured once). Time and memory are those of the whole process."""


def measure(folder: Path, *, full: bool) -> Subject:  # noqa: ARG001 (every subject is called alike)
    """Measure against both forms of the script."""
    project = folder / "whole"
    target = write_large_project(project, 20_000, configured=500)
    with serving(0.05) as url:
        environment = connected_to(url)
        command = partial(run, ours() / "dbt-anymetrics", "refresh", "--force", folder=project, environment=environment)
        pool, loop = (
            partial(run, sys.executable, _SCRIPT, target, threads, environment=environment) for threads in ("8", "1")
        )
        pooled = in_turn({"ours": command, "theirs": pool}, 3)
        looped = in_turn({"ours": command, "theirs": loop}, 1)
    return Subject("Whole command", _HOW, [*_rows("a script with 8 threads", pooled), *_rows("a plain script", looped)])


def _rows(name: str, samples: dict[str, list[Usage]]) -> list[Row]:
    mine, theirs = samples["ours"], samples["theirs"]
    seconds = Pairs([usage.seconds for usage in mine], [usage.seconds for usage in theirs])
    peak = Pairs([usage.peak for usage in mine], [usage.peak for usage in theirs])
    goal = (ratio_at_most(1),)
    return [
        Row(f"refresh: time against {name}", seconds, goal),
        Row(f"refresh: memory against {name}", peak, goal, megabytes),
    ]
