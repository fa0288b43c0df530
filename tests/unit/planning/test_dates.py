from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.planning.dates import Dates, Orders
from dbt_anymetrics.planning.meta import NodeSettings
from dbt_anymetrics.result import Status
from tests.builders import Json, batches, node, node_json, orders, planned, refreshes, result_json, run

ORDERS = "model.shop.orders"
FULL: Json = {"full_refresh": True}
BATCHES = batches("2024-07-10T00:00:00Z")


def dates(
    settings: NodeSettings,
    built: Run | None = None,
    ordered: Orders | None = None,
    project_vars: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    of_run = Dates(
        built or run(result_json()),
        ordered or orders(),
        {} if project_vars is None else project_vars,
        environment or {},
    )
    return [str(day) for day in of_run.of(ORDERS, node(), settings)]


EVERY = NodeSettings(partition="2024-07-12", full_refresh_from="2024-07-16")


@pytest.mark.parametrize(
    ("settings", "built", "ordered", "expected"),
    [
        (EVERY, run(result_json(batch_results=BATCHES), args=FULL), orders(partition="2024-07-09"), ["2024-07-09"]),
        (EVERY, run(result_json(batch_results=BATCHES), args=FULL), orders(), ["2024-07-10"]),
        (EVERY, run(result_json(), args=FULL), orders(), ["2024-07-16", "2024-07-17"]),
        (EVERY, run(result_json()), orders(), ["2024-07-12"]),
        (NodeSettings(), run(result_json(), args=FULL), orders(), ["2024-07-17"]),
        (NodeSettings(), run(result_json()), orders(), ["2024-07-17"]),
        (NodeSettings(), run(result_json()), orders(run_date=None), ["2024-07-18"]),
    ],
    ids=["the order", "the batches", "full refresh", "the partition", "full refresh from nowhere", "run date", "start"],
)
def test_the_first_rule_that_applies_gives_the_dates(
    settings: NodeSettings, built: Run, ordered: Orders, expected: list[str]
) -> None:
    assert dates(settings, built, ordered) == expected


@pytest.mark.parametrize(
    ("ordered", "expected"),
    [
        (orders(), "2024-07-16"),
        (orders(run_date=None), "2024-07-17"),
        (orders(run_date=None, hook_run_date="2024-07-03"), "2024-07-02"),
        (orders(run_date="2024-03-01", hook_run_date="2024-07-03"), "2024-02-29"),
    ],
)
def test_a_relative_partition_counts_from_the_runs_date(ordered: Orders, expected: str) -> None:
    assert dates(NodeSettings(partition="run_date-1"), ordered=ordered) == [expected]


def test_the_runs_date_is_taken_in_the_time_zone() -> None:
    late = run(result_json(), invocation_started_at="2024-07-17T20:00:00Z")
    assert dates(NodeSettings(), late, orders(run_date=None, timezone="Asia/Shanghai")) == ["2024-07-18"]


def test_an_order_may_be_a_list_and_a_template() -> None:
    ordered = orders(partition=["run_date-1", "{{ var('ds') }}"], vars={"ds": "2024-07-01"})
    assert dates(NodeSettings(), ordered=ordered) == ["2024-07-01", "2024-07-16"]


def test_a_wrong_order_is_a_wrong_use_of_the_command() -> None:
    with pytest.raises(UsageError, match=r"^--partition: 'soon' is not a date"):
        dates(NodeSettings(), ordered=orders(partition="soon"))


def test_an_empty_order_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--partition: "):
        dates(NodeSettings(partition="2024-07-01"), ordered=orders(partition=""))


@pytest.mark.parametrize(
    ("ordered", "recorded", "project", "expected"),
    [
        ({"ds": "2024-07-01"}, {"ds": "2024-07-02"}, {"ds": "2024-07-04", "shop": {"ds": "2024-07-03"}}, "2024-07-01"),
        ({}, {"ds": "2024-07-02"}, {"ds": "2024-07-04", "shop": {"ds": "2024-07-03"}}, "2024-07-02"),
        ({}, {}, {"ds": "2024-07-04", "shop": {"ds": "2024-07-03"}}, "2024-07-03"),
        ({}, {}, {"ds": "2024-07-04", "other": {"ds": "2024-07-05"}, "shop": "text"}, "2024-07-04"),
    ],
)
def test_a_var_is_found_in_dbts_order(ordered: Json, recorded: Json, project: Json, expected: str) -> None:
    built = run(result_json(), args={"vars": recorded})
    found = dates(NodeSettings(partition="{{ var('ds') }}"), built, orders(vars=ordered), project)
    assert found == [expected]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ env_var('DS') }}", "2024-07-05"),
        ("{{ run_started_at.strftime('%Y-%m-%d') }}", "2024-07-18"),
        ("{{ run_started_at.date() - modules.datetime.timedelta(days=1) }}", "2024-07-17"),
        ("{{ 'run_date' if invocation_id.startswith('1111') else 'wrong' }}", "2024-07-17"),
    ],
)
def test_a_template_knows_dbts_names(template: str, expected: str) -> None:
    assert dates(NodeSettings(partition=template), environment={"DS": "2024-07-05"}) == [expected]


def test_a_template_may_give_a_list_of_partitions() -> None:
    settings = NodeSettings(partition="{{ var('days') }}")
    assert dates(settings, ordered=orders(vars={"days": ["run_date-1", "2024-07-17"]})) == ["2024-07-16", "2024-07-17"]


def test_full_refresh_from_may_be_a_template() -> None:
    settings = NodeSettings(full_refresh_from="{{ var('start') }}")
    built = run(result_json(), args={**FULL, "vars": {"start": "run_date-2"}})
    assert dates(settings, built) == ["2024-07-15", "2024-07-16", "2024-07-17"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (NodeSettings(partition="{{ var('ds') }}"), "anymetrics.partition: the var 'ds' is not set"),
        (NodeSettings(partition="{{ run_started_at }}"), "time of day"),
        (NodeSettings(partition="{{ var('n') }}"), "5 is not a partition"),
        (NodeSettings(partition="{{ '' }}"), "without a date"),
        (NodeSettings(partition=[]), "anymetrics.partition: a partition without a date"),
        (NodeSettings(full_refresh_from="2024-07-18"), "anymetrics.full_refresh_from: the range"),
        (NodeSettings(full_refresh_from="1900-01-01"), "anymetrics.full_refresh_from: the range"),
        (NodeSettings(full_refresh_from="{{ var('days') }}"), "anymetrics.full_refresh_from: needs one date"),
    ],
)
def test_a_node_whose_dates_cannot_be_told_is_an_error_that_names_the_key(settings: NodeSettings, said: str) -> None:
    with pytest.raises(NodeError) as refusal:
        dates(settings, run(result_json(), args={**FULL, "vars": {"n": 5, "days": ["2024-07-01", "2024-07-02"]}}))
    assert said in str(refusal.value)


def test_a_project_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("vars: [")
    project = Project(str(tmp_path), None, {})
    with pytest.raises(NodeError, match=r"dbt_project\.yml"):
        dates(NodeSettings(partition="{{ var('ds') }}"), project_vars=project.vars())


# A microbatch model whose batches dbt does not record, as dbt 2.0 does not

MICROBATCH = {"materialized": "incremental", "incremental_strategy": "microbatch"}


def microbatch_dates(size: str = "day", meta: Json | None = None, **args: object) -> list[str]:
    node = node_json(meta={"anymetrics.enabled": True, **(meta or {})}, config={**MICROBATCH, "batch_size": size})
    return [day for _, day in refreshes(planned(node, runs=(run(result_json(), args=args),)))]


@pytest.mark.parametrize(
    ("size", "start", "end", "expected"),
    [
        ("day", "2024-07-11", "2024-07-14", ["2024-07-11", "2024-07-12", "2024-07-13"]),
        ("day", "2024-07-11T00:00:00Z", "2024-07-12T06:00:00", ["2024-07-11", "2024-07-12"]),
        ("hour", "2024-07-11 22:00:00", "2024-07-12 01:00:00", ["2024-07-11", "2024-07-12"]),
        ("month", "2024-06-01", "2024-08-01", ["2024-06-01", "2024-07-01"]),
        ("year", "2023-01-01", "2025-01-01", ["2023-01-01", "2024-01-01"]),
    ],
)
def test_the_range_that_dbt_was_given_is_that_of_its_batches(
    size: str, start: str, end: str, expected: list[str]
) -> None:
    assert microbatch_dates(size, event_time_start=start, event_time_end=end) == expected


def test_without_a_range_the_run_s_date_is_not_guessed() -> None:
    node = node_json(meta={"anymetrics.enabled": True}, config={**MICROBATCH, "batch_size": "day"})
    (result,) = planned(node)
    assert result.status is Status.ERROR
    assert "does not record which batches it built. Set it to the dates of the batches" in (result.message or "")


def test_a_partition_of_the_node_says_what_dbt_does_not_record() -> None:
    assert microbatch_dates(meta={"anymetrics.partition": "run_date-1..run_date"}) == ["2024-07-16", "2024-07-17"]


@pytest.mark.parametrize("wrong", ["soon", "2024-13-01"])
def test_a_range_that_is_no_time_fails_the_node(wrong: str) -> None:
    node = node_json(meta={"anymetrics.enabled": True}, config=MICROBATCH)
    (result,) = planned(
        node, runs=(run(result_json(), args={"event_time_start": wrong, "event_time_end": "2024-07-01"}),)
    )
    assert result.status is Status.ERROR
    assert "--event-time-start / --event-time-end" in (result.message or "")
