"""The command line over recorded artifacts: options, output, exit codes, and every kind of bad input."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.builders import manifest_json, node_json, result_json, run_json, write_artifacts
from tests.shop import DAY, Shop

REFRESHES = 29
"""What the recorded build is to refresh."""


def connected(folder: Path, sandbox: Sandbox) -> Shop:
    scenario("1.11", "build", folder / "target")
    return Shop(folder, sandbox.environment)


def test_only_the_selected_models_are_refreshed(recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--run-date", DAY, "-m", "dim_*", "-m", "fct_orders")
    assert {str(r.table_name).rsplit(".", 1)[1] for r in sandbox.received} == {
        "dim_customers",
        "dim_products_v1",
        "dim_products_v2",
        "fct_orders",
    }


def test_a_glob_that_matches_nothing_is_said(recorded: Shop) -> None:
    done = recorded.cli("refresh", "-m", "nope*")
    assert done.returncode == 0
    assert "no configured node matches --select nope*" in done.stderr


def test_what_an_earlier_selection_refreshed_is_remembered(recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--run-date", DAY, "-m", "dim_customers")
    recorded.cli("refresh", "--run-date", DAY, "-m", "fct_orders")
    recorded.cli("refresh", "--run-date", DAY)
    tables = [request.table_name for request in sandbox.received]
    assert tables.count("duckdb.`shop.main`.dim_customers") == 1
    assert tables.count("duckdb.`shop.main`.fct_orders") == 1


def test_an_ordered_partition_holds_for_every_node(recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--partition", "2024-01-01..2024-01-02, 2024-02-01")
    assert {request.partition for request in sandbox.received} == {"2024-01-01", "2024-01-02", "2024-02-01"}


def test_vars_reach_templates_in_meta(recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--vars", "{ds: 2024-03-05}", "-m", "orders_by_region")
    assert [request.partition for request in sandbox.received] == ["2024-03-05"]


def test_json_output_is_the_artifact_and_nothing_else(recorded: Shop) -> None:
    done = recorded.cli("refresh", "--run-date", DAY, "--output", "json")
    assert json.loads(done.stdout) == recorded.artifact()


def test_json_log_lines_are_json_in_the_form_of_dbt(recorded: Shop) -> None:
    done = recorded.cli("refresh", "--run-date", DAY, "--log-format", "json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert all({"info", "data"} == event.keys() for event in events)
    assert events[-1]["info"]["msg"].startswith("AnyMetrics: Done. OK=29")


def test_quiet_says_nothing_when_all_is_well(recorded: Shop) -> None:
    done = recorded.cli("refresh", "--run-date", DAY, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_quiet_still_says_what_failed(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.NO_PERMISSION) as sandbox:
        done = connected(tmp_path, sandbox).cli("refresh", "--quiet", "-m", "dim_customers")
    assert done.returncode == 1
    assert "SM_02_0038" in done.stdout


def test_the_kill_switch_sends_nothing(recorded: Shop, sandbox: Sandbox) -> None:
    done = recorded.cli("refresh", ANYMETRICS_ENABLED="false")
    assert done.returncode == 0
    assert "switched off by ANYMETRICS_ENABLED=false" in done.stderr
    assert sandbox.received == []


def test_several_runs_are_refreshed_together(recorded: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    seeds = scenario("1.11", "seed", tmp_path / "seeds")
    done = recorded.cli(
        "refresh",
        *("--run-results", "target/run_results.json", "--run-results", str(seeds / "run_results.json")),
        *("--manifest", "target/manifest.json", "--run-date", DAY),
    )
    assert done.returncode == 0
    assert len({(r.table_name, r.partition) for r in sandbox.received}) == len(sandbox.received) == REFRESHES


# Failure and retry


def test_one_refusal_does_not_stop_the_others(tmp_path: Path) -> None:
    with Sandbox(answers=lambda n: Shape.NO_PERMISSION if n == 3 else None) as sandbox:
        done = connected(tmp_path, sandbox).cli("refresh", "--run-date", DAY)
        assert done.returncode == 1
        assert "AnyMetrics: Done. OK=28 ERROR=1 SKIP=1 TOTAL=30" in done.stdout
        assert len(sandbox.received) == REFRESHES


def test_fail_fast_sends_nothing_more_and_says_so(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.NO_PERMISSION) as sandbox:
        done = connected(tmp_path, sandbox).cli("refresh", "--fail-fast", "--threads", "1")
        assert done.returncode == 1
        assert len(sandbox.received) == 1
        assert "NOT SENT" in done.stdout
        assert "NOT_SENT=28 TOTAL=30" in done.stdout


def test_retry_sends_what_failed_and_only_that(tmp_path: Path) -> None:
    with Sandbox(answers=lambda n: Shape.NO_PERMISSION if n in (3, 5) else None) as sandbox:
        shop = connected(tmp_path, sandbox)
        shop.cli("refresh", "--run-date", DAY, "--threads", "1")
        failed = [(r.table_name, r.partition) for r in sandbox.received if not r.ok]
        assert len(failed) == 2
        done = shop.cli("retry")
        assert done.returncode == 0, done.stdout
        assert sorted((r.table_name, r.partition) for r in sandbox.received[REFRESHES:]) == sorted(failed)
        assert "AnyMetrics: Done. OK=2 ERROR=0 SKIP=0 TOTAL=2" in done.stdout
        assert [result["status"] for result in shop.artifact()["results"]] == ["success", "success"]
        again = shop.cli("retry")
        assert (again.returncode, "WARN" in again.stderr) == (0, False)
        assert "nothing to send again" in again.stderr
        assert shop.cli("refresh", "--run-date", DAY).returncode == 0
        assert len(sandbox.received) == REFRESHES + 2


def test_retry_without_a_record_says_what_to_run(tmp_path: Path) -> None:
    done = Shop(tmp_path).cli("retry")
    assert done.returncode == 2
    assert "Run dbt-anymetrics refresh" in done.stderr


def test_a_passing_trouble_is_retried(tmp_path: Path) -> None:
    with Sandbox(answers=lambda n: Shape.UNAVAILABLE if n == 0 else None) as sandbox:
        shop = connected(tmp_path, sandbox)
        assert shop.cli("refresh", "-m", "dim_customers").returncode == 0
        assert len(sandbox.received) == 2
        assert shop.artifact()["results"][-1]["attempts"] in (0, 2)


class Interrupted(NamedTuple):
    """What a refresh of 29 showed and recorded that Ctrl-C came to while it waited for its third answer."""

    returncode: int
    stdout: str
    stderr: str
    statuses: Counter[str]


def interrupted(folder: Path, *, timeout: int, times: int) -> Interrupted:
    arrived, let_go = os.pipe()

    def answer(number: int) -> Shape | None:
        if number == 2:
            os.write(let_go, b"x")
            return Shape.HANG
        return None

    with Sandbox(answers=answer) as sandbox:
        shop = connected(folder, sandbox)
        command = [sys.executable, "-m", "dbt_anymetrics", "refresh", "--threads", "1", "--timeout", str(timeout)]
        with subprocess.Popen(
            command, cwd=shop.folder, env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            os.read(arrived, 1)
            process.send_signal(signal.SIGINT)
            told = process.stderr.readline() + process.stderr.readline()
            for _ in range(times - 1):
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        statuses = Counter(result["status"] for result in shop.artifact()["results"])
    os.close(arrived)
    os.close(let_go)
    return Interrupted(process.returncode, stdout, told + stderr, statuses)


def test_ctrl_c_records_what_was_sent_and_reports_the_rest(tmp_path: Path) -> None:
    ended = interrupted(tmp_path, timeout=2, times=1)
    assert ended.returncode == 130
    assert "Ctrl-C: waiting for the answers under way" in ended.stderr
    assert (ended.statuses["success"], ended.statuses["error"], ended.statuses["pending"]) == (2, 1, 26)
    assert ended.stdout.count("NOT SENT") == 26
    assert ended.stdout.count("not sent: interrupted") == 26


def test_a_second_ctrl_c_waits_for_no_answer_and_says_which_one_is_missing(tmp_path: Path) -> None:
    ended = interrupted(tmp_path, timeout=3600, times=2)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert (ended.statuses["success"], ended.statuses["error"], ended.statuses["pending"]) == (2, 0, 27)
    assert ended.stdout.count("interrupted before the answer came; AnyMetrics may have refreshed it") == 1
    results = json.loads((tmp_path / "target" / "anymetrics_results.json").read_bytes())["results"]
    assert [result["status"] for result in results if result["perhaps_sent"]] == ["pending"]
    assert ended.stdout.count("not sent: interrupted") == 26
    assert "AnyMetrics: Done. OK=2 ERROR=0 SKIP=" in ended.stdout


def test_a_wait_is_told(tmp_path: Path) -> None:
    with Sandbox(answers=lambda n: Shape.UNAVAILABLE if n == 0 else None) as sandbox:
        done = connected(tmp_path, sandbox).cli("refresh", "-m", "dim_customers")
    assert "RETRY HTTP 503: the server failed. Trying again in 0." in done.stderr


# What a user sees


def test_the_lines_say_what_is_refreshed_where_and_for_which_date(recorded: Shop, sandbox: Sandbox) -> None:
    done = recorded.cli("refresh", "--select", "dim_customers", "--run-date", DAY)
    untouched, opening, run_date, refresh, end = [line[10:] for line in done.stdout.splitlines()]
    assert untouched.endswith("configured nodes are not refreshed: not selected by --select")
    assert opening.startswith(f"Refreshing 1 table in AnyMetrics ({sandbox.url}, tenant tn_sandbox)")
    assert run_date == f"The date of the run is {DAY} (--run-date / ANYMETRICS_RUN_DATE)"
    assert refresh.startswith(f"1 of 1 OK duckdb.`shop.main`.dim_customers {DAY} ...")
    assert end == "AnyMetrics: Done. OK=1 ERROR=0 SKIP=0 TOTAL=1"


def test_a_second_command_says_which_one_refreshed_it_before(recorded: Shop) -> None:
    recorded.cli("refresh", "--run-date", DAY)
    done = recorded.cli("refresh", "--run-date", DAY)
    assert (
        "AnyMetrics: Done. OK=0 ERROR=0 SKIP=1 TOTAL=1, already refreshed by dbt-anymetrics refresh: 29" in done.stdout
    )


@pytest.mark.parametrize("selection", ["+orders", "2+orders", "orders+1", "@orders", "a,tag:b+"])
def test_what_only_dbt_can_select_is_refused(selection: str, recorded: Shop, sandbox: Sandbox) -> None:
    done = recorded.cli("refresh", "--select", selection)
    assert done.returncode == 2
    assert "has a graph operator. Which nodes depend on which is for dbt to say" in done.stderr
    assert sandbox.received == []


@pytest.mark.parametrize("selection", ["state:modified", "source:raw", "tag:", "config:x", "config.:x", "exposure:e"])
def test_a_selection_that_is_not_known_is_refused_and_says_which_are(selection: str, recorded: Shop) -> None:
    done = recorded.cli("plan", "--select", selection)
    assert done.returncode == 2
    assert "is not a selection that is known here" in done.stderr
    assert "fqn, tag, path, file, package, resource_type" in done.stderr


SELECTIONS = {
    "dim_customers": {"model.shop.dim_customers"},
    "dim_* fct_orders": {
        "model.shop.dim_customers",
        *(f"model.shop.dim_products.v{n}" for n in (1, 2)),
        "model.shop.fct_orders",
    },
    "dim_products.v2": {"model.shop.dim_products.v2"},
    "resource_type:snapshot": {"snapshot.shop.customers_snapshot"},
    "path:models/marts/dim_customers.sql": {"model.shop.dim_customers"},
    "path:models/marts,dim_c*": {"model.shop.dim_customers"},
    "models/marts/dim_customers.sql": {"model.shop.dim_customers"},
    "dim_customers.sql": {"model.shop.dim_customers"},
    "fqn:shop.marts.dim_customers": {"model.shop.dim_customers"},
    "marts.dim_customers": {"model.shop.dim_customers"},
    "package:shop,dim_customers": {"model.shop.dim_customers"},
    "config.materialized:snapshot": {"snapshot.shop.customers_snapshot"},
    "config.meta.anymetrics.partition:run_date-7..run_date-1": {"model.shop.weekly_revenue"},
    "package:other": set(),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_nodes_are_selected_in_dbts_words(selection: str, recorded: Shop) -> None:
    done = recorded.cli("plan", "--select", selection, "--output", "json")
    found = {each["unique_id"] for each in json.loads(done.stdout)["results"] if each["status"] == "planned"}
    assert found == SELECTIONS[selection]
    assert ("no configured node matches" in done.stderr) is (not found)


# Bad input: exit 2, one clear line, nothing sent


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--run-date", "17/07/2024"), {}, "--run-date / ANYMETRICS_RUN_DATE: '17/07/2024' is not a date"),
        (("--run-date", "2024-02-30"), {}, "a date that does not exist"),
        (("--partition", "2024-07-17..2024-07-01"), {}, "runs backwards"),
        (("--partition", "2000-01-01..2024-07-01"), {}, "more than 3,660"),
        (("--partition", "{{ 1/0 }}"), {}, "--partition: the template"),
        (("--partition", "{{ ''.__class__ }}"), {}, "--partition: the template"),
        (("--partition", "{% for i in range(9) %}{% endfor %}"), {}, "For is not supported"),
        (("--timezone", "Mars/Olympus"), {}, "'Mars/Olympus' is not a time zone"),
        (("--vars", "["), {}, "--vars"),
        (("--vars", "[1]"), {}, "not a YAML mapping"),
        ((), {"ANYMETRICS_URL": ""}, "--url / ANYMETRICS_URL: is not set"),
        ((), {"ANYMETRICS_TENANT_ID": ""}, "ANYMETRICS_TENANT_ID: is not set"),
        ((), {"ANYMETRICS_AUTH_TYPE": ""}, "ANYMETRICS_AUTH_TYPE: is not set"),
        ((), {"ANYMETRICS_AUTH_VALUE": ""}, "ANYMETRICS_AUTH_VALUE: is not set"),
        ((), {"ANYMETRICS_AUTH_TYPE": "PASSWORD"}, "'PASSWORD' is not one of UID, TOKEN, ACCOUNT, APIKEY"),
        ((), {"ANYMETRICS_URL": "anymetrics.example.com:8083"}, "begins with http:// or https://"),
        ((), {"ANYMETRICS_URL": "http://user:pass@host"}, "has a user name, password"),
        ((), {"ANYMETRICS_URL": "htps://host"}, "'htps://host' is not an address that begins with"),
        (("--timeout", "0"), {}, "ANYMETRICS_TIMEOUT: 0.0 is not between"),
        (("--ca-bundle", "nope.pem"), {}, "there is no file nope.pem"),
        (("--threads", "0"), {}, "0 is not in the range"),
        ((), {"ANYMETRICS_ENABLED": "perhaps"}, "ANYMETRICS_ENABLED: 'perhaps' is not true or false"),
        (("--target-path", "nowhere"), {}, "there is no such file. Run dbt first"),
    ],
)
def test_wrong_usage_exits_2_and_sends_nothing(
    recorded: Shop, sandbox: Sandbox, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = recorded.cli("refresh", *arguments, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sandbox.received == []


def test_a_wrong_setting_fails_its_node_alone(recorded: Shop, sandbox: Sandbox) -> None:
    manifest = recorded.target / "manifest.json"
    text = manifest.read_text().replace('"anymetrics.on_test_failure"', '"anymetrics.on_test_failur"')
    manifest.write_text(text)
    done = recorded.cli("refresh", "--run-date", DAY)
    assert done.returncode == 1
    assert "model.shop.customer_value: anymetrics.on_test_failur: is not a setting. Did you mean " in done.stdout
    assert len(sandbox.received) == REFRESHES - 1


def test_a_port_that_refuses_is_said_in_words(recorded: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = recorded.cli("refresh", "-m", "dim_customers", ANYMETRICS_URL=url)
    assert done.returncode == 1
    assert "connection refused: check that AnyMetrics is running" in done.stdout


def test_a_server_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    with Sandbox(answers=Shape.HANG) as sandbox:
        done = connected(tmp_path, sandbox).cli("refresh", "-m", "dim_customers", "--timeout", "0.05")
    assert done.returncode == 1
    assert "no answer within 0.05 s; whether the refresh was triggered is unknown" in done.stdout


def test_a_read_only_target_still_refreshes_and_says_the_record_is_lost(recorded: Shop, sandbox: Sandbox) -> None:
    # A folder in the record's place refuses to be replaced by a file, for root too.
    (recorded.target / "anymetrics_results.json").mkdir()
    done = recorded.cli("refresh", "--run-date", DAY)
    assert done.returncode == 1
    assert len(sandbox.received) == REFRESHES
    assert "cannot be written" in done.stderr
    assert "OK=29" in done.stdout


# The rest


def test_every_command_has_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dbt_anymetrics", "--help"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("refresh", "plan", "retry", "dbt", "debug", "sandbox"):
        assert f"  {command} " in done.stdout
    assert "..." not in done.stdout.partition("Commands:")[2]  # every summary fits its line


def test_a_reader_that_goes_away_does_not_stop_the_work(recorded: Shop, sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "dbt_anymetrics", "refresh", "--run-date", DAY]
    done = subprocess.run(
        command, cwd=recorded.folder, env=recorded.environment, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert len(sandbox.received) == REFRESHES
    assert b"Traceback" not in done.stderr


def test_what_was_sent_to_another_anymetrics_is_sent_here_too(recorded: Shop, sandbox: Sandbox) -> None:
    with Sandbox() as other:
        recorded.cli("refresh", "-m", "dim_customers", **other.environment)
        recorded.cli("refresh", "-m", "dim_customers")
        assert len(sandbox.received) == len(other.received) == 1


@pytest.mark.parametrize("option", ["--partition", "--run-date"])
def test_an_option_that_a_scheduler_left_empty_is_refused(recorded: Shop, sandbox: Sandbox, option: str) -> None:
    done = recorded.cli("refresh", option, "")
    assert done.returncode == 2
    assert sandbox.received == []


def test_a_date_in_our_vars_is_a_text_as_in_those_that_dbt_records(recorded: Shop) -> None:
    done = recorded.cli(
        "plan", "--partition", "{{ var('ds')[:7] }}-01", "--vars", "{ds: 2024-03-05}", "-m", "dim_customers"
    )
    assert "for 2024-03-01" in done.stdout


def test_a_sandbox_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = Shop(tmp_path).cli("sandbox", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("started", "zone", "doubted"),
    [
        ("2024-07-18T02:10:00Z", "UTC", True),
        ("2024-07-18T09:10:00Z", "UTC", False),
        ("2024-07-17T18:10:00Z", "Asia/Shanghai", True),
        ("2024-07-18T02:10:00Z", "Asia/Shanghai", False),
    ],
)
def test_a_plan_says_which_date_it_means_and_doubts_that_of_an_early_run(
    started: str, zone: str, doubted: bool, tmp_path: Path
) -> None:
    known = manifest_json(node_json("orders", {"anymetrics.datasource": "sr"}))
    run = run_json(result_json("orders"), invocation_started_at=started)
    write_artifacts(tmp_path / "target", known, run)
    shop = Shop(tmp_path)
    said = shop.cli("plan", "--timezone", zone).stdout
    assert f"The date of the run is 2024-07-18 (the day the run started, in {zone})" in said
    assert ("02:10. If it rebuilt the day before, say so with anymetrics.partition: run_date-1" in said) is doubted
    assert "If it rebuilt" not in shop.cli("plan", "--timezone", zone, "--run-date", "2024-07-18").stdout
    assert "The date of the run" not in shop.cli("plan", "--partition", "2024-07-18").stdout
