"""Why the catalog of each adapter's tables is what it is: the text of golden.md that a person wrote."""

from __future__ import annotations

_DATABASE = (
    "The catalog is dbt's database: the nearest thing that dbt knows. AnyMetrics sees this database through a catalog "
    "of its own engine, whose name only its operators know; where it differs, `anymetrics.catalog` says it."
)
_NONE = (
    "dbt has no database here, so no catalog can be guessed and each node is an error that names `anymetrics.catalog`, "
    "to be set once for the folder."
)

REASONS = {
    "starrocks": (
        "The catalog is the model's own `catalog` config, else `default_catalog`, the catalog of StarRocks' own tables "
        "(AnyMetrics API page, Engines and names); dbt's database is always null. A schema with a dot is "
        "`catalog.schema`. An external catalog that stands in the profile is in no artifact: it has to be said with "
        "`anymetrics.catalog`."
    ),
    "doris": (
        "The catalog is `internal`, that of Doris' own tables (AnyMetrics API page, Engines and names). dbt's database "
        "is empty, or a model's own `database`, which dbt-doris 1.0 uses in place of the schema."
    ),
    "athena": _DATABASE,
    "bigquery": _DATABASE + " In BigQuery it is the project.",
    "clickhouse": _NONE,
    "databricks": _DATABASE
    + " In Databricks it is the catalog of Unity Catalog. dbt-databricks creates tables under their lower-case name, "
    "and we keep dbt's spelling: `anymetrics.table` where an alias has capitals.",
    "duckdb": _DATABASE + " In DuckDB it is the name of the file.",
    "hive": _NONE,
    "mysql": _NONE,
    "oracle": _DATABASE
    + " dbt-oracle writes the text `None` where it knows none, which is an error that names `anymetrics.catalog`. It "
    "does not quote names, so that Oracle stores them in capitals, and we keep dbt's spelling.",
    "postgres": _DATABASE,
    "redshift": _DATABASE,
    "snowflake": _DATABASE + " Snowflake stores unquoted names in capitals, and we keep dbt's spelling.",
    "spark": _NONE,
    "sqlserver": _DATABASE,
    "trino": _DATABASE + " In Trino it is the catalog, of Trino and not of AnyMetrics' engine.",
}
