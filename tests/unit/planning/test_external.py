"""Tables that dbt builds for an external plan: the plan is told which dates were built, and which failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.result import Result, Status
from dbt_anymetrics.sandbox import Sandbox
from tests.builders import (
    Json,
    batches,
    manifest_json,
    node_json,
    planned,
    result_json,
    run,
    run_json,
    write_artifacts,
)
from tests.ledgers import pending
from tests.shop import DAY, Shop

UUID = "31f0ad8bc8e94a0f9a31e7c9b2b1a6d4"
META: Json = {"anymetrics.external_plan": UUID}
MICROBATCH = {"materialized": "incremental", "incremental_strategy": "microbatch", "batch_size": "day"}


def rows(results: list[Result]) -> list[tuple[str | None, str, str | None]]:
    return [(each.table_name, str(each.partition), each.message) for each in results]


def with_batches(built: tuple[str, ...], failed: tuple[str, ...], status: str = "partial success") -> Json:
    of_both = {"successful": batches(*built)["successful"], "failed": batches(*failed)["successful"]}
    return result_json("orders", status, batch_results=of_both)


FAILED = "reported to the plan as failed, because dbt did not build it"


def test_the_plan_is_told_of_what_was_built_and_no_data_source_is_needed() -> None:
    assert rows(planned(node_json(meta=META), adapter="duckdb", datasource=None)) == [
        (f"plan {UUID}", "2024-07-17", None)
    ]


def test_batches_that_failed_are_reported_as_failed() -> None:
    result = with_batches(("2024-07-15T00:00:00Z", "2024-07-17T00:00:00Z"), ("2024-07-16T00:00:00Z",))
    made = planned(node_json(meta=META, config=MICROBATCH), runs=(run(result),))
    assert rows(made) == [
        (f"plan {UUID}", "2024-07-16", FAILED),
        (f"plan {UUID}", "2024-07-15", None),
        (f"plan {UUID}", "2024-07-17", None),
    ]


def test_a_day_of_which_an_hour_failed_is_not_built() -> None:
    hours = {**MICROBATCH, "batch_size": "hour"}
    result = with_batches(("2024-07-16T00:00:00Z", "2024-07-17T00:00:00Z"), ("2024-07-17T05:00:00Z",))
    made = planned(node_json(meta=META, config=hours), runs=(run(result),))
    assert rows(made) == [(f"plan {UUID}", "2024-07-17", FAILED), (f"plan {UUID}", "2024-07-16", None)]


def test_where_all_batches_failed_only_that_is_reported() -> None:
    result = with_batches((), ("2024-07-16T00:00:00Z",), "error")
    made = planned(node_json(meta=META, config=MICROBATCH), runs=(run(result),))
    assert rows(made) == [(f"plan {UUID}", "2024-07-16", FAILED)]


def test_of_other_nodes_it_is_said_which_batches_failed() -> None:
    result = with_batches(("2024-07-15T00:00:00Z",), ("2024-07-16T00:00:00Z",))
    made = planned(node_json(meta={"anymetrics.enabled": True}, config=MICROBATCH), runs=(run(result),))
    assert [str(each.partition) for each in made] == ["2024-07-15", "None"]
    assert made[1].message == "dbt did not build its batches of 2024-07-16"


@pytest.mark.parametrize(
    ("meta", "mistake"),
    [
        ({"anymetrics.external_plan": "a b"}, "anymetrics.external_plan: needs the uuid of a plan, not 'a b'"),
        ({"anymetrics.external_plan": 5}, "anymetrics.external_plan: needs the uuid of a plan, not 5"),
        ({**META, "anymetrics.granularity": "day"}, "anymetrics.granularity: needs one of DAY, WEEK, MONTH"),
        ({**META, "anymetrics.granularity": "HOUR"}, "anymetrics.granularity: needs one of DAY, WEEK, MONTH"),
        ({"anymetrics.granularity": "DAY"}, "anymetrics.granularity: is for an external plan, and none is set"),
        ({**META, "anymetrics.min_interval": "15m"}, "anymetrics.min_interval: does not apply to an external plan"),
    ],
)
def test_a_wrong_setting_is_an_error_of_its_node(meta: Json, mistake: str) -> None:
    [result] = planned(node_json(meta=meta))
    assert result.status is Status.ERROR
    assert (result.message or "").startswith(mistake)


def ran(folder: Path, sandbox: Sandbox, *results: Json, meta: Json = META, config: Json | None = None) -> Shop:
    shop = Shop(folder, {**sandbox.environment, "ANYMETRICS_RUN_DATE": DAY})
    write_artifacts(shop.target, manifest_json(node_json("orders", meta, config=config)), run_json(*results))
    return shop


def told(sandbox: Sandbox) -> list[Json]:
    return [json.loads(each.body) for each in sandbox.received if each.path.endswith("/updatePartition")]


def ranges(*days: str, granularity: str = "DAY") -> list[Json]:
    ends = [f"{day}T00:00:00" for day in days]
    return [{"dateGranularity": granularity, "startTime": end, "endTime": end} for end in ends]


def test_a_refresh_tells_the_plan_and_remembers_it(tmp_path: Path) -> None:
    with Sandbox(plans={UUID: []}, moves_after=0) as sandbox:
        result = with_batches(("2024-07-15T00:00:00Z",), ("2024-07-16T00:00:00Z",))
        shop = ran(tmp_path, sandbox, result, config=MICROBATCH)
        plan = shop.cli("plan")
        assert f"REFRESH plan {UUID} for 2024-07-16 (model.shop.orders): {FAILED}\n" in plan.stdout
        assert f"REFRESH plan {UUID} for 2024-07-15 (model.shop.orders)\n" in plan.stdout
        done = shop.cli("refresh")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"OK plan {UUID} (model.shop.orders) 2024-07-15" in done.stdout
        assert FAILED in done.stdout
        assert shop.cli("refresh").returncode == 0
        common = {"uuid": UUID, "runType": "MANUAL"}
        assert sorted(told(sandbox), key=str) == sorted(
            [
                {**common, "successTimeRange": ranges("2024-07-15"), "failedTimeRange": []},
                {**common, "successTimeRange": [], "failedTimeRange": ranges("2024-07-16")},
            ],
            key=str,
        )


def test_what_was_not_told_is_pending_and_a_retry_tells_it_the_same_way(tmp_path: Path) -> None:
    result = with_batches(("2024-07-15T00:00:00Z",), ("2024-07-16T00:00:00Z",))
    with Sandbox(plans={UUID: []}) as sandbox:
        shop = ran(tmp_path, sandbox, result, config=MICROBATCH)
        assert shop.cli("refresh", ANYMETRICS_AUTH_VALUE="another").returncode == 1
        assert pending(shop.target) == [(f"plan {UUID}", "2024-07-15"), (f"plan {UUID}", "2024-07-16")]
        assert f"plan {UUID} (model.shop.orders)" in shop.cli("plan").stdout.replace(" for 2024-07-15", "")
        before = len(told(sandbox))
        assert shop.cli("retry").returncode == 0
        sent = told(sandbox)[before:]
    assert sorted((len(each["successTimeRange"]), len(each["failedTimeRange"])) for each in sent) == [(0, 1), (1, 0)]
    assert pending(shop.target) == []


STARTS = {"WEEK": "2024-07-15", "MONTH": "2024-07-01", "QUARTER": "2024-07-01", "YEAR": "2024-01-01"}


@pytest.mark.parametrize("granularity", STARTS)
def test_a_period_is_named_by_its_first_day_and_another_granularity_than_the_plans_is_refused(
    granularity: str, tmp_path: Path
) -> None:
    with Sandbox(plans={UUID: []}) as sandbox:
        shop = ran(tmp_path, sandbox, result_json("orders"), meta={**META, "anymetrics.granularity": granularity})
        done = shop.cli("refresh")
        [body] = told(sandbox)
    assert body["successTimeRange"] == ranges(STARTS[granularity], granularity=granularity)
    assert done.returncode == 1
    assert "are by DAY" in done.stdout


def test_a_plan_that_is_not_external_is_refused_by_anymetrics(tmp_path: Path) -> None:
    with Sandbox(plans={UUID: None}) as sandbox:
        shop = ran(tmp_path, sandbox, result_json("orders"))
        done = shop.cli("refresh")
    assert done.returncode == 1
    assert "is not external" in done.stdout
