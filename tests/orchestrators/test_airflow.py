"""Airflow for real: each example of the page in `dag.test()`, what arrived, the states of the tasks, and their log."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from dbt_anymetrics.sandbox import PlanFault, Sandbox, Shape
from tests.expected import BUILD, MAIN, sent, sent_tables
from tests.ledgers import pending, rows
from tests.once import once
from tests.orchestrators.page import QUIET, example, needs, written
from tests.shop import DAY, ROOT, Shop

pytestmark = needs("airflow")
COSMOS = needs("cosmos")

RUN_DAG = str(ROOT / "tests" / "orchestrators" / "run_dag.py")
CUSTOMERS, ORDER_ITEMS = ((f"{MAIN}.{name}", DAY) for name in ("dim_customers", "fct_order_items"))
FEW = (
    'RenderConfig(emit_datasets=False, select=["raw_customers", "stg_customers", "dim_customers", "fct_order_items"], '
)
"""What is run of the shop. Without `emit_datasets=False`, `dag.test()` of Airflow 2.11 fails within Cosmos."""


class Ran(Struct):
    """What became of a DAG run."""

    run: str
    tasks: dict[str, str]
    xcoms: dict[str, Any]
    log: str


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an Airflow with an empty database."""

    def migrate(folder: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        environment = {**Shop(folder).environment, **of_airflow(folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "airflow", migrate)


def of_airflow(folder: Path) -> dict[str, str]:
    return {
        **QUIET,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }


def connection(sandbox: Sandbox, **other: Any) -> str:
    given = sandbox.environment
    extra = {"tenant_id": given["ANYMETRICS_TENANT_ID"], "auth_type": given["ANYMETRICS_AUTH_TYPE"]}
    secret = given["ANYMETRICS_AUTH_VALUE"]
    return json.dumps({"conn_type": "anymetrics", "host": sandbox.url, "password": secret, "extra": extra, **other})


@pytest.fixture
def airflow(home: Path, built: Shop, sandbox: Sandbox, tmp_path: Path) -> Run:
    """Runs a DAG file with nothing of AnyMetrics in the environment but Airflow's connection."""
    shop = built.copy(tmp_path / "shop")
    own = tmp_path / "airflow"
    shutil.copytree(home, own)
    shop.environment |= {
        **of_airflow(own),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{own}/airflow.db",
        "PATH": f"{Path(sys.executable).parent}:{shop.environment['PATH']}",
        "SHOP_DUCKDB": str(next(shop.folder.glob("*.duckdb"))),
    }

    def run(text: str, day: str = DAY, using: Sandbox = sandbox, **conn: Any) -> Ran:
        path = written(own / "dags" / "shop_dag.py", text)
        environment = {"AIRFLOW_CONN_ANYMETRICS_DEFAULT": connection(using, **conn)}
        done = subprocess.run(
            [sys.executable, RUN_DAG, str(path), day],
            env={**shop.environment, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        log = done.stdout + done.stderr
        check_secret(using, log, own, shop)
        return Ran(**result_in(done), log=log)

    return run


def result_in(done: subprocess.CompletedProcess[str]) -> Any:
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-5000:] + done.stderr[-5000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


def check_secret(sandbox: Sandbox, log: str, home: Path, shop: Shop) -> None:
    """The credential is in no log, rendered field, XCom, ledger or artifact: nowhere in what was written."""
    secret = sandbox.environment["ANYMETRICS_AUTH_VALUE"].encode()
    assert secret.decode() not in log
    for folder in (home, shop.target):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes(), path


def operator_example(tmp_path: Path) -> str:
    return example("BashOperator", airflow_shop=str(tmp_path / "shop"))


def later_example(tmp_path: Path) -> str:
    text = example('"when": "later"', airflow_shop=str(tmp_path / "shop"), airflow_ledger=str(tmp_path / "ledger.db"))
    return text.replace("RenderConfig(", FEW)


def fail_a_test(tmp_path: Path) -> None:
    with (tmp_path / "shop" / "dbt_project.yml").open("a") as file:
        file.write("\nvars: {fail_test: true}\n")


def test_the_operator_refreshes_what_the_task_before_it_built(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    ran = airflow(operator_example(tmp_path))
    assert (ran.run, set(ran.tasks.values())) == ("success", {"success"}), ran.log
    assert set(sent(sandbox)) == BUILD
    did = ran.xcoms["refresh return_value"]
    assert (did["counts"]["ok"], len(did["refreshes"]), did["failure"]) == (len(BUILD), len(BUILD), None)
    assert {each["trace_id"] for each in did["refreshes"]} == {request.trace_id for request in sandbox.received}
    assert f"AnyMetrics: Done. OK={len(BUILD)} ERROR=0" in ran.log


def test_a_retry_of_the_operator_sends_only_what_failed(airflow: Run, tmp_path: Path) -> None:
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 5 else None) as sandbox:
        ran = airflow(operator_example(tmp_path), using=sandbox)
        assert (ran.run, ran.tasks["refresh"]) == ("success", "success"), ran.log
        assert len(sent(sandbox)) == len(BUILD) + 1
        assert "RefreshError: AnyMetrics was not refreshed as asked: OK=" in ran.log, ran.log
        assert ran.xcoms["refresh return_value"]["counts"]["ok"] == 1


def test_where_dbt_fails_what_it_built_is_refreshed_and_the_run_fails(
    airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    fail_a_test(tmp_path)
    ran = airflow(operator_example(tmp_path))
    assert ran.run == "failed", ran.log
    assert ran.tasks == {"build": "failed", "refresh": "success", "built": "upstream_failed"}
    assert sent_tables(sandbox) == {table.rsplit(".", 1)[1] for table, _ in BUILD} - {
        "fct_order_items",
        "product_sales_daily",
    }


ONLY_REFRESH = """
from airflow import DAG
from dbt_anymetrics.airflow import AnyMetricsRefreshOperator

with DAG("shop", schedule=None) as dag:
    AnyMetricsRefreshOperator(task_id="refresh", project_dir="{shop}", retries=1)
"""

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no tenant": ({"extra": {"auth_type": "UID"}}, "the tenant (tenant_id in extra) is not set"),
    "no auth type": ({"extra": {"tenant_id": "tn_1"}}, "the auth type (auth_type in extra) is not set"),
    "no credential": ({"password": ""}, "the credential (password) is not set"),
    "secret in extra": (
        {"extra": {"tenant_id": "tn_1", "auth_type": "UID", "auth_value": "hunter-2-hunter-2"}},
        "auth_value in extra looks like a secret, and is not used",
    ),
    "unknown": ({"extra": {"tenant": "tn_1"}}, "tenant in extra is not known"),
    "no address": ({"host": None}, "the address (host) is not set"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_connection_fails_the_task_at_once_in_one_line(
    what: str, airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    given, said = WRONG[what]
    ran = airflow(ONLY_REFRESH.format(shop=tmp_path / "shop"), **given)
    assert (ran.run, ran.tasks) == ("failed", {"refresh": "failed"})
    assert f"AirflowFailException: AnyMetrics was not refreshed: connection anymetrics_default: {said}" in ran.log
    assert "hunter-2" not in ran.log
    assert sent(sandbox) == []


def test_a_project_without_settings_says_so(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    manifest = tmp_path / "shop" / "target" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"anymetrics.', '"other.').replace('"anymetrics"', '"other"'))
    ran = airflow(ONLY_REFRESH.format(shop=tmp_path / "shop"))
    assert "no model, seed or snapshot has anymetrics settings in its meta, so there is nothing to refresh" in ran.log
    assert (ran.tasks, sent(sandbox)) == ({"refresh": "failed"}, [])


def test_a_dbt_run_of_another_day_is_not_taken_for_that_of_this_one(
    airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    only = ONLY_REFRESH.format(shop=tmp_path / "shop")
    assert airflow(only).run == "success"
    before = len(sent(sandbox))
    ran = airflow(only, "2024-07-18")
    assert ran.tasks == {"refresh": "failed"}, ran.log
    assert (
        f"run_results.json: the dbt run in it was refreshed before as that of {DAY}, and this task is of 2024-07-18"
    ) in ran.log
    assert len(sent(sandbox)) == before
    given = only.replace("retries=1", "run_date='2024-07-18'")
    assert airflow(given, "2024-07-19").tasks == {"refresh": "failed"}
    assert len(sent(sandbox)) == before


def test_a_run_without_a_logical_date_fails_in_one_line(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    text = ONLY_REFRESH.format(shop=tmp_path / "shop").replace("retries=1", "retries=1, run_date=' '.strip()")
    ran = airflow(text)
    assert ran.tasks == {"refresh": "failed"}
    assert "run_date is empty, because this DAG run has no logical date" in ran.log
    assert sent(sandbox) == []


@pytest.fixture
def with_plan(tmp_path: Path) -> str:
    """A DAG that waits for the plan that every node names."""
    manifest = tmp_path / "shop" / "target" / "manifest.json"
    named = '"anymetrics.datasource": "duckdb"'
    manifest.write_text(manifest.read_text().replace(named, f'{named}, "anymetrics.plans": "every_table"'))
    return ONLY_REFRESH.format(shop=tmp_path / "shop").replace("retries=1", "wait_for_fresh=True, wait_timeout=12")


def test_a_deferred_task_ends_when_the_plan_is_refreshed(airflow: Run, with_plan: str, tmp_path: Path) -> None:
    with Sandbox(moves_after=0.1) as sandbox:
        ran = airflow(with_plan, using=sandbox)
        assert (ran.run, ran.tasks) == ("success", {"refresh": "success"}), ran.log
        assert len(sent(sandbox)) == len(BUILD)
    did = ran.xcoms["refresh return_value"]
    assert did["counts"]["ok"] == len(BUILD)
    assert [text.partition(" (at ")[0] for text in did["plans"]] == ["plan every_table: refreshed since the trigger"]
    assert rows(tmp_path / "shop" / "target", "SELECT status FROM awaited") == [("refreshed",)]


def test_a_deferred_task_fails_when_the_plan_is_not_seen_refreshed(airflow: Run, with_plan: str) -> None:
    with Sandbox(plan_fails=PlanFault.NEVER) as sandbox:
        ran = airflow(with_plan, using=sandbox)
    assert (ran.run, ran.tasks) == ("failed", {"refresh": "failed"}), ran.log
    assert (
        "RefreshError: AnyMetrics took the refreshes, but its plans were not all seen refreshed: plan every_table: "
        "not seen refreshed within 1"
    ) in ran.log
    assert ran.xcoms["refresh return_value"]["counts"]["ok"] == len(BUILD)


def test_a_task_that_waits_for_no_plan_says_so(airflow: Run, tmp_path: Path) -> None:
    text = ONLY_REFRESH.format(shop=tmp_path / "shop").replace("retries=1", "wait_for_fresh=True")
    ran = airflow(text)
    assert ran.tasks == {"refresh": "failed"}
    assert "wait_for_fresh: no node that was refreshed names a plan. Set anymetrics.plans" in ran.log


HOOK = """
import json
from airflow.providers_manager import ProvidersManager
from dbt_anymetrics.airflow import AnyMetricsHook

manager = ProvidersManager()
info = manager.hooks["anymetrics"]
fields = [name for name in manager.connection_form_widgets if name.startswith("extra__anymetrics__")]
behaviour = manager.field_behaviours["anymetrics"]
print("RESULT " + json.dumps([info.hook_name, fields, behaviour["hidden_fields"], AnyMetricsHook().test_connection()]))
"""


def test_airflow_knows_the_connection_with_its_form_and_can_test_it(home: Path, sandbox: Sandbox) -> None:
    def look(**other: Any) -> Any:
        environment = {**Shop(home).environment, **of_airflow(home)}
        environment["AIRFLOW_CONN_ANYMETRICS_DEFAULT"] = connection(sandbox, **other)
        done = subprocess.run(
            [sys.executable, "-c", HOOK], env=environment, capture_output=True, text=True, check=False
        )
        return result_in(done)

    name, fields, hidden, (works, said) = look()
    assert (name, works) == ("AnyMetrics", True), said
    assert sorted(fields) == ["extra__anymetrics__auth_type", "extra__anymetrics__tenant_id"]
    assert set(hidden) == {"extra", "login", "schema"}
    assert look(password="wrong-wrong-wrong")[3][0] is False
    assert look(extra={})[3] == [False, "connection anymetrics_default: the tenant (tenant_id in extra) is not set"]


@COSMOS
def test_the_callback_of_cosmos_refreshes_each_model_once_with_its_tests(
    airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    fail_a_test(tmp_path)
    text = example(
        "TestBehavior.BUILD", airflow_shop=str(tmp_path / "shop"), airflow_ledger=str(tmp_path / "ledger.db")
    )
    ran = airflow(text.replace("RenderConfig(", FEW))
    assert ran.run == "failed", ran.log
    (failed,) = (name for name, state in ran.tasks.items() if state == "failed")
    assert failed.startswith("fct_order_items")
    assert sorted(sent(sandbox)) == [CUSTOMERS, (f"{MAIN}.raw_customers", DAY)]
    assert pending(tmp_path / "ledger.db") == [ORDER_ITEMS]
    (did,) = (
        did for task, did in ran.xcoms.items() if task.startswith("dim_customers") and task.endswith(" anymetrics")
    )
    assert [(each["table"], each["date"], each["status"]) for each in did["refreshes"]] == [(*CUSTOMERS, "success")]


@COSMOS
def test_what_the_tasks_note_is_sent_at_the_end_but_for_what_a_test_holds_back(
    airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    fail_a_test(tmp_path)
    ran = airflow(later_example(tmp_path))
    assert (ran.run, ran.tasks["refresh"], ran.tasks["built"]) == ("failed", "success", "upstream_failed"), ran.log
    assert sorted(sent(sandbox)) == [CUSTOMERS, (f"{MAIN}.raw_customers", DAY)]
    assert pending(tmp_path / "ledger.db") == [ORDER_ITEMS]
    assert "1 refresh waits until a failed test passes" in ran.log


@COSMOS
def test_a_callback_of_ones_own_gives_another_day(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    own = example("def refresh_local_day")
    places = {"airflow_shop": str(tmp_path / "shop"), "airflow_ledger": str(tmp_path / "ledger.db")}
    text = example("TestBehavior.BUILD", **places).replace('"callback": refresh_after', '"callback": refresh_local_day')
    text = text.replace("RenderConfig(", 'RenderConfig(emit_datasets=False, select=["dim_customers"], ')
    ran = airflow(f"{own}\n{text}", f"{DAY}T20:00:00")
    assert (ran.run, sent(sandbox)) == ("success", [(f"{MAIN}.dim_customers", "2024-07-18")]), ran.log


AS_SUBPROCESS = """
from cosmos import ExecutionConfig
from cosmos.constants import InvocationMode

subprocess = ExecutionConfig(invocation_mode=InvocationMode.SUBPROCESS)
"""


def executed(how: str, text: str) -> str:
    """An example of Cosmos with an execution config, which is the last name in `how`."""
    name = how.rstrip().rsplit("\n", 1)[1].partition(" =")[0]
    return f"{how}\n{text}".replace("render_config=", f"execution_config={name}, render_config=")


@COSMOS
def test_the_callback_of_cosmos_runs_after_dbt_as_a_subprocess(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    fail_a_test(tmp_path)
    places = {"airflow_shop": str(tmp_path / "shop"), "airflow_ledger": str(tmp_path / "ledger.db")}
    text = executed(AS_SUBPROCESS, example("TestBehavior.BUILD", **places))
    few = 'RenderConfig(emit_datasets=False, select=["dim_customers", "fct_order_items"], '
    ran = airflow(text.replace("RenderConfig(", few))
    assert sorted(ran.tasks.values()) == ["failed", "success"], ran.log
    assert sent(sandbox) == [CUSTOMERS]
    assert pending(tmp_path / "ledger.db") == [ORDER_ITEMS]
    assert "Command exited with return code 1" in ran.log


@COSMOS
def test_the_hook_notes_in_a_subprocess_of_cosmos(airflow: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    with (tmp_path / "shop" / "dbt_project.yml").open("a") as file:
        file.write("\non-run-end: \"{{ anymetrics.refresh(run_date=var('ds'), when='later') }}\"\n")
    given = {name: sandbox.environment[name] for name in ("ANYMETRICS_URL", "ANYMETRICS_TENANT_ID")}
    environment = {**given, "ANYMETRICS_STATE": str(tmp_path / "ledger.db")}
    text = example("TestBehavior.BUILD", airflow_shop=str(tmp_path / "shop"))
    text = re.sub(r'"callback": .*\n.*"callback_args": .*,', f'"env": {environment},', executed(AS_SUBPROCESS, text))
    ran = airflow(text.replace("RenderConfig(", 'RenderConfig(emit_datasets=False, select=["dim_customers"], '))
    assert (ran.run, set(ran.tasks.values())) == ("success", {"success"}), ran.log
    assert (sent(sandbox), pending(tmp_path / "ledger.db")) == ([], [CUSTOMERS])
    assert "Command exited with return code 0" in ran.log


ONE_BY_ONE = """
producer = dag.task_dict["dbt_task_group.dbt_producer_watcher"]
for task in dag.tasks:
    if hasattr(task, "producer_task_id"):
        task.trigger_rule = "all_done"
        producer >> task
"""
"""`dag.test()` runs one task at a time, so that a sensor which it starts before the producer waits for ever."""

RETRIED = 'with DAG("shop", default_args={{"retries": 1, "on_retry_callback": lambda _: open({mended!r}, "w")}}, '

FLAKY = "select * from {{{{ ref('dim_customers') }}}} where not exists (select * from glob('{mended}'))"


def watched(tmp_path: Path) -> str:
    """The example with the watcher mode, where each task has one retry, which mends what is flaky."""
    retried = RETRIED.format(mended=str(tmp_path / "mended"))
    text = executed(example("ExecutionMode.WATCHER"), later_example(tmp_path)) + ONE_BY_ONE
    return text.replace('with DAG("shop", ', retried)


@COSMOS
def test_what_dbt_notes_in_watcher_mode_is_sent_at_the_end_with_what_a_retry_mended(
    airflow: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    fail_a_test(tmp_path)
    written(tmp_path / "shop" / "tests" / "flaky.sql", FLAKY.format(mended=tmp_path / "mended"))
    ran = airflow(watched(tmp_path))
    states = {name.removeprefix("dbt_task_group."): state for name, state in ran.tasks.items()}
    assert states.pop("dbt_producer_watcher") == "skipped", ran.log
    assert states.pop("fct_order_items.test") == "failed"
    assert (ran.run, states.pop("built")) == ("failed", "upstream_failed")
    assert set(states.values()) == {"success"}
    assert sorted(sent(sandbox)) == [CUSTOMERS, (f"{MAIN}.raw_customers", DAY)]
    assert pending(tmp_path / "ledger.db") == [ORDER_ITEMS]


@COSMOS
def test_a_refresh_that_fails_in_watcher_mode_is_not_retried_which_would_hide_it(airflow: Run, tmp_path: Path) -> None:
    text = watched(tmp_path).replace('"when": "later", ', "").replace(FEW, FEW.replace('"dim_customers", ', ""))
    with Sandbox(answers=lambda _: Shape.NO_PERMISSION) as sandbox:
        ran = airflow(text, using=sandbox)
    assert ran.tasks["dbt_task_group.dbt_producer_watcher"] == "failed", ran.log
    assert ran.run == "failed"
    assert "AirflowFailException: AnyMetrics was not refreshed as asked: OK=0" in ran.log
