"""What is pending over several dbt runs: failures, and what a failed test held back until it passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.builders import Json, data_test_json, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import pending, rows
from tests.shop import DAY, ROOT, Shop

TABLE = "sr.`default_catalog.mart`.orders"
TEST = "test.shop.not_null"
META = {"anymetrics.datasource": "sr"}


def project(meta: Json | None = None, *tests: Json) -> Json:
    return manifest_json(
        node_json("orders", {**META, **(meta or {})}),
        node_json("customers", META),
        *(tests or (data_test_json("not_null", attached_to="orders"),)),
    )


def ran(
    shop: Shop, *results: tuple[str, str], invocation: str, known: Json | None = None, which: str = "build"
) -> None:
    """Leave the artifacts of a dbt run behind."""
    known = known or project()
    known["metadata"]["invocation_id"] = invocation
    built = [result_json(name, status) for name, status in results]
    write_artifacts(shop.target, known, run_json(*built, args={"which": which}, invocation_id=invocation))


@pytest.fixture
def bare(tmp_path: Path, sandbox: Sandbox) -> Shop:
    """A folder without artifacts, connected to a sandbox."""
    return Shop(tmp_path, sandbox.environment)


HELD = (("orders", "success"), (TEST, "fail"))


def test_what_a_test_held_back_is_refreshed_for_its_own_date_when_the_test_passes(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, *HELD, invocation="first")
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert (sent(sandbox), pending(bare.target)) == ([], [(TABLE, DAY)])
    ran(bare, (TEST, "pass"), invocation="retry", which="retry")
    plan = bare.cli("plan", "--run-date", "2024-08-01")
    assert f"REFRESH {TABLE} for {DAY} (model.shop.orders)" in plan.stdout
    done = bare.cli("refresh", "--run-date", "2024-08-01")
    assert done.returncode == 0
    assert (
        "model.shop.orders is no longer held back by a failed test: refreshing what earlier dbt runs built"
        in done.stderr
    )
    assert (sent(sandbox), pending(bare.target)) == ([(TABLE, DAY)], [])
    assert sent(sandbox) == [(TABLE, DAY)]


@pytest.mark.parametrize("which", ["test", "build", "retry"])
@pytest.mark.parametrize(("status", "is_sent"), [("pass", True), ("warn", True), ("fail", False), ("skipped", False)])
def test_a_test_holds_back_until_it_passes_in_a_command_that_runs_it(
    which: str, status: str, is_sent: bool, bare: Shop, sandbox: Sandbox
) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, (TEST, status), invocation="later", which=which)
    assert bare.cli("refresh").returncode == 0
    assert sent(sandbox) == ([(TABLE, DAY)] if is_sent else [])


def test_a_compilation_frees_nothing(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, (TEST, "success"), invocation="later", which="compile")
    bare.cli("refresh")
    assert sent(sandbox) == []


@pytest.mark.parametrize(
    ("later", "is_sent"),
    [
        (project({"anymetrics.on_test_failure": "refresh"}), True),
        (project(None, data_test_json("other", attached_to="orders")), True),
        (project({"anymetrics.enabled": False}), False),
        (project({"anymetrics.table": "renamed"}), False),
        (manifest_json(node_json("customers", META)), False),
    ],
    ids=["it is to be refreshed anyway", "the test is gone", "switched off", "another table", "the node is gone"],
)
def test_the_project_as_it_is_now_says_whether_a_test_still_holds(
    later: Json, is_sent: bool, bare: Shop, sandbox: Sandbox
) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, ("customers", "error"), invocation="later", known=later)
    bare.cli("refresh")
    assert sent(sandbox) == ([(TABLE, DAY)] if is_sent else [])


def test_a_later_run_that_rebuilds_the_table_counts(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, ("orders", "success"), invocation="later", which="run")
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert (sent(sandbox), pending(bare.target)) == ([(TABLE, DAY)], [])


def test_retry_leaves_what_a_test_holds_and_says_so(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    done = bare.cli("retry")
    assert done.returncode == 0
    assert "1 refresh waits until a failed test passes" in done.stderr
    assert sent(sandbox) == []
    status = bare.cli("status").stdout
    assert f"wait until a failed test passes ({TEST})" in status
    assert f"    {TABLE} {DAY}" in status


def test_a_failure_is_told_of_after_each_later_run_and_sent_by_retry(tmp_path: Path) -> None:
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 0 else None) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        ran(shop, ("orders", "success"), invocation="first")
        assert shop.cli("refresh", "--run-date", DAY).returncode == 1
        ran(shop, ("customers", "success"), invocation="later")
        done = shop.cli("refresh", "--run-date", "2024-07-18")
        assert done.returncode == 0
        assert "WARN pending from earlier dbt runs: 1 refresh of 1 table. 'dbt-anymetrics retry' sends" in done.stderr
        status = shop.cli("status").stdout
        assert "PENDING 1 since" in status
        assert f"    {TABLE} {DAY}" in status
        asked = json.loads(shop.cli("status", "--output", "json").stdout)
        assert [(each["table_name"], each["partition"]) for each in asked["pending"]] == [(TABLE, DAY)]
        assert [each["command"] for each in asked["commands"]] == ["refresh", "refresh"]
        assert shop.cli("retry").returncode == 0
        assert sent(sandbox)[-1] == (TABLE, DAY)
        assert "Nothing is pending." in shop.cli("status").stdout


def test_a_node_with_wrong_settings_is_not_forgotten_by_retry(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, ("orders", "success"), invocation="first", known=project({"anymetrics.tabel": "x"}))
    assert bare.cli("refresh").returncode == 1
    done = bare.cli("retry")
    assert done.returncode == 1
    assert "ERROR model.shop.orders: anymetrics.tabel" in done.stdout
    assert "WRONG model.shop.orders: anymetrics.tabel" in bare.cli("status").stdout
    ran(bare, ("orders", "success"), invocation="first")
    assert bare.cli("refresh").returncode == 0
    assert bare.cli("retry").returncode == 0


@pytest.mark.parametrize("unique_id", ["model.shop.temporary", "test.shop.unique_orders"])
def test_a_wrong_setting_is_forgotten_when_its_node_is_gone(unique_id: str, bare: Shop) -> None:
    kind, _, name = unique_id.split(".")
    wrong = node_json(name, {"anymetrics.enabled": "x"} if kind == "model" else META, resource_type=kind)
    known = manifest_json(wrong, project_name="shop")
    write_artifacts(bare.target, known, run_json(result_json(unique_id), invocation_id="first"))
    assert bare.cli("refresh").returncode == 1
    assert f"WRONG {unique_id}: " in bare.cli("status").stdout
    write_artifacts(bare.target, known, run_json(args={"which": "compile"}, invocation_id="other"))
    assert bare.cli("refresh").returncode == 0
    assert f"WRONG {unique_id}: " in bare.cli("status").stdout
    known = manifest_json(node_json("orders", META), project_name="shop")
    write_artifacts(bare.target, known, run_json(result_json("orders"), invocation_id="later"))
    assert bare.cli("refresh").returncode == 0
    assert "WRONG" not in bare.cli("status").stdout
    assert bare.cli("retry").returncode == 0


def test_what_is_pending_for_another_tenant_is_neither_sent_nor_lost(tmp_path: Path) -> None:
    with Sandbox(tenant_id="tn_a", answers=Shape.NO_PERMISSION) as first, Sandbox(tenant_id="tn_b") as second:
        shop = Shop(tmp_path)
        ran(shop, ("orders", "success"), invocation="first")
        assert shop.cli("refresh", "--run-date", DAY, **first.environment).returncode == 1
        done = shop.cli("retry", **second.environment)
        assert (done.returncode, second.received) == (0, [])
        assert shop.cli("refresh", "--run-date", DAY, **second.environment).returncode == 0
        elsewhere = f"Pending for another AnyMetrics or tenant\n  {first.url}, tenant tn_a: 1 refresh\n"
        assert elsewhere in shop.cli("status", **second.environment).stdout
        asked = json.loads(shop.cli("status", "--output", "json", **second.environment).stdout)
        assert asked["elsewhere"] == [{"address": first.url, "tenant_id": "tn_a", "pending": 1}]
        assert len(shop.cli("status", **first.environment).stdout.split(TABLE)) == 2
        assert rows(shop.target, "SELECT tenant_id FROM service ORDER BY 1") == [("tn_a",), ("tn_b",)]


@pytest.mark.parametrize(("command", "code"), [("status", 2), ("plan", 0)])
def test_a_ledger_of_several_tenants_says_which_they_are(command: str, code: int, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    ran(shop, ("orders", "success"), invocation="first")
    with Sandbox(tenant_id="tn_a") as first, Sandbox(tenant_id="tn_b") as second:
        for sandbox in (first, second):
            assert shop.cli("refresh", "--run-date", DAY, **sandbox.environment).returncode == 0
        done = shop.cli(command)
    assert done.returncode == code
    assert "the ledger holds several AnyMetrics or tenants" in done.stderr
    for sandbox, tenant_id in ((first, "tn_a"), (second, "tn_b")):
        assert f"{sandbox.url}, tenant {tenant_id}" in done.stderr


def test_without_commands_there_is_no_heading_for_them(bare: Shop) -> None:
    (bare.folder / "dbt_project.yml").touch()
    done = bare.cli("status")
    assert done.stdout.splitlines()[1:] == ["Nothing is pending.", "", "No command is known."]


def test_keeping_nothing_forgets_the_command_and_what_it_refreshed(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    for _ in range(2):
        assert bare.cli("refresh", "--run-date", DAY, "--keep-days", "0").returncode == 0
        assert "No command is known." in bare.cli("status").stdout
    assert sent(sandbox) == [(TABLE, DAY)] * 2


def test_a_plan_says_that_it_is_one(bare: Shop) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    assert json.loads(bare.cli("plan", "--output", "json").stdout)["args"]["command"] == "plan"


def test_what_is_held_back_of_one_table_is_told_in_the_singular(bare: Shop) -> None:
    ran(bare, *HELD, invocation="first")
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, ("customers", "success"), invocation="second")
    done = bare.cli("refresh", "--run-date", DAY)
    assert "1 refresh held back by a failed test. 'dbt-anymetrics status' lists it" in done.stderr


def test_without_a_tenant_what_is_not_refreshed_is_told_to_be_forgotten(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    ran(shop, *HELD, invocation="first")
    done = shop.cli("refresh")
    assert done.returncode == 0
    assert "WARN what is not refreshed now is not remembered" in done.stderr


INCOMPLETE = {
    "no credential": {"ANYMETRICS_AUTH_VALUE": ""},
    "no auth type": {"ANYMETRICS_AUTH_TYPE": ""},
    "a wrong auth type": {"ANYMETRICS_AUTH_TYPE": "PASSWORD"},
    "no CA bundle": {"ANYMETRICS_CA_BUNDLE": "/nowhere.pem"},
    "a timeout of nothing": {"ANYMETRICS_TIMEOUT": "0"},
}


@pytest.mark.parametrize("change", INCOMPLETE.values(), ids=INCOMPLETE)
def test_what_an_incomplete_connection_could_not_send_stays_pending(
    change: dict[str, str], bare: Shop, sandbox: Sandbox
) -> None:
    ran(bare, ("orders", "success"), ("customers", "success"), invocation="first")
    done = bare.cli("refresh", "--run-date", DAY, **change)
    assert done.returncode == 2
    assert "WARN 2 refreshes stay pending; 'dbt-anymetrics retry' sends what is pending" in done.stderr
    assert rows(bare.target, "SELECT exit_code, not_sent FROM command") == [(2, 2)]
    ran(bare, ("orders", "success"), invocation="second")
    done = bare.cli("refresh", "--run-date", "2024-07-18")
    assert done.returncode == 0
    assert "pending from earlier dbt runs: 2 refreshes of 2 tables" in done.stderr
    assert bare.cli("retry").returncode == 0
    assert sorted(sent(sandbox)) == sorted(
        [(TABLE, DAY), (TABLE, "2024-07-18"), (TABLE.replace("orders", "customers"), DAY)]
    )


def test_a_run_that_touches_nothing_says_what_is_pending(bare: Shop) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    assert bare.cli("refresh", "--run-date", DAY, ANYMETRICS_AUTH_VALUE="").returncode == 2
    ran(bare, invocation="second")
    done = bare.cli("refresh")
    assert done.returncode == 0
    assert "pending from earlier dbt runs: 1 refresh of 1 table" in done.stderr


@pytest.mark.parametrize("ends", ["fails", "is not complete"])
def test_what_force_asks_for_again_is_pending_until_it_is_confirmed(ends: str, bare: Shop) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert pending(bare.target) == []
    change = {"ANYMETRICS_AUTH_TYPE": "TOKEN"} if ends == "fails" else {"ANYMETRICS_AUTH_TYPE": ""}
    assert bare.cli("refresh", "--run-date", DAY, "--force", **change).returncode == 2 - (ends == "fails")
    assert pending(bare.target) == [(TABLE, DAY)]
    assert bare.cli("retry").returncode == 0
    assert pending(bare.target) == []


@pytest.mark.parametrize("tenant", ["租户", "tn\n1"])
def test_nothing_is_noted_for_a_tenant_that_no_request_can_name(tenant: str, bare: Shop) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    assert bare.cli("refresh", "--tenant-id", tenant).returncode == 2
    assert rows(bare.target, "SELECT tenant_id FROM service") == []


@pytest.mark.parametrize("days", ["1000000", "1e20", "inf", "nan", "-1", "many"])
@pytest.mark.parametrize("way", ["option", "variable"])
def test_days_that_no_calendar_has_are_refused_before_anything_is_sent(
    days: str, way: str, recorded: Shop, sandbox: Sandbox
) -> None:
    done = (
        recorded.cli("refresh", "--keep-days", days)
        if way == "option"
        else recorded.cli("refresh", ANYMETRICS_KEEP_DAYS=days)
    )
    assert done.returncode == 2
    assert "is not a number of days from 0 to 36,500" in done.stderr
    assert sandbox.received == []


def test_a_switch_that_forbids_a_refresh_is_said_by_the_plan(recorded: Shop) -> None:
    done = recorded.cli("plan", ANYMETRICS_ENABLED="false")
    assert "WARN a refresh would send nothing: switched off by ANYMETRICS_ENABLED" in done.stderr


def test_a_removed_ledger_is_not_made_again_from_the_artifact(recorded: Shop, sandbox: Sandbox) -> None:
    assert recorded.cli("refresh", "--run-date", DAY).returncode == 0
    asked = len(sandbox.received)
    (recorded.target / "anymetrics.db").unlink()
    assert recorded.cli("refresh", "--run-date", DAY).returncode == 0
    assert len(sandbox.received) == 2 * asked


SECOND = "test.shop.unique"


def two_tests() -> Json:
    return project(
        None, data_test_json("not_null", attached_to="orders"), data_test_json("unique", attached_to="orders")
    )


@pytest.mark.parametrize("command", ["retry", "test", "build"])
def test_tests_may_pass_one_by_one_in_runs_of_their_own(command: str, bare: Shop, sandbox: Sandbox) -> None:
    held = (("orders", "success"), (TEST, "fail"), (SECOND, "fail"))
    ran(bare, *held, invocation="first", known=two_tests())
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    ran(bare, (TEST, "pass"), invocation="second", which=command, known=two_tests())
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert sandbox.received == []
    status = bare.cli("status").stdout
    assert SECOND in status
    assert TEST not in status
    ran(bare, (SECOND, "pass"), invocation="third", which=command, known=two_tests())
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert (sent(sandbox), pending(bare.target)) == ([(TABLE, DAY)], [])


def test_a_test_that_passed_and_fails_again_holds_again(bare: Shop, sandbox: Sandbox) -> None:
    ran(bare, ("orders", "success"), (TEST, "fail"), (SECOND, "fail"), invocation="first", known=two_tests())
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, (TEST, "pass"), invocation="second", which="test", known=two_tests())
    bare.cli("refresh", "--run-date", DAY)
    ran(bare, (TEST, "fail"), (SECOND, "pass"), invocation="third", which="test", known=two_tests())
    bare.cli("refresh", "--run-date", DAY)
    assert sandbox.received == []
    ran(bare, (TEST, "pass"), invocation="fourth", which="test", known=two_tests())
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    assert (sent(sandbox), pending(bare.target)) == ([(TABLE, DAY)], [])


# Dropped


@pytest.fixture
def backlog(bare: Shop) -> Shop:
    """Two tables that are pending, one that a test holds back, and a node with wrong settings."""
    known = manifest_json(
        *(node_json(name, META) for name in ("orders", "customers", "held")),
        node_json("wrong", {**META, "anymetrics.tabel": "x"}),
        data_test_json("not_null", attached_to="held"),
    )
    names = ("orders", "customers", "held", "wrong")
    ran(bare, *((name, "success") for name in names), (TEST, "fail"), invocation="first", known=known)
    assert bare.cli("refresh", "--run-date", DAY, ANYMETRICS_AUTH_VALUE="").returncode == 2
    assert len(pending(bare.target)) == 3
    return bare


def test_a_selection_that_matches_nothing_pending_is_said(backlog: Shop) -> None:
    done = backlog.cli("retry", "-s", "nosuch")
    assert "WARN nothing of what is pending matches --select nosuch" in done.stderr


def test_what_is_dropped_is_not_sent_any_more(backlog: Shop, sandbox: Sandbox) -> None:
    done = backlog.cli("retry", "--drop", "--yes")
    assert done.returncode == 0
    assert "What is dropped is sent again only when" in done.stderr
    assert pending(backlog.target) == []
    assert "Nothing is pending" in backlog.cli("retry").stderr
    assert "Nothing is pending" in backlog.cli("status").stdout
    assert "retry --drop" in backlog.cli("status").stdout
    assert sandbox.received == []


def test_what_is_dropped_can_be_selected(backlog: Shop, sandbox: Sandbox) -> None:
    assert backlog.cli("retry", "--drop", "--yes", "-s", "ord*", "-s", "wrong").returncode == 0
    assert len(pending(backlog.target)) == 2
    assert backlog.cli("retry", "-s", "orders").returncode == 0
    assert sandbox.received == []
    assert backlog.cli("retry", "-s", "customers held").returncode == 0
    assert sent(sandbox) == [(TABLE.replace("orders", "customers"), DAY)]


def test_what_was_dropped_and_is_built_again_is_pending_again(backlog: Shop, sandbox: Sandbox) -> None:
    assert backlog.cli("retry", "--drop", "--yes").returncode == 0
    assert backlog.cli("refresh", "--run-date", DAY, "-s", "orders", ANYMETRICS_AUTH_VALUE="").returncode == 2
    assert pending(backlog.target) == [(TABLE, DAY)]
    assert backlog.cli("retry").returncode == 0
    assert sent(sandbox) == [(TABLE, DAY)]


def test_nothing_is_dropped_without_an_answer(backlog: Shop) -> None:
    done = backlog.program("retry", "--drop")
    assert done.returncode == 2
    assert "--drop: there is nobody to ask" in done.stderr
    assert "Give --yes to drop 3 pending refreshes of model.shop.customers, model.shop.held" in done.stderr
    assert len(pending(backlog.target)) == 3


@pytest.mark.parametrize("selection", ["tag:x", "path:models"])
def test_what_the_ledger_does_not_know_is_asked_of_the_manifest(selection: str, backlog: Shop) -> None:
    (backlog.target / "manifest.json").rename(backlog.target / "away.json")
    for arguments in (("retry", "--drop", "--yes"), ("retry",)):
        done = backlog.cli(*arguments, "-s", selection)
        assert done.returncode == 2
        assert "manifest.json: there is no such file" in done.stderr
    assert len(pending(backlog.target)) == 3
    node = node_json("orders", META, tags=["x"], original_file_path="models/orders.sql")
    (backlog.target / "manifest.json").write_text(json.dumps(manifest_json(node, node_json("customers", META))))
    done = backlog.cli("retry", "--drop", "--yes", "-s", selection)
    assert "Dropped 1 pending refresh of model.shop.orders." in done.stderr
    assert TABLE not in dict(pending(backlog.target))


# The state elsewhere


def test_a_state_with_a_slash_at_its_end_is_a_folder(bare: Shop, tmp_path: Path) -> None:
    ran(bare, ("orders", "success"), invocation="first")
    assert bare.cli("refresh", "--state", f"{tmp_path}/new/deep/").returncode == 0
    assert (tmp_path / "new" / "deep" / "anymetrics.db").is_file()


def test_the_ledger_may_be_on_a_disk_that_survives(tmp_path: Path) -> None:
    state = tmp_path / "lasting" / "ledger.db"
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number == 0 else None) as sandbox:
        for number, name in enumerate(("orders", "customers")):
            shop = Shop(tmp_path / str(number), {**sandbox.environment, "ANYMETRICS_STATE": str(state)})
            ran(shop, (name, "success"), invocation=name)
            shop.cli("refresh", "--run-date", DAY)
        assert pending(state) == [(TABLE, DAY)]
        assert not (tmp_path / "0" / "target" / "anymetrics.db").exists()
        assert shop.cli("retry").returncode == 0
    assert pending(state) == []


@pytest.mark.parametrize("command", ["refresh", "plan", "retry", "status"])
def test_a_state_that_is_another_file_is_refused_and_left_alone(command: str, recorded: Shop, sandbox: Sandbox) -> None:
    mine = recorded.folder / "mine.csv"
    mine.write_text("id,name\n")
    done = recorded.cli(command, "--state", str(mine))
    assert done.returncode == 2
    assert "mine.csv is not a ledger of dbt-anymetrics, and is left as it is" in done.stderr
    assert (mine.read_text(), sandbox.received) == ("id,name\n", [])


@pytest.mark.parametrize("command", ["status", "retry"])
def test_a_damaged_ledger_is_never_told_to_have_nothing_pending(command: str, recorded: Shop) -> None:
    (recorded.target / "anymetrics.db").write_bytes(b"damaged" * 100)
    done = recorded.cli(command)
    assert done.returncode == 2
    assert "is not a ledger" in done.stderr
    assert "It holds what is pending, so that is not known now" in done.stderr
    assert "Nothing is pending" not in done.stdout + done.stderr
    asides = list(recorded.target.glob("*.damaged-*"))
    assert len(asides) == int(command == "retry")
    if asides:
        for again in ("retry", "status"):
            done = recorded.cli(again)
            assert "WARN a ledger was damaged" in done.stdout + done.stderr
            assert str(asides[0]) in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["plan", "status", "refresh"])
def test_a_tenant_that_is_no_text_ends_without_a_traceback(command: str, recorded: Shop) -> None:
    done = recorded.program(command, ANYMETRICS_TENANT_ID="\udcff")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_an_artifact_of_a_version_without_a_ledger_is_taken_in_once(tmp_path: Path) -> None:
    target = scenario("1.11", "build", tmp_path / "target")
    text = (ROOT / "tests" / "artifacts" / "earlier_results.json").read_text()
    run = json.loads((target / "run_results.json").read_bytes())["metadata"]["invocation_id"]
    earlier = json.loads(text.replace(json.loads(text)["metadata"]["invocation_id"], run))
    with Sandbox() as sandbox:
        earlier["args"]["url"] = sandbox.url
        (target / "anymetrics_results.json").write_text(json.dumps(earlier))
        shop = Shop(tmp_path, sandbox.environment)
        assert "2 to refresh" in shop.cli("plan", "--run-date", DAY).stdout
        assert not (target / "anymetrics.db").exists()
        assert len(json.loads(shop.cli("status", "--output", "json").stdout)["pending"]) == 2
        done = shop.cli("refresh", "--run-date", DAY)
        assert "OK=2 ERROR=0 SKIP=1 TOTAL=3, already refreshed by dbt-anymetrics refresh: 27" in done.stdout
        assert len(sandbox.received) == 2
        assert shop.cli("retry").returncode == 0
        assert len(sandbox.received) == 2
