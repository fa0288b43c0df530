"""`dbt-anymetrics dbt ...` around real dbt."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.expected import MAIN, sent
from tests.shop import DAY, DBT, DS, Shop
from tests.tiers import SLOW

ONE = ("run", "--select", "dim_customers", *DS)
"""Of the vars that the shop was built with, so that dbt need not parse it again."""


def around(shop: Shop, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return shop.program("dbt", *arguments, ANYMETRICS_RUN_DATE=DAY, ANYMETRICS_DBT=DBT, **environment)


def test_dbt_runs_as_given_and_what_it_built_is_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    done = around(shop, *ONE)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 OK created sql table model main.dim_customers" in done.stdout
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]


def test_the_exit_code_of_dbt_wins_and_what_was_built_is_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    done = around(shop, "run", "--select", "dim_customers", "fct_orders", "--vars", "{fail_model: true}")
    assert done.returncode == 1
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]
    assert done.stderr.splitlines()[-1] == "The exit code 1 is dbt's (dbt: 1, dbt-anymetrics: 0)."


def test_our_exit_code_counts_where_dbt_succeeds(shop: Shop) -> None:
    done = around(shop, *ONE, ANYMETRICS_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "The exit code 1 is dbt-anymetrics' (dbt: 0, dbt-anymetrics: 1)."


@pytest.mark.parametrize("arguments", [pytest.param(("ls",), marks=SLOW), ("parse",), (*ONE, "--no-write-json")])
def test_results_of_an_earlier_run_are_never_used(shop: Shop, sandbox: Sandbox, arguments: tuple[str, ...]) -> None:
    done = around(shop, *arguments)
    assert done.returncode == 0
    assert sent(sandbox) == []
    said = "dbt wrote no run results this time, so nothing is refreshed" in done.stderr
    assert said == (arguments[0] == "run")


def test_a_project_that_does_not_parse_refreshes_nothing(shop: Shop, sandbox: Sandbox) -> None:
    (shop.folder / "models" / "broken.sql").write_text("select * from {{ ref('nothing') }}")
    assert around(shop, "build").returncode == 2
    assert sent(sandbox) == []


@pytest.mark.parametrize(
    "option", [("--target-path", "elsewhere"), pytest.param(("--target-path=elsewhere",), marks=SLOW)]
)
def test_the_target_path_is_understood_in_both_spellings(shop: Shop, sandbox: Sandbox, option: tuple[str, ...]) -> None:
    assert around(shop, *ONE, *option).returncode == 0
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]
    assert (shop.folder / "elsewhere" / "anymetrics_results.json").is_file()


def test_a_failure_names_the_report_of_the_same_ledger(shop: Shop) -> None:
    with Sandbox(answers=lambda _number: Shape.NO_PERMISSION) as refusing:
        environment = {**refusing.environment, "ANYMETRICS_DBT": DBT}
        done = shop.program("dbt", *ONE, "--target-path", "elsewhere", **environment)
        elsewhere = shop.folder / "elsewhere"
        assert (
            f"AnyMetrics: To see what failed and why, run: dbt-anymetrics report --open --target-path {elsewhere}"
            in done.stderr
        )
        report = shop.cli("report", "--target-path", str(elsewhere), **refusing.environment)
    assert (report.returncode, "1 failed" in report.stdout) == (0, True)


def test_the_hook_inside_and_the_command_around_send_once(shop: Shop, sandbox: Sandbox) -> None:
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + "\non-run-end: \"{{ anymetrics.refresh(run_date='2024-01-01') }}\"\n")
    done = shop.program("dbt", *ONE, ANYMETRICS_DBT=DBT)
    assert done.returncode == 0
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-01-01")]
    assert done.stdout.endswith("AnyMetrics: Done. OK=0 ERROR=0 SKIP=0 TOTAL=0, already refreshed by the hook: 1\n")


def test_a_failure_of_hook_and_command_names_the_report_once(shop: Shop) -> None:
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + '\non-run-end: "{{ anymetrics.refresh() }}"\n')
    with Sandbox(answers=Shape.NO_PERMISSION) as refusing:
        done = shop.program("dbt", *ONE, ANYMETRICS_DBT=DBT, **refusing.environment)
    assert (done.returncode, len(sent(refusing))) == (1, 2)
    assert f"{done.stdout}{done.stderr}".count("run: dbt-anymetrics report") == 1


def test_options_of_ours_are_those_of_the_hook_too(shop: Shop, sandbox: Sandbox) -> None:
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + "\non-run-end: \"{{ anymetrics.refresh(run_date='2024-01-01') }}\"\n")
    ours = ("--partition", "2024-03-02, 2024-03-03", "--force", "--url", f"{sandbox.url}/")
    done = shop.program("dbt", *ours, *ONE, ANYMETRICS_DBT=DBT, ANYMETRICS_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stdout
    days = ("2024-03-02", "2024-03-03")
    # With --force, the command around sends again what the hook has sent: it was asked to.
    assert sorted(sent(sandbox)) == sorted(2 * [(f"{MAIN}.dim_customers", day) for day in days])


def test_signals_reach_dbt_and_its_end_is_awaited(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    stand_in = tmp_path / "dbt"
    stand_in.write_text(
        f"#!{sys.executable}\nimport signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('ready', flush=True)\nsignal.pause()\n"
    )
    stand_in.chmod(0o755)
    environment = {**shop.environment, "ANYMETRICS_DBT": str(stand_in)}
    with subprocess.Popen(
        [sys.executable, "-m", "dbt_anymetrics", "dbt", "run"],
        cwd=shop.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 7
    assert sent(sandbox) == []


def test_options_of_ours_before_dbts_command_are_ours(shop: Shop, sandbox: Sandbox) -> None:
    arguments = ("--no-use-colors", "--run-date=2024-03-01", "--log-level", "info", "--force", *ONE)
    done = shop.program("dbt", *arguments, ANYMETRICS_DBT=DBT)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 OK created sql table model main.dim_customers" in done.stdout
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-03-01")]


def test_our_options_behind_dbts_command_are_refused_before_dbt_runs(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.program("dbt", *ONE, "--run-date", DAY, ANYMETRICS_DBT=DBT)
    assert done.returncode == 2
    assert "--run-date is an option of dbt-anymetrics and must go before dbt's command" in done.stderr
    assert done.stdout == ""
