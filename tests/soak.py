"""Many refreshes, every hundredth with a fault: all recorded, nothing leaked. `make soak` runs it in full."""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from tests.builders import manifest_json, node_json, result_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import rows
from tests.shop import Shop

S = Shape

FIRST_DAY = date(2021, 1, 1)

REFUSED = [S.NO_PERMISSION, S.SYSTEM_ERROR, S.UNCONFIRMED, S.HTML, S.EMPTY, S.TRUNCATED]
PASSING = [S.SERVER_ERROR, S.UNAVAILABLE, S.RESET, S.HALF_BODY]

GROWN = 4 << 20
"""Bytes by which the memory may grow after the first quarter, however many refreshes there are."""

THREADS = 8


def fault(request: int) -> Shape | None:
    """What becomes of a request: always the same for the same number."""
    chance = random.Random(request)
    return chance.choice([*REFUSED, *PASSING]) if chance.random() < 0.01 else None


def memory_of(process: int) -> int:
    """Bytes of memory that a process uses now."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Gauge:
    """Memory and descriptors of a process, looked at as its requests arrive."""

    def __init__(self, every: int) -> None:
        self.memory: list[int] = []
        self.descriptors: list[int] = []
        self.process: int | None = None
        self._every = every

    def look(self, received: Received) -> None:
        if self.process and received.number % self._every == 0:
            self.memory.append(memory_of(self.process))
            self.descriptors.append(len(os.listdir(f"/proc/{self.process}/fd")))  # noqa: PTH208 (names are not needed)


def soak(models: int, days: int, folder: Path) -> None:
    """Refresh so many tables for so many days, with faults, then retry what failed, and check all that was promised."""
    names = [f"m{number}" for number in range(models)]
    known = manifest_json(*(node_json(name, {"anymetrics.datasource": "sr"}) for name in names))
    write_artifacts(folder / "target", known, run_json(*(result_json(name) for name in names)))
    last = FIRST_DAY + timedelta(days=days - 1)
    total = models * days
    gauge = Gauge(every=total // 20)

    with Sandbox(answers=fault, on_request=gauge.look) as sandbox:
        shop = Shop(folder, sandbox.environment)
        dates, threads = ("--partition", f"{FIRST_DAY}..{last}"), ("--threads", str(THREADS))
        with shop.started("refresh", *dates, *threads, "--quiet") as process:
            gauge.process = process.pid
            _, stderr = process.communicate()
        gauge.process = None
        requests = len(sandbox.received)
        faults = Counter(fault(number) for number in range(requests))
        refused = sum(faults[shape] for shape in REFUSED)
        results = shop.artifact()["results"]
        statuses = Counter(result["status"] for result in results)
        assert stderr == ""
        assert process.returncode == 1
        assert statuses == {"success": total - refused, "error": refused}
        assert requests == total + sum(faults[shape] for shape in PASSING)
        # A new connection in the place of one that the server has closed is no attempt.
        attempts = sum(result["attempts"] for result in results)
        assert requests - faults[S.RESET] <= attempts <= requests
        traces = {received.trace_id for received in sandbox.received if received.ok}
        assert {result["trace_id"] for result in results if result["status"] == "success"} == traces
        assert len(traces) == total - refused
        check_that_nothing_leaks(gauge)

        for _ in range(5):  # a retry meets faults too
            if shop.cli("retry", "--quiet", *threads).returncode == 0:
                break
        assert rows(shop.target, "SELECT status, count(*) FROM refresh GROUP BY 1") == [("success", total)]
        confirmed = Counter((received.table_name, received.partition) for received in sandbox.received if received.ok)
        assert set(confirmed) == set(sent(sandbox))
        assert set(confirmed.values()) == {1}


def check_that_nothing_leaks(gauge: Gauge) -> None:
    if not Path("/proc/self/statm").exists():
        return
    assert len(gauge.memory) >= 10
    settled = len(gauge.memory) // 4
    grown = max(gauge.memory) - gauge.memory[settled]
    assert grown < GROWN, [size >> 10 for size in gauge.memory]
    # A connection for each thread, the ledger's three files, and what Python itself has open.
    assert max(gauge.descriptors) <= gauge.descriptors[settled] + THREADS + 2, gauge.descriptors
    assert max(gauge.descriptors) < 40


@pytest.mark.parametrize(("models", "days"), [(20, 1000)])
def test_twenty_thousand_refreshes_are_all_recorded_and_nothing_leaks(models: int, days: int, tmp_path: Path) -> None:
    soak(models, days, tmp_path)
