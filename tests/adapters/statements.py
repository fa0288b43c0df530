"""Where an adapter really creates each table: run by `record.py` with the Python that has the adapter.

`python statements.py starrocks created.json` runs `dbt run` in the current folder, in this process, over a connection
that writes down the statements and answers none. What dbt then says it would create goes to the file, for each node:
the name in its `create` statement, or why dbt refuses.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

try:
    from dbt.adapters.contracts.connection import AdapterResponse
    from dbt_common.clients.agate_helper import empty_table
    from dbt_common.events.contextvars import get_node_info
except ImportError:  # dbt-core up to 1.7
    from dbt.clients.agate_helper import empty_table
    from dbt.contracts.connection import AdapterResponse
    from dbt.events.contextvars import get_node_info

from dbt.adapters.base import available
from dbt.cli.main import dbtRunner

#: What stands before the name of a relation (SQL Server creates a table by selecting into it), and the name up to the
#: end of its alias.
CREATE = r"\bcreate\b(?!\s+or\s+replace\s+temporary)[\w\s]*\b{}\b(?:\s+if\s+not\s+exists)?"
SELECT_INTO = r"\bselect\s+\*\s+into"
NAME = r"\s+([^()]*?{}(?:__dbt_tmp)?[`\"\]]*)"


class Statements:
    """What dbt sent, by the node that it was building."""

    def __init__(self) -> None:
        self.of_node: dict[str, list[str]] = {}

    def note(self, sql: object) -> None:
        """Keep a statement, without its comments and line breaks."""
        text = " ".join(re.sub(r"/\*.*?\*/|--[^\n]*", " ", str(sql), flags=re.DOTALL).split())
        self.of_node.setdefault(get_node_info().get("unique_id", ""), []).append(text)

    def created(self, unique_id: str, alias: str) -> str | None:
        """The name of the relation that a node's statements create: a table's before a view's."""
        for kind in ("table", "view"):
            pattern = f"(?:{CREATE.format(kind)}|{SELECT_INTO}){NAME.format(re.escape(alias))}"
            for statement in self.of_node.get(unique_id, []):
                if found := re.search(pattern, statement, re.IGNORECASE):
                    return found[1]
        return None


def silence(adapter: Any, statements: Statements) -> None:
    """Take the database away from an adapter's class: it sees no table, and every statement succeeds."""
    manager = adapter.ConnectionManager

    def execute(self: Any, sql: str, *_: Any, **__: Any) -> Any:
        statements.note(sql)
        return AdapterResponse(_message="OK"), empty_table()

    def add_query(self: Any, sql: str, *_: Any, **__: Any) -> Any:
        statements.note(sql)
        return self.get_thread_connection(), MagicMock()

    def opened(cls: Any, connection: Any) -> Any:
        connection.handle = MagicMock(server_version=(3, 5, 0))  # dbt-starrocks asks for it
        # dbt-oracle asks for the name of the database where the profile has none.
        connection.handle.cursor.return_value.__enter__.return_value.fetchone.return_value = ("ORCLPDB1",)
        connection.state = "open"
        return connection

    @contextmanager
    def exception_handler(self: Any, *_: Any) -> Iterator[None]:
        yield

    manager.open, manager.close = classmethod(opened), classmethod(lambda cls, connection: connection)
    manager.execute, manager.add_query, manager.exception_handler = execute, add_query, exception_handler
    for name in ("begin", "commit", "commit_if_has_connection", "clear_transaction", "cancel_open"):
        setattr(manager, name, lambda self: None)
    for name in ("list_relations_without_caching", "list_schemas", "get_columns_in_relation"):
        setattr(adapter, name, available(lambda self, *_, **__: []))
    # These two go past the connection: Athena's tables have a method of their own, and BigQuery's client makes schemas.
    if adapter.type() == "athena":

        def run_query(self: Any, sql: str) -> str:
            statements.note(sql)
            return "SUCCESS"

        adapter.run_query_with_partitions_limit_catching = available(run_query)
    if adapter.type() == "bigquery":
        adapter.create_schema = available(lambda self, relation: None)


def main(adapter: str, file: str) -> None:
    """Run dbt, and write down where it creates each model or why it refuses."""
    statements = Statements()
    silence(importlib.import_module(f"dbt.adapters.{adapter}").Plugin.adapter, statements)
    done = dbtRunner().invoke(["--no-partial-parse", "run", "--threads", "1"])
    nodes = json.loads(Path("target", "manifest.json").read_bytes())["nodes"]
    found = {key: statements.created(key, node["alias"]) for key, node in nodes.items()}
    if done.exception:  # before the first node: it holds for all of them
        found = dict.fromkeys(nodes, f"refused: {' '.join(str(done.exception).split())}")
    Path(file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
