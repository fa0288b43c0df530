"""The table names that come of what each adapter really writes. `tests/adapters/golden.md` is the list to review."""

from __future__ import annotations

import re
from itertools import product

import pytest

from dbt_anymetrics.errors import NodeError
from tests.adapters import GOLDEN, adapters, golden, manifest, node, recorded, table
from tests.shop import ROOT

WITHOUT_DATABASE = {"clickhouse", "hive", "mysql", "oracle_without_database", "spark"}

REFUSING = {"greenplum", "oracle", "postgres", "redshift"}
"""Where dbt runs nothing when a model has another database than the profile."""

ORDINARY = ("orders", "order_lines", "quoted", "chinese", "own_schema", "by_day", "countries", "orders_history")


OTHER_DATABASE = ("own_database", "own_schema_and_database")

UNKNOWN = {
    *product(("doris", "for_apache_doris"), OTHER_DATABASE),
    ("starrocks", "own_catalog_and_schema_by_day"),
}
"""Where the artifacts do not say in which schema dbt creates the table."""


def named(adapter: str, name: str) -> str:
    """AnyMetrics' name without the data source; the catalog is `set` where it has to be set."""
    each = node(adapter, name)
    try:
        return table(each, adapter).removeprefix("ds.")
    except NodeError:
        return table(each, adapter, catalog="set").removeprefix("ds.")


def unquoted(text: str) -> str:
    return re.sub(r"[`\"]|__dbt_tmp", "", text).lower()


CREATED = [
    (adapter, each["name"], each["creates"])
    for adapter in adapters()
    for each in recorded(adapter)["manifest"]["nodes"].values()
    if each["creates"]
]


def test_the_names_are_those_of_the_golden_file() -> None:
    assert golden() == GOLDEN.read_text(encoding="utf-8"), "if this is meant: python -m tests.adapters.record"


@pytest.mark.parametrize("adapter", adapters())
def test_recordings_hold_no_path_of_a_machine(adapter: str) -> None:
    text = str(recorded(adapter))
    assert not [word for word in ("/tmp", "/home", "/root", "/Users", "file:") if word in text]


@pytest.mark.parametrize(("adapter", "name", "created"), CREATED)
def test_a_table_is_never_named_where_dbt_does_not_create_it(adapter: str, name: str, created: str) -> None:
    if created.startswith("refused: "):
        assert (adapter, name) in product(REFUSING, OTHER_DATABASE)
    elif (adapter, name) in UNKNOWN:
        with pytest.raises(NodeError):
            table(node(adapter, name), adapter)
    else:
        # A statement may leave out the catalog of the connection, in which the ordinary tables are.
        full = unquoted(named(adapter, name))
        catalog, _, rest = full.partition(".")
        ordinary = unquoted(named(adapter, "orders")).partition(".")[0]
        assert unquoted(created) in ({full, rest} if catalog in {ordinary, "set"} else {full})


@pytest.mark.parametrize("adapter", sorted(set(adapters()) - WITHOUT_DATABASE - {"salesforce"}))
def test_ordinary_and_odd_names_of_an_adapter_with_a_database_need_no_setting(adapter: str) -> None:
    for name in ORDINARY:
        assert table(node(adapter, name), adapter).startswith("ds.`")


@pytest.mark.parametrize("adapter", sorted(WITHOUT_DATABASE))
def test_an_adapter_without_a_database_needs_the_catalog_key_and_no_other(adapter: str) -> None:
    for each in manifest(adapter).nodes.values():
        with pytest.raises(NodeError, match=r"^anymetrics\.catalog: is not set, and the \w+ adapter "):
            table(each, adapter)
        assert table(each, adapter, catalog="set") == f"ds.`set.{each.schema}`.{each.alias}"


@pytest.mark.parametrize("name", ORDINARY)
def test_an_adapter_without_schemas_needs_the_schema_key(name: str) -> None:
    with pytest.raises(NodeError, match=r"^anymetrics\.schema: is not set, and the salesforce adapter has no schemas"):
        table(node("salesforce", name), "salesforce", catalog="set")


@pytest.mark.parametrize(
    ("adapter", "name", "expected"),
    [
        ("starrocks", "orders", "ds.`default_catalog.shop`.orders"),
        ("starrocks", "order_lines", "ds.`default_catalog.shop`.Order Lines"),
        ("starrocks", "chinese", "ds.`default_catalog.shop`.订单"),
        ("starrocks", "own_schema", "ds.`default_catalog.shop_finance`.own_schema"),
        ("starrocks", "own_database", "ds.`default_catalog.shop`.own_database"),
        ("starrocks", "precomputed", "ds.`default_catalog.shop`.precomputed"),
        ("starrocks", "own_catalog", "ds.`iceberg.shop`.own_catalog"),
        ("starrocks", "own_catalog_and_database", "ds.`iceberg.lake`.own_catalog_and_database"),
        ("starrocks", "own_catalog_by_day", "ds.`iceberg.lake`.own_catalog_by_day"),
        ("starrocks", "own_catalog_and_schema", "ds.`iceberg.shop_finance`.own_catalog_and_schema"),
        ("starrocks", "own_catalog_looked_at", "ds.`default_catalog.shop`.own_catalog_looked_at"),
        ("starrocks", "own_catalog_precomputed", "ds.`default_catalog.shop`.own_catalog_precomputed"),
        ("starrocks", "internal_catalog", "ds.`default_catalog.shop`.internal_catalog"),
        ("starrocks", "dotted_schema", "ds.`iceberg.lake`.dotted_schema"),
        ("doris", "orders", "ds.`internal.shop`.orders"),
        ("doris", "own_schema", "ds.`internal.shop_finance`.own_schema"),
        ("for_apache_doris", "orders", "ds.`internal.shop`.orders"),
        ("exasol", "orders", "ds.`exadb.shop`.orders"),
        ("greenplum", "orders", "ds.`warehouse.shop`.orders"),
        ("oracle", "orders", "ds.`orclpdb1.shop`.orders"),
        ("snowflake", "own_schema_and_database", "ds.`other.SHOP_finance`.own_schema_and_database"),
        ("trino", "own_database", "ds.`other.shop`.own_database"),
    ],
)
def test_a_name_is_that_of_the_table_which_dbt_creates(adapter: str, name: str, expected: str) -> None:
    assert table(node(adapter, name), adapter) == expected


@pytest.mark.parametrize("adapter", ["exasol", "oracle"])
@pytest.mark.parametrize("name", OTHER_DATABASE)
def test_a_database_that_the_adapter_does_not_follow_is_no_catalog(adapter: str, name: str) -> None:
    each = node(adapter, name)
    with pytest.raises(
        NodeError, match=rf"^anymetrics\.catalog: is not set, and the {adapter} adapter does not follow"
    ):
        table(each, adapter)
    assert table(each, adapter, catalog="set") == f"ds.`set.{each.schema}`.{name}"


def test_an_incremental_model_of_an_external_starrocks_catalog_is_in_the_schema_of_the_profile() -> None:
    each = node("starrocks", "own_catalog_and_schema_by_day")
    assert each.schema == "shop_finance"
    with pytest.raises(NodeError, match=r"^anymetrics\.schema: is not set, and dbt-starrocks creates an incremental"):
        table(each, "starrocks")


@pytest.mark.parametrize("recording", ["doris", "for_apache_doris"])
@pytest.mark.parametrize("name", OTHER_DATABASE)
def test_a_doris_database_that_may_be_schema_or_catalog_is_an_error(recording: str, name: str) -> None:
    each = node(recording, name)
    with pytest.raises(NodeError, match=r"^anymetrics\.schema: is not set, and a database config on the model is its "):
        table(each, recording, catalog="set")
    with pytest.raises(
        NodeError, match=r"^anymetrics\.catalog: is not set, and a database config on the model is its "
    ):
        table(each, recording, schema="set")
    assert table(each, recording, schema="internal.shop") == f"ds.`internal.shop`.{name}"


@pytest.mark.parametrize("adapter", adapters())
def test_the_table_of_adapters_names_each_recording_with_its_version(adapter: str) -> None:
    package, version = recorded(adapter)["adapter"].split()
    table = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8").partition("## Adapters")[2]
    assert f"{package} {version}" in table
