"""The name AnyMetrics knows a table by: ``<data source>.`<catalog>.<schema>`.<table>``."""

from __future__ import annotations

from dbt_anymetrics.dbt_run.artifacts import Config, Node
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.text import shown

MAX_LENGTH = 128
"""Characters, backticks included (AnyMetrics API page, Data Update)."""

DEFAULT_CATALOGS = {"starrocks": "default_catalog", "doris": "internal"}
"""The catalog of an engine's own tables (AnyMetrics API page, Engines and names)."""


def node_table_name(node: Node, settings: NodeSettings, datasource: str | None, adapter: str | None) -> str:
    """The name of a node's table, from its settings and else from dbt's schema and alias.

    `datasource` is the one for nodes that name none. dbt's relation_name is never used: it cannot be taken apart.
    Raises NodeError, which names the key to set.
    """
    datasource = settings.datasource or datasource
    if not datasource:
        raise NodeError(
            "is not set",
            where="anymetrics.datasource",
            hint="Set it in meta, or for every node with --datasource / ANYMETRICS_DATASOURCE",
        )
    external = _external(node, adapter)
    schema = settings.schema or _text(external and external.database) or node.schema or ""
    # dbt-starrocks writes an external catalog into the schema, with a dot.
    catalog, dot, name = schema.partition(".")
    if "." in name:
        raise NodeError(f"{shown(schema)} has more than one dot", where="anymetrics.schema", hint="Set another in meta")
    if not dot:
        catalog, name = _catalog(node, settings, external, adapter), schema
    return table_name(datasource, catalog, name, settings.table or node.alias or node.name)


def table_name(datasource: str, catalog: str, schema: str, table: str) -> str:
    """Compose the name from its parts.

    Raises NodeError where a part is empty or has a character that the form cannot hold, or the whole is too long.
    """
    for key, part in (("datasource", datasource), ("catalog", catalog), ("schema", schema), ("table", table)):
        if fault := _fault(part):
            raise NodeError(f"{shown(part)} {fault}", where=f"anymetrics.{key}", hint="Set another in meta")
    name = f"{datasource}.`{catalog}.{schema}`.{table}"
    if len(name) > MAX_LENGTH:
        raise NodeError(
            f"the table name {shown(name)} has {len(name)} characters, and AnyMetrics takes {MAX_LENGTH}",
            hint="Shorten it with anymetrics.table or anymetrics.schema",
        )
    return name


def _fault(part: str) -> str | None:
    if not part.strip():
        return "is empty"
    if part != part.strip():
        return "has a space around it"
    if "`" in part or "." in part:
        return "has a backtick or a dot, which the form of AnyMetrics' table names cannot hold"
    return None if part.isprintable() else "has a character that cannot be printed"


def _external(node: Node, adapter: str | None) -> Config | None:
    """The config of a model that dbt-starrocks builds in an external catalog: it heeds `catalog` for these two only."""
    if adapter != "starrocks" or node.materialized not in ("table", "incremental") or not node.config:
        return None
    return node.config if _text(node.config.catalog) not in (None, DEFAULT_CATALOGS["starrocks"]) else None


def _catalog(node: Node, settings: NodeSettings, external: Config | None, adapter: str | None) -> str:
    default = _text(external and external.catalog) or DEFAULT_CATALOGS.get(adapter or "") or node.database
    found = _text(default if settings.catalog is None else settings.catalog)
    if not found:
        raise NodeError(
            f"has no usable value (set: {shown(settings.catalog)}, dbt's database: {shown(node.database)})",
            where="anymetrics.catalog",
            hint="Set it to the name of the catalog under which AnyMetrics sees this database",
        )
    if adapter == "doris" and settings.catalog is None and node.database not in (None, "", node.schema, found):
        raise NodeError(
            "is not set, and may not be guessed: "
            f"dbt's database is {shown(node.database)}: to dbt-doris 1.0 the schema, to later the catalog",
            where="anymetrics.catalog",
            hint="Set it, and anymetrics.schema with it where the table is not in the schema that dbt names",
        )
    return found


def _text(value: object) -> str | None:
    """A name in the artifacts, or None where there is none: dbt-oracle writes the text "None" for no database."""
    return value if isinstance(value, str) and value.strip() not in ("", "None") else None
