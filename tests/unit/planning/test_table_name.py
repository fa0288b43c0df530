from __future__ import annotations

from typing import Any

import pytest

from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.planning.table_name import MAX_LENGTH, node_table_name
from tests.builders import node


def name(
    adapter: str | None = "starrocks",
    datasource: str | None = "sr",
    settings: NodeSettings | None = None,
    **fields: object,
) -> str:
    return node_table_name(node(**fields), settings or NodeSettings(), datasource, adapter)  # type: ignore[arg-type]


def fault(adapter: str | None = "starrocks", **fields: Any) -> str:
    """The error in place of a name."""
    with pytest.raises(NodeError) as caught:
        name(adapter, **fields)
    return str(caught.value)


@pytest.mark.parametrize(
    ("adapter", "fields", "expected"),
    [
        ("starrocks", {"database": None}, "sr.`default_catalog.mart`.orders"),
        ("starrocks", {"database": "ignored"}, "sr.`default_catalog.mart`.orders"),
        ("starrocks", {"config": {"catalog": "hive"}}, "sr.`hive.mart`.orders"),
        ("starrocks", {"config": {"catalog": ""}}, "sr.`default_catalog.mart`.orders"),
        ("starrocks", {"config": {"catalog": ["odd"]}}, "sr.`default_catalog.mart`.orders"),
        ("starrocks", {"schema": "hive.mart"}, "sr.`hive.mart`.orders"),
        ("doris", {"database": ""}, "sr.`internal.mart`.orders"),
        ("doris", {"database": "mart"}, "sr.`internal.mart`.orders"),
        ("doris", {"config": {"catalog": "hive"}}, "sr.`internal.mart`.orders"),
        ("postgres", {"database": "dw"}, "sr.`dw.mart`.orders"),
        (None, {"database": "dw"}, "sr.`dw.mart`.orders"),
        ("postgres", {"database": "dw", "alias": "orders_v2"}, "sr.`dw.mart`.orders_v2"),
        ("postgres", {"database": "dw", "alias": None}, "sr.`dw.mart`.orders"),
        ("postgres", {"database": "dw", "relation_name": '"a"."b"."c"'}, "sr.`dw.mart`.orders"),
        ("postgres", {"database": "仓库", "schema": "销售"}, "sr.`仓库.销售`.orders"),
    ],
)
def test_a_name_is_made_of_what_dbt_knows(adapter: str | None, fields: dict[str, Any], expected: str) -> None:
    assert name(adapter, **fields) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (NodeSettings(datasource="mine"), "mine.`default_catalog.mart`.orders"),
        (NodeSettings(catalog="hive"), "sr.`hive.mart`.orders"),
        (NodeSettings(schema="sales"), "sr.`default_catalog.sales`.orders"),
        (NodeSettings(schema="hive.sales"), "sr.`hive.sales`.orders"),
        (NodeSettings(schema="hive.sales", catalog="other"), "sr.`hive.sales`.orders"),
        (NodeSettings(table="dwd_orders"), "sr.`default_catalog.mart`.dwd_orders"),
        (NodeSettings(datasource="a", catalog="b", schema="c", table="d"), "a.`b.c`.d"),
    ],
)
def test_a_setting_wins_over_what_dbt_knows(settings: NodeSettings, expected: str) -> None:
    assert name(settings=settings) == expected


def test_the_catalog_setting_wins_over_the_models_own_catalog() -> None:
    assert name(settings=NodeSettings(catalog="hive"), config={"catalog": "iceberg"}) == "sr.`hive.mart`.orders"


@pytest.mark.parametrize("database", [None, "", " ", "None"])
def test_a_database_without_a_usable_value_is_an_error_that_names_the_catalog_key(database: str | None) -> None:
    assert fault("mysql", database=database) == (
        "anymetrics.catalog: is not set, and the mysql adapter names no database to take it from. Set it to the "
        "catalog in which AnyMetrics sees the table, for example anymetrics.catalog: mysql_catalog"
    )


@pytest.mark.parametrize("adapter", ["starrocks", "oracle"])
def test_a_catalog_set_to_none_as_text_is_an_error_and_not_another_catalog(adapter: str) -> None:
    said = fault(adapter, settings=NodeSettings(catalog="None"), database="dw")
    assert said.startswith("anymetrics.catalog: is the text None. Set it to the catalog ")


@pytest.mark.parametrize("datasource", [None, ""])
def test_a_missing_datasource_is_an_error_that_names_the_key_and_the_option(datasource: str | None) -> None:
    assert fault(datasource=datasource) == (
        "anymetrics.datasource: is not set. Set it in meta, for example anymetrics.datasource: starrocks, or for every "
        "node with --datasource / ANYMETRICS_DATASOURCE"
    )


@pytest.mark.parametrize("part", ["a`b", "a.b", "a\nb", "a\x1bb", "a\u202eb", " a", "a\t"])
@pytest.mark.parametrize("key", ["datasource", "catalog", "table"])
def test_a_part_that_the_form_cannot_hold_is_an_error_that_names_its_key(key: str, part: str) -> None:
    said = fault(settings=NodeSettings(**{key: part}))  # type: ignore[arg-type]
    assert said.startswith(f"anymetrics.{key}: ")
    assert said.endswith(f". It is now: {part!r}")


@pytest.mark.parametrize("schema", [None, "", " "])
def test_a_schema_that_dbt_does_not_know_is_an_error_that_says_what_to_set(schema: str | None) -> None:
    assert fault(schema=schema) == (
        "anymetrics.schema: is not set, and dbt has no schema for this node. Set it to the schema in which AnyMetrics "
        "sees the table, for example anymetrics.schema: shop"
    )


@pytest.mark.parametrize("schema", ["a.b.c", "hive.", "hive.a`b"])
def test_a_schema_that_the_form_cannot_hold_is_an_error_that_names_its_key(schema: str) -> None:
    assert fault(schema=schema).startswith("anymetrics.schema: ")


def test_an_incremental_model_of_an_external_catalog_is_named_where_the_artifacts_tell_its_schema() -> None:
    external = {"catalog": "hive", "materialized": "incremental"}
    assert name(config=external) == "sr.`hive.mart`.orders"
    assert name(config={**external, "schema": "mart", "database": "lake"}) == "sr.`hive.lake`.orders"
    assert name(settings=NodeSettings(schema="raw"), config={**external, "schema": "mart"}) == "sr.`hive.raw`.orders"
    assert fault(config={**external, "schema": "mart"}).startswith("anymetrics.schema: is not set, and dbt-starrocks ")


def test_a_name_has_at_most_128_characters_backticks_included() -> None:
    longest = "t" * (MAX_LENGTH - len("sr.`default_catalog.mart`."))
    assert len(name(alias=longest)) == 128
    said = fault(alias=longest + "t")
    assert said.startswith("the table name: is longer than the 128 characters that AnyMetrics allows. Shorten it ")
    assert "It has 129 characters: " in said


@pytest.mark.parametrize(
    ("adapter", "fields"),
    [
        ("mysql", {}),
        (None, {}),
        ("oracle", {"config": {"database": "other"}}),
        ("doris", {"database": "other"}),
        ("salesforce", {}),
        ("starrocks", {"schema": None}),
    ],
)
def test_nodes_with_one_cause_have_one_message_in_a_persons_words(adapter: str | None, fields: dict[str, Any]) -> None:
    said = {fault(adapter, alias=alias, **{"database": None, **fields}) for alias in ("orders", "customers")}
    assert len(said) == 1
    assert "None" not in said.pop()
