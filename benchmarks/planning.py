"""Planning: what a project of 20,000 configured nodes costs, and that the cost grows with it and no faster."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.measure import Pairs, Usage, child, in_turn
from benchmarks.report import Row, Subject, at_most, megabytes, ratio_at_most


class _Size(NamedTuple):
    nodes: int
    dates: int

    def __str__(self) -> str:
        return f"{self.nodes:,} nodes x {self.dates} dates"


_SMALL, _MIDDLE, _LARGE, _LARGEST = _Size(2_000, 30), _Size(10_000, 30), _Size(20_000, 30), _Size(20_000, 366)

_LINEAR = 1.25
"""How much more a refresh may cost in a large plan than in a small one, and the growth still be called linear."""

_HOW = """\
Every node is a table built in the run, with a range of dates as its partition; the plan is made and walked through to
its end. The least that Python can do is to list every table and date and to drop what is there twice. Memory is what is
needed beyond that of the project itself. The largest plan is measured once."""


def measure(_folder: Path, *, full: bool) -> Subject:  # noqa: ARG001 (every subject is called alike)
    """Measure every size."""
    samples = in_turn({size: partial(_plan, "dbt-anymetrics", size) for size in (_SMALL, _MIDDLE, _LARGE)}, 5)
    once = in_turn({way: partial(_plan, way, _LARGEST) for way in ("dbt-anymetrics", "bare")}, 1)
    small = _each(_SMALL, samples[_SMALL])
    growth = [_growth(size, samples[size], small) for size in (_MIDDLE, _LARGE)]
    growth.append(_growth(_LARGEST, once["dbt-anymetrics"], [median(small)]))
    return Subject("Planning", _HOW, [*_against_bare(once["dbt-anymetrics"], once["bare"]), *growth])


def _plan(way: str, size: _Size) -> Usage:
    return child("planners", way, *size)


def _growth(size: _Size, usages: list[Usage], small: list[float]) -> Row:
    pairs = Pairs(_each(size, usages), small)
    return Row(f"{size}: time for each refresh against {_SMALL}", pairs, (ratio_at_most(_LINEAR),))


def _each(size: _Size, usages: list[Usage]) -> list[float]:
    return [usage.seconds / (size.nodes * size.dates) for usage in usages]


def _against_bare(ours: list[Usage], bare: list[Usage]) -> list[Row]:
    seconds = Pairs([usage.seconds for usage in ours], [usage.seconds for usage in bare])
    peak = Pairs([usage.peak for usage in ours], [usage.peak for usage in bare])
    return [
        Row(f"{_LARGEST}: time against the least that Python can do", seconds, (at_most(3, "3 s"),)),
        Row(f"{_LARGEST}: memory against the least that Python can do", peak, shown=megabytes),
    ]
