"""What the documentation says is what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import dbt_anymetrics
from dbt_anymetrics import around, connection, options
from dbt_anymetrics.cli import main
from dbt_anymetrics.node_settings import KEYS
from dbt_anymetrics.sandbox import Shape
from tests.shop import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_help_in_the_docs_is_that_of_the_commands() -> None:
    # In a process of its own: click keeps the first form in which an option was asked for.
    program = "import runpy; print(runpy.run_path('docs/make_commands.py')['page'](), end='')"
    page = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == page, "run 'make docs'"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_is_in_the_readme(name: str) -> None:
    assert main.commands[name].help
    assert re.search(rf"^\| `{name}( \.\.\.)?` \|", README, re.MULTILINE)


@pytest.mark.parametrize("name", ["refresh", "plan", "retry", "debug"])
def test_every_option_and_its_variable_is_in_the_readme(name: str) -> None:
    for parameter in main.commands[name].params:
        assert isinstance(parameter, click.Option)
        assert parameter.help, parameter.name
        assert f"`{parameter.opts[-1]}" in README, parameter.opts
        if parameter.envvar:
            assert f"`{parameter.envvar}`" in README


@pytest.mark.parametrize("variable", [*connection.SECRET_VARIABLES, options.ENABLED_VARIABLE, around.DBT_VARIABLE])
def test_every_variable_without_an_option_is_in_the_readme(variable: str) -> None:
    assert f"`{variable}`" in README


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_in_the_readme(key: str) -> None:
    assert f"| `anymetrics.{key}` |" in README


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_of_the_sandbox_is_documented(shape: Shape) -> None:
    assert f"| `{shape.value}` |" in (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_one_version_number() -> None:
    project = (ROOT / "dbt_project.yml").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", project, re.MULTILINE)[1] == dbt_anymetrics.__version__  # type: ignore[index]


def test_the_numbers_in_the_readme_are_those_of_the_benchmarks() -> None:
    shown = re.search(r"## Speed\n.*?\| --- \|\n(.*?)\n\n", README, re.DOTALL)
    assert shown
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = shown[1].splitlines()
    assert len(rows) == 7
    assert [row for row in rows if f"\n{row}" not in measured] == []
