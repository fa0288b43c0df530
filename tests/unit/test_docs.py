"""What the documentation says is what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import dbt_anymetrics
from dbt_anymetrics import options
from dbt_anymetrics.cli import main
from dbt_anymetrics.commands import dbt as around
from dbt_anymetrics.planning.meta import KEYS
from dbt_anymetrics.sandbox import Shape
from dbt_anymetrics.server import connection
from tests.shop import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
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


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_option_has_help_and_is_on_the_page_of_commands(name: str) -> None:
    for parameter in main.commands[name].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name
            assert parameter.opts[-1] in COMMANDS, parameter.opts


@pytest.mark.parametrize("variable", [*connection.SECRET_VARIABLES, options.ENABLED_VARIABLE, around.DBT_VARIABLE])
def test_every_variable_without_an_option_is_on_the_page_of_commands(variable: str) -> None:
    assert f"`{variable}`" in COMMANDS


@pytest.mark.parametrize("variable", ["URL", "TENANT_ID", "AUTH_TYPE", "AUTH_VALUE", "TIMEZONE", "DATASOURCE"])
def test_what_a_newcomer_sets_is_in_the_readme(variable: str) -> None:
    assert f"ANYMETRICS_{variable}" in README


def test_every_page_is_in_the_index_of_the_readme() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name}" in README, page.name


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 200


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
