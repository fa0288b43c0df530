"""What users of neighbouring tools have run into: target folders and vars that are templates, hooks that dbt skips."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import MAIN, sent
from tests.shop import DAY, DBT, DS, Shop
from tests.tiers import SLOW, tiered

ONE = ("run", "--select", "dim_customers")
TABLE = f"{MAIN}.dim_customers"
HOOK = "\non-run-end: \"{{ anymetrics.refresh(run_date='2024-01-01') }}\"\n"


@pytest.fixture
def shop(built: Shop, sandbox: Sandbox, tmp_path: Path) -> Shop:
    return built.copy(tmp_path / "shop", sandbox.environment)


def add(shop: Shop, text: str) -> Shop:
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + text)
    return shop


TEMPLATES = {
    "the target": ('target-path: "out/{{ target.name }}"\n', (), "out/dev"),
    "another target": ('target-path: "out/{{ target.name }}"\n', ("--target", "prod"), "out/prod"),
    "the type of the target": ('target-path: "out/{{ target.type }}"\n', (), "out/duckdb"),
    "a var": ("target-path: \"out/{{ var('env', 'dev') }}\"\n", ("--vars", "{env: prod, ds: 2024-07-17}"), "out/prod"),
    "a default": ("target-path: \"out/{{ var('env', 'dev') }}\"\n", (), "out/dev"),
}


@pytest.mark.parametrize("name", tiered(TEMPLATES, lambda _, name: name in ("another target", "a var")))
def test_a_target_path_that_is_a_template_is_the_same_folder_for_every_way_in(
    name: str, shop: Shop, sandbox: Sandbox
) -> None:
    text, given, folder = TEMPLATES[name]
    profiles = shop.folder / "profiles.yml"
    profiles.write_text(
        profiles.read_text().replace("outputs:", "outputs:\n    prod: {type: duckdb, path: shop.duckdb}", 1)
    )
    add(shop, text + HOOK)
    given = given if "--vars" in given else (*given, *DS)
    done = shop.program("dbt", *ONE, *given, ANYMETRICS_DBT=DBT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sent(sandbox) == [(TABLE, "2024-01-01")]
    assert "already refreshed by the hook: 1" in done.stdout
    assert (shop.folder / folder / "anymetrics.db").is_file()
    again = shop.cli("refresh", *given)
    assert "already refreshed by the hook: 1" in again.stdout


def test_the_tables_of_another_run_are_never_refreshed_for_a_folder_that_is_not_known(
    shop: Shop, sandbox: Sandbox
) -> None:
    add(shop, "target-path: \"out/{{ var('env') }}\"\n")
    done = shop.program("dbt", *ONE, "--vars", "{env: prod, ds: 2024-07-17}", ANYMETRICS_DBT=DBT)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = len(sandbox.received)
    for command in ("refresh", "plan", "status", "retry"):
        refused = shop.cli(command)
        assert refused.returncode == 2
        assert "target-path: of dbt_project.yml: cannot be worked out: the var 'env' is not set" in refused.stderr
        assert "--target-path" in refused.stderr
    assert len(sandbox.received) == asked


def test_the_command_around_runs_dbt_whatever_the_target_path_is(shop: Shop, sandbox: Sandbox) -> None:
    add(shop, "target-path: \"out/{{ target.nosuch | default('x') }}/{{ env_var('OUT', 'y') ~ invocation_id }}\"\n")
    done = shop.program("dbt", *ONE, *DS, ANYMETRICS_DBT=DBT)
    assert "Running with dbt" in done.stdout
    assert done.returncode in (1, 2)
    assert "cannot be worked out" in done.stderr or "dbt" in done.stdout
    assert sandbox.received == []


def test_a_hook_that_dbt_skipped_after_another_one_had_failed_is_said(shop: Shop, sandbox: Sandbox) -> None:
    hooks = ["select 1 from no_such_table", "{{ anymetrics.refresh() }}"]
    add(shop, f"\non-run-end: {json.dumps(hooks)}\n")
    done = shop.dbt(*ONE, *DS)
    assert done.returncode == 1
    assert done.stdout.count("AnyMetrics was not refreshed: dbt skipped anymetrics.refresh(), because") == 1
    assert "Run 'dbt-anymetrics refresh'" in done.stdout
    assert sandbox.received == []
    assert shop.cli("refresh", "--run-date", DAY).returncode == 0
    assert sent(sandbox) == [(TABLE, DAY)]


@pytest.mark.parametrize(
    "hooks",
    [
        ["select 1 from no_such_table"],
        pytest.param(["{{ anymetrics.refresh(enabled=false) }}", "select 1 from no_such_table"], marks=SLOW),
        ["{{ anymetrics.refresh(run_date='2024-01-01') }}", "select 1 from no_such_table"],
    ],
    ids=["not ours", "switched off", "ours first"],
)
def test_no_hook_is_called_skipped_that_was_not(hooks: list[str], shop: Shop, sandbox: Sandbox) -> None:
    add(shop, f"\non-run-end: {json.dumps(hooks)}\n")
    done = shop.dbt(*ONE, *DS)
    assert done.returncode == 1
    assert "dbt skipped" not in done.stdout
    assert len(sandbox.received) == ("2024-01-01" in hooks[0])


def test_a_date_that_partial_parsing_has_kept_is_warned_of(shop: Shop, write_yml: Callable[[str], None]) -> None:
    write_yml("{{ run_started_at.strftime('%Y-%m-%d') }}")
    assert shop.dbt(*ONE, *DS).returncode == 0
    assert "template that moves" not in shop.cli("plan").stderr
    manifest = shop.target / "manifest.json"
    known = json.loads(manifest.read_text())
    known["nodes"]["model.shop.dim_customers"]["config"]["meta"]["anymetrics.partition"] = "2024-01-01"
    manifest.write_text(json.dumps(known))
    said = shop.cli("plan").stderr
    assert "WARN model.shop.dim_customers: the date of anymetrics.partition is older than this dbt run" in said
    assert "template that moves" not in shop.cli("plan", "--partition", "run_date").stderr
    write_yml("2024-01-01")
    assert "template that moves" not in shop.cli("plan").stderr


@pytest.fixture
def write_yml(shop: Shop) -> Callable[[str], None]:
    """Give dim_customers this partition, in the .yml file that describes it."""
    files = (path for path in (shop.folder / "models").rglob("*.yml") if "name: dim_customers" in path.read_text())
    path = next(files)
    before = path.read_text()

    def write(partition: str) -> None:
        mark = "- name: dim_customers\n"
        setting = f'{mark}    meta: {{anymetrics.partition: "{partition}"}}\n'
        path.write_text(before.replace(mark, setting, 1))

    return write


def test_a_refresh_after_build_and_retry_says_what_it_cannot_see(shop: Shop, sandbox: Sandbox) -> None:
    model = next((shop.folder / "models").rglob("dim_customers.sql"))
    good = model.read_text()
    # That an earlier run was refreshed says nothing of the one that failed.
    assert shop.cli("refresh", "--run-date", DAY).returncode == 0
    before = len(sent(sandbox))
    model.write_text("select nosuch")
    assert shop.dbt("run", "--select", "dim_customers", "fct_orders", *DS).returncode == 1
    model.write_text(good)
    assert shop.dbt("retry").returncode == 0
    done = shop.cli("refresh", "--run-date", DAY)
    assert done.returncode == 0
    assert "WARN the last dbt command was 'dbt retry'" in done.stderr
    assert sent(sandbox)[before:] == [(TABLE, DAY)]


def test_no_warning_of_a_retry_where_the_run_before_was_refreshed(shop: Shop, sandbox: Sandbox) -> None:
    model = next((shop.folder / "models").rglob("dim_customers.sql"))
    good = model.read_text()
    model.write_text("select nosuch")
    assert shop.dbt("run", "--select", "dim_customers", "fct_orders", *DS).returncode == 1
    assert shop.cli("refresh", "--run-date", DAY).returncode == 0
    model.write_text(good)
    assert shop.dbt("retry").returncode == 0
    done = shop.cli("refresh", "--run-date", DAY)
    assert "dbt retry" not in done.stderr
    assert len(sent(sandbox)) == 2
