"""Which folder of the package may import which, and that an import inside a function says why it is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shop import ROOT

PACKAGE = ROOT / "dbt_anymetrics"

GROUND = {"", "errors", "text", "lenient", "files", "defaults", "result", "options"}
"""The modules at the top that every folder may use. `""` is the package itself: its version."""

MAY_IMPORT: dict[str, set[str]] = {
    "dbt_run": set(),
    "planning": {"dbt_run"},
    "server": set(),
    "ledger": {"planning"},
    "output": {"ledger"},
    "sending": {"server", "ledger", "planning", "output"},
    "commands": {"dbt_run", "planning", "server", "ledger", "sending", "output", "parameters", "picture", "sandbox"},
    "integrations": {"commands", "dbt_run", "ledger", "output", "parameters", "planning", "server"},
    "airflow": {"integrations"},
    "dagster": {"integrations"},
    "picture": set(),
    "sandbox": {"picture", "output"},
    "parameters": {"dbt_run", "planning"},
    "cli": {"commands", "parameters", "output", "sandbox"},
    "options": {"dbt_run"},
    "__main__": {"cli", "output"},
    "__init__": {"integrations"},
    **{name: set() for name in GROUND - {"", "options"}},
}


def imports(path: Path) -> Iterator[str]:
    """The folders and top modules of this package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.split(".")[0] == "dbt_anymetrics":
                yield ".".join(name.split(".")[1:2])


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_below(path: Path) -> None:
    here = place(path)
    above = {name for name in imports(path) if name not in GROUND | {here} | MAY_IMPORT[here]}
    assert above == set()


def unmarked(path: Path) -> list[str]:
    """The imports inside functions whose line does not say why, where the module does not say it for all of them."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if any(line.startswith("# lazy: ") for line in lines):
        return []
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [node for each in functions for node in ast.walk(each) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [lines[node.lineno - 1].strip() for node in inside if "  # lazy: " not in lines[node.lineno - 1]]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_import_inside_a_function_says_why(path: Path) -> None:
    assert unmarked(path) == []


def test_no_folder_is_both_above_and_below_another() -> None:
    def below(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        assert name not in seen, f"a circle through {name}"
        direct = MAY_IMPORT[name]
        return direct.union(*(below(each, seen | {name}) for each in direct))

    for name in MAY_IMPORT:
        below(name)


OPTIONAL = ("airflow", "asgiref", "dagster", "dagster_dbt", "prefect")
BEHIND_A_DOOR = ("integrations/airflow/", "integrations/dagster.py")
DOORS = ("airflow.py", "dagster.py")


def all_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_orchestrator_is_imported_only_behind_its_door(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    if not place.startswith(BEHIND_A_DOOR):
        names = set(all_imports(path))
        assert {name for name in names if name.split(".")[0] in OPTIONAL} == set()
        behind = ("dbt_anymetrics.integrations.airflow", "dbt_anymetrics.integrations.dagster")
        assert place in DOORS or not {name for name in names if name.startswith(behind)}
