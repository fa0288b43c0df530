"""The plan of what every recorded dbt version really wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.dbt_run.inputs import read_inputs
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.planning.plan import plan
from dbt_anymetrics.result import Result, Status
from tests.artifacts import SCENARIOS, VERSIONS, scenario
from tests.builders import RUN_DATE, listed, orders

MICROBATCH = "daily_orders"
FROM_THE_EARLIEST = "2024-07-11..2024-07-17"
LAST_WEEK = "2024-07-10..2024-07-16"

BUILT = {
    "customer_value": RUN_DATE,
    "dim_customers": RUN_DATE,
    "dim_products_v1": RUN_DATE,
    "dim_products_v2": RUN_DATE,
    "fct_order_items": RUN_DATE,
    "fct_orders": RUN_DATE,
    "open_orders": RUN_DATE,
    "orders_by_region": RUN_DATE,
    "product_sales_daily": "2024-07-16..2024-07-17",
    "weekly_revenue": LAST_WEEK,
}
SEEDS = dict.fromkeys(("raw_customers", "raw_order_items", "raw_orders", "raw_products"), RUN_DATE)
SNAPSHOTS = {"customers_snapshot": RUN_DATE}
BELOW_FCT_ORDERS = ("customer_value", "fct_orders", "open_orders", "orders_by_region", "weekly_revenue")


def without(built: dict[str, str], *tables: str) -> dict[str, str]:
    return {table: days for table, days in built.items() if table not in tables}


#: Each table that is refreshed, with its dates; the microbatch model is looked at apart.
EXPECTED: dict[str, dict[str, str]] = {
    "build": {**BUILT, **SEEDS, **SNAPSHOTS},
    "run": BUILT,
    "run-date": BUILT,
    "full-refresh": {**BUILT, "fct_orders": FROM_THE_EARLIEST},
    "seed": SEEDS,
    "snapshot": SNAPSHOTS,
    # customer_value has a failed test too, and is refreshed all the same; product_sales is skipped by dbt.
    "build-failed-test": without({**BUILT, **SEEDS, **SNAPSHOTS}, "fct_order_items", "product_sales_daily"),
    "build-failed-model": without({**BUILT, **SEEDS, **SNAPSHOTS}, *BELOW_FCT_ORDERS),
    "retry": {table: BUILT[table] for table in BELOW_FCT_ORDERS},
    "nothing-selected": {},
    "compile": {},
    "docs": {},
    "test": {},
    "empty": {},
    "sample": {},
    "microbatch-partial": {},
    "microbatch-retry": {},
}

#: dbt 2.0 records none of these flags: such a run looks like any other.
UNTOLD = {("2.0", "empty"), ("2.0", "sample"), ("2.0", "full-refresh")}

CASES = [
    pytest.param(version, name, id=f"{version}-{name}")
    for version in VERSIONS
    for name in SCENARIOS[version]
    if (version, name) not in UNTOLD
]


def planned(version: str, name: str, folder: Path, **ordered: object) -> list[Result]:
    """The plan of one recorded run; `ds` is given because dbt 2.x records no vars."""
    scenario(version, name, folder / "target")
    inputs = read_inputs(Project(str(folder), None, {}))
    assert inputs.warnings == []
    return listed(plan(inputs.manifest, inputs.runs, orders(datasource=None, vars={"ds": RUN_DATE}, **ordered)))


def tables(results: list[Result]) -> dict[str, str]:
    """The dates of each refreshed table, first and last; in these runs there are no gaps."""
    dates: dict[str, list[str]] = {}
    for result in results:
        if result.status is Status.PLANNED:
            dates.setdefault(str(result.table_name).split(".")[-1], []).append(str(result.partition))
    return {table: days[0] if len(days) == 1 else f"{days[0]}..{days[-1]}" for table, days in dates.items()}


@pytest.mark.parametrize(("version", "name"), CASES)
def test_every_version_gives_the_same_plan(version: str, name: str, tmp_path: Path) -> None:
    results = planned(version, name, tmp_path)
    assert without(tables(results), MICROBATCH) == EXPECTED[name]
    wrong = {result.unique_id: result.message or "" for result in results if result.status is Status.ERROR}
    if wrong:
        # dbt 2.0 does not record the batches, and a guess would be the wrong dates.
        assert (version, list(wrong)) == ("2.0", ["model.shop.daily_orders"])
        assert "does not record which batches it built" in wrong["model.shop.daily_orders"]
    assert all(result.message for result in results if result.status in (Status.SKIPPED, Status.UNTOUCHED))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_the_same_table_names(version: str, tmp_path: Path) -> None:
    names = {result.table_name for result in planned(version, "build", tmp_path)}
    assert {
        "duckdb.`shop.main`.fct_orders",
        "duckdb.`shop.main`.dim_products_v2",
        "duckdb.`lake.main`.product_sales_daily",
        "duckdb.`shop.snapshots`.customers_snapshot",
        "duckdb.`shop.main`.raw_orders",
    } <= names


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_records_the_run_date_of_its_environment(version: str, tmp_path: Path) -> None:
    results = planned(version, "run-date", tmp_path, run_date=None)
    assert tables(results)["dim_customers"] == "2024-07-16"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build", FROM_THE_EARLIEST),
        # The batch of 2024-07-14 fails at first; dbt's retry lists all that ever succeeded.
        ("microbatch-partial", FROM_THE_EARLIEST),
        ("microbatch-retry", FROM_THE_EARLIEST),
    ],
)
@pytest.mark.parametrize("version", [version for version in VERSIONS if "microbatch-retry" in SCENARIOS[version]])
def test_a_microbatch_model_is_refreshed_for_its_good_batches(
    version: str, name: str, expected: str, tmp_path: Path
) -> None:
    results = [result for result in planned(version, name, tmp_path) if MICROBATCH in result.unique_id]
    assert tables(results) == {MICROBATCH: expected}
    assert ("2024-07-14" in {str(result.partition) for result in results}) is (name != "microbatch-partial")


def test_every_recorded_scenario_is_expected_somewhere() -> None:
    assert {name for names in SCENARIOS.values() for name in names} == set(EXPECTED)


def later_dbt_2(folder: Path, status: str, args: dict[str, bool], **result: object) -> list[Result]:
    """The plan of a run of one model, in the form that the source of dbt 2.x releases after rc196 gives the results.

    Not recorded: those releases cannot be installed from a package registry alone.
    """
    target = scenario("2.0", "run", folder / "target")
    path = target / "run_results.json"
    run_results = json.loads(path.read_bytes())
    node = {"status": status, "timing": [], "thread_id": "1", "execution_time": 1.0, "adapter_response": {}, **result}
    run_results["results"] = [{**node, "unique_id": "model.shop.fct_orders"}]
    run_results["args"]["__other__"].update(args)
    path.write_text(json.dumps(run_results))
    inputs = read_inputs(Project(str(folder), None))
    return [
        each
        for each in listed(plan(inputs.manifest, inputs.runs, orders()))
        if each.unique_id == "model.shop.fct_orders"
    ]


def test_the_batches_of_a_later_dbt_2_are_their_dates(tmp_path: Path) -> None:
    pairs = [["2024-07-13T00:00:00Z", "2024-07-14T00:00:00Z"], ["2024-07-15T00:00:00Z", "2024-07-16T00:00:00Z"]]
    batches = {"successful": pairs, "failed": [["2024-07-14T00:00:00Z", "2024-07-15T00:00:00Z"]]}
    results = later_dbt_2(tmp_path, "partial success", {}, batch_results=batches)
    assert [str(result.partition) for result in results] == ["2024-07-13", "2024-07-15", "None"]
    assert results[2].message == "dbt did not build its batches of 2024-07-14"


def test_a_model_that_a_later_dbt_2_built_with_a_warning_is_refreshed(tmp_path: Path) -> None:
    assert [result.status for result in later_dbt_2(tmp_path, "warn", {})] == [Status.PLANNED]


def test_a_model_that_a_later_dbt_2_reused_is_not_refreshed(tmp_path: Path) -> None:
    [result] = later_dbt_2(tmp_path, "reused", {})
    assert (result.status, result.message) == (Status.SKIPPED, "dbt did not build it: reused")


def test_a_full_refresh_that_dbt_2_records_among_other_arguments_counts(tmp_path: Path) -> None:
    assert len(later_dbt_2(tmp_path, "success", {"full_refresh": True})) == 7
    assert later_dbt_2(tmp_path / "empty", "success", {"empty": True})[0].status is Status.UNTOUCHED
