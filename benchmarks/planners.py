"""Run in a process of its own: plan a project of so many configured nodes for so many dates, and print the usage.

`python -m benchmarks.planners WAY NODES DATES`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, timedelta

import msgspec

from benchmarks.measure import print_usage
from dbt_anymetrics.dbt_run.artifacts import Manifest, RunResults
from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.plan import plan

_LAST = date(2024, 12, 31)


def dbt_anymetrics(nodes: int, dates: int) -> Callable[[], object]:
    """As the command plans, to the last refresh: each node's own partition is a range."""
    manifest, run = _project(nodes, f"run_date-{dates - 1}..run_date")
    return lambda: len(plan(manifest, [run], Orders(run_date=_LAST.isoformat())).items)


def bare(nodes: int, dates: int) -> Callable[[], object]:
    """Do the least in Python: list every table and date, and drop what is there twice."""
    days = [_LAST - timedelta(days=n) for n in range(dates)]
    tables = [f"starrocks.`shop.main`.table_{n}" for n in range(nodes)]
    return lambda: list(dict.fromkeys((table, day) for table in tables for day in days))


def _project(nodes: int, partition: str) -> tuple[Manifest, Run]:
    meta = {"anymetrics.datasource": "starrocks", "anymetrics.partition": partition}
    ids = [f"model.shop.table_{n}" for n in range(nodes)]
    manifest = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {unique_id: _node(unique_id, meta) for unique_id in ids},
    }
    results = {
        "metadata": {"dbt_schema_version": "", "generated_at": "2024-12-31T06:00:00Z"},
        "results": [{"unique_id": unique_id, "status": "success"} for unique_id in ids],
        "args": {"which": "build"},
    }
    known = msgspec.json.decode(json.dumps(manifest), type=Manifest)
    return known, Run(msgspec.json.decode(json.dumps(results), type=RunResults), known)


def _node(unique_id: str, meta: dict[str, str]) -> dict[str, object]:
    name = unique_id.rpartition(".")[2]
    config = {"materialized": "table", "meta": meta}
    return {"resource_type": "model", "name": name, "database": "shop", "schema": "main", "config": config}


if __name__ == "__main__":
    way = {"dbt-anymetrics": dbt_anymetrics, "bare": bare}[sys.argv[1]]
    print_usage(way(int(sys.argv[2]), int(sys.argv[3])))
