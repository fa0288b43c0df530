"""Sending refreshes: how near to the limit that the server's own time sets, and what each one costs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Pairs, Usage, child, in_turn
from benchmarks.report import Row, Subject, at_most, megabytes, ratio_at_most
from benchmarks.server import serving

_LATENCY = 0.05

_LOOP = 100

_FLAT = 1.25
"""How much more memory ten times the refreshes may take, and it still be called flat."""

_HOW = """\
Refreshes sent as the command sends them, with their record, to a local server that takes 50 ms for each, however many
it has at once. The limit is refreshes x 50 ms / threads. The loops of requests send 100 refreshes one after the
other, and their figures are scaled. Memory is at 32 threads, with a server that answers at once."""


def measure(_folder: Path, *, full: bool) -> Subject:
    """Measure with 8 and 32 threads."""
    numbers = (1_000, 10_000) if full else (1_000,)
    with serving(_LATENCY) as url:
        loops = {way: _sent(way, url, _LOOP, 1, 2) for way in ("requests.post", "session")}
        rows = [row for number in numbers for row in _rows(url, number, loops)]
    return Subject("Sending", _HOW, [*rows, *_memory((10_000, 100_000) if full else (10_000,))])


def _rows(url: str, number: int, loops: dict[str, list[Usage]]) -> list[Row]:
    rounds = 3 if number <= 1_000 else 1
    ours = {threads: _sent("dbt-anymetrics", url, number, threads, rounds) for threads in (8, 32)}
    limits = [_against_limit(number, threads, usages) for threads, usages in ours.items()]
    return [*limits, *_against_loops(number, ours[8], loops)]


def _sent(way: str, url: str, number: int, threads: int, rounds: int) -> list[Usage]:
    return in_turn({way: partial(child, "senders", way, url, number, threads)}, rounds)[way]


def _against_limit(number: int, threads: int, usages: list[Usage]) -> Row:
    limit = number * _LATENCY / threads
    pairs = Pairs([usage.seconds for usage in usages], [limit] * len(usages))
    return Row(f"{number:,} refreshes, {threads} threads: time against the limit", pairs, (ratio_at_most(1.15),))


def _against_loops(number: int, ours: list[Usage], loops: dict[str, list[Usage]]) -> list[Row]:
    rows = []
    cpu = [usage.cpu / number for usage in ours]
    for way, usages in loops.items():
        theirs = median(usage.seconds for usage in usages) / _LOOP * number
        pairs = Pairs([usage.seconds for usage in ours], [theirs] * len(ours))
        rows.append(Row(f"{number:,} refreshes, 8 threads: time against a loop of {way}", pairs, (ratio_at_most(1),)))
        cpu_theirs = median(usage.cpu for usage in usages) / _LOOP
        pairs = Pairs(cpu, [cpu_theirs] * len(cpu))
        rows.append(
            Row(
                f"{number:,} refreshes, 8 threads: CPU for each against a loop of {way}",
                pairs,
                (at_most(0.002, "2 ms"),),
            )
        )
    return rows


def _memory(numbers: tuple[int, ...]) -> list[Row]:
    with serving(0) as url:
        few, *many = (_sent("dbt-anymetrics", url, number, 32, 1)[0].peak for number in (1_000, *numbers))
    return [
        Row(f"memory of {number:,} refreshes against 1,000", Pairs([peak], [few]), (ratio_at_most(_FLAT),), megabytes)
        for number, peak in zip(numbers, many, strict=True)
    ]
