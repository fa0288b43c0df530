"""A setting in a place where nobody looks for it is an error of its node, and never another date."""

from __future__ import annotations

import pytest

from dbt_anymetrics.result import Status
from tests.builders import Json, node_json, planned

TABLE = {"anymetrics.datasource": "starrocks"}

KEYED: list[Json] = [
    {"anymetrics_partition": "run_date-1"},
    {"anymetrics.partition": "run_date-1"},
    {"anymetrics": {"partition": "run_date-1"}},
    {"any_metrics-partition": "run_date-1"},
    {"AnyMetrics.Partition": "run_date-1"},
    {"meta.anymetrics.partition": "run_date-1"},
    {"anymetrics/partition": "run_date-1"},
    {"anymetricspartition": "run_date-1"},
    {" anymetrics.partition": "run_date-1"},
]


def twice(keys: Json) -> Json:
    """The meta of a column, as dbt 1.10 and later write it."""
    return {"meta": keys, "config": {"meta": keys}}


def beside(keys: Json) -> Json:
    """The same, as the last dbt 1.9 writes it."""
    return {"meta": keys, "config": {"meta": {}, "tags": []}}


def configured(node: Json, keys: Json) -> Json:
    """The node with more keys in its config, as dbt writes them."""
    return {**node, "config": {**node["config"], **keys}, "unrendered_config": {"materialized": "table", **keys}}


def message(**entry: object) -> str:
    node = node_json(meta=TABLE)
    (result,) = planned({**node, **entry})
    assert result.status is Status.ERROR
    assert result.partition is None
    return result.message or ""


@pytest.mark.parametrize("keyed", KEYED, ids=str)
def test_a_key_of_the_config_is_named_with_its_right_place(keyed: Json) -> None:
    said = message(**configured(node_json(meta=TABLE), keyed))
    assert said.startswith(f"config: {next(iter(keyed))}: is not a place where settings are read. Write it in the meta")


@pytest.mark.parametrize("keyed", KEYED[:3], ids=str)
@pytest.mark.parametrize("wrap", [lambda k: {"config": {"meta": k}}, lambda k: {"vars": k}, lambda k: {"config": k}])
def test_a_key_deeper_in_the_config_is_named_with_its_right_place(keyed: Json, wrap: object) -> None:
    said = message(**configured(node_json(meta=TABLE), wrap(keyed)))  # type: ignore[operator]
    assert said.startswith("config: ")
    assert "is not a place where settings are read. Write it in the meta" in said


@pytest.mark.parametrize(
    "key", ["anymetrics/partition", "anymetrics:partition", "anymetricspartition", " anymetrics.x"]
)
def test_a_key_of_meta_that_can_only_mean_ours_is_an_error(key: str) -> None:
    (result,) = planned(node_json(meta={**TABLE, key: "run_date-1"}))
    assert result.status is Status.ERROR
    assert "is not a setting. Did you mean anymetrics." in (result.message or "")


@pytest.mark.parametrize("keyed", KEYED[:3], ids=str)
@pytest.mark.parametrize("wrap", [lambda k: k, lambda k: {"meta": k}, lambda k: {"config": {"meta": k}}, twice, beside])
def test_a_key_of_a_column_is_named_with_its_right_place(keyed: Json, wrap: object) -> None:
    said = message(columns={"id": {"name": "id", **wrap(keyed)}})  # type: ignore[operator]
    assert said.startswith("columns: id: ")
    assert "is not a place where settings are read" in said


@pytest.mark.parametrize("keyed", KEYED[:3], ids=str)
@pytest.mark.parametrize("under", ["meta", "config", "owner"])
def test_a_key_one_level_too_deep_in_meta_is_named_with_its_right_place(keyed: Json, under: str) -> None:
    (result,) = planned(node_json(meta={**TABLE, under: keyed}))
    assert result.status is Status.ERROR
    assert (result.message or "").startswith(f"meta: {under}: {next(iter(keyed))}: is not a place")


@pytest.mark.parametrize("kind", ["model", "seed", "snapshot"])
def test_it_holds_for_a_node_without_any_other_setting(kind: str) -> None:
    node = node_json(meta={}, resource_type=kind)
    (result,) = planned(configured(node, {"anymetrics_partition": "run_date-1"}))
    assert result.status is Status.ERROR


@pytest.mark.parametrize(
    "columns",
    [
        {"anymetrics": {"dimension": "region"}},
        {"meta": {"anymetrics.semantic_type": "currency", "metrics": ["revenue"]}},
        {"description": "see anymetrics.partition"},
        {"meta": {"tool": "anymetrics", "anymetrics": "yes"}},
    ],
    ids=str,
)
def test_what_a_company_keeps_about_its_columns_is_its_own_business(columns: Json) -> None:
    (result,) = planned({**node_json(meta=TABLE), "columns": {"id": {"name": "id", **columns}}})
    assert result.status is Status.PLANNED


def test_the_copy_of_the_nodes_meta_that_dbt_2_gives_a_column_is_no_mistake() -> None:
    columns = {"id": {"name": "id", "meta": TABLE, "config": {}}}
    (result,) = planned({**node_json(meta=TABLE), "columns": columns})
    assert result.status is Status.PLANNED


@pytest.mark.parametrize("config", [{"metrics": {"a": 1}}, {"tags": ["anymetrics"]}, {"alias": "anymetrics_orders"}])
def test_a_config_that_only_mentions_the_word_is_none_of_ours(config: Json) -> None:
    node = node_json(meta=TABLE)
    (result,) = planned(configured(node, config))
    assert result.status is Status.PLANNED
