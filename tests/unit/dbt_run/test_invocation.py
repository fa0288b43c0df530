from __future__ import annotations

from datetime import date, timedelta

import pytest

from dbt_anymetrics.dbt_run.invocation import failed_tests, passed_tests
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.run_date import run_date, time_zone
from tests.builders import Json, batches, data_test_json, manifest, node, node_json, result_json, run

ORDERS = "model.shop.orders"


@pytest.mark.parametrize("command", ["run", "build", "seed", "snapshot", "retry"])
def test_these_commands_build(command: str) -> None:
    assert run(result_json(), args={"which": command}).not_built(ORDERS) is None


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("compile", "dbt compile"),
        ("generate", "dbt docs generate"),
        ("show", "dbt show"),
        ("clone", "dbt clone"),
        ("test", "dbt test"),
        ("run-operation", "dbt run-operation"),
        ("freshness", "freshness"),
    ],
)
def test_every_other_command_builds_nothing_and_is_named(command: str, named: str) -> None:
    reason = run(result_json(), args={"which": command}).not_built(ORDERS)
    assert reason
    assert named in reason


def test_the_command_may_stand_under_its_other_name() -> None:
    assert run(result_json(), args={"which": None, "command": "run"}).nothing_built is None
    assert run(result_json(), args={"which": "compile", "command": "run"}).nothing_built


def test_a_run_of_an_unknown_command_built_nothing() -> None:
    assert "does not say" in (run(result_json(), args={"which": None}).nothing_built or "")


@pytest.mark.parametrize(
    ("flag", "value"), [("empty", True), ("sample", True), ("sample", {"start": "2024-07-15", "end": "2024-07-17"})]
)
def test_a_run_with_a_part_of_the_rows_built_nothing(flag: str, value: object) -> None:
    assert f"--{flag}" in (run(result_json(), args={flag: value}).not_built(ORDERS) or "")


@pytest.mark.parametrize("flag", ["empty", "sample"])
@pytest.mark.parametrize("value", [False, None])
def test_a_flag_that_is_off_changes_nothing(flag: str, value: object) -> None:
    assert run(result_json(), args={flag: value}).not_built(ORDERS) is None


@pytest.mark.parametrize("status", ["error", "skipped", "no-op", "reused", "fail", "runtime error", "Success"])
def test_any_status_but_success_is_not_built_and_the_status_is_said(status: str) -> None:
    assert status in (run(result_json(status=status)).not_built(ORDERS) or "")


def test_a_model_with_a_warning_is_built() -> None:
    assert run(result_json(status="warn")).not_built(ORDERS) is None


@pytest.mark.parametrize("unique_id", ["test.shop.orders", "seed.shop.orders"])
def test_a_warning_of_anything_else_is_not_built(unique_id: str) -> None:
    assert run(result_json(unique_id, status="warn")).not_built(unique_id)


def test_a_node_without_a_result_is_not_part_of_the_run() -> None:
    assert run(result_json("other")).not_built(ORDERS) == "not part of this run"


def test_a_partial_success_is_built_where_its_good_batches_are_known() -> None:
    good = result_json(status="partial success", batch_results=batches("2024-07-15T00:00:00Z"))
    assert run(good).not_built(ORDERS) is None


@pytest.mark.parametrize("known", [None, {"successful": [], "failed": []}])
def test_a_partial_success_without_good_batches_is_not_built(known: Json | None) -> None:
    assert "batches" in (run(result_json(status="partial success", batch_results=known)).not_built(ORDERS) or "")


@pytest.mark.parametrize(
    ("size", "starts", "expected"),
    [
        ("day", ["2024-07-16T00:00:00Z", "2024-07-15T00:00:00Z"], ["2024-07-15", "2024-07-16"]),
        ("day", ["2024-07-16T00:00:00"], ["2024-07-16"]),
        ("day", ["2024-07-16T01:00:00+08:00"], ["2024-07-15"]),
        (
            "hour",
            ["2024-07-16T22:00:00Z", "2024-07-16T23:00:00Z", "2024-07-17T00:00:00Z"],
            ["2024-07-16", "2024-07-17"],
        ),
        ("month", ["2024-07-01T00:00:00Z"], ["2024-07-01"]),
        ("month", ["2024-07-15T00:00:00Z", "2024-08-01T00:00:00Z"], ["2024-07-01", "2024-08-01"]),
        ("year", ["2024-07-15T00:00:00Z"], ["2024-01-01"]),
        (None, ["2024-07-16T00:00:00Z"], ["2024-07-16"]),
    ],
)
def test_batches_count_as_the_dates_they_start_at(size: str | None, starts: list[str], expected: list[str]) -> None:
    built = run(result_json(batch_results=batches(*starts)))
    assert [str(day) for day in built.batches(ORDERS, node(config={"batch_size": size})) or []] == expected


@pytest.mark.parametrize("known", [None, {"successful": [], "failed": []}, {}])
def test_a_node_without_batches_has_no_dates_of_them(known: Json | None) -> None:
    assert run(result_json(batch_results=known)).batches(ORDERS, node()) == []


def test_failed_batches_do_not_count() -> None:
    day, next_day = "2024-07-15T00:00:00Z", "2024-07-16T00:00:00Z"
    known = {"successful": [[day, next_day]], "failed": [[next_day, "2024-07-17T00:00:00Z"]]}
    assert run(result_json(batch_results=known)).batches(ORDERS, node()) == [date(2024, 7, 15)]


@pytest.mark.parametrize(
    ("flag", "own", "expected"),
    [(True, None, True), (False, None, False), (None, None, False), (True, False, False), (False, True, True)],
)
def test_a_models_own_full_refresh_wins_over_the_flag(flag: bool | None, own: bool | None, expected: bool) -> None:
    assert run(args={"full_refresh": flag}).full_refresh(node(config={"full_refresh": own})) is expected


ALL_OF_THEM: Json = {"env": {"ANYMETRICS_RUN_DATE": "2024-07-03"}}


@pytest.mark.parametrize(
    ("given", "hooked", "metadata", "expected"),
    [
        ("2024-07-01", "2024-07-02", ALL_OF_THEM, "2024-07-01"),
        (None, "2024-07-02", ALL_OF_THEM, "2024-07-02"),
        (None, "", ALL_OF_THEM, "2024-07-03"),
        (None, None, {"env": {"DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE": "2024-07-03"}}, "2024-07-03"),
        (None, None, {"env": {"ANYMETRICS_RUN_DATE": ""}}, "2024-07-18"),
        (None, None, {}, "2024-07-18"),
    ],
)
def test_the_runs_date_is_the_first_that_is_given(
    given: str | None, hooked: str | None, metadata: Json, expected: str
) -> None:
    assert str(run_date(run(**metadata), given, hooked, "UTC").day) == expected


@pytest.mark.parametrize(
    ("given", "hooked", "env", "where"),
    [
        ("yesterday", None, {}, "--run-date / ANYMETRICS_RUN_DATE"),
        (None, "2024-7-1", {}, "hook"),
        (None, None, {"ANYMETRICS_RUN_DATE": "run_date-1"}, "DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE"),
    ],
)
def test_a_run_date_that_is_none_is_refused_and_its_source_named(
    given: str | None, hooked: str | None, env: dict[str, str], where: str
) -> None:
    with pytest.raises(UsageError, match="is not a date") as refusal:
        run_date(run(env=env), given, hooked, "UTC")
    assert where in (refusal.value.where or "")


@pytest.mark.parametrize(
    ("zone", "expected"), [("UTC", "2024-07-17"), ("utc", "2024-07-17"), ("Asia/Shanghai", "2024-07-18")]
)
def test_the_runs_start_has_its_date_in_the_time_zone(zone: str, expected: str) -> None:
    assert str(run_date(run(invocation_started_at="2024-07-17T20:00:00Z"), None, None, zone).day) == expected


@pytest.mark.parametrize(
    ("version", "started_at", "in_manifest", "expected"),
    [
        ("1.11.0", "2024-07-10T00:00:00Z", "2024-07-11T00:00:00Z", "2024-07-10"),
        ("1.11.0", "2024-07-10T00:00:00.123456789Z", None, "2024-07-10"),
        ("1.11.0", "2024-07-10T23:00:00", None, "2024-07-10"),
        ("1.9.0", None, "2024-07-11T00:00:00Z", "2024-07-17"),
        ("2.0.0", None, "2024-07-11T00:00:00Z", "2024-07-11"),
        ("2.0.0", None, None, "2024-07-17"),
    ],
)
def test_the_start_is_the_recorded_one_else_the_end_less_the_length(
    version: str, started_at: str | None, in_manifest: str | None, expected: str
) -> None:
    built = run(
        dbt_version=version,
        invocation_started_at=started_at,
        generated_at="2024-07-18T00:10:00Z",
        elapsed_time=1200.0,
        beside=manifest(invocation_started_at=in_manifest),
    )
    assert str(built.started_at.date()) == expected
    assert built.started_at.utcoffset() == timedelta(0)


def test_the_start_in_a_manifest_of_another_invocation_does_not_count() -> None:
    other = manifest(invocation_id="other", invocation_started_at="2024-07-11T00:00:00Z")
    built = run(dbt_version="2.0.0", invocation_started_at=None, generated_at="2024-07-18T00:10:00Z", beside=other)
    assert str(built.started_at.date()) == "2024-07-18"


@pytest.mark.parametrize(
    "zone", ["", "Shanghai", "Asia", "+08:00", "../etc/passwd", "/etc/localtime", "\x00", "\ud800"]
)
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(UsageError, match="is not a time zone"):
        time_zone(zone)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (data_test_json("unique", attached_to="orders"), {ORDERS}),
        (data_test_json("relation", attached_to="orders", reads=("orders", "customers")), {ORDERS}),
        (data_test_json("singular", reads=("orders", "customers")), {ORDERS, "model.shop.customers"}),
        ({**data_test_json("reads_nothing"), "depends_on": None}, set()),
    ],
)
@pytest.mark.parametrize("status", ["fail", "error"])
def test_a_failed_test_belongs_to_these_nodes(test: Json, expected: set[str], status: str) -> None:
    failed = failed_tests([run(result_json(test["unique_id"], status))], manifest(test))
    assert failed == {node: [test["unique_id"]] for node in expected}


@pytest.mark.parametrize("status", ["pass", "warn", "skipped"])
def test_a_test_that_did_not_fail_fails_no_node(status: str) -> None:
    assert not failed_tests(
        [run(result_json("test.shop.t", status))], manifest(data_test_json("t", attached_to="orders"))
    )


def test_a_failed_model_is_no_failed_test() -> None:
    failing = node_json(depends_on={"nodes": ["model.shop.raw"]})
    assert not failed_tests([run(result_json(status="error"))], manifest(failing))


def test_the_last_outcome_of_a_test_counts() -> None:
    known = manifest(data_test_json("t", attached_to="orders"))
    failed, passed = run(result_json("test.shop.t", "fail")), run(result_json("test.shop.t", "pass"))
    assert not failed_tests([failed, passed], known)
    assert failed_tests([passed, failed], known) == {ORDERS: ["test.shop.t"]}
    assert passed_tests([failed, passed]) == {"test.shop.t"}
    assert passed_tests([passed, failed]) == set()


@pytest.mark.parametrize(
    ("args", "counts"),
    [
        ({"which": "test"}, True),
        ({"which": "retry"}, True),
        ({"which": "compile"}, False),
        ({"which": "run"}, False),
        ({"which": "build", "empty": True}, False),
        ({"which": "build", "sample": "3 days"}, False),
    ],
)
def test_a_test_passes_only_where_it_is_run_on_real_rows(args: Json, counts: bool) -> None:
    passed = passed_tests([run(result_json("test.shop.t", "pass"), args=args)])
    assert passed == ({"test.shop.t"} if counts else set())


@pytest.mark.parametrize("recorded", [None, "text", ["a"]])
def test_vars_that_are_no_map_are_none(recorded: object) -> None:
    assert run(args={"vars": recorded}).vars == {}
