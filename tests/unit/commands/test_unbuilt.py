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


def test_it_is_forgotten_with_its_node(shop: Shop) -> None:
    ran(shop, "one", orders="error", customers="error")
    ran(shop, "two", only="customers", customers="error")
    assert listed(shop) == {"customers": FAILED}


def test_it_does_not_change_what_is_pending_or_the_exit_code(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.FORBIDDEN) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        ran(shop, "one", orders="error", customers="success")
    found = json.loads(shop.cli("status", "--output", "json").stdout)
    assert [each["unique_id"] for each in found["pending"]] == ["model.shop.customers"]
    assert listed(shop) == {"orders": FAILED}
