"""Why the catalog of each adapter's tables is what it is: the text of golden.md that a person wrote."""

from __future__ import annotations

_DATABASE = (
    "The catalog is dbt's database, because dbt knows nothing nearer. AnyMetrics sees this database through a catalog "
    "of its own engine, and only its operators know that catalog's name; where it differs, set `anymetrics.catalog`."
)
_NONE = (
    "dbt has no database here (a model's own `database` is ignored), so that the catalog is unknown and each node is "
    "an error that names `anymetrics.catalog`. Set it once for the whole folder."
)
_REFUSED = " dbt refuses a model with another `database`, so that the last two names never reach AnyMetrics."

REASONS = {
    "starrocks": (
        "The catalog is the model's own `catalog` config, else `default_catalog`, the catalog of StarRocks' own tables "
        "(AnyMetrics API page, Engines and names). dbt's database is always null: a model's own `database` counts only "
        "beside a `catalog`, where it is the schema, and only tables and incremental models follow these two. A schema "
        "with a dot is `catalog.schema`. No artifact holds an external catalog that is set in the profile: set "
        "`anymetrics.catalog` then. Nor does one hold the schema of the profile, in which dbt creates an incremental "
        "model of an external catalog: set `anymetrics.schema` where the model has a schema of its own."
    ),
    "doris": (
        "The catalog is `internal`, that of Doris' own tables (AnyMetrics API page, Engines and names). dbt's database "
        "is empty unless a model sets `database`. dbt-doris 1.0 puts that in place of the schema, dbt-for-apache-doris "
        "takes it for the catalog, and a manifest does not say which of the two wrote it. Such a node is an error that "
        "names `anymetrics.schema`, which may hold both (`catalog.schema`)."
    ),
    "for_apache_doris": (
        "The adapter is `doris` as well, but a model's own `database` is the catalog. The manifest records such a "
        "model as that of dbt-doris does, so the error is the same."
    ),
    "athena": _DATABASE,
    "bigquery": _DATABASE + " In BigQuery it is the project.",
    "clickhouse": _NONE,
    "databricks": _DATABASE
    + " In Databricks it is the catalog of Unity Catalog. dbt-databricks creates tables under their lower-case name, "
    "and we keep dbt's spelling: set `anymetrics.table` where an alias has capitals.",
    "duckdb": _DATABASE + " In DuckDB it is the name of the file.",
    "exasol": _DATABASE
    + " In Exasol a connection has one database: dbt-exasol ignores a model's own `database`, so that a node with one "
    "is an error that names `anymetrics.catalog`. Exasol stores unquoted names in capitals, and we keep dbt's "
    "spelling.",
    "greenplum": _DATABASE + _REFUSED,
    "hive": _NONE,
    "mysql": _NONE,
    "oracle": _DATABASE
    + " dbt-oracle does not write a database into its statements. It refuses a model with another `database`; where "
    "the profile has none, dbt-oracle 1.7 and earlier ignored it (see the next section). A node with its own "
    "`database` is therefore an error that names `anymetrics.catalog`. Oracle stores unquoted names in capitals, and "
    "we keep dbt's spelling.",
    "oracle_without_database": (
        "A profile without `database`. dbt-oracle then records the text `None`, so that each node is an error that "
        "names `anymetrics.catalog`. A model's own `database` was ignored, and the table created in the database of "
        "the connection; dbt-oracle 1.8.4 and later refuse it."
    ),
    "postgres": _DATABASE + _REFUSED,
    "redshift": _DATABASE
    + " dbt refuses a model with another `database`, except on RA3 nodes and with data sharing, where it is followed.",
    "salesforce": (
        "Salesforce Data 360 has no schemas, and dbt creates a table under its alias alone: dbt's own macro passes "
        "neither schema nor database. Each node is an error that names `anymetrics.schema`. Only dbt 2.x has this "
        "adapter, and it runs no Python in which its statements could be seen."
    ),
    "snowflake": _DATABASE + " Snowflake stores unquoted names in capitals, and we keep dbt's spelling.",
    "spark": _NONE,
    "sqlserver": _DATABASE,
    "trino": _DATABASE + " In Trino it is the catalog, of Trino and not of AnyMetrics' engine.",
}
