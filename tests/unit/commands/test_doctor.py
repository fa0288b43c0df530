"""The one screen of the first hour: red at first, and green by what it says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from dbt_anymetrics import __version__
from dbt_anymetrics.planning.near import near_misses
from dbt_anymetrics.planning.table_name import in_lineage
from dbt_anymetrics.sandbox import Sandbox, Shape
from dbt_anymetrics.sandbox.tokens import APP_ID, APP_SECRET
from tests.builders import manifest_json, node_json, write_artifacts
from tests.shop import Shop

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("dbt").exists(), reason="doctor looks for dbt beside this Python"
)

META = {"anymetrics.datasource": "sr"}
TABLES = ("default_catalog.mart.orders", "default_catalog.mart.customers")
APP = {
    "ANYMETRICS_APP_ID": APP_ID,
    "ANYMETRICS_APP_SECRET": APP_SECRET,
    "ANYMETRICS_AUTH_VALUE": "",
    "ANYMETRICS_AUTH_TYPE": "",
}
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


def test_a_change_that_dbt_has_not_read_is_warned_of(tmp_path: Path) -> None:
    shop = Shop(project(tmp_path), OFF)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "schema.yml").write_text("version: 2\n")
    written = (shop.target / "manifest.json").stat().st_mtime
    os.utime(tmp_path / "dbt_project.yml", (written, written))
    for moment, said in (
        (written - 1, "manifest     OK "),
        (written + 1, "manifest     WARN models/schema.yml was changed"),
    ):
        os.utime(tmp_path / "models" / "schema.yml", (moment, moment))
        assert said in shop.cli("doctor").stdout
    (shop.target / "manifest.json").unlink()
    said = shop.cli("doctor").stdout
    assert "manifest.json: there is no such file. Run 'dbt parse'" in said
    assert "tables" not in said


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


def with_plans(folder: Path, **meta: object) -> Path:
    """A project whose one model has these settings."""
    made = project(folder)
    settings = {**META, **{f"anymetrics.{key}": value for key, value in meta.items()}}
    (made / "target" / "manifest.json").write_text(json.dumps(manifest_json(node_json("orders", settings))))
    return made


def found(shop: Shop, name: str) -> tuple[bool, str]:
    """Whether a check warns, and what it says."""
    checks = json.loads(shop.cli("doctor", "--output", "json").stdout)["checks"]
    [check] = [each for each in checks if each["name"] == name]
    return check["warns"], check["finding"]


PLAN_FAULTS = {
    "daily_sale": "no plan is named daily_sale; did you mean daily_sales?",
    "nightly": "nightly follows a schedule of its own (0 0 2 * * ?), so a trigger likely does nothing",
    "outside": "outside is an external plan, which no trigger refreshes: set anymetrics.external_plan to ",
}


@pytest.mark.parametrize("name", PLAN_FAULTS)
def test_a_plan_that_no_trigger_would_refresh_is_warned_of(name: str, tmp_path: Path) -> None:
    plans: dict[str, list[str] | None] = {"daily_sales": None, "outside": []}
    with Sandbox(tables=TABLES, plans=plans, scheduled=["nightly"]) as sandbox:
        shop = Shop(with_plans(tmp_path, plans=["daily_sales", name]), sandbox.environment)
        warns, finding = found(shop, "plans")
        assert shop.cli("doctor").returncode == 0
        assert shop.cli("doctor", "--strict").returncode == 1
    assert warns
    assert finding.startswith(PLAN_FAULTS[name])


def test_plans_that_are_known_are_counted(tmp_path: Path) -> None:
    with Sandbox(tables=TABLES, plans={"daily_sales": None}) as sandbox:
        shop = Shop(with_plans(tmp_path, plans="daily_sales"), sandbox.environment)
        assert found(shop, "plans") == (False, "1 of anymetrics.plans, all known")
        assert found(shop, "guess") == (False, "none is needed")


def test_with_an_application_one_token_is_made_and_the_plans_are_listed_once(tmp_path: Path) -> None:
    shop = Shop(with_plans(tmp_path, plans="daily_sales"))
    nodes = node_json("orders", {**META, "anymetrics.plans": "daily_sales"}), node_json("customers", META)
    write_artifacts(shop.target, manifest_json(*nodes), {})
    with Sandbox(tables=TABLES, plans={"daily_sales": None}) as sandbox:
        done = shop.cli("doctor", **{**sandbox.environment, **APP})
        calls = [received.path.rpartition("/")[2] for received in sandbox.received]
    assert done.returncode == 0, done.stdout
    assert (calls.count("create"), calls.count("queryAccelerateResultPlanList")) == (1, 1)


def test_where_no_node_names_a_plan_those_that_seem_to_depend_on_its_table_are_guessed(tmp_path: Path) -> None:
    with Sandbox(tables=TABLES, plans={"daily_sales": ["orders"], "others": ["visits"]}) as sandbox:
        shop = Shop(project(tmp_path), sandbox.environment)
        assert found(shop, "plans")[1].startswith("no node names one in anymetrics.plans")
        assert found(shop, "guess") == (
            False,
            "by their metrics, and not by what AnyMetrics says: model.shop.orders: daily_sales",
        )


EXTERNAL = "31f0ad8bc8e94a0f9a31e7c9b2b1a6d4"


@pytest.mark.parametrize(
    ("tables", "settings", "said"),
    [
        ([], {}, "1 external, all known"),
        ([], {"granularity": "MONTH"}, "has partitions by DAY: set anymetrics.granularity to it"),
        (None, {}, "of model.shop.orders is not external, but RESULT"),
        ("none", {}, "cannot be read: "),
    ],
)
def test_an_external_plan_that_cannot_be_told_anything_is_an_error(
    tables: object, settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    plans: dict[str, list[str] | None] = {"x": None} if tables == "none" else {EXTERNAL: tables}  # type: ignore[dict-item]
    with Sandbox(plans=plans) as sandbox:
        shop = Shop(with_plans(tmp_path, external_plan=EXTERNAL, **settings), sandbox.environment)
        assert found(shop, "known") == (False, "there is no table to look for")
        assert said in found(shop, "plans")[1]
        assert shop.cli("doctor").returncode == int("all known" not in said)
