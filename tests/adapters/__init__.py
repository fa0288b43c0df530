"""How each adapter names things, as `dbt parse` wrote it, and the table names we make of that. Made by `record.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import msgspec

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.planning.table_name import node_table_name
from tests.adapters.reasons import REASONS

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden.md"

HEAD = """# The table names of each adapter

What `dbt parse` of each adapter calls a model (database, schema, and the relation that dbt would create), and the name
that we give AnyMetrics for it with the data source `ds` and no other setting. Written by
`python -m tests.adapters.record`, from the recordings beside this file, and held by `tests/test_adapters.py`: a change
here is a change of the names that users' tables have, to be reviewed as one.
"""

OWN_ENGINES = ["starrocks", "doris"]

COLUMNS = "| node | config | database | schema | dbt's relation | AnyMetrics' table |\n|---|---|---|---|---|---|\n"


def adapters() -> list[str]:
    """The recorded adapters: AnyMetrics' own engines first, then in alphabetical order."""
    others = {file.stem for file in FOLDER.glob("*.json")} - set(OWN_ENGINES)
    return [*OWN_ENGINES, *sorted(others)]


def recorded(adapter: str) -> dict[str, Any]:
    """The recording of one adapter: `adapter` (its package and version) and `manifest`."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{adapter}.json").read_bytes())
    return loaded


def manifest(adapter: str) -> Manifest:
    """The recorded manifest, as this package reads it."""
    return msgspec.json.decode(json.dumps(recorded(adapter)["manifest"]), type=Manifest)


def node(adapter: str, name: str) -> Node:
    """One recorded node, by its name."""
    (found,) = (each for each in manifest(adapter).nodes.values() if each.name == name)
    return found


def table(node: Node, adapter: str, catalog: str | None = None) -> str:
    """AnyMetrics' name of the node's table. Raises NodeError."""
    return node_table_name(node, NodeSettings(catalog=catalog), "ds", adapter)


def golden() -> str:
    """The text of golden.md."""
    return "\n".join([HEAD, *map(section, adapters())])


def section(adapter: str) -> str:
    """One adapter's part of golden.md."""
    recording = recorded(adapter)
    dbt = recording["manifest"]["metadata"]["dbt_version"]
    reason = fill(f"{recording['adapter']}, dbt-core {dbt}. {REASONS[adapter]}", 118)
    table_rows = "".join(f"| {' | '.join(row)} |\n" for row in rows(adapter))
    return f"## {adapter}\n\n{reason}\n\n{COLUMNS}{table_rows}"


def rows(adapter: str) -> Iterator[list[str]]:
    """What is said of each node."""
    nodes = recorded(adapter)["manifest"]["nodes"]
    for unique_id, known in manifest(adapter).nodes.items():
        relation, config = nodes[unique_id]["relation_name"], nodes[unique_id]["config"]
        own = [f"{key}: {config[key]}" for key in ("catalog", "database", "schema", "alias") if key in config]
        try:
            name = code(table(known, adapter))
        except NodeError as error:
            name = "error: " + str(error).partition(" (")[0]
        dbts = map(code, (known.database, known.schema, relation))
        yield [known.name, ", ".join([config["materialized"], *own]), *dbts, name]


def code(text: str | None) -> str:
    """Markdown's code, around text that has backticks itself."""
    if text is None:
        return "null"
    return f"`` {text} ``" if "`" in text else f"`{text}`" if text else "empty"
