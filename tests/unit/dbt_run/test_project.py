from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from dbt_anymetrics.dbt_run.profile import Chosen
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.dbt_run.yaml_text import load_yaml
from dbt_anymetrics.errors import UsageError


def write(folder: Path, text: str = "name: shop\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("flag", "environment", "expected"),
    [
        ("flag", {"DBT_ENGINE_PROJECT_DIR": "engine", "DBT_PROJECT_DIR": "env"}, "flag"),
        (None, {"DBT_ENGINE_PROJECT_DIR": "engine", "DBT_PROJECT_DIR": "env"}, "engine"),
        (None, {"DBT_PROJECT_DIR": "env"}, "env"),
        ("~/shop", {}, str(Path.home() / "shop")),
    ],
)
def test_the_project_folder_is_the_first_that_is_given(
    flag: str | None, environment: dict[str, str], expected: str
) -> None:
    assert Project(flag, None, environment).folder == Path(expected)


def test_the_project_folder_is_the_nearest_parent_with_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = write(write(tmp_path) / "shop") / "models" / "marts"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert Project(None, None, {"DBT_PROJECT_DIR": ""}).folder == tmp_path / "shop"


def test_without_a_project_it_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Project(None, None, {}).target == tmp_path / "target"


@pytest.mark.parametrize(
    ("flag", "environment", "yml", "expected"),
    [
        ("flag", {"DBT_ENGINE_TARGET_PATH": "engine", "DBT_TARGET_PATH": "env"}, "target-path: yml", "flag"),
        (None, {"DBT_ENGINE_TARGET_PATH": "engine", "DBT_TARGET_PATH": "env"}, "target-path: yml", "engine"),
        (None, {"DBT_ENGINE_TARGET_PATH": "", "DBT_TARGET_PATH": "env"}, "target-path: yml", "env"),
        (None, {}, "target-path: yml", "yml"),
        (None, {}, "target-path: 2024", "2024"),
        (None, {"OUT": "out"}, "target-path: \"{{ env_var('OUT') }}\"", "out"),
        (None, {}, "target-path: \"{{ env_var('OUT', 'other') }}/x\"", "other/x"),
        (None, {}, "target-path:", "target"),
        (None, {}, "# target-path: old", "target"),
        (None, {}, "name: shop", "target"),
        (None, {}, "", "target"),
        ("/flag", {}, "", "/flag"),
    ],
)
def test_the_target_folder_is_the_first_that_is_given(
    flag: str | None, environment: dict[str, str], yml: str, expected: str, tmp_path: Path
) -> None:
    assert Project(str(write(tmp_path, yml)), flag, environment).target == tmp_path / expected


def test_a_target_path_whose_template_fails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="OUT is not set"):
        _ = Project(str(write(tmp_path, "target-path: \"{{ env_var('OUT') }}\"")), None, {}).target


@pytest.mark.parametrize(
    ("yml", "expected"),
    [
        ("vars: {ds: '2024-07-17', shop: {n: 1}}", {"ds": "2024-07-17", "shop": {"n": 1}}),
        ("vars:", {}),
        ("vars: [a]", {}),
        ("name: shop", {}),
        ("", {}),
    ],
)
def test_the_vars_are_those_of_the_project_file(yml: str, expected: dict[str, object], tmp_path: Path) -> None:
    found = Project(str(write(tmp_path, yml)), None, {}).vars()
    assert dict(found) == expected
    assert len(found) == len(expected)


def test_a_project_file_that_is_not_there_has_no_vars(tmp_path: Path) -> None:
    assert not Project(str(tmp_path), None, {}).vars()


def test_a_project_file_is_not_read_before_a_var_is_asked_for(tmp_path: Path) -> None:
    project = Project(str(write(tmp_path, "vars: [")), None, {})
    assert project.target == tmp_path / "target"
    found = project.vars()
    with pytest.raises(UsageError, match=r"dbt_project\.yml: is not readable as YAML"):
        found.get("ds")


@pytest.mark.parametrize("text", ["{ds: 2024-07-17}", "", "null", "{}"])
def test_a_mapping_is_loaded(text: str) -> None:
    assert {key: str(value) for key, value in load_yaml(text, "--vars").items()} in ({"ds": "2024-07-17"}, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is not readable as YAML"),
        ("a: b: c", "is not readable as YAML"),
        ("a: \x00", "is not readable as YAML"),
        ("a: 2024-02-30", "is not readable as YAML"),
        ("? [a]\n: b", "is not readable as YAML"),
        ("a: !!python/object:os.system x", "is not readable as YAML"),
        ("a: !!timestamp soon", "is not readable as YAML"),
        ("a: !!bool soon", "is not readable as YAML"),
        ("[" * 5000, "is not readable as YAML"),
        ("ds", "is not a YAML mapping"),
        ("[a]", "is not a YAML mapping"),
        ("5", "is not a YAML mapping"),
        ("[]", "is not a YAML mapping"),
        ("0", "is not a YAML mapping"),
        ("false", "is not a YAML mapping"),
    ],
)
def test_anything_but_a_mapping_is_refused_and_its_place_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"^--vars: {said}") as refusal:
        load_yaml(text, "--vars")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.11.16", "project"), ("1.12.0", "file"), ("1.13.0b1", "file"), ("2.0.0rc196", "file"), ("", "project")],
)
def test_the_vars_are_found_where_this_dbt_looks_for_them(version: str, expected: str, tmp_path: Path) -> None:
    folder = write(tmp_path, "vars: {ds: project}")
    (folder / "vars.yml").write_text("vars: {ds: file}\n")
    assert Project(str(folder), None, {}).vars(version)["ds"] == expected


PROFILES = """
shop:
  target: "{{ env_var('WHERE', 'dev') }}"
  outputs:
    dev: {type: duckdb, schema: main, password: s3cret}
    prod: {type: "{{ 'duckdb' }}", schema: "{{ env_var('SCHEMA') }}"}
other: {outputs: {default: {type: spark}}}
"""

TARGETS: dict[str, tuple[str, Chosen, dict[str, str], str]] = {
    "as configured": ("{{ target.name }}", Chosen(), {}, "dev"),
    "by an option": ("{{ target.name }}", Chosen(target="prod"), {"SCHEMA": "s"}, "prod"),
    "by a variable": ("{{ target.name }}", Chosen(), {"DBT_TARGET": "prod", "SCHEMA": "s"}, "prod"),
    "by the new variable": ("{{ target.name }}", Chosen(), {"DBT_ENGINE_TARGET": "dev", "DBT_TARGET": "x"}, "dev"),
    "by a template": ("{{ target.name }}", Chosen(), {"WHERE": "prod", "SCHEMA": "s"}, "prod"),
    "its schema": ("{{ target.schema }}", Chosen(target="prod"), {"SCHEMA": "s"}, "s"),
    "its profile": ("{{ target.profile_name }}", Chosen(profile="other"), {}, "other"),
    "of another profile": ("{{ target.type }}-{{ target.name }}", Chosen(profile="other"), {}, "spark-default"),
    "by the variable of a profile": ("{{ target.type }}", Chosen(), {"DBT_PROFILE": "other"}, "spark"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_in_a_target_path_is_the_one_of_dbt(name: str, tmp_path: Path) -> None:
    template, chosen, environment, expected = TARGETS[name]
    folder = write(tmp_path, f'profile: shop\ntarget-path: "{template}"')
    (tmp_path / "profiles.yml").write_text(PROFILES)
    chosen = replace(chosen, profiles_dir=str(tmp_path))
    assert Project(str(folder), None, environment, chosen=chosen).target == folder / expected


UNKNOWN: dict[str, tuple[str, Chosen, str]] = {
    "no such target": ("{{ target.name }}", Chosen(target="test"), "there is no target test"),
    "no such profile": ("{{ target.name }}", Chosen(profile="none"), "there is no profile none"),
    "a password": ("{{ target.password }}", Chosen(), "no attribute 'password'"),
    "no profiles.yml": ("{{ target.name }}", Chosen(profiles_dir="/nowhere"), "cannot be read"),
    "a variable": ("{{ env_var('OUT') }}", Chosen(), "OUT is not set"),
    "no name of dbt's": ("{{ nosuch }}", Chosen(), "'nosuch' is undefined"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_target_path_that_cannot_be_worked_out_is_an_error_and_no_other_folder(name: str, tmp_path: Path) -> None:
    template, chosen, said = UNKNOWN[name]
    folder = write(tmp_path, f'profile: shop\ntarget-path: "{template}"')
    (tmp_path / "profiles.yml").write_text(PROFILES)
    chosen = chosen if chosen.profiles_dir else replace(chosen, profiles_dir=str(tmp_path))
    with pytest.raises(UsageError) as refusal:
        _ = Project(str(folder), None, {}, chosen=chosen).target
    assert said in str(refusal.value)
    assert "--target-path" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
