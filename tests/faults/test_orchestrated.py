"""Many tasks at once, each with a temporary copy of the project and all with one ledger, as Cosmos runs models.

`make test` has 6 tasks, `make soak` 50.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.builders import RUN_DATE, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import confirmed, pending
from tests.shop import Shop
from tests.tiers import SLOW

TASK = """
import sys
from dbt_anymetrics import refresh_after

refresh_after(sys.argv[1], run_date=sys.argv[2], when=sys.argv[3])
"""

KILLED = f"import os; os.kill(os.getpid(), 9)\n{TASK}"
"""A task whose worker is killed when dbt has ended, before it can note anything."""

MANY = [6, pytest.param(50, marks=SLOW)]

ENDED = 120
"""Seconds after which something that should have happened fails the test."""


class Tasks:
    """One task for each model, each in a copy of its own that goes with it."""

    def __init__(self, folder: Path, sandbox: Sandbox, number: int) -> None:
        self.shop = Shop(folder, {**sandbox.environment, "ANYMETRICS_STATE": str(folder / "ledger.db")})
        self.ledger = folder / "ledger.db"
        self.names = [f"model_{each}" for each in range(number)]
        self.pairs = [(f"sr.`default_catalog.mart`.{name}", RUN_DATE) for name in self.names]
        self._nodes = [node_json(name, {"anymetrics.datasource": "sr"}) for name in self.names]

    def start(self, name: str, when: str, program: str = TASK) -> subprocess.Popen[str]:
        """What a task does once dbt has built its model."""
        invocation = f"{name}-{len(list(self.shop.folder.iterdir()))}"
        copy = self.shop.folder / f"copy-of-{name}"
        known = manifest_json(*self._nodes, invocation_id=invocation)
        write_artifacts(copy / "target", known, run_json(result_json(name), invocation_id=invocation))
        command = [sys.executable, "-c", program, str(copy), RUN_DATE, when]
        return subprocess.Popen(command, env=self.shop.environment, stderr=subprocess.PIPE, text=True)

    def end(self, name: str, process: subprocess.Popen[str]) -> int:
        """Wait for a task's end, which takes its copy away."""
        process.communicate(timeout=ENDED)
        shutil.rmtree(self.shop.folder / f"copy-of-{name}")
        return process.returncode

    def retry(self) -> int:
        """The task at the end of the group."""
        return self.shop.cli("retry").returncode


@pytest.mark.parametrize("number", MANY)
def test_tasks_at_once_send_each_table_once_and_the_last_task_what_a_killed_one_left(
    number: int, tmp_path: Path
) -> None:
    arrived, over = threading.Event(), threading.Event()

    def hold_the_last(request: int) -> Shape | None:
        if request == number - 1:
            arrived.set()
            over.wait(ENDED)
        return None

    with Sandbox(answers=hold_the_last) as sandbox:
        tasks = Tasks(tmp_path, sandbox, number)
        started = {name: tasks.start(name, "now") for name in tasks.names}
        assert arrived.wait(ENDED)
        (held,) = (name for name, process in started.items() if not _has_ended(process, among=started))
        started[held].kill()
        over.set()
        codes = {name: tasks.end(name, process) for name, process in started.items()}
        assert Counter(codes.values()) == {0: number - 1, -9: 1}
        lost = next(pair for pair in tasks.pairs if pair[0].endswith(f".{held}"))
        assert pending(tasks.ledger) == [lost]
        assert tasks.retry() == 0
        assert Counter(sent(sandbox)) == {pair: 1 + (pair == lost) for pair in tasks.pairs}
        assert sorted(confirmed(tasks.ledger)) == sorted(tasks.pairs)
        assert (tasks.retry(), len(sent(sandbox))) == (0, number + 1)


def _has_ended(process: subprocess.Popen[str], among: Mapping[str, subprocess.Popen[str]]) -> bool:
    """Whether a task ends by itself: all but one do, since only one request waits for its answer."""
    others = list(among.values())
    while sum(each.poll() is None for each in others) > 1:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    return process.poll() is not None


@pytest.mark.parametrize("number", MANY)
def test_what_tasks_note_at_once_is_sent_once_by_the_last_task(number: int, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        tasks = Tasks(tmp_path, sandbox, number)
        programs = dict.fromkeys(tasks.names, TASK) | {"model_0": KILLED}
        started = {name: tasks.start(name, "later", program) for name, program in programs.items()}
        codes = {name: tasks.end(name, process) for name, process in started.items()}
        assert codes == {name: -9 if name == "model_0" else 0 for name in tasks.names}
        assert (sent(sandbox), pending(tasks.ledger)) == ([], sorted(tasks.pairs[1:]))
        # The orchestrator runs the killed task again, whether before the last task or after it.
        assert tasks.retry() == 0
        assert tasks.end("model_0", tasks.start("model_0", "later")) == 0
        assert tasks.retry() == 0
        assert Counter(sent(sandbox)) == dict.fromkeys(tasks.pairs, 1)
        assert pending(tasks.ledger) == []
