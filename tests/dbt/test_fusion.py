"""dbt 2.x, the engine without Python, on DuckDB: `TEST_FUSION=path/to/dbt`, with DuckDB's library to be found.

It is no part of `make test`: its wheel and the library come from two registries (see noxfile.py).
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import BUILD, MAIN, sent, sent_tables
from tests.shop import DAY, DS, Shop

FUSION = os.environ.get("TEST_FUSION", "")

pytestmark = pytest.mark.skipif(not FUSION, reason="TEST_FUSION names no dbt 2.x")

HOOK = "{{ anymetrics.refresh(run_date=var('ds', none)) }}"
ONE = ("run", "--select", "dim_customers")


def dbt(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return shop.run([FUSION, *arguments], {})


def around(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return shop.program("dbt", *arguments, ANYMETRICS_RUN_DATE=DAY, ANYMETRICS_DBT=FUSION)


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop, with the line of the hook, after one `dbt build` of dbt 2.x."""
    shop = Shop.new(tmp_path_factory.mktemp("fused") / "shop")
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + f"\non-run-end: {json.dumps([HOOK])}\n")
    done = dbt(shop, "build", *DS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[anymetrics] nothing was sent to AnyMetrics: dbt 2" in done.stdout
    return shop


@pytest.fixture
def shop(fused: Shop, sandbox: Sandbox, tmp_path: Path) -> Shop:
    return fused.copy(tmp_path / "shop", sandbox.environment)


def test_the_project_with_the_hook_parses_without_a_warning(shop: Shop) -> None:
    done = dbt(shop, "parse", "--warn-error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_the_command_after_a_build_refreshes_each_table_and_date_once(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("refresh", "--run-date", DAY, *DS)
    assert done.returncode == 0, done.stderr
    assert set(sent(sandbox)) == BUILD
    assert len(sent(sandbox)) == len(BUILD)


def test_the_command_around_a_build_needs_no_vars_of_its_own(shop: Shop, sandbox: Sandbox) -> None:
    done = around(shop, "build", *DS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(sent(sandbox)) == BUILD
    assert "[anymetrics] 'dbt-anymetrics dbt' refreshes after this run, by its own options" in done.stdout


def test_the_command_around_sees_a_full_refresh(shop: Shop, sandbox: Sandbox) -> None:
    assert around(shop, "run", "--full-refresh", "--select", "fct_orders", *DS).returncode == 0
    assert sorted(sent(sandbox)) == [(f"{MAIN}.fct_orders", f"2024-07-{day}") for day in range(11, 18)]


@pytest.mark.parametrize("flag", [("--empty",), ("--sample", "3 days")])
def test_the_command_around_sees_that_no_rows_were_built(shop: Shop, sandbox: Sandbox, flag: tuple[str, ...]) -> None:
    done = around(shop, *ONE, *flag, *DS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sent(sandbox) == []
    assert flag[0] in done.stdout


def test_the_run_date_in_the_environment_of_dbt_is_recorded(shop: Shop, sandbox: Sandbox) -> None:
    shop.run([FUSION, *ONE, *DS], {"DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE": "2024-07-16"})
    assert shop.cli("refresh").returncode == 0
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-07-16")]


def test_the_exit_code_of_dbt_wins_and_what_was_built_is_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    done = around(shop, "build", "--vars", f"{{ds: {DAY}, fail_model: true}}")
    assert done.returncode == 1
    assert "dim_customers" in sent_tables(sandbox)
    assert "fct_orders" not in sent_tables(sandbox)


def test_a_failed_test_holds_its_model_back(shop: Shop, sandbox: Sandbox) -> None:
    assert around(shop, "build", "--vars", f"{{ds: {DAY}, fail_test: true}}").returncode == 1
    assert sent_tables(sandbox).isdisjoint({"fct_order_items", "product_sales_daily"})
    assert "customer_value" in sent_tables(sandbox)


@pytest.mark.parametrize("command", [("compile",), ("test",)])
def test_what_builds_nothing_refreshes_nothing(shop: Shop, sandbox: Sandbox, command: tuple[str, ...]) -> None:
    assert dbt(shop, *command, *DS).returncode == 0
    assert shop.cli("refresh").returncode == 0
    assert sent(sandbox) == []


def test_a_project_that_does_not_parse_refreshes_nothing(shop: Shop, sandbox: Sandbox) -> None:
    (shop.folder / "models" / "broken.sql").write_text("select * from {{ ref('nothing') }}")
    assert around(shop, "build", *DS).returncode == 1
    assert sent(sandbox) == []


def test_a_microbatch_model_with_a_failed_batch_is_not_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    # dbt 2.0.0rc196 leaves such a model out of its results altogether.
    variables = f"{{ds: {DAY}, microbatch: true, fail_batch: 2024-07-14}}"
    span = ("--event-time-start", "2024-07-13", "--event-time-end", "2024-07-16")
    assert around(shop, "run", "--select", "daily_orders", "--vars", variables, *span).returncode == 1
    assert sent(sandbox) == []


def microbatch(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return around(shop, "run", "--select", "daily_orders", "--vars", f"{{ds: {DAY}, microbatch: true}}", *arguments)


def test_the_days_of_the_event_time_range_are_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    # dbt 2.0.0rc196 records no batches: the command line is the only place that tells the range.
    done = microbatch(shop, "--event-time-start", "2024-07-13", "--event-time-end", "2024-07-16")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(sent(sandbox)) == [(f"{MAIN}.daily_orders", f"2024-07-{day}") for day in (13, 14, 15)]


def test_without_an_event_time_range_a_microbatch_model_is_an_error_that_says_what_to_do(
    shop: Shop, sandbox: Sandbox
) -> None:
    # dbt builds every day up to now, which is slow from the model's own begin: from today it is one.
    done = microbatch(shop, "--event-time-start", str(datetime.now(timezone.utc).date()))
    assert done.returncode == 1
    assert sent(sandbox) == []
    assert "anymetrics.partition: is not set, and dbt 2" in done.stdout
    assert "dbt-anymetrics dbt build --event-time-start" in done.stdout
