from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from dbt_anymetrics.dbt_run import artifacts
from dbt_anymetrics.dbt_run.artifacts import Manifest, RunResults, read_manifest, read_run_results
from dbt_anymetrics.errors import ArtifactError
from dbt_anymetrics.planning.plan import plan
from dbt_anymetrics.result import Status
from tests.builders import Json, listed, manifest_json, node_json, orders, result_json, run, run_json

Reader = Callable[[Path], "Manifest | RunResults"]

READERS = pytest.mark.parametrize("read", [read_manifest, read_run_results])


def file(folder: Path, content: bytes | str | Json) -> Path:
    if not isinstance(content, (bytes, str)):
        content = json.dumps(content)
    path = folder / "artifact.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_manifest_is_read(tmp_path: Path) -> None:
    known = read_manifest(file(tmp_path, manifest_json(node_json(depends_on={"nodes": ["model.shop.raw"]}))))
    assert known.metadata.adapter_type == "starrocks"
    orders = known.nodes["model.shop.orders"]
    assert (orders.schema, orders.alias, orders.materialized) == ("mart", "orders", "table")


def test_run_results_are_read(tmp_path: Path) -> None:
    results = read_run_results(file(tmp_path, run_json(result_json())))
    assert [(result.unique_id, result.status) for result in results.results] == [("model.shop.orders", "success")]
    assert results.args.which == "build"


@pytest.mark.parametrize(
    "written", ["2024-07-18T06:05:00.123456789Z", "2024-07-18T06:05:00.1", "2024-07-18T14:05:00+08:00"]
)
def test_every_form_of_dbts_timestamps_is_read(written: str, tmp_path: Path) -> None:
    read = read_run_results(file(tmp_path, run_json(generated_at=written))).metadata.generated_at
    assert artifacts.as_utc(read).replace(microsecond=0) == datetime(2024, 7, 18, 6, 5, tzinfo=timezone.utc)


@READERS
def test_a_missing_file_is_refused_and_says_how_dbt_writes_it(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no such file.*Run dbt first") as refusal:
        read(tmp_path / "artifact.json")
    assert refusal.value.where == str(tmp_path / "artifact.json")


@READERS
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"<html>", "not readable as JSON"),
        (b'{"metadata": {"dbt_schema_ver', "not readable as JSON"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b'{"metadata": {"dbt_schema_version": "\xff"}}', "not readable as JSON"),
        (b'{"x": ' + b"[" * 100_000, "not readable as JSON"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not readable as JSON"),
        (b"[]", "is not a dbt"),
        (b"null", "is not a dbt"),
        (b"{}", "is not a dbt"),
        (b'{"metadata": 5}', "is not a dbt"),
        (b'{"metadata": {"dbt_schema_version": null}, "nodes": {}, "results": []}', "is not a dbt"),
        (b'{"metadata": {"dbt_schema_version": ["a"]}, "nodes": {}, "results": []}', "is not a dbt"),
        (b'{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"}}', "catalog"),
    ],
)
def test_a_file_that_is_not_the_artifact_is_refused(read: Reader, content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as refusal:
        read(file(tmp_path, content))
    assert said in str(refusal.value)
    assert refusal.value.where
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("read", "content", "found"),
    [
        (read_manifest, run_json(result_json()), "run-results"),
        (read_run_results, manifest_json(node_json()), "manifest"),
        (read_manifest, {**run_json(), "nodes": {}}, "run-results"),
    ],
)
def test_the_wrong_artifact_is_named(read: Reader, content: Json, found: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"is not a dbt .*its schema: .*{found}"):
        read(file(tmp_path, content))


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_manifest, {**manifest_json(), "nodes": []}),
        (read_manifest, manifest_json({**node_json(), "name": None})),
        (read_run_results, run_json(generated_at="yesterday")),
        (read_run_results, {**run_json(), "results": {}}),
    ],
)
def test_an_artifact_of_an_unknown_form_is_refused_and_the_place_said(
    read: Reader, content: Json, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"a form this version does not know \(.*\$") as refusal:
        read(file(tmp_path, content))
    assert "Upgrade" in (refusal.value.hint or "")


ODD = {
    "half a character": b'"\\udcff"',
    "halves in the wrong order": b'"\\udc00\\ud800"',
    "half a character behind a backslash": b'"\\\\\\ud800x"',
    "a whole one": b'"\\ud83d\\ude00"',
    "NaN": b"NaN",
    "minus infinity": b'[-Infinity, {"a": Infinity}]',
    "the words in a text": b'"NaN, Infinity"',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@READERS
def test_one_odd_value_stays_one_odd_value(read: Reader, odd: bytes, tmp_path: Path) -> None:
    whole = run_json(result_json("orders")) if read is read_run_results else manifest_json(node_json("orders"))
    text = json.dumps({"odd": "@", **whole}).encode().replace(b'"@"', odd)
    found = read(file(tmp_path, text.replace(b'"orders"', b'"orders"')))
    assert "orders" in str(found)


def test_an_odd_text_of_a_field_that_counts_is_shown_as_such(tmp_path: Path) -> None:
    text = json.dumps(run_json(result_json("orders", status="@"))).encode().replace(b'"@"', b'"succ\\udcffess"')
    (result,) = read_run_results(file(tmp_path, text)).results
    assert result.status == "succ\ufffdess"


def test_a_length_that_is_no_number_is_none(tmp_path: Path) -> None:
    text = json.dumps({**run_json(), "elapsed_time": float("nan")}).encode()
    assert read_run_results(file(tmp_path, text)).elapsed_time == 0


def test_a_large_artifact_with_an_odd_value_takes_no_more_memory(tmp_path: Path) -> None:
    nodes = [{**node_json(f"m{n}"), "raw_code": 'select "x" ' * 500} for n in range(2000)]
    path = file(tmp_path, json.dumps({**manifest_json(*nodes), "odd": float("nan")}).encode())
    tracemalloc.start()
    try:
        assert len(read_manifest(path).nodes) == 2000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000 < path.stat().st_size
    finally:
        tracemalloc.stop()


@READERS
def test_a_file_with_holes_is_refused_before_there_is_memory_for_it(read: Reader, tmp_path: Path) -> None:
    path = file(tmp_path, b'{"metadata": {')
    os.truncate(path, artifacts.MAX_BYTES - 1)
    with pytest.raises(ArtifactError, match="was not written whole"):
        read(path)


@READERS
def test_a_file_that_is_too_large_is_not_read(read: Reader, tmp_path: Path) -> None:
    path = file(tmp_path, b"")
    os.truncate(path, artifacts.MAX_BYTES + 1)
    with pytest.raises(ArtifactError, match="larger than 1024 MiB"):
        read(path)


@READERS
def test_a_folder_is_not_read(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a regular file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("under_config", "on_node", "expected"),
    [
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 1}),
        ({}, {"a": 2}, {"a": 2}),
        (None, {"a": 2}, {"a": 2}),
        (None, None, None),
    ],
)
def test_meta_is_found_under_config_or_on_the_node(
    under_config: Json | None, on_node: Json | None, expected: Json | None, tmp_path: Path
) -> None:
    entry = {**node_json(config={"meta": under_config}), "meta": on_node}
    assert read_manifest(file(tmp_path, manifest_json(entry))).nodes["model.shop.orders"].read_meta() == expected


def test_a_node_without_config_has_its_own_meta_and_is_built_as_its_type(tmp_path: Path) -> None:
    seed = {"unique_id": "seed.shop.s", "resource_type": "seed", "name": "s", "config": None, "meta": {"a": 1}}
    read = read_manifest(file(tmp_path, manifest_json(seed))).nodes["seed.shop.s"]
    assert read.read_meta() == {"a": 1}
    assert read.materialized == "seed"


def statuses(odd_meta: bytes, folder: Path) -> dict[str, Status]:
    """The plan's statuses by name, of a well-formed node and one with odd meta."""
    text = json.dumps(manifest_json(node_json("odd", "ODD"), node_json(meta={"anymetrics.enabled": True})))
    known = read_manifest(file(folder, text.encode().replace(b'"ODD"', odd_meta)))
    built = run(result_json("odd"), result_json(), beside=known)
    return {result.unique_id.split(".")[-1]: result.status for result in listed(plan(known, [built], orders()))}


@pytest.mark.parametrize("odd", [b'{"x": 1e999}', b'{"x": "\xff"}', b'["x"]', b'"x"'], ids=repr)
def test_odd_meta_leaves_the_other_nodes_alone(odd: bytes, tmp_path: Path) -> None:
    found = statuses(odd, tmp_path)
    assert found.pop("orders") is Status.PLANNED
    assert set(found.values()) <= {Status.ERROR}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_only_python_calls_json_leaves_the_other_nodes_alone(number: str, tmp_path: Path) -> None:
    # dbt 1.x writes a `.nan` or `.inf` of any YAML file this way.
    assert statuses(f'{{"x": {number}}}'.encode(), tmp_path)["orders"] is Status.PLANNED


@pytest.mark.parametrize("depth", [10, *range(900, 1010, 2), 5000])
def test_meta_nested_to_any_depth_is_read_or_refused(depth: int, tmp_path: Path) -> None:
    try:
        found = statuses(b'{"x": ' + b"[" * depth + b"]" * depth + b"}", tmp_path)
    except ArtifactError as refusal:
        assert "not readable" in str(refusal)  # noqa: PT017
    else:
        assert found["orders"] is Status.PLANNED


@pytest.mark.parametrize(
    "odd", [{"catalog": {"a": 1}}, {"batch_size": 5}, {"full_refresh": "x"}, {"unknown": [1]}, {"materialized": None}]
)
def test_an_odd_config_is_read(odd: Json, tmp_path: Path) -> None:
    assert read_manifest(file(tmp_path, manifest_json(node_json(config=odd)))).nodes
