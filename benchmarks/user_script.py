"""What a user might write instead of installing us: `python user_script.py TARGET_FOLDER THREADS`."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

URL = os.environ["ANYMETRICS_URL"] + "/anymetrics/api/v1/scheduler/task/trigger"
TENANT = os.environ["ANYMETRICS_TENANT_ID"]
HEADERS = {
    "tenant-id": TENANT,
    "auth-type": os.environ["ANYMETRICS_AUTH_TYPE"],
    "auth-value": os.environ["ANYMETRICS_AUTH_VALUE"],
}


def load(path: Path) -> Any:
    """Load a file of JSON."""
    with path.open(encoding="utf-8") as file:
        return json.load(file)


def main(target: Path, threads: int) -> None:
    """Refresh every table that was built and is configured, for the date of the run."""
    manifest = load(target / "manifest.json")
    run_results = load(target / "run_results.json")
    day = datetime.fromisoformat(run_results["metadata"]["generated_at"].rstrip("Z")).date().isoformat()
    tables = []
    for result in run_results["results"]:
        node = manifest["nodes"].get(result["unique_id"])
        if node and result["status"] == "success" and "anymetrics.datasource" in node["config"]["meta"]:
            datasource = node["config"]["meta"]["anymetrics.datasource"]
            tables.append(f"{datasource}.`{node['database']}.{node['schema']}`.{node['alias']}")

    def refresh(table: str) -> str:
        body = {"tableName": table, "tenantId": TENANT, "tablePartition": day}
        answer = requests.post(URL, json=body, headers=HEADERS, timeout=30).json()
        if not answer["success"]:
            raise RuntimeError(answer["errorMsg"])
        return table

    with ThreadPoolExecutor(threads) as pool:
        for number, table in enumerate(pool.map(refresh, tables), 1):
            print(number, table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
