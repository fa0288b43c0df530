"""Measuring: samples taken in turn, their medians and spread, and what a process used."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, TypeVar

from benchmarks.peers import ROOT

K = TypeVar("K")
T = TypeVar("T")

_OURS = ("ANYMETRICS_", "DBT_", "PYTHONDONTWRITEBYTECODE")

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
"""Of every process measured: no settings of the user's, and Python may keep its bytecode, as it does for a user."""

ENVIRONMENT |= {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "OPENLINEAGE_DISABLED": "true"}


class Usage(NamedTuple):
    """What some work used: wall seconds, CPU seconds, bytes of memory at its peak."""

    seconds: float
    cpu: float
    peak: float


class Pairs(NamedTuple):
    """Two measures, taken in the same rounds."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs in each round: what slows the machine in a round slows both."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """Between which the middle half of the ratios lies; of few ratios, all of them."""
        ratios = self.ratios
        if len(ratios) < 4:
            return min(ratios), max(ratios)
        low, _, high = quantiles(ratios, n=4, method="inclusive")
        return low, high


def in_turn(measures: Mapping[K, Callable[[], T]], rounds: int) -> dict[K, list[T]]:
    """Take every measure once a round, forwards and backwards by turns."""
    samples: dict[K, list[T]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in list(measures)[:: -1 if number % 2 else 1]:
            samples[name].append(measures[name]())
    return samples


def run(*command: str | Path, folder: Path = ROOT, environment: Mapping[str, str] = ENVIRONMENT) -> Usage:
    """Run a program to its end. Raises RuntimeError with its last words when it fails."""
    with tempfile.TemporaryFile() as words:
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=words) as process:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            words.seek(0)
            raise RuntimeError(f"{Path(command[0]).name} failed: {words.read().decode()[-2000:]}")
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * _MAXRSS_UNIT)


def child(module: str, *arguments: object, python: str | Path = sys.executable) -> Usage:
    """What `usage_of` measured in a process of its own, which runs a module of this package."""
    command = [str(python), "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} failed: {done.stderr[-2000:]}")
    return Usage(*json.loads(done.stdout))


def print_usage(work: Callable[[], object]) -> None:
    """Measure some work in this process and print it for `child`; what was there before is not counted."""
    before = _peak_memory()
    cpu, started = time.process_time(), time.perf_counter()
    kept = work()
    usage = Usage(time.perf_counter() - started, time.process_time() - cpu, _peak_memory() - before)
    print(json.dumps(usage))
    # The end of a process is no part of the work: nothing of what it made is taken apart.
    sys.stdout.flush()
    os._exit(kept is None)


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _peak_memory() -> float:
    """Bytes this process held at its peak. Linux' ru_maxrss would count the process that started it, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
