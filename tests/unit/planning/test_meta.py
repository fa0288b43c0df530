from __future__ import annotations

import re

import pytest

from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import KEYS, NodeSettings, read_settings


@pytest.mark.parametrize(
    "meta",
    [
        *(None, {}, [], "text", 5, {"owner": "me"}, {"anymetrics": None}, {"anymetrics": {}}),
        *({"anymetrics.table": None}, {"anymetrics": {"table": None}}, {"anymetricsx.table": "t"}),
    ],
)
def test_a_node_that_says_nothing_has_no_settings(meta: object) -> None:
    assert read_settings(meta) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasource", "starrocks"),
        ("catalog", "hive"),
        ("schema", "hive.mart"),
        ("table", "orders"),
        ("partition", "run_date-1"),
        ("partition", ["run_date-1", "{{ var('ds') }}"]),
        ("partition", "{{ anything at all }}"),
        ("full_refresh_from", "2024-07-01"),
        ("full_refresh_from", "run_date-30"),
        ("full_refresh_from", "{{ var('start') }}"),
        ("enabled", True),
        ("enabled", False),
        ("on_test_failure", "skip"),
        ("on_test_failure", "refresh"),
    ],
)
def test_a_setting_is_read_flat_or_nested(key: str, value: object) -> None:
    flat, nested = read_settings({f"anymetrics.{key}": value}), read_settings({"anymetrics": {key: value}})
    assert flat == nested
    assert getattr(flat, key) == value


def test_a_flat_key_wins_over_the_same_nested_one_and_the_others_stay() -> None:
    meta = {"anymetrics": {"table": "nested", "schema": "mart"}, "anymetrics.table": "flat"}
    assert read_settings(meta) == NodeSettings(table="flat", schema="mart")


def test_a_failed_test_skips_its_node_unless_the_node_says_otherwise() -> None:
    settings = read_settings({"anymetrics.enabled": True})
    assert settings is not None
    assert settings.on_test_failure == "skip"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [5, 1.5, "", " ", {}, {"a": 1}, [5], [[]], [None]])
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_key(key: str, value: object) -> None:
    with pytest.raises(NodeError, match=rf"^anymetrics\.{key}: "):
        read_settings({f"anymetrics.{key}": value})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("table", True, "needs a text, not True"),
        ("enabled", "true", "needs true or false, not 'true'"),
        ("enabled", 1, "needs true or false"),
        ("on_test_failure", "Skip", "needs skip or refresh, not 'Skip'"),
        ("on_test_failure", True, "needs skip or refresh"),
        ("partition", "yesterday", "'yesterday' is not a date"),
        ("partition", "2024-07-02..2024-07-01", "runs backwards"),
        ("partition", ["2024-07-01", "2024-02-30"], "does not exist"),
        ("full_refresh_from", "2024-07-01..2024-07-02", "needs one date"),
        ("full_refresh_from", "2024-07-01, 2024-07-02", "needs one date"),
        ("full_refresh_from", ["2024-07-01"], "needs a text"),
    ],
)
def test_a_bad_value_is_an_error_that_says_what_is_needed(key: str, value: object, said: str) -> None:
    with pytest.raises(NodeError) as refusal:
        read_settings({f"anymetrics.{key}": value})
    assert str(refusal.value).startswith(f"anymetrics.{key}: ")
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("datasorce", "datasource"),
        ("data_source", "datasource"),
        ("Table", "table"),
        ("partitions", "partition"),
        ("full-refresh-from", "full_refresh_from"),
        ("enable", "enabled"),
        ("on_test_fail", "on_test_failure"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_an_unknown_key_is_an_error_that_names_the_nearest_right_one(key: str, nearest: str, nested: bool) -> None:
    unknown = {key: None}
    meta: dict[str, object] = {"anymetrics": unknown} if nested else {f"anymetrics.{key}": None}
    with pytest.raises(NodeError) as refusal:
        read_settings(meta)
    assert str(refusal.value).startswith(f"anymetrics.{key}: is not a setting")
    assert f"Did you mean anymetrics.{nearest}?" in str(refusal.value)


@pytest.mark.parametrize("key", ["", "zzz"])
def test_a_key_like_none_of_them_lists_them_all(key: str) -> None:
    with pytest.raises(NodeError) as refusal:
        read_settings({f"anymetrics.{key}": "x"})
    assert ", ".join(KEYS) in str(refusal.value)


@pytest.mark.parametrize("value", ["orders", True, ["orders"]])
def test_anymetrics_that_is_no_map_is_an_error(value: object) -> None:
    with pytest.raises(NodeError, match=r"^anymetrics: is not a map"):
        read_settings({"anymetrics": value})


def test_an_error_does_not_repeat_a_long_value_whole() -> None:
    with pytest.raises(NodeError) as refusal:
        read_settings({"anymetrics.enabled": "x" * 100_000})
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    "key", ["anymetric.partition", "anymetrics_partition", "AnyMetrics.Partition", "any-metrics.x"]
)
def test_a_key_that_can_only_be_meant_for_us_is_an_error(key: str) -> None:
    with pytest.raises(NodeError, match=f"^{re.escape(key)}: is not a setting. Did you mean anymetrics"):
        read_settings({key: "run_date-3", "anymetrics.datasource": "sr"})
