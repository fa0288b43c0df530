"""Record how one adapter names things: `python -m tests.adapters.record starrocks path/to/dbt`.

Runs `dbt parse`, which needs no database, on a small project with ordinary and odd names, stores the naming fields of
its manifest in `<adapter>.json`, and writes `golden.md` anew. Without arguments it only writes `golden.md`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.adapters import FOLDER, GOLDEN, golden

Json = dict[str, Any]

LOGIN = {"host": "localhost", "user": "nobody", "password": "nothing", "schema": "shop", "threads": 1}
SERVER = {**LOGIN, "username": "nobody"}

#: A profile for each adapter that its own checks accept. Nobody ever connects.
PROFILES: dict[str, Json] = {
    "athena": {
        "database": "awsdatacatalog",
        "schema": "shop",
        "region_name": "eu-west-1",
        "s3_staging_dir": "s3://example/staging/",
    },
    "bigquery": {"method": "oauth", "project": "shop-project", "dataset": "shop", "threads": 1},
    "clickhouse": {**LOGIN},
    "databricks": {
        "catalog": "main",
        "schema": "shop",
        "host": "example.cloud.databricks.com",
        "http_path": "/sql/1.0/warehouses/x",
        "token": "nothing",
    },
    "doris": {**SERVER, "port": 9030},
    "duckdb": {"path": "shop.duckdb", "schema": "main"},
    "hive": {"host": "localhost", "port": 10000, "schema": "shop", "auth_type": "nosasl"},
    "mysql": {"server": "localhost", "schema": "shop", "username": "nobody", "password": "nothing"},
    "oracle": {**LOGIN, "protocol": "tcp", "port": 1521, "service": "orclpdb1", "database": "orclpdb1"},
    "postgres": {**LOGIN, "port": 5432, "dbname": "warehouse"},
    "redshift": {**LOGIN, "port": 5439, "dbname": "warehouse"},
    "snowflake": {"account": "example", "user": "nobody", "password": "nothing", "database": "DW", "schema": "SHOP"},
    "spark": {"method": "thrift", "host": "localhost", "schema": "shop"},
    "sqlserver": {**LOGIN, "driver": "ODBC Driver 18 for SQL Server", "port": 1433, "database": "warehouse"},
    "starrocks": {**SERVER, "port": 9030},
    "trino": {**LOGIN, "method": "none", "port": 8080, "database": "hive"},
}

#: Adapters that refuse a database of a model's own, or take it for something else.
ONE_DATABASE = {"clickhouse", "hive", "mysql", "spark"}

MODELS = {
    "orders": "materialized='table'",
    "order_lines": "materialized='table', alias='Order Lines'",
    "quoted": "materialized='table', alias='say \"hi\"'",
    "chinese": "materialized='table', alias='订单'",
    "own_schema": "materialized='table', schema='finance'",
    "by_day": "materialized='incremental'",
    "precomputed": "materialized='materialized_view'",
    "looked_at": "materialized='view'",
}

#: What only one adapter has.
OWN_MODELS = {
    "starrocks": {
        "own_catalog": "materialized='table', catalog='iceberg'",
        "own_catalog_and_database": "materialized='table', catalog='iceberg', database='lake'",
        "own_catalog_by_day": "materialized='incremental', catalog='iceberg', database='lake'",
        "own_catalog_precomputed": "materialized='materialized_view', catalog='iceberg'",
        "internal_catalog": "materialized='table', catalog='default_catalog', database='lake'",
        "dotted_schema": "materialized='table', schema='iceberg.lake'",
    },
    "oracle": {"no_database": "materialized='table', database='None'"},
}

SNAPSHOT = """{% snapshot orders_history %}
{{ config(unique_key='id', strategy='check', check_cols='all', target_schema='history') }}
select 1 as id
{% endsnapshot %}
"""

#: A schema with a dot is taken as it is: to put the profile's schema before it would name another catalog.
SCHEMA_MACRO = """{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name and '.' in custom_schema_name -%} {{ custom_schema_name }}
    {%- else -%} {{ default__generate_schema_name(custom_schema_name, node) }} {%- endif -%}
{%- endmacro %}
"""

KEPT = ("resource_type", "name", "package_name", "database", "schema", "alias", "relation_name")
KEPT_OF_CONFIG = ("materialized", "catalog", "database", "schema", "alias", "meta")


def main(*arguments: str) -> None:
    """Record one adapter, where it is named, and write the golden file."""
    if arguments:
        adapter, dbt = arguments
        with tempfile.TemporaryDirectory() as folder:
            recorded = {"adapter": version(adapter, dbt), "manifest": parsed(adapter, dbt, Path(folder))}
        text = json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True)
        (FOLDER / f"{adapter}.json").write_text(text + "\n", encoding="utf-8")
    GOLDEN.write_text(golden(), encoding="utf-8")


def version(adapter: str, dbt: str) -> str:
    """The adapter's package and version, as installed beside this dbt."""
    script = f"from importlib.metadata import version; print('dbt-{adapter}', version('dbt-{adapter}'))"
    python = str(Path(dbt).with_name("python"))
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def parsed(adapter: str, dbt: str, folder: Path) -> Json:
    """The naming fields of the manifest that `dbt parse` writes."""
    write_project(adapter, folder)
    switches = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "ANYMETRICS_ENABLED": "false"}
    subprocess.run([dbt, "parse"], cwd=folder, env={**os.environ, **switches}, check=True)
    manifest = json.loads((folder / "target" / "manifest.json").read_bytes())
    return {
        "metadata": {key: manifest["metadata"][key] for key in ("adapter_type", "dbt_schema_version", "dbt_version")},
        "nodes": {unique_id: trimmed(node) for unique_id, node in manifest["nodes"].items()},
    }


def write_project(adapter: str, folder: Path) -> None:
    """Write the project and its profile."""
    models = {**MODELS, **OWN_MODELS.get(adapter, {})}
    database = "" if adapter in ONE_DATABASE else ", database='other'"
    if database:
        models["own_database"] = "materialized='table'" + database
    profile = {"type": adapter, **PROFILES[adapter]}
    files = {
        "dbt_project.yml": json.dumps({"name": "shop", "version": "1.0.0", "config-version": 2, "profile": "shop"}),
        "profiles.yml": json.dumps({"shop": {"target": "dev", "outputs": {"dev": profile}}}),
        "macros/generate_schema_name.sql": SCHEMA_MACRO,
        "seeds/countries.csv": "id\n1\n",
        "snapshots/orders_history.sql": SNAPSHOT,
        **{f"models/{name}.sql": f"{{{{ config({config}) }}}}\nselect 1 as id\n" for name, config in models.items()},
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def trimmed(node: Json) -> Json:
    """What a table's name can come from; no paths, no times."""
    config = {key: node["config"][key] for key in KEPT_OF_CONFIG if node["config"].get(key)}
    return {**{key: node.get(key) for key in KEPT}, "config": config}


if __name__ == "__main__":
    main(*sys.argv[1:])
