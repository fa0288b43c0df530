"""The whole command: `refresh` after a run of a large project, against a script that does the same."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from benchmarks.large_project import write_large_project
from benchmarks.measure import ENVIRONMENT, Pairs, Usage, in_turn, run
from benchmarks.report import Row, Subject, megabytes, ratio_at_most
from benchmarks.server import serving

_OURS = Path(sys.executable).with_name("dbt-anymetrics")

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
        environment = ENVIRONMENT | {
            "ANYMETRICS_URL": url,
            "ANYMETRICS_TENANT_ID": "tn_1",
            "ANYMETRICS_AUTH_TYPE": "APIKEY",
            "ANYMETRICS_AUTH_VALUE": "0123456789abcdef",
        }
        ours = partial(run, _OURS, "refresh", "--force", folder=project, environment=environment)
        pool, loop = (
            partial(run, sys.executable, _SCRIPT, target, threads, environment=environment) for threads in ("8", "1")
        )
        pooled = in_turn({"ours": ours, "theirs": pool}, 3)
        looped = in_turn({"ours": ours, "theirs": loop}, 1)
    return Subject("Whole command", _HOW, [*_rows("a script with 8 threads", pooled), *_rows("a plain script", looped)])


def _rows(name: str, samples: dict[str, list[Usage]]) -> list[Row]:
    ours, theirs = samples["ours"], samples["theirs"]
    seconds = Pairs([usage.seconds for usage in ours], [usage.seconds for usage in theirs])
    peak = Pairs([usage.peak for usage in ours], [usage.peak for usage in theirs])
    goal = (ratio_at_most(1),)
    return [
        Row(f"refresh: time against {name}", seconds, goal),
        Row(f"refresh: memory against {name}", peak, goal, megabytes),
    ]
