"""A ledger that can be read and not written: a read-only disk, or a folder of somebody else's."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.disk import read_only
from tests.shop import DAY, Shop

READ_ONLY = "anymetrics.db is read-only: a command that sends cannot remember anything in it"


@pytest.fixture
def refreshed(tmp_path: Path, recorded: Shop) -> Shop:
    """A project whose ledger is in a folder of its own, with one refresh that failed."""
    recorded.environment["ANYMETRICS_STATE"] = str(tmp_path / "ledger" / "anymetrics.db")
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 0 else None) as sandbox:
        recorded.environment.update(sandbox.environment)
        assert recorded.cli("refresh", "--run-date", DAY).returncode == 1
    return recorded


def test_plan_and_status_read_it_and_say_that_it_is_read_only(refreshed: Shop, tmp_path: Path) -> None:
    expected = refreshed.cli("plan", "--run-date", DAY).stdout
    assert "Plan: 1 to refresh" in expected
    with read_only(tmp_path / "ledger"):
        plan, status = refreshed.cli("plan", "--run-date", DAY), refreshed.cli("status")
        found = json.loads(refreshed.cli("status", "--output", "json").stdout)
    assert (plan.stdout, plan.returncode, status.returncode) == (expected, 0, 0)
    assert READ_ONLY in plan.stderr
    assert READ_ONLY in status.stdout
    assert len(found["pending"]) == 1


def test_a_refresh_sends_what_is_not_confirmed_in_it_and_says_that_it_is_not_remembered(
    refreshed: Shop, tmp_path: Path
) -> None:
    with Sandbox() as sandbox:
        before = refreshed.cli("plan", "--run-date", DAY, **sandbox.environment).stdout
        assert refreshed.cli("refresh", "--run-date", DAY, **sandbox.environment).returncode == 0
        number = len(sandbox.received)
        with read_only(tmp_path / "ledger"):
            done = refreshed.cli("refresh", "--run-date", DAY, **sandbox.environment)
            again = refreshed.cli("refresh", "--run-date", DAY, "--force", **sandbox.environment)
        assert len(sandbox.received) == 2 * number
    assert f"Plan: {number} to refresh" in before
    assert done.returncode == again.returncode == 1
    for each in (done, again):
        assert "it is read-only: its disk or its permissions do not allow writing" in each.stderr
        assert "What is sent now is not remembered" in each.stderr


@pytest.mark.parametrize("beside", [("-wal", "-shm"), ("-wal",)], ids=" and ".join)
def test_outcomes_that_are_still_beside_it_are_read_or_the_ledger_is_not(
    beside: tuple[str, ...], refreshed: Shop, tmp_path: Path
) -> None:
    ledger, copy = tmp_path / "ledger" / "anymetrics.db", tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(ledger, isolation_level=None)) as writer:
        writer.execute("UPDATE refresh SET status = 'success'")
        for end in ("", *beside):
            shutil.copy(f"{ledger}{end}", copy)
    with read_only(copy):
        done = refreshed.cli("status", ANYMETRICS_STATE=str(copy / "anymetrics.db"))
    if len(beside) > 1:
        assert (done.returncode, "Nothing is pending." in done.stdout) == (0, True)
    else:
        assert done.returncode == 2
        assert "cannot be read (its folder is read-only, and a part of it is in" in done.stderr
        assert "Nothing is pending" not in done.stdout
