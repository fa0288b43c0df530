"""Prefect for real: the flows of the page, with the hook and with a task of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.expected import BUILD, sent
from tests.orchestrators.page import QUIET, example, needs, written
from tests.shop import DAY, Shop

pytestmark = needs("prefect", "prefect_dbt")

RUN = """
import runpy, sys

state = runpy.run_path(sys.argv[1])["shop"](sys.argv[2], return_state=True)
print("RESULT", state.type.value, state.message)
"""

HOOK = "{{ anymetrics.refresh(run_date=var('ds'), on_error='fail') }}"

Flow = Callable[..., str]


@pytest.fixture
def flow(shop: Shop, tmp_path: Path) -> Flow:
    """Runs a flow, and returns what Prefect logged and how it ended."""

    def run(text: str, environment: Mapping[str, str] = {}) -> str:
        path = written(tmp_path / "flow.py", text)
        own = {
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_LOGGING_EXTRA_LOGGERS": "dbt_anymetrics",
            "PREFECT_LOGGING_ROOT_LEVEL": "INFO",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path), DAY],
            env={**shop.environment, **QUIET, **own, **environment},
            cwd=shop.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert shop.environment["ANYMETRICS_AUTH_VALUE"] not in done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def hooked(shop: Shop) -> Shop:
    with (shop.folder / "dbt_project.yml").open("a") as file:
        file.write(f"\non-run-end: {json.dumps(HOOK)}\n")
    return shop


def test_the_runner_with_the_hook_refreshes(flow: Flow, hooked: Shop, sandbox: Sandbox) -> None:
    log = flow(example("import flow\n", prefect_shop=str(hooked.folder)))
    assert "RESULT COMPLETED" in log, log
    assert set(sent(sandbox)) == BUILD
    assert len(sent(sandbox)) == len(BUILD)


def test_the_hook_fails_the_flow_and_says_what_failed(flow: Flow, hooked: Shop) -> None:
    refused = {"ANYMETRICS_URL": "http://127.0.0.1:9"}
    log = flow(example("import flow\n", prefect_shop=str(hooked.folder)), refused)
    assert "RESULT FAILED" in log
    assert f"AnyMetrics was not refreshed as asked: OK=0 ERROR={len(BUILD)}" in log.rpartition("RESULT FAILED")[2]


def test_a_retry_of_the_task_sends_only_what_failed(flow: Flow, shop: Shop) -> None:
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 5 else None) as sandbox:
        log = flow(example("import flow, task", prefect_shop=str(shop.folder)), sandbox.environment)
        assert "RESULT COMPLETED" in log, log
        assert set(sent(sandbox)) == BUILD
        assert len(sent(sandbox)) == len(BUILD) + 1
        assert "AnyMetrics: Done. OK=1 ERROR=0" in log, log


def test_where_a_model_fails_what_was_built_is_refreshed_and_the_flow_fails(
    flow: Flow, shop: Shop, sandbox: Sandbox
) -> None:
    with (shop.folder / "dbt_project.yml").open("a") as file:
        file.write("\nvars: {fail_model: true}\n")
    log = flow(example("import flow, task", prefect_shop=str(shop.folder)))
    assert "RESULT FAILED" in log, log
    assert 0 < len(sent(sandbox)) < len(BUILD)
