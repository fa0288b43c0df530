"""Every shape of answer, through the command line: what the user is told, how often it was tried, the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.shop import Shop

S = Shape
TRIES = 5

FAULTS = [
    # shape, requests made, what the line of the refresh says
    (S.NO_PERMISSION, 1, "[SM_02_0038 in", "No permission"),
    (S.SYSTEM_ERROR, 1, "[SM99002 in", "System error: The scheduler did not accept the task"),
    (S.FAILED_TO_CREATE, 1, "[200 in", "Failed to create the task instance"),
    (S.MESSAGE_FIELD, 1, "[SM99002 in", "System error"),
    (S.UNCONFIRMED, 1, "[200 in", "AnyMetrics did not confirm"),
    (S.DATA_FALSE, 1, "[200 in", "AnyMetrics did not confirm"),
    (S.HTML, 1, "[200 in", "the answer is a web page"),
    (S.REDIRECT, 1, "[302 in", "HTTP 302: redirected to /login, and redirects are not followed"),
    (S.EMPTY, 1, "[200 in", "the answer is empty"),
    (S.TRUNCATED, 1, "[200 in", "it may be cut short"),
    (S.NOT_JSON, 1, "[200 in", "not the JSON object that the API sends"),
    (S.UNAUTHORIZED, 1, "[401 in", "the credentials are not accepted"),
    (S.FORBIDDEN, 1, "[403 in", "access is refused"),
    (S.NOT_FOUND, 1, "[404 in", "there is no such API here"),
    (S.SERVER_ERROR, TRIES, "[500 in", "the server failed"),
    (S.UNAVAILABLE, TRIES, "[503 in", "the server failed"),
    (S.TOO_MANY_REQUESTS, TRIES, "[429 in", "too many requests"),
    (S.HANG, TRIES, "[no answer in", "whether the refresh was triggered is unknown"),
    (S.RESET, TRIES, "[no answer in", "Connection reset by peer"),
    (S.HALF_BODY, TRIES, "[no answer in", "the connection to"),
]

SUCCESSES = [shape for shape in Shape if shape.value.startswith("success-")]


def one_refresh(folder: Path, sandbox: Sandbox, *, sandbox_hangs: bool = False) -> tuple[Shop, int, str]:
    scenario("1.11", "build", folder / "target")
    shop = Shop(folder, sandbox.environment)
    timeout = "0.2" if sandbox_hangs else "30"
    done = shop.cli("refresh", "-m", "dim_customers", "--timeout", timeout)
    assert "Traceback" not in done.stdout + done.stderr
    assert sandbox.environment["ANYMETRICS_AUTH_VALUE"] not in done.stdout + done.stderr
    return shop, done.returncode, done.stdout


def test_every_shape_has_a_row_here() -> None:
    assert {shape for shape, *_ in FAULTS} | set(SUCCESSES) == set(Shape)


@pytest.mark.parametrize(("shape", "requests", "answer", "said"), FAULTS)
def test_a_fault_is_an_error_that_says_what_happened(
    tmp_path: Path, shape: Shape, requests: int, answer: str, said: str
) -> None:
    with Sandbox(answers=shape) as sandbox:
        shop, exit_code, stdout = one_refresh(tmp_path, sandbox, sandbox_hangs=shape is S.HANG)
        assert exit_code == 1
        assert answer in stdout
        assert said in stdout
        assert len(sandbox.received) == requests
        [result] = [result for result in shop.artifact()["results"] if result["partition"]]
        assert (result["status"], result["attempts"]) == ("error", requests)


@pytest.mark.parametrize("shape", SUCCESSES)
def test_an_odd_success_is_a_success(tmp_path: Path, shape: Shape) -> None:
    with Sandbox(answers=shape) as sandbox:
        _, exit_code, stdout = one_refresh(tmp_path, sandbox)
        assert exit_code == 0
        assert "OK=1 ERROR=0" in stdout


@pytest.mark.parametrize("shape", [S.NO_PERMISSION, S.FAILED_TO_CREATE, S.UNCONFIRMED])
def test_the_trace_of_a_refusal_is_shown(tmp_path: Path, shape: Shape) -> None:
    with Sandbox(answers=shape) as sandbox:
        _, _, stdout = one_refresh(tmp_path, sandbox)
        assert f"(traceId {sandbox.received[0].trace_id})" in stdout


def test_a_wrong_address_is_given_up_on_and_the_rest_reported_as_not_sent(tmp_path: Path) -> None:
    with Sandbox(answers=S.HTML) as sandbox:
        scenario("1.11", "build", tmp_path / "target")
        done = Shop(tmp_path, sandbox.environment).cli(
            "refresh", "--partition", "2024-01-01..2024-01-10", "--threads", "2"
        )
        assert done.returncode == 1
        assert 10 <= len(sandbox.received) <= 12
        assert "not sent: too many refreshes in a row did not reach AnyMetrics (the answer is a web page" in done.stdout
        assert f"NOT SENT {160 - len(sandbox.received)} refreshes: not sent: " in done.stdout
