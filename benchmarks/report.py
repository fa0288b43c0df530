"""What the benchmarks found: rows for a terminal and for docs/benchmarks.md, held against those of an earlier run."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.measure import Pairs
from benchmarks.peers import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"


NOISE = 1.5
"""How many times a recorded ratio a new one may be before it counts as a regression."""

NOTHING = 0.01
"""A ratio that is as good as none: below it, noise is all there is."""

_HEAD = """\
# Benchmarks

Written by `make bench`; `.venv/bin/python -m benchmarks --check` holds a new run against this one. A ratio is ours
to theirs: below 1, we are faster or smaller. It is the median over rounds in which both are measured one after the
other, beside it the middle half of the rounds (all of them where there are fewer than four); absolute figures are
medians. Every peer is installed from its package into an environment of its own and gets the same input in the same
run. Unless said otherwise, memory is the growth of the process's peak by the work itself, after the imports.
"""


@dataclass(frozen=True)
class Goal:
    """What a row is to reach."""

    said: str
    met: Callable[[Pairs], bool]

    def verdict(self, pairs: Pairs) -> str:
        """The goal, and plainly whether it is met."""
        return f"{self.said}: {'met' if self.met(pairs) else '**missed**'}"


def ratio_at_most(limit: float) -> Goal:
    """At most so many times theirs."""
    return Goal(f"at most {limit:g}", lambda pairs: pairs.ratio <= limit)


def times_faster(factor: float) -> Goal:
    """At most a fraction of theirs."""
    return Goal(f"{factor:g} times faster", lambda pairs: pairs.ratio <= 1 / factor)


def at_most(limit: float, said: str) -> Goal:
    """At most so much, whatever theirs is."""
    return Goal(f"at most {said}", lambda pairs: median(pairs.ours) <= limit)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def megabytes(size: float) -> str:
    """Bytes as people say them."""
    return f"{size / 1e6:,.1f} MB" if size < 1e7 else f"{size / 1e6:,.0f} MB"


@dataclass(frozen=True)
class Row:
    """One comparison, of seconds or of bytes."""

    what: str
    pairs: Pairs
    goals: tuple[Goal, ...] = ()
    shown: Callable[[float], str] = duration

    def cells(self) -> tuple[str, ...]:
        """What a table shows of it."""
        low, high = self.pairs.spread
        absolute = " against ".join(self.shown(median(side)) for side in self.pairs)
        verdicts = "; ".join(goal.verdict(self.pairs) for goal in self.goals)
        return self.what, f"{self.pairs.ratio:.4g}", f"{low:.3g} to {high:.3g}", absolute, verdicts


@dataclass(frozen=True)
class Subject:
    """All rows about one thing, with what a reader must know of how they were measured."""

    title: str
    how: str
    rows: list[Row]


_COLUMNS = ("ours against theirs", "ratio", "spread", "absolute", "goal")


def table(subject: Subject) -> str:
    """The rows for a terminal."""
    rows = [_COLUMNS, *(row.cells() for row in subject.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([f"\n{subject.title}: {subject.how}\n", *lines])


def write_page(subjects: Sequence[Subject], peers: Mapping[str, str], *, full: bool) -> None:
    """Write docs/benchmarks.md."""
    PAGE.write_text("\n".join([_HEAD, *_circumstances(peers, full=full), *map(_section, subjects)]), encoding="utf-8")


def _section(subject: Subject) -> str:
    lines = _markdown(_COLUMNS, [row.cells() for row in subject.rows])
    return f"## {subject.title}\n\n{subject.how}\n\n{lines}\n"


def _markdown(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, tuple("---" for _ in columns), *rows))


def _circumstances(peers: Mapping[str, str], *, full: bool) -> Iterator[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield f"- Machine: {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()}, {platform.machine()}"
    yield f"- Python {platform.python_version()}"
    ours = {name: version(name) for name in ("dbt-anymetrics", "msgspec", "requests", "click")}
    yield "- " + ", ".join(f"{name} {number}" for name, number in ours.items())
    yield "- Peers: " + ", ".join(f"{name} {number}" for name, number in peers.items())
    yield f"- {datetime.now(timezone.utc):%Y-%m-%d}, `python -m benchmarks{' --full' if full else ''}`\n"


def regressions(subjects: Iterable[Subject], page: Path = PAGE) -> list[str]:
    """What became worse than the page says, by more than the noise. Raises FileNotFoundError without a page."""
    cells = (line.strip("| ").split(" | ") for line in page.read_text(encoding="utf-8").splitlines())
    recorded = {row[0]: float(row[1]) for row in cells if len(row) > 1 and re.fullmatch(r"[\d.]+(e[+-]\d+)?", row[1])}
    return [
        f"{row.what}: {row.pairs.ratio:.3g}, recorded {recorded[row.what]:.3g}"
        for subject in subjects
        for row in subject.rows
        if row.pairs.ratio > NOISE * max(recorded.get(row.what, float("inf")), NOTHING)
    ]
