"""Values that JSON or UTF-8 cannot hold: each works, or is refused with exit code 2; none ends in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from dbt_anymetrics.text import plain
from tests.artifacts import scenario
from tests.shop import Shop

VARS = [
    *("{null: 1}", "{1: 2}", "{[a]: 1}", "{{a: 1}: 2}", "{true: 1}", "{2024-01-01: 1}", "{x: .nan}", "{x: 1e400}"),
    *("&a {x: *a}", "&a [*a]", "{x: &a [*a, *a]}", "{x: !!binary aGk=}", "{x: !!set {a}}", "{d: 2024-01-01}"),
    *("{x: 99999-01-01}", "{x: 0000-00-00}", '{x: "\\ud800"}', "a: b: c", "- x", "!!python/object:os.system x"),
    f"{{x: 0x{'f' * 5000}}}",
    f"{{x: {'9' * 6000}}}",
    f"{{0x{'f' * 5000}: 1}}",
    "{a: &a [1, 2], b: &b [*a, *a], c: &c [*b, *b], d: &d [*c, *c], e: &e [*d, *d], f: [*e, *e, *e, *e, *e]}",
]

BYTES = "\udcff\udcfe"
"""What Python makes of two bytes that are no UTF-8."""

OPTIONS = {
    "refresh": (
        *("--vars", "--run-date", "--datasource", "--partition", "--timezone", "--target-path", "--project-dir"),
        *("--manifest", "--run-results", "-s", "--state", "--url", "--tenant-id", "--auth-type", "--ca-bundle"),
        *("--timeout", "--threads", "--keep-days", "--output", "--nosuch"),
    ),
    "plan": ("--run-date", "--datasource", "--target-path", "--state", "--url", "--tenant-id"),
    "retry": ("--target-path", "--state", "--url", "--tenant-id"),
    "status": ("--target-path", "--state", "--url", "--tenant-id"),
    "debug": ("--target-path", "--state", "--url", "--tenant-id", "--timezone"),
    "sandbox": ("--port", "--answer"),
}

VARIABLES = (
    *("ANYMETRICS_URL", "ANYMETRICS_TENANT_ID", "ANYMETRICS_AUTH_TYPE", "ANYMETRICS_AUTH_VALUE"),
    *("ANYMETRICS_DATASOURCE", "ANYMETRICS_RUN_DATE", "ANYMETRICS_TIMEZONE", "ANYMETRICS_STATE", "ANYMETRICS_TIMEOUT"),
    *("ANYMETRICS_THREADS", "ANYMETRICS_CA_BUNDLE", "ANYMETRICS_KEEP_DAYS", "ANYMETRICS_ENABLED"),
    *("DBT_TARGET_PATH", "DBT_PROJECT_DIR", "DBT_ENGINE_TARGET_PATH"),
)


@pytest.fixture
def ran(tmp_path: Path, sandbox: Sandbox) -> Shop:
    scenario("1.11", "build", tmp_path / "target")
    return Shop(tmp_path, sandbox.environment)


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("text", VARS, ids=lambda text: text[:30])
@pytest.mark.parametrize("command", ["refresh", "plan"])
def test_vars_of_any_kind_work_or_are_refused(command: str, text: str, output: str, ran: Shop) -> None:
    done = ran.cli(command, "--vars", text, "--output", output)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stdout + done.stderr
    if done.returncode == 0 and command == "refresh":
        assert "vars" in ran.artifact()["args"]


@pytest.mark.parametrize(("command", "option"), [(name, option) for name in OPTIONS for option in OPTIONS[name]])
def test_bytes_that_are_no_text_as_an_option_work_or_are_refused(command: str, option: str, ran: Shop) -> None:
    done = ran.cli(command, option, BYTES)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("command", ["refresh", "plan", "retry", "status", "debug"])
def test_bytes_that_are_no_text_in_a_variable_work_or_are_refused(command: str, variable: str, ran: Shop) -> None:
    done = ran.cli(command, **{variable: BYTES})
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stdout + done.stderr


def test_what_repeats_itself_without_end_is_shown_in_part() -> None:
    bomb: list[object] = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb]
    assert "(too large to show)" in str(plain(bomb))
    assert len(str(plain(bomb))) < 1_000_000
