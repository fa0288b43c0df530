"""What a release consists of: one version, a clean wheel, a dbt package that installs from a tag, pinned workflows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbt_anymetrics import __version__
from tests.shop import DBT, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TAG = f"v{__version__}"


def test_the_dbt_package_has_the_version_of_the_wheel() -> None:
    assert yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["version"] == __version__


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert headings
    assert not released or released[0] == __version__


@pytest.mark.skipif("RELEASE_TAG" not in os.environ, reason="RELEASE_TAG names no tag")
def test_the_tag_is_this_version_and_the_changelog_has_it() -> None:
    assert os.environ["RELEASE_TAG"] == TAG
    assert f"\n## [{__version__}] - 20" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built of this repository."""
    pytest.importorskip("hatchling", reason="hatchling is not installed here")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    assert built.name == f"dbt_anymetrics-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_holds_the_package_and_its_metadata_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    info = f"dbt_anymetrics-{__version__}.dist-info"
    package = {
        f"dbt_anymetrics/{file.relative_to(ROOT / 'dbt_anymetrics').as_posix()}"
        for file in (ROOT / "dbt_anymetrics").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    metadata = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert set(wheel.namelist()) == package | metadata
    assert "dbt_anymetrics/py.typed" in package


def test_the_wheel_needs_nothing_of_the_checks_and_no_dbt(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(f"dbt_anymetrics-{__version__}.dist-info/METADATA").decode()
    needed = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert sorted(needed) == ["click", "jinja2", "msgspec", "pyyaml", "requests", "truststore", "tzdata"]


# The dbt package


def run(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files of this one as they are now, committed and tagged."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    folder = tmp_path_factory.mktemp("tagged")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false")
    run("git", *author, "commit", "--quiet", "--message", TAG, cwd=folder)
    run("git", *author, "-c", "tag.gpgsign=false", "tag", TAG, cwd=folder)
    return folder


@pytest.mark.dbt
def test_dbt_installs_the_package_from_a_tag_and_parses_without_a_warning(tagged: Path, tmp_path: Path) -> None:
    profile = {"mart": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": "mart.duckdb"}}}}
    project = {"name": "mart", "version": "1.0.0", "profile": "mart", "on-run-end": "{{ anymetrics.refresh() }}"}
    files = {
        "profiles.yml": profile,
        "dbt_project.yml": project,
        "packages.yml": {"packages": [{"git": tagged.as_uri(), "revision": TAG}]},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("select 1 as id")
    run(DBT, "--warn-error", "deps", cwd=tmp_path)
    run(DBT, "--warn-error", "parse", cwd=tmp_path)
    manifest: dict[str, Any] = json.loads((tmp_path / "target" / "manifest.json").read_bytes())
    assert [node for node in manifest["nodes"] if ".anymetrics." in node] == []
    assert "macro.anymetrics.refresh" in manifest["macros"]


# The workflows


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_for_changes_for_releases_and_for_every_week() -> None:
    assert [file.stem for file in WORKFLOWS] == ["ci", "release", "weekly"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    used = [step["uses"] for step in steps(yaml.safe_load(text)) if "uses" in step]
    assert used
    assert len(re.findall(r"^ +- uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)) == len(
        used
    )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_read_and_only_the_job_that_publishes_may_sign(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        allowed = {"id-token": "write"} if name == "publish" else {"contents": "read"}
        assert job.get("permissions", allowed) == allowed


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_text_from_outside_is_put_into_a_script(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    expressions = re.findall(r"\$\{\{\s*([\w.]+)", "".join(step.get("run", "") for step in steps(workflow)))
    assert all(expression.startswith("matrix.") for expression in expressions)
