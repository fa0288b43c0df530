"""What dbt was to build and did not: it is listed until a dbt run has built it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import SCENARIOS, VERSIONS, scenario
from tests.builders import Json, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.shop import Shop

META = {"anymetrics.datasource": "sr"}
OFF = {**META, "anymetrics.enabled": False}
FAILED, SKIPPED = "dbt did not build it: error", "dbt did not build it: skipped"


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    return Shop(tmp_path, sandbox.environment)


def listed(shop: Shop) -> dict[str, str]:
    """The nodes that `status` lists as not built, and why."""
    found = json.loads(shop.cli("status", "--output", "json").stdout)["unbuilt"]
    return {each["unique_id"].rpartition(".")[2]: each["message"] for each in found}


def ran(shop: Shop, invocation: str, which: str = "build", /, *, only: str | None = None, **statuses: str) -> None:
    """Refresh after a dbt run with these results; `only` is the one node that the project still has."""
    metas: dict[str, Json] = {"orders": META, "customers": META, "off": OFF}
    nodes = [node_json(name, meta) for name, meta in metas.items() if only in (None, name)]
    results = [result_json(name, status) for name, status in statuses.items()]
    run = run_json(*results, args={"which": which}, invocation_id=invocation)
    write_artifacts(shop.target, manifest_json(*nodes, invocation_id=invocation, project_name="shop"), run)
    shop.cli("refresh")


@pytest.mark.parametrize("version", VERSIONS)
def test_what_dbt_failed_to_build_is_in_status_and_report_until_a_retry_builds_it(version: str, shop: Shop) -> None:
    scenario(version, "build-failed-model", shop.target)
    shop.cli("refresh")
    by_reason: dict[str, list[str]] = {}
    for name, reason in listed(shop).items():
        by_reason.setdefault(reason, []).append(name)
    assert by_reason.pop(FAILED) == ["fct_orders"]
    assert list(by_reason) == [SKIPPED]
    text = shop.cli("status").stdout
    assert "\n\nNot built by dbt, and so not refreshed\n  1 since 20" in text
    assert f": {FAILED} (model.shop.fct_orders)" in text
    assert f"**{FAILED}**: model.shop.fct" in shop.cli("report", "--format", "markdown").stdout
    if "retry" in SCENARIOS[version]:
        scenario(version, "retry", shop.target)
        shop.cli("refresh")
        assert listed(shop) == {}


def test_it_stays_until_a_command_of_dbt_has_built_it(shop: Shop) -> None:
    ran(shop, "one", orders="error", customers="success", off="error")
    assert listed(shop) == {"orders": FAILED}
    ran(shop, "two", "test", orders="success")
    ran(shop, "three", customers="success")
    assert shop.cli("backfill", "-s", "*", "--partition", "2024-07-01").returncode == 0
    assert shop.cli("retry").returncode == 0
    assert listed(shop) == {"orders": FAILED}
    ran(shop, "four", orders="skipped")
    assert listed(shop) == {"orders": SKIPPED}
    ran(shop, "five", orders="success")
    assert listed(shop) == {}


def test_it_is_forgotten_with_its_node_and_given_up_with_drop(shop: Shop) -> None:
    ran(shop, "one", orders="error", customers="error")
    ran(shop, "two", only="customers", customers="error")
    assert listed(shop) == {"customers": FAILED}
    done = shop.cli("retry", "--drop", "--yes", "-s", "customers")
    assert "Dropped what dbt did not build (1 node) of model.shop.customers." in done.stderr
    assert listed(shop) == {}


def test_a_node_that_is_not_refreshed_any_more_leaves_the_list(shop: Shop) -> None:
    changes: list[Json] = [{"meta": {}}, {"meta": OFF}, {"meta": META, "config": {"materialized": "ephemeral"}}]
    for change in changes:
        ran(shop, "one", orders="error")
        assert listed(shop) == {"orders": FAILED}
        known = manifest_json(node_json("orders", **change), project_name="shop")
        write_artifacts(shop.target, known, run_json(args={"which": "test"}, invocation_id="two"))
        shop.cli("refresh")
        assert listed(shop) == {}


def test_a_project_says_nothing_of_the_nodes_of_another_one(shop: Shop) -> None:
    ran(shop, "one", orders="error")
    write_artifacts(shop.target, manifest_json(node_json("x", META), project_name="other"), run_json(result_json("x")))
    assert shop.cli("refresh").returncode == 0
    assert listed(shop) == {"orders": FAILED}


def test_a_command_of_dbt_that_builds_nothing_does_not_hide_it(shop: Shop) -> None:
    known = manifest_json(node_json("orders", META), node_json("customers", META), project_name="shop")
    first = run_json(result_json("orders", "error"), result_json("customers"), invocation_id="one")
    write_artifacts(shop.target, known, first)
    (shop.target / "run_results.json").rename(shop.target / "first.json")
    write_artifacts(shop.target, known, run_json(args={"which": "test"}, invocation_id="two"))
    both = ("--run-results", "target/first.json", "--run-results", "target/run_results.json")
    done = shop.cli("refresh", "--manifest", "target/manifest.json", *both)
    assert f"SKIP model.shop.orders: {FAILED}" in done.stdout
    assert listed(shop) == {"orders": FAILED}


def test_what_an_older_dbt_run_says_is_no_news(shop: Shop) -> None:
    ran(shop, "one", orders="error")
    known = manifest_json(node_json("orders", META), project_name="shop")
    for day, status in (("2024-07-17", "success"), ("2024-07-19", "success")):
        run = run_json(result_json("orders", status), invocation_started_at=f"{day}T06:00:00Z", invocation_id=day)
        write_artifacts(shop.target, known, run)
        shop.cli("refresh")
        assert listed(shop) == ({"orders": FAILED} if day == "2024-07-17" else {})


def test_failed_batches_are_said_and_listed_until_they_are_built(shop: Shop) -> None:
    scenario("1.11", "microbatch-partial", shop.target)
    done = shop.cli("refresh")
    assert "SKIP model.shop.daily_orders: dbt did not build its batches of 2024-07-" in done.stdout
    assert listed(shop)["daily_orders"].startswith("dbt did not build its batches of 2024-07-")
    scenario("1.11", "microbatch-retry", shop.target)
    assert shop.cli("refresh").returncode == 0
    assert listed(shop) == {}


def test_it_does_not_change_what_is_pending_or_the_exit_code(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.FORBIDDEN) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        ran(shop, "one", orders="error", customers="success")
    found = json.loads(shop.cli("status", "--output", "json").stdout)
    assert [each["unique_id"] for each in found["pending"]] == ["model.shop.customers"]
    assert listed(shop) == {"orders": FAILED}
