"""The artifacts of a large dbt project: those a real dbt 1.11 wrote for the example shop, repeated under new names.

The recorded nodes are trimmed, so what makes real manifests heavy is put back: code, compiled code, columns and
descriptions, in such lengths that 20,000 nodes weigh about 95 MB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any, TextIO

from benchmarks.peers import ROOT

Json = dict[str, Any]

DATASOURCE = "starrocks"

_RECORDED = ROOT / "tests" / "artifacts" / "1.11"
_CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "integration_tests").rglob("*.sql"))) * 9
_COMPILED = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r'"shop"."main"."\1"', _CODE)
_DESCRIPTION = (
    "One row for each order line, with the customer's region as it was when the order was placed. Amounts are in "
    'the order\'s own currency; see `amount_usd` for the converted value. Owned by the "orders" team.'
)


def write_large_project(folder: Path, nodes: int, configured: int = 500) -> Path:
    """Write a project folder with `target/manifest.json` and `target/run_results.json`, and return the target folder.

    Of its table models, `configured` ones are to be refreshed, each for one date.
    """
    target = folder / "target"
    target.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\n", encoding="utf-8")
    manifest = json.loads((_RECORDED / "manifest.json").read_bytes())
    build = json.loads((_RECORDED / "build.json").read_bytes())
    with (target / "manifest.json").open("w", encoding="utf-8") as file:
        _write_manifest(file, {"metadata": build["manifest_metadata"], **manifest}, nodes, configured)
    results = {result["unique_id"]: result for result in build["run_results"]["results"]}
    with (target / "run_results.json").open("w", encoding="utf-8") as file:
        _write_results(file, build["run_results"], [results.get(each) for each in manifest["nodes"]], nodes)
    return target


def _write_manifest(file: TextIO, manifest: Json, nodes: int, configured: int) -> None:
    """Piece by piece: what this process holds in memory must not be counted against those that read."""
    recorded = list(manifest["nodes"].values())
    parts: dict[str, Iterator[tuple[str, Any]]] = {
        "nodes": _nodes(recorded, nodes, configured),
        "parent_map": _parents(recorded, nodes),
        "child_map": _parents(recorded, nodes),
    }
    file.write("{")
    for number, (key, value) in enumerate(manifest.items()):
        file.write(f'{", " if number else ""}"{key}": ')
        if key in parts:
            _write_items(file, "{}", (f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts[key]))
        else:
            file.write(json.dumps(value))
    file.write("}")


def _write_results(file: TextIO, run: Json, recorded: list[Json | None], nodes: int) -> None:
    head = json.dumps({key: value for key, value in run.items() if key != "results"})
    file.write(f'{head[:-1]}, "results": ')
    copies = (_renamed(result, copy) for copy, result in _copies(recorded, nodes) if result)
    code = {"compiled_code": _COMPILED[:300]}
    _write_items(file, "[]", (json.dumps(result | code) for result in copies))
    file.write("}")


def _write_items(file: TextIO, brackets: str, items: Iterable[str]) -> None:
    file.write(brackets[0])
    file.writelines(f", {item}" if number else item for number, item in enumerate(items))
    file.write(brackets[1])


def _copies(recorded: list[Any], total: int) -> Iterator[tuple[int, Any]]:
    return islice(((copy, each) for copy in count() for each in recorded), total)


def _renamed(recorded: Json, copy: int) -> Json:
    """A copy as of another package, so that what refers to it still does."""
    renamed: Json = json.loads(json.dumps(recorded).replace(".shop.", f".shop_{copy}."))
    return renamed


def _nodes(recorded: list[Json], total: int, configured: int) -> Iterator[tuple[str, Json]]:
    for number, (copy, each) in enumerate(_copies(recorded, total)):
        node = _renamed(each, copy)
        is_table = node["config"]["materialized"] == "table"
        meta: Json = (
            {"anymetrics.datasource": DATASOURCE} if is_table and configured else {"owner": "orders", "tier": 2}
        )
        configured -= is_table and bool(configured)
        node |= {"package_name": f"shop_{copy}", "schema": f"main_{copy}", "meta": meta, **_weight(node, number)}
        node["config"]["meta"] = meta
        yield node["unique_id"], node


def _weight(node: Json, number: int) -> Json:
    """The fields that were trimmed, as long as they often are: tests are short, models are not, seeds have no code."""
    kind = node["resource_type"]
    code, compiled, columns = {"model": (1700, 2000, 6), "seed": (0, 0, 3)}.get(kind, (120, 420, 0))
    start = 37 * number % 2000
    path = node["original_file_path"]
    weight = {
        "path": path.partition("/")[2],
        "raw_code": _CODE[start : start + code],
        "description": _DESCRIPTION if kind == "model" else "",
        "columns": {f"column_{n}": _column(f"column_{n}") for n in range(columns)},
        "created_at": 1732291215.5 + number,
        "docs": {"show": True, "node_color": None},
        "build_path": None,
        "unrendered_config": {"materialized": node["config"]["materialized"]},
    }
    return (
        weight
        if kind == "seed"
        else weight
        | {
            "compiled": True,
            "compiled_path": f"target/compiled/shop/{path}",
            "compiled_code": _COMPILED[start : start + compiled],
            "extra_ctes": [],
            "extra_ctes_injected": True,
        }
    )


def _column(name: str) -> Json:
    return {
        "name": name,
        "description": _DESCRIPTION[:80],
        "meta": {},
        "data_type": "varchar",
        "constraints": [],
        "quote": None,
        "config": {"meta": {}, "tags": []},
        "tags": [],
        "granularity": None,
        "doc_blocks": [],
    }


def _parents(recorded: list[Json], total: int) -> Iterator[tuple[str, list[str]]]:
    for copy, each in _copies(recorded, total):
        node = _renamed({"unique_id": each["unique_id"], "nodes": each["depends_on"].get("nodes", [])}, copy)
        yield node["unique_id"], node["nodes"]
