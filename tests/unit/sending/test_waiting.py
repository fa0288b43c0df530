from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from dbt_anymetrics.sending import send as send_module
from dbt_anymetrics.sending.send import _told
from tests.artifacts import scenario
from tests.shop import Shop


def test_what_is_waited_for_is_said_after_a_while_and_then_each_minute() -> None:
    told = _told()
    assert [second for second in range(1, 200) if told(float(second))] == [5, 20, 60, 120, 180]
    assert [second for second in range(1, 30) if told(float(second))] == [5, 20]  # news came in between


def test_parts_of_a_second_are_counted_too() -> None:
    told = _told()
    assert [tenth for tenth in range(1, 250) if told(tenth / 10)] == [50, 200]


def test_a_slow_answer_is_waited_for_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_module, "_TOLD", (1, 60))
    scenario("1.11", "build", tmp_path / "target")
    over = threading.Event()

    def hold(_number: int) -> Shape | None:
        over.wait(2.5)
        return None

    with Sandbox(answers=hold) as sandbox:
        done = Shop(tmp_path, sandbox.environment).cli("refresh", "-s", "dim_customers")
    assert done.returncode == 0
    assert "waiting for 1 s for the answer to 1 refresh" in done.stderr
