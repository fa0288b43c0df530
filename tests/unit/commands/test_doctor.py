"""The one screen of the first hour: red at first, and green by what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics import __version__
from dbt_anymetrics.planning.near import near_misses
from dbt_anymetrics.planning.table_name import in_lineage
from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.builders import manifest_json, node_json, write_artifacts
from tests.shop import Shop

META = {"anymetrics.datasource": "sr"}
TABLES = ("default_catalog.mart.orders", "default_catalog.mart.customers")
OFF = {"ANYMETRICS_URL": "", "ANYMETRICS_TENANT_ID": "", "ANYMETRICS_AUTH_TYPE": "", "ANYMETRICS_AUTH_VALUE": ""}


def project(folder: Path, *names: str, hook: bool = True, version: str | None = __version__) -> Path:
    """A dbt project that was parsed, with these models."""
    hooks = 'on-run-end: "{{ anymetrics.refresh() }}"\n' if hook else ""
    (folder / "dbt_project.yml").write_text(f"name: shop\n{hooks}")
    if version:
        package = folder / "dbt_packages" / "anymetrics"
        package.mkdir(parents=True)
        (package / "dbt_project.yml").write_text(f'name: anymetrics\nversion: "{version}"\n')
    nodes = (node_json(name, META) for name in names or ("orders", "customers"))
    write_artifacts(folder / "target", manifest_json(*nodes), {})
    (folder / "target" / "run_results.json").unlink()
    return folder


def test_a_project_that_works_is_green(tmp_path: Path) -> None:
    with Sandbox(tables=TABLES) as sandbox:
        done = Shop(project(tmp_path), sandbox.environment).cli("doctor")
    assert done.returncode == 0, done.stdout
    assert f"the dbt package and the Python package are both {__version__}" in done.stdout
    assert "tables       OK 2 with well-formed names, such as sr.`default_catalog.mart`." in done.stdout
    assert "known        OK all 2 by lineage" in done.stdout
    assert "No call of AnyMetrics tells whether an acceleration plan depends on a table." in done.stdout
    assert "ERROR" not in done.stdout
    assert not (tmp_path / "target" / "anymetrics.db").exists()


def test_a_project_without_a_connection_is_checked_on_the_side_of_dbt(tmp_path: Path) -> None:
    done = Shop(project(tmp_path), OFF).cli("doctor")
    assert done.returncode == 2
    assert "tables       OK" in done.stdout
    assert "settings     ERROR not set: ANYMETRICS_URL, ANYMETRICS_TENANT_ID" in done.stdout
    assert "known" not in done.stdout


NEAR = {
    "default_catalog.mart.ORDERS": "default_catalog.mart.ORDERS (in another letter case)",
    "hive.mart.orders": "hive.mart.orders (in another catalog)",
    "default_catalog.stage.orders": "default_catalog.stage.orders (in another schema)",
    "hive.stage.orders": "hive.stage.orders (in another catalog and schema)",
}


@pytest.mark.parametrize("there", NEAR)
def test_a_table_that_is_nearly_known_is_named(there: str, tmp_path: Path) -> None:
    with Sandbox(tables=[there, TABLES[1]]) as sandbox:
        shop = Shop(project(tmp_path), sandbox.environment)
        done = shop.cli("doctor")
        strict = shop.cli("doctor", "--strict")
    assert (done.returncode, strict.returncode) == (0, 1)
    said = f"1 of 2 tables are not in AnyMetrics' lineage: {TABLES[0]} (model.shop.orders), but there is {NEAR[there]}"
    assert said in done.stdout
    assert "Asking AnyMetrics for its whole lineage, which may take up to 120 s" in done.stderr


def test_many_tables_take_one_call_of_lineage(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(120)]
    with Sandbox(tables=[f"default_catalog.mart.{name}" for name in names]) as sandbox:
        done = Shop(project(tmp_path, *names), sandbox.environment).cli("doctor")
        asked = [received.path for received in sandbox.received if "/lineage/" in received.path]
    assert "known        OK all 120 by lineage" in done.stdout
    assert len(asked) == 1


def test_what_is_wrong_on_the_side_of_dbt_is_said(tmp_path: Path) -> None:
    shop = Shop(project(tmp_path, version="0.0.9"), OFF)
    assert "WARN the dbt package is 0.0.9, and this Python package is" in shop.cli("doctor").stdout
    manifest = tmp_path / "target" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("anymetrics.datasource", "anymetrics.datasorce"))
    assert "did you mean anymetrics.datasource" in shop.cli("doctor").stdout.lower()
    manifest.unlink()
    assert "manifest.json: there is no such file" in shop.cli("doctor").stdout


def test_without_the_hook_and_its_package_only_warnings_are_left(tmp_path: Path) -> None:
    with Sandbox(tables=TABLES) as sandbox:
        shop = Shop(project(tmp_path, hook=False, version=None), sandbox.environment)
        done = shop.cli("doctor")
        strict = shop.cli("doctor", "--strict")
    assert (done.returncode, strict.returncode) == (0, 1)
    assert done.stdout.count("WARN ") >= 2


@pytest.mark.parametrize("shape", [Shape.NO_PERMISSION, Shape.HTML, Shape.UNAUTHORIZED])
def test_a_server_that_refuses_is_an_error(shape: Shape, tmp_path: Path) -> None:
    with Sandbox(answers=shape) as sandbox:
        done = Shop(project(tmp_path), sandbox.environment).cli("doctor")
    assert done.returncode == 1
    assert "call         ERROR" in done.stdout


def test_the_findings_are_one_object_for_programs(tmp_path: Path) -> None:
    with Sandbox(tables=TABLES) as sandbox:
        done = Shop(project(tmp_path), sandbox.environment).cli("doctor", "--output", "json")
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["known"] == {"name": "known", "finding": "all 2 by lineage", "warns": False, "exit_code": 0}


def test_the_name_in_the_lineage_has_no_data_source() -> None:
    assert in_lineage("sr.`internal.sdhq`.dwd_pur") == "internal.sdhq.dwd_pur"


def test_the_nearest_name_comes_first() -> None:
    known = ["hive.mart.orders", "default_catalog.mart.Orders", "x.y.orders"]
    assert near_misses(TABLES[0], known)[0].endswith("(in another letter case)")
    assert near_misses("a.b.c", known) == []
