from __future__ import annotations

from pathlib import Path

import pytest

from dbt_anymetrics.dbt_run.inputs import Inputs, read_inputs
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import ArtifactError
from tests.builders import INVOCATION, manifest_json, node_json, result_json, run_json, write_artifacts

ORDERS = manifest_json(node_json())


def inputs(folder: Path, **named: object) -> Inputs:
    return read_inputs(Project(str(folder), None, {}), **named)  # type: ignore[arg-type]


def test_the_artifacts_of_the_target_folder_are_read(tmp_path: Path) -> None:
    target = write_artifacts(tmp_path / "target", ORDERS, run_json(result_json()))
    read = inputs(tmp_path)
    assert [run.invocation_id for run in read.runs] == [INVOCATION]
    assert list(read.manifest.nodes) == ["model.shop.orders"]
    assert (read.folder, read.warnings) == (target, [])


def test_run_results_that_are_named_have_their_manifest_and_record_beside_them(tmp_path: Path) -> None:
    folder = write_artifacts(tmp_path / "a", ORDERS, run_json(result_json()))
    assert inputs(tmp_path, run_results=[folder / "run_results.json"]).folder == folder


def test_a_manifest_that_is_named_is_the_one_read(tmp_path: Path) -> None:
    write_artifacts(tmp_path / "target", manifest_json(), run_json(result_json()))
    other = write_artifacts(tmp_path / "other", ORDERS, run_json())
    assert list(inputs(tmp_path, manifest=other / "manifest.json").manifest.nodes) == ["model.shop.orders"]


def test_run_results_of_another_invocation_whose_nodes_are_known_are_used_with_a_warning(tmp_path: Path) -> None:
    results = run_json(result_json(), result_json("operation.shop.hook"), result_json("test.shop.t"), invocation_id="x")
    write_artifacts(tmp_path / "target", ORDERS, results)
    (warning,) = inputs(tmp_path).warnings
    assert "another dbt invocation" in warning
    assert "run_results.json" in warning


@pytest.mark.parametrize("kind", ["model", "seed", "snapshot"])
def test_run_results_of_another_invocation_with_an_unknown_node_are_refused(kind: str, tmp_path: Path) -> None:
    unknown = f"{kind}.shop.unknown"
    write_artifacts(tmp_path / "target", ORDERS, run_json(result_json(unknown), invocation_id="x"))
    with pytest.raises(ArtifactError, match=rf"run_results\.json: is of another dbt invocation.*{unknown}"):
        inputs(tmp_path)


def test_several_run_results_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    late = run_json(result_json(), generated_at="2024-07-18T09:00:00+08:00")
    early = run_json(generated_at="2024-07-18T00:30:00", invocation_id="early")
    paths = [
        write_artifacts(tmp_path / name, ORDERS, results) / "run_results.json"
        for name, results in (("late", late), ("early", early))
    ]
    read = inputs(tmp_path, run_results=paths)
    assert [run.invocation_id for run in read.runs] == ["early", INVOCATION]
    assert read.folder == tmp_path / "late"
    (warning,) = read.warnings
    assert str(paths[1]) in warning


@pytest.mark.parametrize("missing", ["manifest.json", "run_results.json"])
def test_a_missing_artifact_is_refused_and_named(missing: str, tmp_path: Path) -> None:
    (write_artifacts(tmp_path / "target", ORDERS, run_json()) / missing).unlink()
    with pytest.raises(ArtifactError, match=missing):
        inputs(tmp_path)
