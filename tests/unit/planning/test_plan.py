from __future__ import annotations

import pytest

from dbt_anymetrics.dbt_run.selectable import by_name
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.plan import plan
from dbt_anymetrics.planning.selection import parse, selected
from dbt_anymetrics.result import Result, Status
from tests.builders import (
    Json,
    batches,
    data_test_json,
    dates,
    listed,
    manifest,
    node_json,
    orders,
    planned,
    refreshes,
    result_json,
    run,
)

TABLE = {"anymetrics.table": "orders"}
NAME = "starrocks.`default_catalog.mart`.orders"


def only(results: list[Result]) -> Result:
    (result,) = results
    return result


def test_a_configured_node_that_was_built_is_refreshed() -> None:
    result = only(planned(node_json(meta=TABLE)))
    assert (result.table_name, str(result.partition), result.status) == (NAME, "2024-07-17", Status.PLANNED)
    assert result.unique_id == "model.shop.orders"
    assert result.invocation_id == run().invocation_id
    assert result.message is None


def test_a_node_with_results_that_do_not_agree_is_an_error() -> None:
    twice = run(result_json("orders"), result_json("orders", status="error"), result_json("customers"))
    source = {"anymetrics.datasource": "sr"}
    nodes = (node_json("orders", source), node_json("customers", source))
    entries = {entry.unique_id: entry for entry in planned(*nodes, runs=(twice,))}
    assert "run_results.json: has several results that do not agree" in (entries["model.shop.orders"].message or "")
    assert entries["model.shop.orders"].status is Status.ERROR
    assert entries["model.shop.customers"].status is Status.PLANNED
    same = run(result_json("orders"), result_json("orders"))
    assert [entry.status for entry in planned(nodes[0], runs=(same,))] == [Status.PLANNED]


def test_a_batch_that_ends_before_it_starts_holds_no_day() -> None:
    backwards = {"successful": [["2099-01-01T00:00:00Z", "2024-07-17T00:00:00Z"]], "failed": []}
    built = run(result_json("orders", batch_results=backwards))
    (entry,) = planned(node_json("orders", {"anymetrics.datasource": "sr"}), runs=(built,))
    assert entry.status is Status.SKIPPED
    assert entry.message == "its batches hold no day. Does its 'begin' lie in the future?"


def test_a_test_with_results_that_do_not_agree_has_failed() -> None:
    test = data_test_json("not_null", attached_to="orders")
    built = run(
        result_json("orders"),
        result_json(test["unique_id"], status="fail"),
        result_json(test["unique_id"], status="pass"),
    )
    (entry,) = planned(node_json("orders", {"anymetrics.datasource": "sr"}), tests=(test,), runs=(built,))
    assert entry.status is Status.SKIPPED
    assert "its test not_null failed" in (entry.message or "")


def test_each_date_of_a_node_is_a_refresh() -> None:
    assert dates(planned(node_json(meta={"anymetrics.partition": "run_date-1..run_date"}))) == [
        "2024-07-16",
        "2024-07-17",
    ]


@pytest.mark.parametrize("meta", [None, {"owner": "me"}, {"anymetrics.table": None}])
def test_a_node_without_settings_is_not_in_the_plan(meta: object) -> None:
    assert planned(node_json(meta=meta)) == []


def test_enabled_alone_is_a_setting() -> None:
    assert refreshes(planned(node_json(meta={"anymetrics.enabled": True}))) == [(NAME, "2024-07-17")]


@pytest.mark.parametrize("kind", ["model", "seed", "snapshot"])
def test_models_seeds_and_snapshots_are_refreshed(kind: str) -> None:
    config = {"materialized": "table" if kind == "model" else kind}
    assert len(refreshes(planned(node_json(meta=TABLE, resource_type=kind, config=config)))) == 1


@pytest.mark.parametrize("kind", ["analysis", "operation", "function"])
def test_nothing_else_is_in_the_plan(kind: str) -> None:
    assert planned(node_json(meta=TABLE, resource_type=kind)) == []


@pytest.mark.parametrize("meta", [{"anymetrics.on_test_failure": "refresh"}, {"any_metrics.enabled": True}])
def test_settings_on_a_test_are_an_error_because_nobody_reads_them_there(meta: dict[str, object]) -> None:
    node = node_json("unique_orders", meta=meta, resource_type="test")
    assert only(planned(node)).status is Status.ERROR
    did_not_run = only(planned(node, runs=(run(),)))
    assert did_not_run.status is Status.UNTOUCHED
    assert "its settings are wrong" in (did_not_run.message or "")


def test_the_settings_of_a_test_are_said_to_belong_on_its_model() -> None:
    meta = {"anymetrics.on_test_failure": "refresh"}
    assert only(planned(node_json("unique_orders", meta=meta, resource_type="test"))).message == (
        "anymetrics.on_test_failure: is in the meta of a test, which is not a place where settings are read. "
        "Write it in the meta of the model that is tested"
    )


def test_other_meta_of_a_test_is_left_alone() -> None:
    assert planned(node_json("unique_orders", meta={"owner": "etric"}, resource_type="test")) == []


@pytest.mark.parametrize(
    ("config", "enabled", "expected"),
    [
        ({"materialized": "view"}, None, "a view"),
        ({"materialized": "view"}, True, None),
        ({"materialized": "view"}, False, "anymetrics.enabled: false"),
        ({"materialized": "ephemeral"}, None, "ephemeral"),
        ({"materialized": "ephemeral"}, True, "ephemeral"),
        ({"materialized": "table"}, False, "anymetrics.enabled: false"),
        ({"materialized": "table"}, True, None),
        ({"materialized": "incremental"}, None, None),
        ({"materialized": "materialized_view"}, None, None),
        ({"materialized": None}, None, None),
    ],
)
def test_how_a_model_is_built_decides_whether_it_is_refreshed(
    config: Json, enabled: bool | None, expected: str | None
) -> None:
    result = only(planned(node_json(meta={**TABLE, "anymetrics.enabled": enabled}, config=config)))
    if expected is None:
        assert result.status is Status.PLANNED
    else:
        assert result.status is (Status.UNTOUCHED if expected == "ephemeral" else Status.SKIPPED)
        assert expected in (result.message or "")


@pytest.mark.parametrize(
    ("built", "reason"),
    [
        (run(result_json(status="error")), "dbt did not build it: error"),
        (run(result_json(status="skipped")), "dbt did not build it: skipped"),
    ],
)
def test_what_was_not_built_is_skipped_with_the_reason(built: object, reason: str) -> None:
    result = only(planned(node_json(meta=TABLE), runs=(built,)))  # type: ignore[arg-type]
    assert (result.status, result.message) == (Status.SKIPPED, reason)
    assert result.partition is None


@pytest.mark.parametrize("materialized", ["table", "view"])
@pytest.mark.parametrize(
    ("built", "reason"),
    [
        (run(result_json("other")), "not part of this run"),
        (run(), "not part of this run"),
        (run(result_json(), args={"which": "compile"}), "dbt compile"),
        (run(result_json(), args={"empty": True}), "--empty"),
        (run(result_json(), args={"sample": True}), "--sample"),
    ],
)
def test_what_the_run_did_not_touch_says_so_whatever_it_is(built: object, reason: str, materialized: str) -> None:
    node = node_json(meta=TABLE, config={"materialized": materialized})
    result = only(planned(node, runs=(built,)))  # type: ignore[arg-type]
    assert result.status is Status.UNTOUCHED
    assert reason in (result.message or "")
    assert result.partition is None


UNIQUE = data_test_json("unique_orders", attached_to="orders")


@pytest.mark.parametrize(
    ("status", "setting", "refreshed"),
    [
        ("fail", None, False),
        ("error", None, False),
        ("fail", "skip", False),
        ("fail", "refresh", True),
        ("warn", None, True),
        ("pass", None, True),
    ],
)
def test_a_failed_test_skips_its_node_unless_told_otherwise(status: str, setting: str | None, refreshed: bool) -> None:
    built = run(result_json(), result_json(UNIQUE["unique_id"], status))
    meta = {**TABLE, "anymetrics.on_test_failure": setting}
    result = only(planned(node_json(meta=meta), runs=(built,), tests=(UNIQUE,)))
    assert (result.status is Status.PLANNED) is refreshed
    assert refreshed or "unique_orders" in (result.message or "")


def test_a_failed_test_skips_no_other_node() -> None:
    other = node_json("customers", {"anymetrics.enabled": True})
    built = run(result_json("customers"), result_json(UNIQUE["unique_id"], "fail"))
    assert len(refreshes(planned(other, runs=(built,), tests=(UNIQUE,)))) == 1


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"anymetrics.tabel": "orders"}, "anymetrics.tabel"),
        ({"anymetrics": {"tabel": "orders"}}, "anymetrics.table"),
        ({"anymetrics.enabled": "yes"}, "anymetrics.enabled"),
        ({"anymetrics.partition": "{{ var('ds') }}"}, "anymetrics.partition"),
        ({"anymetrics.table": "a.b"}, "anymetrics.table"),
        ({"anymetrics": "orders"}, "anymetrics"),
    ],
)
def test_a_wrong_setting_fails_its_node_alone(meta: object, said: str) -> None:
    wrong, right = planned(node_json("wrong", meta), node_json("right", {"anymetrics.enabled": True}))
    assert (wrong.unique_id, wrong.status, wrong.partition) == ("model.shop.wrong", Status.ERROR, None)
    assert said in (wrong.message or "")
    assert right.status is Status.PLANNED


def test_a_wrong_setting_of_a_node_that_was_not_built_is_told_and_fails_nothing() -> None:
    result = only(planned(node_json(meta={"anymetrics.tabel": "x"}), runs=(run(),)))
    assert result.status is Status.UNTOUCHED
    assert "not part of this run" in (result.message or "")
    assert "anymetrics.tabel" in (result.message or "")


def test_a_missing_datasource_fails_the_node() -> None:
    result = only(planned(node_json(meta=TABLE), datasource=None))
    assert result.status is Status.ERROR
    assert "anymetrics.datasource" in (result.message or "")


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], 4),
        (["orders"], 1),
        (["ord*"], 1),
        (["orders", "customers"], 2),
        (["dim_products"], 2),
        (["dim_products.v2"], 1),
        (["model.shop.orders"], 1),
        (["*"], 4),
        (["ORDERS"], 0),
        (["order"], 0),
    ],
)
def test_globs_select_nodes_by_name_version_or_id(globs: list[str], expected: int) -> None:
    nodes = [node_json(name, {"anymetrics.enabled": True}) for name in ("orders", "customers")]
    for v in (1, 2):
        versioned = node_json("dim_products", {"anymetrics.enabled": True}, version=v, alias=f"dim_products_v{v}")
        nodes.append({**versioned, "unique_id": f"model.shop.dim_products.v{v}"})
    chosen = selected(parse(globs), by_name(manifest(*nodes))) if globs else None
    results = planned(*nodes, selected=chosen)
    assert len(refreshes(results)) == expected
    unselected = [result for result in results if result.message == "not selected by --select"]
    assert len(unselected) == len(nodes) - expected


def test_a_wrong_setting_of_an_unselected_node_fails_nothing() -> None:
    result = only(planned(node_json(meta={"anymetrics.tabel": "x"}), selected=frozenset()))
    assert result.status is Status.UNTOUCHED


def test_good_batches_are_refreshed_and_failed_ones_not() -> None:
    built = run(result_json(status="partial success", batch_results=batches("2024-07-14T00:00:00Z")))
    assert dates(planned(node_json(meta=TABLE), runs=(built,))) == ["2024-07-14"]


def test_two_nodes_of_one_table_are_refreshed_once_and_the_second_says_why() -> None:
    first, second = planned(node_json("a", TABLE), node_json("b", TABLE))
    assert first.status is Status.PLANNED
    assert second.status is Status.SKIPPED
    assert second.message == "the same table and date as model.shop.a"


def test_a_table_built_by_two_runs_is_refreshed_once_by_the_newer() -> None:
    older, newer = run(result_json(), invocation_id="older"), run(result_json(), invocation_id="newer")
    assert only(planned(node_json(meta=TABLE), runs=(older, newer))).invocation_id == "newer"


def test_each_run_has_its_own_date() -> None:
    older = run(result_json(), env={"ANYMETRICS_RUN_DATE": "2024-07-01"})
    newer = run(result_json(), env={"ANYMETRICS_RUN_DATE": "2024-07-02"})
    assert dates(planned(node_json(meta=TABLE), runs=(older, newer), run_date=None)) == ["2024-07-01", "2024-07-02"]


def test_a_node_built_by_one_run_of_several_is_refreshed() -> None:
    built, tested = run(result_json()), run(result_json("test.shop.t", "pass"), args={"which": "test"})
    assert len(refreshes(planned(node_json(meta=TABLE), runs=(built, tested)))) == 1


def test_of_several_runs_the_newest_reason_that_concerns_the_node_is_given() -> None:
    failed, other = run(result_json(status="error")), run(result_json("other"))
    assert "error" in (only(planned(node_json(meta=TABLE), runs=(failed, other))).message or "")


def test_a_test_that_passes_in_a_later_run_lets_the_node_through() -> None:
    failed = run(result_json(), result_json(UNIQUE["unique_id"], "fail"))
    passed = run(result_json(UNIQUE["unique_id"], "pass"), args={"which": "test"})
    assert len(refreshes(planned(node_json(meta=TABLE), runs=(failed, passed), tests=(UNIQUE,)))) == 1


def test_the_order_is_dbts_and_then_by_name() -> None:
    nodes = [node_json(name, {"anymetrics.enabled": True}) for name in ("a", "b", "c", "d")]
    results = planned(*nodes, runs=(run(result_json("c"), result_json("b")),))
    assert [result.unique_id[-1] for result in results] == ["c", "b", "a", "d"]


def test_a_result_of_a_node_that_the_manifest_does_not_know_is_ignored() -> None:
    built = run(result_json("operation.shop.on-run-end-0"), result_json())
    assert len(planned(node_json(meta=TABLE), runs=(built,))) == 1


@pytest.mark.parametrize("wrong", [{"run_date": "soon"}, {"partition": "soon"}, {"run_date": None, "timezone": "Mars"}])
def test_a_wrong_order_for_all_nodes_gives_no_plan(wrong: Json) -> None:
    with pytest.raises(UsageError):
        planned(node_json(meta=TABLE), **wrong)


def test_without_a_run_nothing_is_touched() -> None:
    result = only(listed(plan(manifest(node_json(meta=TABLE)), [], orders())))
    assert result.status is Status.UNTOUCHED
