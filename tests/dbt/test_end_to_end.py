"""Real dbt on DuckDB, our command as a user types it, and what reached the sandbox."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import BUILD, MAIN, sent, sent_tables
from tests.shop import DAY, DS, Shop, since
from tests.tiers import SLOW


def test_a_build_refreshes_each_rebuilt_table_and_date_once(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("refresh", "--run-date", DAY)
    assert done.returncode == 0, done.stderr
    assert set(sent(sandbox)) == BUILD
    assert len(sent(sandbox)) == len(BUILD)
    assert done.stderr == ""
    assert "SKIP model.shop.returned_orders: switched off by anymetrics.enabled: false" in done.stdout
    assert f"AnyMetrics: Done. OK={len(BUILD)} ERROR=0 SKIP=1 TOTAL={len(BUILD) + 1}" in done.stdout


def test_the_plan_is_what_refresh_does(shop: Shop, sandbox: Sandbox) -> None:
    planned = shop.cli("plan", "--run-date", DAY, "--output", "json")
    results = json.loads(planned.stdout)["results"]
    assert {(r["table_name"], r["partition"]) for r in results if r["status"] == "planned"} == BUILD
    assert not sandbox.received


def test_the_artifact_records_every_outcome(shop: Shop, sandbox: Sandbox) -> None:
    shop.cli("refresh", "--run-date", DAY)
    run_results = json.loads((shop.target / "run_results.json").read_bytes())
    artifact = shop.artifact()
    assert artifact["metadata"]["invocation_id"] == run_results["metadata"]["invocation_id"]
    traces = {request.trace_id for request in sandbox.received}
    successes = [result for result in artifact["results"] if result["status"] == "success"]
    assert {result["trace_id"] for result in successes} == traces
    assert all(result["attempts"] == 1 and result["http_status"] == 200 and result["timing"] for result in successes)


def test_a_second_refresh_sends_nothing_unless_forced(shop: Shop, sandbox: Sandbox) -> None:
    shop.cli("refresh", "--run-date", DAY)
    first = len(sent(sandbox))
    again = shop.cli("refresh", "--run-date", DAY)
    assert again.returncode == 0
    assert len(sent(sandbox)) == first
    assert f"SKIP=1 TOTAL=1, already refreshed by dbt-anymetrics refresh: {first}" in again.stdout
    third = shop.cli("refresh", "--run-date", DAY)
    assert f"already refreshed by dbt-anymetrics refresh: {first}" in third.stdout
    shop.cli("refresh", "--run-date", DAY, "--force")
    assert len(sent(sandbox)) == 2 * first


MISPLACED = {
    "dim_customers": ("{{ config(anymetrics_partition='run_date-1') }}", "config: anymetrics_partition"),
    "fct_order_items": ("{{ config(**{'anymetrics.partition': 'run_date-1'}) }}", "config: anymetrics.partition"),
    "customer_value": ("{{ config(anymetrics={'partition': 'run_date-1'}) }}", "config: anymetrics"),
}


def test_a_setting_in_the_wrong_place_is_an_error_and_no_other_date(shop: Shop, sandbox: Sandbox) -> None:
    marts = shop.folder / "models" / "marts"
    for name, (config, _) in MISPLACED.items():
        (marts / f"{name}.sql").write_text(config + "\n" + (marts / f"{name}.sql").read_text())
    columns = "{version: 2, models: [{name: product_sales, columns: [{name: product_id, %s, %s}]}]}"
    on_test = "tests: [not_null: {config: {meta: {anymetrics.on_test_failure: refresh}}}]"
    (marts / "_columns.yml").write_text(columns % ("meta: {anymetrics.partition: run_date-1}", on_test))
    properties = (marts / "_marts.yml").read_text()
    (marts / "_marts.yml").write_text(re.sub(r"  - name: product_sales\n(    .*\n)+", "", properties))
    project = (shop.folder / "dbt_project.yml").read_text()
    (shop.folder / "dbt_project.yml").write_text(
        project.replace("seeds:\n  shop:\n", "seeds:\n  shop:\n    +anymetrics.partition: run_date-1\n")
    )
    places = {name: place for name, (_, place) in MISPLACED.items()}
    places |= {"product_sales": "columns: product_id: ", "raw_orders": "config: anymetrics.partition"}
    assert shop.dbt("build", "--select", "fct_orders", *places, *DS).returncode == 0
    done = shop.cli("refresh", "--run-date", DAY)
    assert done.returncode == 1
    assert sent(sandbox) == [(f"{MAIN}.fct_orders", DAY)]
    places["not_null_product_sales_product_id"] = "anymetrics.on_test_failure: is in the meta of a test"
    for name, place in places.items():
        assert re.search(
            rf"ERROR \w+\.shop\.{name}\S*: {re.escape(place)}.*is not a place where settings are read", done.stdout
        )


def test_after_another_run_the_same_dates_are_refreshed_again(shop: Shop, sandbox: Sandbox) -> None:
    shop.cli("refresh", "--run-date", DAY)
    first = len(sent(sandbox))
    shop.dbt("run", "--select", "dim_customers", *DS)
    shop.cli("refresh", "--run-date", DAY)
    assert sent(sandbox)[first:] == [(f"{MAIN}.dim_customers", DAY)]


def test_a_failed_test_holds_its_model_back(shop: Shop, sandbox: Sandbox) -> None:
    assert shop.dbt("build", "--vars", f"{{ds: {DAY}, fail_test: true}}").returncode == 1
    done = shop.cli("refresh", "--run-date", DAY)
    assert done.returncode == 0
    assert sent_tables(sandbox).isdisjoint({"fct_order_items", "product_sales_daily"})
    assert {"customer_value", "weekly_revenue"} <= sent_tables(sandbox)
    assert "SKIP model.shop.fct_order_items: its test not_null_fct_order_items_quantity failed" in done.stdout
    assert "SKIP model.shop.product_sales: dbt did not build it: skipped" in done.stdout


def test_a_failed_model_stops_only_what_depends_on_it(shop: Shop, sandbox: Sandbox) -> None:
    assert shop.dbt("build", "--vars", f"{{ds: {DAY}, fail_model: true}}").returncode == 1
    done = shop.cli("refresh", "--run-date", DAY)
    assert done.returncode == 0
    assert "SKIP model.shop.fct_orders: dbt did not build it: error" in done.stdout
    assert "dim_customers" in sent_tables(sandbox)
    assert sent_tables(sandbox).isdisjoint({"fct_orders", "weekly_revenue"})


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("compile",), "'dbt compile', which builds nothing"),
        (("docs", "generate"), "'dbt docs generate', which builds nothing"),
        (("test",), "'dbt test', which builds nothing"),
        pytest.param(("run", "--empty"), "--empty", marks=since("1.8", "--empty")),
        pytest.param(("run", "--sample", "3 days"), "--sample", marks=since("1.10", "--sample")),
    ],
)
def test_what_builds_no_rows_refreshes_nothing_and_says_why(
    shop: Shop, sandbox: Sandbox, command: tuple[str, ...], said: str
) -> None:
    assert shop.dbt(*command, *DS).returncode == 0
    done = shop.cli("refresh")
    assert done.returncode == 0
    assert sent(sandbox) == []
    assert said in done.stdout


def test_a_full_refresh_sends_every_date_since_the_first(shop: Shop, sandbox: Sandbox) -> None:
    assert shop.dbt("run", "--full-refresh", "--select", "fct_orders", *DS).returncode == 0
    shop.cli("refresh", "--run-date", DAY)
    assert sorted(sent(sandbox)) == [(f"{MAIN}.fct_orders", f"2024-07-{day}") for day in range(11, 18)]


@since("1.9", "microbatch")
def test_batches_are_refreshed_by_their_dates_and_again_after_a_retry(shop: Shop, sandbox: Sandbox) -> None:
    variables = f"{{ds: {DAY}, microbatch: true, fail_batch: 2024-07-14}}"
    span = ("--event-time-start", "2024-07-13", "--event-time-end", "2024-07-16")
    assert shop.dbt("run", "--select", "daily_orders", "--vars", variables, *span).returncode == 1
    shop.cli("refresh")
    assert sorted(sent(sandbox)) == [(f"{MAIN}.daily_orders", f"2024-07-{day}") for day in (13, 15)]


@SLOW
@since("1.6", "dbt retry")
def test_a_retry_refreshes_what_it_built(shop: Shop, sandbox: Sandbox) -> None:
    shop.dbt("build", "--vars", f"{{ds: {DAY}, fail_model: true}}")
    shop.cli("refresh", "--run-date", DAY)
    first = len(sent(sandbox))
    assert shop.dbt("retry", "--vars", f"{{ds: '{DAY}'}}").returncode == 0
    shop.cli("refresh", "--run-date", DAY)
    retried = {str(table).rsplit(".", 1)[1] for table, _ in sent(sandbox)[first:]}
    assert "fct_orders" in retried
    assert "dim_customers" not in retried


def test_the_target_folder_is_found_as_dbt_finds_it(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shop.dbt("run", "--select", "dim_customers", "--target-path", str(elsewhere), *DS)
    assert shop.cli("refresh", "--run-date", DAY, DBT_TARGET_PATH=str(elsewhere)).returncode == 0
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]
    assert (elsewhere / "anymetrics_results.json").is_file()


def test_the_run_date_that_dbt_was_given_in_its_environment_counts(shop: Shop, sandbox: Sandbox) -> None:
    shop.dbt("run", "--select", "dim_customers", *DS, DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE="2024-07-16")
    shop.cli("refresh")
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-07-16")]
