"""Record how one adapter names things: `python -m tests.adapters.record starrocks path/to/dbt`.

Runs `dbt parse`, which needs no database, on a small project with ordinary and odd names, and `dbt run` over a
connection that answers nothing (`statements.py`). Stores the naming fields of the manifest in `<recording>.json`, with
the name that dbt would create, and writes `golden.md` anew. Without arguments it only writes `golden.md`.
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
    "exasol": {"dsn": "localhost:8563", "user": "nobody", "password": "nothing", "database": "exadb", "schema": "shop"},
    "for_apache_doris": {**SERVER, "port": 9030},
    "greenplum": {**LOGIN, "port": 5432, "dbname": "warehouse"},
    "hive": {"host": "localhost", "port": 10000, "schema": "shop", "auth_type": "nosasl"},
    "mysql": {"server": "localhost", "schema": "shop", "username": "nobody", "password": "nothing"},
    "oracle": {**LOGIN, "protocol": "tcp", "port": 1521, "service": "orclpdb1", "database": "orclpdb1"},
    "oracle_without_database": {**LOGIN, "protocol": "tcp", "port": 1521, "service": "orclpdb1"},
    "postgres": {**LOGIN, "port": 5432, "dbname": "warehouse"},
    "redshift": {**LOGIN, "port": 5439, "dbname": "warehouse"},
    "salesforce": {
        "method": "jwt_bearer",
        "client_id": "nothing",
        "private_key_path": "key.pem",
        "login_url": "https://example.com",
        "username": "nobody",
    },
    "snowflake": {"account": "example", "user": "nobody", "password": "nothing", "database": "DW", "schema": "SHOP"},
    "spark": {"method": "thrift", "host": "localhost", "schema": "shop"},
    "sqlserver": {**LOGIN, "driver": "ODBC Driver 18 for SQL Server", "port": 1433, "database": "warehouse"},
    "starrocks": {**SERVER, "port": 9030},
    "trino": {**LOGIN, "method": "none", "port": 8080, "database": "hive"},
}

#: The dbt adapter of a recording, where the two have different names.
ADAPTERS = {"for_apache_doris": "doris", "oracle_without_database": "oracle"}

#: The package of an adapter, where it has not the adapter's name. dbt 2.x has Salesforce built in, and runs no Python.
PACKAGES = {"for_apache_doris": "dbt-for-apache-doris", "salesforce": "dbt"}
WITHOUT_PYTHON = {"salesforce"}

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

#: Each in a project of its own: some adapters refuse the whole run when one model has another database.
OTHER_DATABASE = {
    "own_database": "materialized='table', database='other'",
    "own_schema_and_database": "materialized='table', schema='finance', database='other'",
}

#: What only one adapter has.
OWN_MODELS = {
    "starrocks": {
        "own_catalog": "materialized='table', catalog='iceberg'",
        "own_catalog_and_database": "materialized='table', catalog='iceberg', database='lake'",
        "own_catalog_by_day": "materialized='incremental', catalog='iceberg', database='lake'",
        "own_catalog_precomputed": "materialized='materialized_view', catalog='iceberg'",
        "own_catalog_looked_at": "materialized='view', catalog='iceberg'",
        "own_catalog_and_schema": "materialized='table', catalog='iceberg', schema='finance'",
        "own_catalog_and_schema_by_day": "materialized='incremental', catalog='iceberg', schema='finance'",
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
        name, dbt = arguments
        text = json.dumps(recording(name, dbt), indent=1, ensure_ascii=False, sort_keys=True)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    GOLDEN.write_text(golden(), encoding="utf-8")


def recording(name: str, dbt: str) -> Json:
    """What is stored of one adapter."""
    recorded: Json = {"adapter": version(name, dbt), "manifest": {"nodes": {}}}
    ordinary = {**MODELS, **OWN_MODELS.get(name, {})}
    for models in (ordinary, *({other: config} for other, config in OTHER_DATABASE.items())):
        with tempfile.TemporaryDirectory() as folder:
            write_project(name, Path(folder), models)
            manifest = parsed(name, dbt, Path(folder))
        # The seed and the snapshot are in each of the projects: those beside the ordinary models count.
        nodes = {**manifest["nodes"], **recorded["manifest"]["nodes"]}
        recorded["manifest"] = {**manifest, "nodes": nodes}
    return recorded


def version(name: str, dbt: str) -> str:
    """The adapter's package and version, as installed beside this dbt."""
    package = PACKAGES.get(name, f"dbt-{ADAPTERS.get(name, name)}")
    script = f"from importlib.metadata import version; print('{package}', version('{package}'))"
    return subprocess.run([python(dbt), "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def python(dbt: str) -> str:
    """The Python of the environment that has this dbt."""
    return str(Path(dbt).absolute().with_name("python"))


def parsed(name: str, dbt: str, folder: Path) -> Json:
    """The naming fields of the manifest that `dbt parse` writes, with what dbt would create."""
    run_in(folder, str(Path(dbt).absolute()), "parse")
    manifest = json.loads((folder / "target" / "manifest.json").read_bytes())
    created = {} if name in WITHOUT_PYTHON else creates(name, dbt, folder)
    return {
        "metadata": {key: manifest["metadata"][key] for key in ("adapter_type", "dbt_schema_version", "dbt_version")},
        "nodes": {key: {**trimmed(node), "creates": created.get(key)} for key, node in manifest["nodes"].items()},
    }


def creates(name: str, dbt: str, folder: Path) -> dict[str, str | None]:
    """The name that dbt would create for each model, or why it refuses."""
    run_in(folder, python(dbt), str(FOLDER / "statements.py"), ADAPTERS.get(name, name), "created.json")
    loaded: dict[str, str | None] = json.loads((folder / "created.json").read_bytes())
    return loaded


def run_in(folder: Path, *command: str) -> None:
    """Run a command in the project, with the project's own profile."""
    switches = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "ANYMETRICS_ENABLED": "false"}
    environment = {**os.environ, **switches, "DBT_PROFILES_DIR": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=120)


def write_project(name: str, folder: Path, models: dict[str, str]) -> None:
    """Write the project and its profile."""
    profile = {"type": ADAPTERS.get(name, name), "threads": 1, **PROFILES[name]}
    files = {
        "dbt_project.yml": json.dumps({"name": "shop", "version": "1.0.0", "config-version": 2, "profile": "shop"}),
        "profiles.yml": json.dumps({"shop": {"target": "dev", "outputs": {"dev": profile}}}),
        "macros/generate_schema_name.sql": SCHEMA_MACRO,
        "seeds/countries.csv": "id\n1\n",
        "snapshots/orders_history.sql": SNAPSHOT,
        **{f"models/{model}.sql": f"{{{{ config({config}) }}}}\nselect 1 as id\n" for model, config in models.items()},
    }
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def trimmed(node: Json) -> Json:
    """What a table's name can come from; no paths, no times."""
    config = {key: node["config"][key] for key in KEPT_OF_CONFIG if node["config"].get(key)}
    return {**{key: node.get(key) for key in KEPT}, "config": config}


if __name__ == "__main__":
    main(*sys.argv[1:])
