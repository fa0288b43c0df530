"""The on-run-end hook in real dbt 1.x: what reached the sandbox, what dbt printed, and how dbt ended."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.expected import BUILD, MAIN, sent, sent_tables
from tests.once import once
from tests.raw_server import RawServer, http
from tests.shop import DAY, DBT, DS, ROOT, Shop, since
from tests.tiers import SLOW, tiered

REFRESH = "{{ anymetrics.refresh(run_date=var('ds', none)) }}"
REFUSED = {"ANYMETRICS_URL": "http://127.0.0.1:9"}
ONE = ("run", "--select", "dim_customers")


def hook(shop: Shop, *lines: str) -> Shop:
    """Put lines into on-run-end."""
    project = shop.folder / "dbt_project.yml"
    project.write_text(project.read_text() + f"\non-run-end: {json.dumps(lines)}\n")
    return shop


@pytest.fixture
def hooked_by(
    built: Shop, sandbox: Sandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Shop]:
    """Copies the built shop with this line in on-run-end, parsed once for all tests that have the same line."""

    def parsed(line: str) -> Callable[[Path], None]:
        def parse(folder: Path) -> None:
            assert hook(built.copy(folder), line).dbt("parse", *DS).returncode == 0

        return parse

    def copied(line: str) -> Shop:
        name = f"hooked-{hashlib.sha256(line.encode()).hexdigest()[:8]}"
        return Shop(once(tmp_path_factory, name, parsed(line))).copy(tmp_path / "shop", sandbox.environment)

    return copied


@pytest.fixture
def hooked(hooked_by: Callable[[str], Shop]) -> Shop:
    """The built shop with the usual line of the hook."""
    return hooked_by(REFRESH)


def test_a_build_refreshes_by_itself(shop: Shop, sandbox: Sandbox) -> None:
    # With the program dbt from its start; the others share an import of dbt.
    done = hook(shop, REFRESH).run([DBT, "--no-use-colors", "build", *DS], {})
    assert done.returncode == 0, done.stdout
    assert set(sent(sandbox)) == BUILD
    assert len(sent(sandbox)) == len(BUILD)
    assert "[anymetrics]" not in done.stdout
    assert f"Refreshing 15 tables, {len(BUILD)} dates in all, in AnyMetrics ({sandbox.url}, tenant " in done.stdout
    assert f"The date of the run is {DAY} (run_date of the on-run-end hook)" in done.stdout
    assert f"AnyMetrics: Done. OK={len(BUILD)} ERROR=0 SKIP=1" in done.stdout


def test_without_the_hook_line_nothing_happens(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.dbt("build", *DS)
    assert done.returncode == 0
    assert "anymetrics" not in (done.stdout + done.stderr).lower()
    assert sandbox.received == []


def test_the_command_after_the_hook_sends_nothing_again(hooked: Shop, sandbox: Sandbox) -> None:
    hooked.dbt("build", *DS)
    done = hooked.cli("refresh")
    assert done.returncode == 0
    assert len(sent(sandbox)) == len(BUILD)


@pytest.mark.parametrize(
    ("command", "table"),
    [
        (("run", "--select", "fct_orders"), "fct_orders"),
        pytest.param(("seed", "--select", "raw_orders"), "raw_orders", marks=SLOW),
        (("snapshot",), "customers_snapshot"),
    ],
)
def test_every_command_that_builds_refreshes(
    hooked: Shop, sandbox: Sandbox, command: tuple[str, ...], table: str
) -> None:
    assert hooked.dbt(*command, *DS).returncode == 0
    assert sent_tables(sandbox) == {table}


def test_a_retry_refreshes_what_it_built(shop: Shop, sandbox: Sandbox) -> None:
    hook(shop, "{{ anymetrics.refresh() }}")
    assert shop.dbt("build", "--vars", "{fail_model: true}").returncode == 1
    first = len(sent(sandbox))
    assert "fct_orders" not in sent_tables(sandbox)
    assert shop.dbt("retry", "--vars", "{fail_model: false}").returncode == 0
    assert f"{MAIN}.fct_orders" in {table for table, _ in sent(sandbox)[first:]}


def test_a_test_run_sends_nothing_and_says_why(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.dbt("test", *DS)
    assert sent(sandbox) == []
    assert "AnyMetrics: nothing to refresh, because 'dbt test' builds nothing" in done.stdout
    assert "AnyMetrics: Done." not in done.stdout


def test_failed_models_do_not_stop_the_refresh_and_dbt_still_fails(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.dbt("build", "--vars", f"{{ds: {DAY}, fail_model: true}}")
    assert done.returncode == 1
    assert "dim_customers" in sent_tables(sandbox)
    assert "fct_orders" not in sent_tables(sandbox)


@since("1.10", "on-run-end after source freshness")
def test_a_command_that_builds_nothing_is_no_failure_whatever_files_lie_there(shop: Shop, sandbox: Sandbox) -> None:
    source = (
        "{version: 2, sources: [{name: raw, schema: main, loaded_at_field: ordered_at, freshness: {warn_after: "
        "{count: 1, period: day}}, tables: [{name: raw_orders}]}]}"
    )
    (shop.folder / "models" / "_sources.yml").write_text(source)
    done = hook(shop, "{{ anymetrics.refresh(on_error='fail') }}").dbt("source", "freshness", *DS)
    assert done.returncode == 0, done.stdout
    assert "AnyMetrics: nothing to refresh, because 'dbt source freshness' builds nothing" in done.stdout
    assert "another dbt run" not in done.stdout
    assert sent(sandbox) == []


@pytest.mark.parametrize("quiet", [("--quiet",), ()])
def test_without_the_python_package_it_says_so_once_even_when_quiet(
    quiet: tuple[str, ...], hooked: Shop, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "hidden" / "dbt_anymetrics").mkdir(parents=True)
    (tmp_path / "hidden" / "dbt_anymetrics" / "__init__.py").touch()
    done = hooked.dbt(*quiet, "--warn-error", *ONE, *DS, PYTHONPATH=str(tmp_path / "hidden"))
    assert done.returncode == 0, done.stdout
    assert (
        done.stdout.count("[anymetrics] nothing was sent to AnyMetrics: the Python package dbt-anymetrics is not") == 1
    )
    assert sent(sandbox) == []


OURS = re.findall(r"{% macro (\w+)\(", (ROOT / "macros" / "refresh.sql").read_text())


def test_macros_of_the_user_with_the_names_of_ours_are_never_called(shop: Shop, sandbox: Sandbox) -> None:
    assert {"refresh", "_request"} < set(OURS)
    names = [*OURS, *(f"{prefix}__{name}" for name in OURS for prefix in ("default", "duckdb"))]
    fail = "{{ exceptions.raise_compiler_error('a macro of the user was called') }}"
    (shop.folder / "macros").mkdir(exist_ok=True)
    (shop.folder / "macros" / "theirs.sql").write_text(
        "\n".join(f"{{% macro {name}() %}}{fail}{{% endmacro %}}" for name in names)
    )
    done = hook(shop, "{{ anymetrics.refresh(partition=['2024-01-01'], models='dim_*') }}").dbt(*ONE, *DS)
    assert done.returncode == 0, done.stdout
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-01-01")]


def test_the_log_file_holds_none_of_our_colours(hooked: Shop, sandbox: Sandbox) -> None:
    with_colours = [DBT, "--use-colors", *ONE, *DS]
    done = hooked.run(with_colours, {})
    lines = [*done.stdout.splitlines(), *(hooked.folder / "logs" / "dbt.log").read_text().splitlines()]
    ours = [line.partition("1 of 1 OK duckdb.")[2] for line in lines if "1 of 1 OK duckdb." in line]
    assert len(ours) == 2
    assert all("\x1b" not in line.removesuffix("\x1b[0m") for line in ours)


@pytest.mark.parametrize("encoding", [pytest.param("latin-1", marks=SLOW), "gbk"])
def test_a_message_that_the_terminal_cannot_show_stops_nothing(encoding: str, hooked: Shop) -> None:
    body = json.dumps({"success": False, "code": "SM99002", "data": None, "errorMsg": "\u6570\u636e\u6e90 \U0001f6ab"})
    with RawServer(lambda visit: visit.answer_all(http(body.encode()))) as server:
        identity = {"ANYMETRICS_TENANT_ID": "tn", "ANYMETRICS_AUTH_TYPE": "UID", "ANYMETRICS_AUTH_VALUE": "a-secret"}
        command = [DBT, "--no-use-colors", *ONE, *DS]
        strict = {"PYTHONIOENCODING": f"{encoding}:strict"}
        environment = {**hooked.environment, **identity, **strict, "ANYMETRICS_URL": server.url}
        done = subprocess.run(command, cwd=hooked.folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    output = (done.stdout + done.stderr).decode(encoding)
    assert "model.shop.dim_customers: " in output
    assert "Logging error" not in output
    assert "AnyMetrics: Done. OK=0 ERROR=1" in output
    assert "AnyMetrics: To see what failed and why, run: dbt-anymetrics report --open" in output


def test_a_failing_hook_of_others_does_not_stop_the_refresh(shop: Shop, sandbox: Sandbox) -> None:
    done = hook(shop, REFRESH, "select * from there_is_no_such_table").dbt(*ONE, *DS)
    assert done.returncode == 1
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]


def test_when_dbt_cannot_parse_nothing_is_sent(hooked: Shop, sandbox: Sandbox) -> None:
    (hooked.folder / "models" / "broken.sql").write_text("select * from {{ ref('nothing') }}")
    done = hooked.dbt("build", *DS)
    assert done.returncode == 2
    assert sent(sandbox) == []


def test_quiet_refreshes_without_a_word(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.dbt("--quiet", *ONE, *DS)
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]


def test_long_work_is_told_of_now_and_then(shop: Shop, sandbox: Sandbox) -> None:
    done = hook(shop, "{{ anymetrics.refresh(partition='2024-01-01..2024-04-09') }}").dbt(*ONE)
    assert [f"{n} of 100 done, OK={n} ERROR=0, " in done.stdout for n in (25, 50, 75, 100)] == [True, True, True, False]
    assert " of 100 OK " not in done.stdout
    assert "AnyMetrics: Done. OK=100 ERROR=0" in done.stdout


def test_json_logs_hold_our_lines_as_events(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.dbt("--log-format", "json", *ONE, *DS)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(event["info"]["msg"].startswith("AnyMetrics: Done. OK=1 ERROR=0") for event in events)
    (refresh,) = (event for event in events if event["info"]["name"] == "AnyMetricsRefresh")
    assert refresh["data"]["trace_id"] == sandbox.received[0].trace_id
    table, partition = f"{MAIN}.dim_customers", DAY
    assert (refresh["data"]["table_name"], refresh["data"]["partition"]) == (table, partition)
    assert (refresh["data"]["unique_id"], refresh["data"]["status"]) == ("model.shop.dim_customers", "success")
    assert refresh["info"]["msg"].startswith(f"1 of 1 OK {table} {partition} ...")


def test_the_target_path_of_the_command_line_counts(hooked: Shop, sandbox: Sandbox) -> None:
    hooked.dbt(*ONE, "--target-path", "elsewhere", *DS)
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", DAY)]
    assert (hooked.folder / "elsewhere" / "anymetrics_results.json").is_file()


def test_without_run_results_nothing_is_sent_and_it_is_said(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.dbt("--no-write-json", *ONE, *DS)
    assert done.returncode == 0
    assert "AnyMetrics was not refreshed: --no-write-json: dbt wrote no run results" in done.stdout
    assert sent(sandbox) == []


def test_the_hook_chooses_partition_and_models(shop: Shop, sandbox: Sandbox) -> None:
    line = "{{ anymetrics.refresh(partition=['2024-01-01', 'run_date'], run_date='2024-01-05', models=['dim_c*']) }}"
    hook(shop, line).dbt("run", "--select", "marts", *DS)
    assert sorted(sent(sandbox)) == [(f"{MAIN}.dim_customers", f"2024-01-0{day}") for day in (1, 5)]


def test_disabled_sends_nothing_and_says_so(shop: Shop, sandbox: Sandbox) -> None:
    done = hook(shop, "{{ anymetrics.refresh(enabled=(target.name == 'prod')) }}").dbt(*ONE, *DS)
    assert done.returncode == 0
    assert "[anymetrics] nothing is refreshed: enabled is False" in done.stdout
    assert sent(sandbox) == []


WRONG = {
    "run_date=nope": "run_date is empty",
    "partition=nope": "partition is empty",
    "models=nope": "models is empty",
    "models=[]": "models is empty",
    "on_error='x'": "on_error is 'x', neither warn nor fail",
    "when=nope": "when is '', neither now nor later",
}


def test_arguments_that_mean_nothing_send_nothing(shop: Shop, sandbox: Sandbox) -> None:
    done = hook(shop, *("{{ anymetrics.refresh(" + arguments + ") }}" for arguments in WRONG)).dbt(*ONE, *DS)
    assert done.returncode == 0
    said = re.findall(
        r"AnyMetrics was not refreshed: anymetrics\.refresh\(\): (.+?)(?:\. .*)?$", done.stdout, re.MULTILINE
    )
    assert said == list(WRONG.values())
    assert sent(sandbox) == []


# Failures never reach dbt, unless they are asked to.


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (REFUSED, "connection refused: check that AnyMetrics is running"),
        ({"ANYMETRICS_URL": ""}, "AnyMetrics was not refreshed: --url / ANYMETRICS_URL: is not set"),
        pytest.param(
            {"ANYMETRICS_THREADS": "many"},
            "AnyMetrics was not refreshed: Invalid value for '--threads'",
            marks=SLOW,
        ),
        pytest.param({"ANYMETRICS_TIMEZONE": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone", marks=SLOW),
    ],
)
@pytest.mark.parametrize(("on_error", "code"), [("warn", 0), ("fail", 1)])
def test_a_refresh_that_fails_fails_dbt_only_when_asked(
    hooked_by: Callable[[str], Shop], environment: dict[str, str], said: str, on_error: str, code: int
) -> None:
    shop = hooked_by("{{ anymetrics.refresh(on_error='" + on_error + "') }}")
    done = shop.dbt(*ONE, *DS, **environment)
    assert done.returncode == code, done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_mistake_of_ours_does_not_reach_dbt(hooked: Shop, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "msgspec.py").write_text("raise RuntimeError('broken on purpose')")
    done = hooked.dbt(*ONE, *DS, PYTHONPATH=str(broken))
    assert done.returncode == 0, done.stdout
    assert "[anymetrics] the refresh ended early: RuntimeError" in done.stdout


def test_ctrl_c_during_the_refresh_leaves_dbt_as_it_was(hooked: Shop) -> None:
    arrived, let_go = os.pipe()

    def answer(number: int) -> Shape:
        os.write(let_go, b"x")
        return Shape.HANG

    with Sandbox(answers=answer) as sandbox:
        command = [DBT, "--no-use-colors", *ONE, *DS]
        environment = {**hooked.environment, **sandbox.environment, "ANYMETRICS_TIMEOUT": "2"}
        with subprocess.Popen(
            command, cwd=hooked.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            os.read(arrived, 1)
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=60)
        assert process.returncode == 0, stdout
        assert "Ctrl-C" in stdout
        assert [result["status"] for result in hooked.artifact()["results"]].count("error") == 1
    os.close(arrived)
    os.close(let_go)


def test_where_the_package_is_not_beside_dbt_the_hook_says_what_to_run(hooked: Shop, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "dbt_anymetrics.py").touch()
    done = hooked.dbt(*ONE, *DS, PYTHONPATH=str(shadow))
    assert done.returncode == 0
    assert "[anymetrics] nothing was sent to AnyMetrics: the Python package dbt-anymetrics is not in" in done.stdout
    assert "Run 'dbt-anymetrics refresh' after dbt" in done.stdout


# dbtRunner, as orchestrators use it

RUNNER = """
import sys
from dbt.cli.main import dbtRunner
runner = dbtRunner(callbacks=[lambda event: None])
for day in ("2024-07-16", "2024-07-17"):
    result = runner.invoke(["--no-use-colors", "run", "--select", "dim_customers", "--vars", f"{{ds: {day}}}"])
    print("success", result.success, "exception", repr(result.exception))
"""


def test_each_invocation_of_one_dbt_runner_refreshes_once(hooked: Shop, sandbox: Sandbox) -> None:
    done = hooked.run([sys.executable, "-c", RUNNER], {})
    assert done.stdout.count("success True exception None") == 2, done.stdout + done.stderr
    assert sent(sandbox) == [(f"{MAIN}.dim_customers", "2024-07-16"), (f"{MAIN}.dim_customers", DAY)]


def test_a_dbt_runner_sees_what_failed_when_asked(shop: Shop) -> None:
    hook(shop, "{{ anymetrics.refresh(on_error='fail') }}")
    done = shop.run([sys.executable, "-c", RUNNER], REFUSED)
    exceptions = re.findall(r"success False exception (.+)", done.stdout)
    assert len(exceptions) == 2, done.stdout + done.stderr
    for exception in exceptions:
        assert "AnyMetrics was not refreshed as asked: OK=0 ERROR=1 SKIP=0 TOTAL=1; duckdb.`shop.main`" in exception
        assert "connection refused: check that AnyMetrics is running" in exception
    assert done.stderr == ""


# Several dbtRunner in threads. dbt's flags, invocation id and callbacks are those of the command that began last. The
# order is fixed here: the first command stops at an event, the second one runs to its end, and the first goes on.

NESTED = """
import sys, threading
from dbt.cli.main import dbtRunner
first, second, stop_at = sys.argv[1:]

def seed(folder, name, callbacks):
    arguments = ["--no-use-colors", "seed", "--select", name, "--project-dir", folder, "--profiles-dir", folder]
    result = dbtRunner(callbacks=callbacks).invoke([*arguments, "--vars", "{ds: 2024-07-17}"])
    print(name, "success", result.success, "exception", repr(result.exception))

threads = []
def stop(event):
    if event.info.name == stop_at and not threads:
        threads.append(threading.Thread(target=seed, args=(second, "raw_orders", [])))
        threads[0].start()
        threads[0].join()

seed(first, "raw_customers", [stop])
"""


WRITTEN = since("1.9", "the event of a written artifact")


@pytest.mark.parametrize(
    "stop_at",
    [
        "LogSeedResult",
        pytest.param("LogHookStartLine", marks=(WRITTEN, SLOW)),
        pytest.param("EndOfRunSummary", marks=SLOW),
    ],
)
def test_each_of_two_dbt_runners_in_threads_refreshes_what_it_built(
    stop_at: str, hooked: Shop, sandbox: Sandbox, tmp_path: Path
) -> None:
    other = hooked.copy(tmp_path / "other")
    done = hooked.run([sys.executable, "-c", NESTED, str(hooked.folder), str(other.folder), stop_at], {})
    assert done.stdout.count("success True exception None") == 2, done.stdout + done.stderr
    assert sent(sandbox) == [(f"{MAIN}.raw_orders", DAY), (f"{MAIN}.raw_customers", DAY)]
    for shop, name in ((hooked, "raw_customers"), (other, "raw_orders")):
        (refreshed,) = (result for result in shop.artifact()["results"] if result["status"] == "success")
        assert refreshed["unique_id"] == f"seed.shop.{name}"


@WRITTEN
def test_what_another_command_has_overwritten_is_not_taken_for_ones_own(hooked: Shop, sandbox: Sandbox) -> None:
    folder = str(hooked.folder)
    done = hooked.run([sys.executable, "-c", NESTED, folder, folder, "EndOfRunSummary"], {})
    assert done.stdout.count("success True exception None") == 2, done.stdout + done.stderr
    assert sent(sandbox) == [(f"{MAIN}.raw_orders", DAY)]
    assert (
        "run_results.json: another dbt command has overwritten it, so what this one built is not known" in done.stdout
    )


def test_a_call_from_a_node_is_said_not_to_be_matched_while_two_commands_run(
    hooked: Shop, sandbox: Sandbox, tmp_path: Path
) -> None:
    other = hooked.copy(tmp_path / "other")
    project = other.folder / "dbt_project.yml"
    text = project.read_text()
    project.write_text(text.replace("\nseeds:\n", '\nseeds:\n  +post-hook: "{{ anymetrics.refresh() }}"\n'))
    done = hooked.run([sys.executable, "-c", NESTED, str(hooked.folder), str(other.folder), "LogSeedResult"], {})
    assert done.stdout.count("AnyMetrics is not refreshed: 2 dbt commands run in this process") == 1, done.stdout
    assert sent(sandbox) == [(f"{MAIN}.raw_orders", DAY), (f"{MAIN}.raw_customers", DAY)]


def test_the_hook_waits_where_it_is_asked_to(shop: Shop, sandbox: Sandbox) -> None:
    project = shop.folder / "dbt_project.yml"
    on_marts = "        anymetrics.datasource: duckdb\n"
    before, _, after = project.read_text().rpartition(on_marts)
    project.write_text(f"{before}{on_marts}        anymetrics.plans: every_table\n{after}")
    called = "{{ anymetrics.refresh(on_error='fail', wait=true) }}"
    done = hook(shop, called).dbt(*ONE, *DS, ANYMETRICS_WAIT_TIMEOUT="0.1")
    assert "Waiting for 1 plan to be refreshed, for at most 0.1 s: every_table" in done.stdout
    assert "WAITING plan every_table: not seen refreshed within 0.1 s" in done.stdout
    assert done.returncode == 1
    assert len(sent(sandbox)) == 1


@pytest.mark.parametrize("wrong", tiered(["run_date=''", "when='latter'", "models=[]"], lambda number, _: number == 0))
def test_a_wrong_argument_does_not_take_on_error_with_it(wrong: str, shop: Shop, sandbox: Sandbox) -> None:
    done = hook(shop, f"{{{{ anymetrics.refresh({wrong}, on_error='fail') }}}}").dbt(*ONE, *DS)
    assert done.returncode == 1, done.stdout
    assert "AnyMetrics was not refreshed: anymetrics.refresh(): " in done.stdout
    assert sent(sandbox) == []
