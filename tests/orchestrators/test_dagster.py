"""Dagster for real: the example of the page, materialized: what arrived, and what stands in the asset catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import BUILD, MAIN, sent, sent_tables
from tests.ledgers import pending
from tests.orchestrators.page import QUIET, example, needs, written
from tests.shop import DAY, Shop

pytestmark = needs("dagster", "dagster_dbt")

RUN = """
import json, runpy, sys
from dagster import DagsterInstance, materialize

names = runpy.run_path(sys.argv[1])
start, _, end = sys.argv[2].partition("..")
span = {"tags": {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}}
done = materialize(
    [names["shop"]],
    resources=names["definitions"].resources,
    selection=sys.argv[3],
    raise_on_error=False,
    instance=DagsterInstance.ephemeral(),
    **(span if end else {"partition_key": start}),
)
seen = [event.asset_observation_data.asset_observation for event in done.get_asset_observation_events()]
failures = [event.step_failure_data.error.to_string() for event in done.all_events if event.is_step_failure]
ours = [each for each in seen if "anymetrics/table" in each.metadata]
texts = [{name: str(value.value) for name, value in each.metadata.items()} for each in ours]
keys = [each.asset_key.to_user_string() for each in ours]
partitions = [each.partition for each in ours]
print("RESULT " + json.dumps([done.success, dict(zip(keys, texts)), failures, partitions]))
"""

Materialize = Callable[..., Any]


@pytest.fixture
def materialize(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> Materialize:
    """Runs the example for a partition, or a range of them; returns success, observations, failures and partitions."""
    places = {"dagster_shop": str(shop.folder), "tenant": sandbox.environment["ANYMETRICS_TENANT_ID"]}

    def run(partitions: str = DAY, selection: str = "*", address: str = sandbox.url) -> Any:
        path = written(tmp_path / "definitions.py", example("AnyMetricsResource", **places, address=address))
        credential = {"ANYMETRICS_AUTH_VALUE": sandbox.environment["ANYMETRICS_AUTH_VALUE"]}
        others = {name: value for name, value in shop.environment.items() if not name.startswith("ANYMETRICS_")}
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path), partitions, selection],
            env={**others, **QUIET, **credential, "PATH": f"{Path(sys.executable).parent}:{others['PATH']}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert credential["ANYMETRICS_AUTH_VALUE"] not in done.stdout + done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert lines, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(lines[-1].removeprefix("RESULT "))

    return run


def test_a_partition_is_refreshed_and_observed(materialize: Materialize, sandbox: Sandbox) -> None:
    success, seen, failures, partitions = materialize()
    assert (success, failures, set(partitions)) == (True, [], {DAY})
    assert set(sent(sandbox)) == BUILD
    assert len(seen) == len({table for table, _ in BUILD})
    assert seen["dim_customers"]["anymetrics/table"] == f"{MAIN}.dim_customers"
    assert seen["dim_customers"]["anymetrics/status"] == "success"
    assert seen["weekly_revenue"]["anymetrics/dates"].startswith("2024-07-10, 2024-07-11, ")
    traces = {trace for each in seen.values() for trace in each["anymetrics/trace_ids"].split(", ")}
    assert traces == {request.trace_id for request in sandbox.received}


def test_a_run_over_several_partitions_refreshes_each_of_their_days(materialize: Materialize, sandbox: Sandbox) -> None:
    success, _, _, partitions = materialize("2024-07-15..2024-07-17", "dim_customers")
    assert (success, partitions) == (True, [None])
    assert sorted(sent(sandbox)) == [(f"{MAIN}.dim_customers", f"2024-07-{day}") for day in (15, 16, 17)]


def test_a_refresh_that_failed_fails_the_step_and_stands_in_the_observation(
    materialize: Materialize, shop: Shop, sandbox: Sandbox
) -> None:
    success, seen, (failure,), _ = materialize(selection="dim_customers", address="http://127.0.0.1:9")
    assert not success
    assert "AnyMetrics was not refreshed as asked: OK=0 ERROR=1" in failure
    assert seen["dim_customers"]["anymetrics/status"] == "error"
    assert "connection refused" in seen["dim_customers"]["anymetrics/message"]
    assert pending(shop.target) == [(f"{MAIN}.dim_customers", DAY)]


def test_where_a_model_fails_what_was_built_is_refreshed_and_the_error_is_dbts(
    materialize: Materialize, shop: Shop, sandbox: Sandbox
) -> None:
    with (shop.folder / "dbt_project.yml").open("a") as file:
        file.write("\nvars: {fail_model: true}\n")
    success, seen, failures, _ = materialize()
    assert not success
    assert any("dagster_dbt" in failure for failure in failures)
    assert "dim_customers" in sent_tables(sandbox)
    assert "fct_orders" not in sent_tables(sandbox)
    assert "dim_customers" in seen
