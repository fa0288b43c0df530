"""dbt artifacts and what is read from them, built from as little as a test needs to say.

Everything goes through JSON and the real decoder, so that no test relies on an object that no artifact gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node, RunResults, detached
from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.plan import Planned, plan
from dbt_anymetrics.result import Result, Status, shown

Json = dict[str, Any]

INVOCATION = "11111111-1111-1111-1111-111111111111"

STARTED_AT = "2024-07-18T06:00:00Z"

RUN_DATE = "2024-07-17"


def node_json(name: str = "orders", meta: object = None, *, config: Json | None = None, **fields: object) -> Json:
    """One entry of a manifest's `nodes`; a table model unless `fields` say otherwise."""
    kind = fields.get("resource_type", "model")
    return {
        "unique_id": f"{kind}.shop.{name}",
        "resource_type": kind,
        "name": name,
        "package_name": "shop",
        "schema": "mart",
        "alias": name,
        "config": {"materialized": "table", "meta": {} if meta is None else meta, **(config or {})},
        **fields,
    }


def data_test_json(name: str, attached_to: str | None = None, reads: tuple[str, ...] = ()) -> Json:
    """A test: a generic one where it is attached to a model, else a singular one."""
    attached = f"model.shop.{attached_to}" if attached_to else None
    depends_on = {"nodes": [f"model.shop.{model}" for model in reads]}
    return node_json(name, resource_type="test", attached_node=attached, depends_on=depends_on)


def result_json(name: str = "orders", status: str = "success", **fields: object) -> Json:
    """One entry of a run's `results`; a name without a dot is a model's."""
    return {"unique_id": name if "." in name else f"model.shop.{name}", "status": status, "timing": [], **fields}


def manifest_json(*nodes: Json, adapter: str = "starrocks", **metadata: object) -> Json:
    """A manifest.json."""
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "invocation_id": INVOCATION,
            "adapter_type": adapter,
            **metadata,
        },
        "nodes": {node["unique_id"]: node for node in nodes},
    }


def run_json(*results: Json, args: Json | None = None, elapsed_time: float = 0.0, **metadata: object) -> Json:
    """A run_results.json, of `dbt build` unless `args` say otherwise."""
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
            "dbt_version": "1.11.0",
            "generated_at": "2024-07-18T06:05:00Z",
            "invocation_id": INVOCATION,
            "invocation_started_at": STARTED_AT,
            "env": {},
            **metadata,
        },
        "results": list(results),
        "elapsed_time": elapsed_time,
        "args": {"which": "build", **(args or {})},
    }


def node(name: str = "orders", meta: object = None, *, config: Json | None = None, **fields: object) -> Node:
    """A node as it is read from a manifest."""
    (read,) = manifest(node_json(name, meta, config=config, **fields)).nodes.values()
    return read


def manifest(*nodes: Json, adapter: str = "starrocks", **metadata: object) -> Manifest:
    """A manifest as it is read."""
    return detached(msgspec.json.decode(json.dumps(manifest_json(*nodes, adapter=adapter, **metadata)), type=Manifest))


def run(
    *results: Json,
    args: Json | None = None,
    elapsed_time: float = 0.0,
    beside: Manifest | None = None,
    **metadata: object,
) -> Run:
    """A run as it is read, `beside` a manifest."""
    text = json.dumps(run_json(*results, args=args, elapsed_time=elapsed_time, **metadata))
    return Run(msgspec.json.decode(text, type=RunResults), beside or manifest())


def batches(*starts: str) -> Json:
    """The `batch_results` of a microbatch model whose batches start at these moments and succeeded."""
    return {"successful": [[start, "9999-12-31T23:59:59Z"] for start in starts], "failed": []}


def write_artifacts(folder: Path, known: Json, run_results: Json) -> Path:
    """Write both artifacts to a folder as dbt does, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(known), encoding="utf-8")
    (folder / "run_results.json").write_text(json.dumps(run_results), encoding="utf-8")
    return folder


def orders(**fields: Any) -> Orders:
    """Orders with the data source and run date that most tests do not care about."""
    return Orders(**{"datasource": "starrocks", "run_date": RUN_DATE, **fields})


def planned(
    *nodes: Json,
    runs: tuple[Run, ...] | None = None,
    tests: tuple[Json, ...] = (),
    adapter: str = "starrocks",
    **ordered: Any,
) -> list[Result]:
    """The plan for these nodes; without `runs`, of one `dbt build` in which all of them succeeded."""
    built = (run(*(result_json(node["unique_id"]) for node in nodes)),) if runs is None else runs
    return listed(plan(manifest(*nodes, *tests, adapter=adapter), built, orders(**ordered)))


def listed(made: Planned) -> list[Result]:
    """The entries of a plan, as the artifact shows them."""
    return [shown(item) for item in made.items]


def refreshes(results: list[Result]) -> list[tuple[str, str]]:
    """The table and date of each planned refresh, in the order of the plan."""
    return [(str(r.table_name), str(r.partition)) for r in results if r.status is Status.PLANNED]


def dates(results: list[Result]) -> list[str]:
    """The date of each planned refresh."""
    return [day for _, day in refreshes(results)]
