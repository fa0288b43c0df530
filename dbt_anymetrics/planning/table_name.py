"""The name AnyMetrics knows a table by: ``<data source>.`<catalog>.<schema>`.<table>``."""

from __future__ import annotations

from dbt_anymetrics.dbt_run.artifacts import Config, Node
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.result import External
from dbt_anymetrics.text import shown

MAX_LENGTH = 128
"""Characters, backticks included (AnyMetrics API page, Data Update)."""

DEFAULT_CATALOGS = {"starrocks": "default_catalog", "doris": "internal"}
"""The catalog of an engine's own tables (AnyMetrics API page, Engines and names)."""

ONE_DATABASE = frozenset({"exasol", "oracle", "salesforce"})
"""Adapters that create each table in the database of the connection, and ignore or refuse a model's own `database`."""

DORIS = "a database config on the model is its schema with dbt-doris 1.0 and its catalog with dbt-for-apache-doris"
"""Why neither is known of such a model: a manifest does not say which of the two adapters wrote it."""

WITHOUT_SCHEMA = frozenset({"salesforce"})
"""Adapters whose tables are in no schema; dbt records an empty one, or the end of one such as `_finance`."""


def node_table_name(node: Node, settings: NodeSettings, datasource: str | None, adapter: str | None) -> str:
    """The name of a node's table, from its settings and else from dbt's schema and alias; or of its external plan.

    `datasource` is the one for nodes that name none. dbt's relation_name is never used: it cannot be taken apart.
    Raises NodeError, which names the key to set.
    """
    if external := external_of(settings):
        return external.name
    datasource = settings.datasource or datasource
    if not datasource:
        raise NodeError(
            "is not set",
            where="anymetrics.datasource",
            hint="Set it in meta, for example anymetrics.datasource: starrocks, "
            "or for every node with --datasource / ANYMETRICS_DATASOURCE",
        )
    catalog_config = _external_catalog(node, adapter)
    schema = settings.schema or _schema(node, catalog_config, adapter)
    # dbt-starrocks writes an external catalog into the schema, with a dot.
    catalog, dot, name = schema.partition(".")
    if "." in name:
        raise NodeError(
            "has more than one dot",
            where="anymetrics.schema",
            hint=f"Set it to schema or to catalog.schema. It is now: {shown(schema)}",
        )
    if not dot:
        catalog, name = _catalog(node, settings, catalog_config, adapter), schema
    return table_name(datasource, catalog, name, settings.table or node.alias or node.name)


def external_of(settings: NodeSettings) -> External | None:
    """The external plan that a node is built for, if it is. Raises NodeError for settings that do not go together."""
    if settings.external_plan:
        if settings.min_interval:
            raise NodeError(
                "does not apply to an external plan, whose dates are recorded and not computed",
                where="anymetrics.min_interval",
                hint="Remove one of the two settings",
            )
        return External(settings.external_plan, settings.granularity or "DAY")
    if settings.granularity:
        raise NodeError(
            "is for an external plan, and none is set",
            where="anymetrics.granularity",
            hint="Set anymetrics.external_plan too, or remove it",
        )
    return None


def table_name(datasource: str, catalog: str, schema: str, table: str) -> str:
    """Compose the name from its parts.

    Raises NodeError where a part is empty or has a character that the form cannot hold, or the whole is too long.
    """
    for key, part in (("datasource", datasource), ("catalog", catalog), ("schema", schema), ("table", table)):
        if fault := _fault(part):
            raise NodeError(
                fault, where=f"anymetrics.{key}", hint=f"Set it in meta to another name. It is now: {shown(part)}"
            )
    name = f"{datasource}.`{catalog}.{schema}`.{table}"
    if len(name) > MAX_LENGTH:
        raise NodeError(
            f"is longer than the {MAX_LENGTH} characters that AnyMetrics allows",
            where="the table name",
            hint=f"Shorten it with anymetrics.table or anymetrics.schema. It has {len(name)} characters: {shown(name)}",
        )
    return name


def _fault(part: str) -> str | None:
    if not part.strip():
        return "is empty"
    if part != part.strip():
        return "starts or ends with a space"
    if "`" in part or "." in part:
        return "contains a backtick or a dot, and a table name in AnyMetrics cannot"
    return None if part.isprintable() else "contains a character that cannot be printed"


def _external_catalog(node: Node, adapter: str | None) -> Config | None:
    """The config of a model that dbt-starrocks builds in an external catalog.

    Only these two materializations follow the `catalog` config.
    """
    if adapter != "starrocks" or node.materialized not in ("table", "incremental") or not node.config:
        return None
    return node.config if _text(node.config.catalog) not in (None, DEFAULT_CATALOGS["starrocks"]) else None


def _schema(node: Node, external: Config | None, adapter: str | None) -> str:
    """The schema in which dbt creates a node's table. Raises NodeError where the artifacts do not say."""
    if adapter in WITHOUT_SCHEMA:
        raise _unset("schema", f"the {adapter} adapter has no schemas", adapter)
    if _has_doris_database(node, adapter):
        raise _unset("schema", DORIS, adapter)
    if external and (own := _text(external.database)):
        return own
    if external and node.materialized == "incremental" and _text(external.schema):
        # A table is created in the schema of the model, an incremental model in that of the profile.
        reason = "dbt-starrocks creates an incremental model of an external catalog in the schema of the profile"
        raise _unset("schema", reason, adapter)
    if not node.schema or not node.schema.strip():
        raise _unset("schema", "dbt has no schema for this node", adapter)
    return node.schema


def _catalog(node: Node, settings: NodeSettings, external: Config | None, adapter: str | None) -> str:
    """The catalog of a node's table, as it is set or as dbt's artifacts tell it. Raises NodeError where they do not."""
    if settings.catalog == "None":  # what a template makes of a value that is missing
        raise NodeError("is the text None", where="anymetrics.catalog", hint=_hint("catalog", adapter))
    if settings.catalog is not None:
        return settings.catalog
    own_engine = _text(external and external.catalog) or DEFAULT_CATALOGS.get(adapter or "")
    if _has_doris_database(node, adapter):
        raise _unset("catalog", DORIS, adapter)
    if adapter in ONE_DATABASE and _text(node.config and node.config.database):
        raise _unset("catalog", f"the {adapter} adapter does not follow the database config of a model", adapter)
    found = own_engine or _text(node.database)
    if not found:
        whose = f"the {adapter} adapter" if adapter else "dbt"
        raise _unset("catalog", f"{whose} names no database to take it from", adapter)
    return found


def _has_doris_database(node: Node, adapter: str | None) -> bool:
    """Whether a model for Doris has a database of its own, which is a schema or a catalog."""
    return adapter == "doris" and node.database not in (None, "", node.schema, DEFAULT_CATALOGS["doris"])


def _unset(key: str, reason: str, adapter: str | None) -> NodeError:
    """The error of a part that is not set and that dbt does not know either."""
    return NodeError(f"is not set, and {reason}", where=f"anymetrics.{key}", hint=_hint(key, adapter))


def _hint(key: str, adapter: str | None) -> str:
    example = "shop" if key == "schema" else DEFAULT_CATALOGS.get(adapter or "", f"{adapter or 'mysql'}_catalog")
    return f"Set it to the {key} in which AnyMetrics sees the table, for example anymetrics.{key}: {example}"


def _text(value: object) -> str | None:
    """A name in the artifacts, or None where there is none: dbt-oracle writes the text "None" for no database."""
    return value if isinstance(value, str) and value.strip() not in ("", "None") else None


def in_lineage(table_name: str) -> str:
    """The same table as AnyMetrics' lineage names it: `catalog.schema.table`, without the data source."""
    return table_name.partition(".")[2].replace("`", "")
