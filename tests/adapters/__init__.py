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

For each adapter:

- what `dbt parse` records for a node: its database and schema, and dbt's name of the relation;
- where `dbt run` creates the table: the name in its `create` statement, sent over a connection that answers nothing
  (`tests/adapters/statements.py`). *not tried* stands for seeds and snapshots, for materializations that an adapter
  does not have, and for statements that need a real database;
- the name that we give AnyMetrics, with the data source `ds` and no other setting.

`python -m tests.adapters.record` writes this file from the recordings beside it, and
`tests/unit/planning/test_adapters.py` compares the two: a change here changes the names of users' tables, and is to be
reviewed as such.
"""

OWN_ENGINES = ["starrocks", "doris", "for_apache_doris"]

HEADINGS = ("node", "config", "database", "schema", "dbt's relation", "created as", "AnyMetrics' table")
COLUMNS = f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}\n"


def adapters() -> list[str]:
    """The recordings, most of them named after the adapter: AnyMetrics' own engines first, then alphabetically."""
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


def table(node: Node, adapter: str, **settings: Any) -> str:
    """AnyMetrics' name of the node's table. Raises NodeError."""
    return node_table_name(node, NodeSettings(**settings), "ds", manifest(adapter).metadata.adapter_type)


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
        recorded_node = nodes[unique_id]
        config = recorded_node["config"]
        own = [f"{key}: {config[key]}" for key in ("catalog", "database", "schema", "alias") if key in config]
        dbts = map(code, (known.database, known.schema, recorded_node["relation_name"]))
        names = (creates(recorded_node), ours(known, adapter))
        yield [known.name, ", ".join([known.materialized, *own]), *dbts, *names]


def creates(recorded_node: dict[str, Any]) -> str:
    """Where dbt creates the table, or why it does not."""
    text = recorded_node["creates"]
    if not text:
        return "not tried"
    return text if text.startswith("refused: ") else code(text)


def ours(known: Node, adapter: str) -> str:
    """AnyMetrics' name of a node's table, or the error."""
    try:
        return code(table(known, adapter))
    except NodeError as error:
        return f"error: {error.where}: {error.what}"


def code(text: str | None) -> str:
    """Markdown's code, around text that has backticks itself."""
    if text is None:
        return "null"
    return f"`` {text} ``" if "`" in text else f"`{text}`" if text else "empty"
