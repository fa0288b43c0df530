"""`dbt-anymetrics debug`: what it finds, and that its last line is true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.shop import DAY, Shop

HOOK = 'name: shop\non-run-end: "{{ anymetrics.refresh() }}"\n'


def project(shop: Shop, text: str = HOOK, *, deps: bool = True) -> Shop:
    """Make a dbt project of a folder: its file, and what `dbt deps` would install."""
    (shop.folder / "dbt_project.yml").write_text(text)
    if deps:
        package = shop.folder / "dbt_packages" / "anymetrics"
        package.mkdir(parents=True)
        (package / "dbt_project.yml").write_text("name: anymetrics\n")
    return shop


def last_line(output: str) -> str:
    return output.splitlines()[-1]


def test_it_shows_settings_artifacts_and_connection_but_not_the_secret(recorded: Shop) -> None:
    done = project(recorded).cli("debug", ANYMETRICS_TIMEZONE="Asia/Shanghai")
    assert done.returncode == 0, done.stdout
    assert "environment variable ANYMETRICS_TIMEZONE" in done.stdout
    assert "**********" in done.stdout
    assert recorded.environment["ANYMETRICS_AUTH_VALUE"] not in done.stdout.replace("tn_sandbox", "")
    assert "to refresh: 29 dates of 16 tables, already refreshed: 0, skipped: 1, not part of this run: 0" in done.stdout
    assert last_line(done.stdout) == "Everything is in order."


def test_what_was_refreshed_already_is_not_counted_as_to_refresh(recorded: Shop) -> None:
    recorded.cli("refresh", "--run-date", DAY)
    done = project(recorded).cli("debug", "--run-date", DAY)
    assert "to refresh: 0 dates of 0 tables, already refreshed: 29, skipped: 1" in done.stdout


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"ANYMETRICS_AUTH_VALUE": "wrong"}, 1, "SM_02_0038"),
        ({"ANYMETRICS_URL": "http://127.0.0.1:9"}, 1, "connection refused: check that AnyMetrics is running"),
        ({"ANYMETRICS_URL": "http://user:pass@host"}, 2, "has a user name, password"),
        ({"ANYMETRICS_TENANT_ID": ""}, 2, "ANYMETRICS_TENANT_ID: is not set"),
    ],
)
def test_a_connection_that_does_not_work_is_an_error(
    recorded: Shop, environment: dict[str, str], code: int, said: str
) -> None:
    done = project(recorded).cli("debug", **environment)
    assert done.returncode == code
    assert said in done.stdout
    assert "user:pass" not in done.stdout + done.stderr
    assert last_line(done.stdout).endswith("found: see ERROR above.")


def test_every_setting_of_the_connection_that_is_missing_is_named(recorded: Shop) -> None:
    names = ("ANYMETRICS_URL", "ANYMETRICS_TENANT_ID", "ANYMETRICS_AUTH_TYPE", "ANYMETRICS_AUTH_VALUE")
    missing = dict.fromkeys(names, " ")
    done = project(recorded).cli("debug", **missing)
    assert done.returncode == 2
    assert f"not set: {', '.join(missing)}" in done.stdout


def test_outside_a_project_it_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    done = Shop(tmp_path, sandbox.environment).cli("debug")
    assert done.returncode == 2
    assert (
        "there is no dbt_project.yml. Run this in a dbt project, or name its folder with --project-dir" in done.stdout
    )
    assert last_line(done.stdout) == "1 problem found: see ERROR above."


def test_before_the_first_run_it_says_what_is_not_known(sandbox: Sandbox, tmp_path: Path) -> None:
    done = project(Shop(tmp_path, sandbox.environment)).cli("debug")
    assert done.returncode == 0
    assert "WARN there are none in" in done.stdout
    assert last_line(done.stdout) == "The settings and the connection work. Before you rely on it, see WARN above."


def test_without_the_hook_it_says_that_dbt_alone_refreshes_nothing(recorded: Shop) -> None:
    done = project(recorded, "name: shop\n").cli("debug")
    assert done.returncode == 0
    assert "WARN none in dbt_project.yml: 'dbt build' alone refreshes nothing" in done.stdout
    assert last_line(done.stdout).endswith("see WARN above.")


def test_before_dbt_deps_the_hook_is_an_error(recorded: Shop) -> None:
    done = project(recorded, deps=False).cli("debug")
    assert done.returncode == 2
    assert "the dbt package is not installed. Add it to packages.yml and run 'dbt deps'" in done.stdout


def test_when_no_node_has_settings_it_is_an_error(recorded: Shop) -> None:
    manifest = recorded.target / "manifest.json"
    nodes = json.loads(manifest.read_text())
    for node in nodes["nodes"].values():
        node["meta"] = node["config"]["meta"] = {}
    manifest.write_text(json.dumps(nodes))
    done = project(recorded).cli("debug")
    assert done.returncode == 1
    assert "no model, seed or snapshot has anymetrics settings" in done.stdout


def test_a_wrong_setting_is_an_error(recorded: Shop) -> None:
    manifest = recorded.target / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"anymetrics.on_test_failure"', '"anymetrics.on_test_failur"'))
    done = project(recorded).cli("debug")
    assert done.returncode == 1
    assert "there are wrong settings on 1 node. 'dbt-anymetrics plan' lists them" in done.stdout


def test_the_kill_switch_is_a_warning(recorded: Shop) -> None:
    done = project(recorded).cli("debug", ANYMETRICS_ENABLED="false")
    assert done.returncode == 0
    assert "WARN ANYMETRICS_ENABLED: complete, but every refresh is switched off" in done.stdout
    assert last_line(done.stdout).endswith("see WARN above.")
