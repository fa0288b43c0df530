"""The table names that come of what each adapter really writes. `tests/adapters/golden.md` is the list to review."""

from __future__ import annotations

import pytest

from dbt_anymetrics.errors import NodeError
from tests.adapters import GOLDEN, adapters, golden, manifest, node, recorded, table

WITHOUT_DATABASE = {"clickhouse", "hive", "mysql", "spark"}


def test_the_names_are_those_of_the_golden_file() -> None:
    assert golden() == GOLDEN.read_text(encoding="utf-8"), "if this is meant: python -m tests.adapters.record"


@pytest.mark.parametrize("adapter", adapters())
def test_the_manifest_names_the_adapter(adapter: str) -> None:
    assert manifest(adapter).metadata.adapter_type == adapter


@pytest.mark.parametrize("adapter", adapters())
def test_recordings_hold_no_path_of_a_machine(adapter: str) -> None:
    text = str(recorded(adapter))
    assert not [word for word in ("/tmp", "/home", "/root", "/Users", "file:") if word in text]


@pytest.mark.parametrize("adapter", [name for name in adapters() if name not in WITHOUT_DATABASE])
def test_ordinary_and_odd_names_of_an_adapter_with_a_database_need_no_setting(adapter: str) -> None:
    for name in ("orders", "order_lines", "quoted", "chinese", "own_schema", "by_day", "countries", "orders_history"):
        assert table(node(adapter, name), adapter).startswith("ds.`")


@pytest.mark.parametrize("adapter", sorted(WITHOUT_DATABASE))
def test_an_adapter_without_a_database_needs_the_catalog_key_and_no_other(adapter: str) -> None:
    for each in manifest(adapter).nodes.values():
        with pytest.raises(NodeError, match=r"^anymetrics\.catalog: has no usable value"):
            table(each, adapter)
        assert table(each, adapter, catalog="set") == f"ds.`set.{each.schema}`.{each.alias}"


@pytest.mark.parametrize(
    ("adapter", "name", "expected"),
    [
        ("starrocks", "orders", "ds.`default_catalog.shop`.orders"),
        ("starrocks", "order_lines", "ds.`default_catalog.shop`.Order Lines"),
        ("starrocks", "chinese", "ds.`default_catalog.shop`.订单"),
        ("starrocks", "own_schema", "ds.`default_catalog.shop_finance`.own_schema"),
        ("starrocks", "precomputed", "ds.`default_catalog.shop`.precomputed"),
        ("starrocks", "own_catalog", "ds.`iceberg.shop`.own_catalog"),
        ("starrocks", "internal_catalog", "ds.`default_catalog.shop`.internal_catalog"),
        ("starrocks", "dotted_schema", "ds.`iceberg.lake`.dotted_schema"),
        ("doris", "orders", "ds.`internal.shop`.orders"),
        ("doris", "own_schema", "ds.`internal.shop_finance`.own_schema"),
        ("oracle", "orders", "ds.`orclpdb1.shop`.orders"),
        ("postgres", "own_database", "ds.`other.shop`.own_database"),
    ],
)
def test_a_name_is_that_of_the_table_which_dbt_creates(adapter: str, name: str, expected: str) -> None:
    assert table(node(adapter, name), adapter) == expected


@pytest.mark.parametrize("name", ["own_catalog_and_database", "own_catalog_by_day"])
def test_a_starrocks_table_of_an_external_catalog_is_in_its_database_config(name: str) -> None:
    assert table(node("starrocks", name), "starrocks") == f"ds.`iceberg.lake`.{name}"


def test_a_starrocks_materialized_view_is_in_the_internal_catalog() -> None:
    expected = "ds.`default_catalog.shop`.own_catalog_precomputed"
    assert table(node("starrocks", "own_catalog_precomputed"), "starrocks") == expected


def test_a_doris_database_that_may_be_schema_or_catalog_is_an_error() -> None:
    relation = recorded("doris")["manifest"]["nodes"]["model.shop.own_database"]["relation_name"]
    assert relation == "`other`.`own_database`"
    with pytest.raises(NodeError, match=r"^anymetrics\.catalog: is not set, and may not be guessed: .* is 'other'"):
        table(node("doris", "own_database"), "doris")
