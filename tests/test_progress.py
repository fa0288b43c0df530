"""The progress line, in a real terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.shop import Shop

COMMAND = [sys.executable, "-m", "dbt_anymetrics", "refresh", "--run-date", "2024-07-17"]


def on_a_terminal(shop: Shop, *arguments: str) -> str:
    """What a terminal on stderr gets."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=shop.folder, env=shop.environment, stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # Linux: nobody holds the other end any more
            part = b""
        if not part:
            break
        shown += part
    os.close(ours)
    assert done.returncode == 0
    return shown.decode()


def test_long_work_draws_its_progress_and_leaves_none_of_it(recorded: Shop) -> None:
    shown = on_a_terminal(recorded)
    assert "14 of 29 [###########-------------]" in shown
    assert shown.endswith("\r\x1b[K")


def test_short_work_draws_nothing(recorded: Shop) -> None:
    assert on_a_terminal(recorded, "-m", "dim_*") == ""


def test_quiet_draws_nothing(recorded: Shop) -> None:
    assert on_a_terminal(recorded, "--quiet") == ""


def test_a_pipe_gets_no_progress(recorded: Shop) -> None:
    done = recorded.cli("refresh")
    assert "\r" not in done.stdout + done.stderr
    assert done.stderr == ""
