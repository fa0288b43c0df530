"""`report`: the page and the Markdown made of a real ledger, and where they go."""

from __future__ import annotations

import json
import os
import re
import shlex
import tracemalloc
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dbt_anymetrics.commands.pictured import MOST, pictured, table_of
from dbt_anymetrics.ledger.awaited import Baseline
from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.picture import Picture, Status, Table
from dbt_anymetrics.planning.plan import Held, Refreshes
from dbt_anymetrics.result import Counts, Freshness, PlanSeen, Refresh, Result, Timing
from dbt_anymetrics.result import Status as Ended
from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.builders import data_test_json, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.histories import ADDRESS, TENANT, long_history
from tests.ledgers import changed, opened
from tests.shop import DAY, Shop

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
DAYS = [date(2024, 7, day) for day in (15, 16, 17)]
ORDERS = "sr.`default_catalog.mart`.orders"
PLACE = Table("sr", "default_catalog", "mart", "orders")
META = {"anymetrics.datasource": "sr"}
HELD = "held back by a failed test until it passes: test.shop.not_null"


# --- from the ledger to the picture


def refresh(day: date = DAYS[0], invocation: str = "i", table: str = ORDERS) -> Refresh:
    return Refresh(unique_id="model.shop.orders", table_name=table, partition=day, invocation_id=invocation)


def ended(each: Refresh, status: Ended = Ended.SUCCESS, minute: int = 0, **facts: Any) -> Result:
    at = MOMENT + timedelta(minutes=minute)
    timing = Timing(at, at + timedelta(seconds=2)) if status in (Ended.SUCCESS, Ended.ERROR) else None
    return each.result(status, facts.pop("message", None), attempts=1, timing=timing, **facts)


def begun(database: Database, kind: str = "refresh", tenant: str = TENANT) -> Recording:
    return Recording(database, ADDRESS, tenant, Command(kind=kind, process=os.getpid(), invocation_id="i"))


def sent(recording: Recording, *results: Result) -> None:
    recording.ask(
        [refresh(each.partition or DAYS[0], each.invocation_id or "", each.table_name or "") for each in results], ()
    )
    recording.add([(each, 10**9) for each in results])


def picture(database: Database, since: datetime | None = None, tags: Mapping[str, list[str]] = {}) -> Picture:
    ledger, _ = Ledger.find(database, ADDRESS, TENANT)
    found = pictured(ledger, tags, since)
    assert ledger.loss is None
    return found.picture


def cells(database: Database, since: datetime | None = None) -> dict[tuple[str, date], tuple[str, str]]:
    """The status of each table and date, and why."""
    tables = picture(database, since).tables
    return {
        (table.name, day): (cell.status.value, cell.last.outcome.message)
        for table, row in tables.items()
        for day, cell in row.items()
    }


@pytest.mark.parametrize(
    ("status", "facts", "shown"),
    [
        (Ended.SUCCESS, {"code": "200", "http_status": 200}, Status.REFRESHED),
        (Ended.ERROR, {"code": "SM99002", "http_status": 200}, Status.REFUSED),
        (Ended.ERROR, {"http_status": 503}, Status.FAILED),
        (Ended.ERROR, {"code": "200", "http_status": 200}, Status.FAILED),
        (Ended.PENDING, {}, Status.PENDING),
    ],
)
def test_what_came_of_a_refresh(database: Database, status: Ended, facts: dict[str, Any], shown: Status) -> None:
    recording = begun(database, "hook")
    sent(recording, ended(refresh(), status, message="why", trace_id="a1", **facts))
    [cell] = picture(database).cells
    [attempt] = cell.attempts
    outcome = attempt.outcome
    assert (cell.status, outcome.message, outcome.by, attempt.trace_id) == (shown, "why", "the hook", "a1")
    assert attempt.seconds == (None if status is Ended.PENDING else 2)


def test_what_was_refreshed_by_another_command_is_no_attempt(database: Database) -> None:
    recording = begun(database)
    sent(recording, ended(refresh()), ended(refresh(), Ended.SKIPPED, minute=1, message="already refreshed"))
    assert [len(cell.attempts) for cell in picture(database).cells] == [1]


def test_what_was_never_sent_says_why(database: Database) -> None:
    begun(database).ask([refresh()], ())
    assert cells(database) == {("orders", DAYS[0]): ("pending", "a command that is still running sends it")}


def test_what_failed_tests_hold_says_which(database: Database) -> None:
    held = Held(Refreshes("model.shop.orders", ORDERS, DAYS[:1], "i"), ["test.shop.not_null"])
    begun(database).ask([], [held])
    assert cells(database) == {("orders", DAYS[0]): ("skipped", HELD)}
    [cause] = picture(database).causes
    assert (cause.title, cause.where, cause.attempts[0].outcome.by) == (HELD, "orders, 15 Jul 2024", "dbt")


def test_what_failed_and_is_asked_for_again_is_pending_and_keeps_its_history(database: Database) -> None:
    recording = begun(database)
    sent(recording, ended(refresh(), Ended.ERROR, message="no"))
    assert cells(database)["orders", DAYS[0]] == ("failed", "no")
    recording.ask([refresh()], ())
    [cell] = picture(database).cells
    assert [each.outcome.status for each in cell.attempts] == [Status.FAILED, Status.PENDING]


def test_a_later_failure_stands_before_what_was_held_earlier(database: Database) -> None:
    recording = begun(database)
    recording.ask([], [Held(Refreshes("model.shop.orders", ORDERS, DAYS[:1], "earlier"), ["test.shop.not_null"])])
    later = ended(refresh(), Ended.ERROR, message="no", minute=60 * 24 * 365 * 100)
    sent(recording, later)
    assert cells(database)["orders", DAYS[0]] == ("failed", "no")


def test_what_was_given_up_says_by_what(database: Database) -> None:
    recording = begun(database)
    sent(recording, ended(refresh(), Ended.ERROR, message="no"))
    recording.drop(["model.shop.orders"], 90)
    [cell] = picture(database).cells
    assert [each.outcome.status for each in cell.attempts] == [Status.FAILED, Status.SKIPPED]
    assert cell.last.outcome.message == "given up with dbt-anymetrics retry --drop"


def test_wrong_settings_are_a_cause_without_a_table(database: Database) -> None:
    wrong = Result(unique_id="model.shop.bad", status=Ended.ERROR, message="anymetrics.catalog: is not set")
    begun(database).ask([wrong], ())
    [cause] = picture(database).causes
    assert (cause.title, cause.where) == ("its settings are wrong: anymetrics.catalog: is not set", "model.shop.bad")


def test_since_leaves_out_what_was_done_before_but_nothing_that_is_pending(database: Database) -> None:
    recording = begun(database)
    table = ORDERS.replace("orders", "items")
    sent(recording, ended(refresh()), ended(refresh(table=table), Ended.ERROR, message="no", code="X1", trace_id="t"))
    sent(recording, ended(refresh(DAYS[2]), minute=60))
    assert cells(database, MOMENT + timedelta(minutes=30)) == {
        ("orders", DAYS[2]): ("refreshed", ""),
        ("items", DAYS[0]): ("refused", "no"),
    }


@pytest.mark.parametrize(
    ("freshness", "shown"),
    [
        (None, ("refreshed", "")),  # nobody has looked
        (Freshness.REFRESHED, ("refreshed", "")),
        (Freshness.NOT_SEEN, ("waiting", "plan daily: not seen")),
    ],
)
def test_a_plan_that_was_waited_for_in_vain_leaves_its_tables_waiting(
    database: Database, freshness: Freshness | None, shown: tuple[str, str]
) -> None:
    recording = begun(database)
    recording.expect({Baseline("daily"): ["model.shop.orders"]})
    sent(recording, ended(refresh()), ended(refresh(DAYS[1])))
    recording.triggered({"daily": [DAYS[1]]})
    if freshness:
        recording.note_plan(PlanSeen(plan="daily", freshness=freshness, message="not seen"))
    assert cells(database) == {("orders", DAYS[0]): ("refreshed", ""), ("orders", DAYS[1]): shown}


def test_only_the_newest_of_very_many_attempts_are_kept_and_the_rest_is_counted(database: Database) -> None:
    recording = begun(database)
    for minute in range(MOST + 3):
        sent(recording, ended(refresh(invocation=str(minute)), minute=minute, trace_id=str(minute)))
    ledger, _ = Ledger.find(database, ADDRESS, TENANT)
    found = pictured(ledger, {})
    [cell] = found.picture.cells
    assert [each.trace_id for each in cell.attempts] == [str(minute) for minute in range(3, MOST + 3)]
    assert (cell.times, found.left_out) == (MOST + 3, 3)


def test_the_newest_failure_is_kept_however_many_refreshes_came_later(database: Database) -> None:
    recording = begun(database)
    for minute in (0, 1):
        sent(recording, ended(refresh(invocation=str(minute)), Ended.ERROR, minute, trace_id=str(minute)))
    for minute in range(2, MOST + 3):
        sent(recording, ended(refresh(invocation=str(minute)), minute=minute))
    [cell] = picture(database).cells
    assert (cell.is_resolved, cell.attempts[0].trace_id, cell.times) == (True, "1", MOST + 1)


def test_runs_say_how_long_they_took_and_what_is_odd(database: Database) -> None:
    done, _running = begun(database, "hook"), begun(database, "backfill")
    done.end(Counts(ok=2, error=1, not_sent=4), 130, 90)
    running, first = picture(database).runs
    assert (first.name, first.refreshed, first.failed, first.not_sent, first.note) == (
        "the hook",
        2,
        1,
        4,
        "interrupted",
    )
    assert (running.name, running.seconds, running.note) == ("dbt-anymetrics backfill", None, "running")


def test_tags_are_those_of_the_node_of_a_table(database: Database) -> None:
    sent(begun(database), ended(refresh()))
    assert picture(database, tags={"model.shop.orders": ["nightly"], "model.shop.items": ["x"]}).tags == {
        PLACE: ["nightly"]
    }


def test_another_tenant_is_not_in_the_picture(database: Database) -> None:
    sent(begun(database, tenant="other"), ended(refresh()))
    begun(database).ask([], ())
    assert cells(database) == {}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (ORDERS, PLACE),
        ("sr.`a.b`.c.d`e", Table("sr", "a", "b", "c.d`e")),
        ("plan 4a1f", Table("external plan", "", "", "4a1f")),
        ("orders", Table("", "", "", "orders")),
        ("", Table("", "", "", "")),
    ],
)
def test_the_parts_of_a_name(name: str, table: Table) -> None:
    assert table_of(name) == table


# --- the command


@pytest.fixture
def bare(tmp_path: Path, sandbox: Sandbox) -> Shop:
    """A folder with the artifacts of a build of two tagged tables, connected to a sandbox."""
    shop = Shop(tmp_path, sandbox.environment)
    nodes = [node_json("orders", META, tags=["nightly"]), node_json("customers", META)]
    manifest = manifest_json(*nodes, data_test_json("not_null", attached_to="customers"))
    built = [result_json("orders"), result_json("customers"), result_json("test.shop.not_null", "fail")]
    write_artifacts(shop.target, manifest, run_json(*built))
    return shop


def page(shop: Shop, *arguments: str, **environment: str) -> dict[str, Any]:
    """Make the report, and give the data in it."""
    done = shop.cli("report", *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return data_in((shop.target / "anymetrics_report.html").read_text(encoding="utf-8"))


def data_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def test_a_report_of_what_a_sandbox_received(bare: Shop) -> None:
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    done = bare.cli("report")
    path = bare.target / "anymetrics_report.html"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Report: {path} (1 refreshed, 1 skipped)\n"
    content = data_in(path.read_text(encoding="utf-8"))
    [[source, catalog, schema, rows]] = content["groups"]
    assert (source, catalog, schema) == ("sr", "default_catalog", "mart")
    assert [(row[0], row[1], row[3]) for row in rows] == [("customers", "s", []), ("orders", "1", ["nightly"])]
    assert content["days"] == [DAY]
    assert content["runs"][0][0] == "dbt-anymetrics refresh"
    html = path.read_text(encoding="utf-8")
    assert bare.environment["ANYMETRICS_URL"] in html
    assert bare.environment["ANYMETRICS_AUTH_VALUE"] not in html


def test_a_failure_is_told_with_its_trace_and_the_exit_code_stays_0(bare: Shop) -> None:
    with Sandbox(answers=lambda _number: Shape.NO_PERMISSION) as refusing:
        assert bare.cli("refresh", "--run-date", DAY, **refusing.environment).returncode == 1
        content = page(bare, **refusing.environment)
        [answer] = [each.trace_id for each in refusing.received]
    assert content["counts"] == {"refused": 1, "skipped": 1}
    assert answer in json.dumps(content)
    assert [cause[3] for cause in content["causes"]] == [
        "No permission",
        "held back by a failed test until it passes: test.shop.not_null",
    ]


def test_the_same_facts_in_markdown(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    done = bare.cli("report", "--format", "markdown")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "## AnyMetrics refreshes"
    assert "| 1 | 0 | 0 | 0 | 1 | 2 | 1 |" in lines
    told = "| skipped | **held back by a failed test until it passes: test.shop.not_null**: customers, 17 Jul 2024 |  |"
    assert told in lines
    assert any(
        "| skipped | **held back by a failed test" in line and "customers, 17 Jul 2024" in line for line in lines
    ), told
    assert any(line.startswith("| dbt-anymetrics refresh | ") for line in lines)
    assert any(line.startswith("| mart.orders | ") for line in lines)
    assert len(lines) <= 35
    assert not (bare.target / "anymetrics_report.html").exists()
    bare.cli("report", "--format", "markdown", "--file", "summary.md")
    assert (bare.folder / "summary.md").read_text(encoding="utf-8").splitlines()[3:] == lines[3:]


def test_without_a_ledger_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    done = shop.cli("report")
    assert done.returncode == shop.cli("status").returncode == 0
    assert done.stdout.startswith(f"There is no ledger yet at {shop.target / 'anymetrics.db'}")
    assert "no ledger yet" in shop.cli("report", "--format", "markdown").stdout
    assert list(tmp_path.iterdir()) == []


def test_an_empty_ledger_is_a_page_that_says_what_to_do(bare: Shop) -> None:
    with opened(bare.target):
        pass
    done = bare.cli("report")
    assert (done.returncode, "nothing in it yet" in done.stdout) == (0, True)
    assert "Nothing refreshed yet" in (bare.target / "anymetrics_report.html").read_text()


def test_a_damaged_ledger_is_an_error_as_for_status_and_leaves_the_last_report(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    page(bare)
    before = (bare.target / "anymetrics_report.html").read_bytes()
    (bare.target / "anymetrics.db").write_bytes(b"no database" * 1000)
    done, told = bare.cli("report"), bare.cli("status")
    assert (done.returncode, done.stderr) == (told.returncode, told.stderr) == (2, told.stderr)
    assert (bare.target / "anymetrics_report.html").read_bytes() == before


def test_of_several_tenants_it_shows_that_of_the_connection_and_names_the_others(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    with opened(bare.target) as database:
        begun(database, tenant="another_tenant").ask([refresh()], ())
    assert [row[0] for row in page(bare)["groups"][0][3]] == ["customers", "orders"]
    assert "another_tenant: 1 refresh" in (bare.target / "anymetrics_report.html").read_text()
    done = bare.cli("report", ANYMETRICS_URL="", ANYMETRICS_TENANT_ID="")
    assert (done.returncode, "another_tenant" in done.stderr) == (2, True)


def test_a_ledger_elsewhere_and_a_file_elsewhere(bare: Shop, tmp_path: Path) -> None:
    bare.cli("refresh", "--run-date", DAY, "--state", "kept/ledger.db")
    done = bare.cli("report", "--state", "kept/ledger.db", "--file", "page.html")
    assert (done.returncode, done.stdout) == (0, f"Report: {tmp_path / 'page.html'} (1 refreshed, 1 skipped)\n")


@pytest.mark.parametrize("since", ["yesterday", "2025-13-01", "-3d", ""])
def test_a_wrong_since_is_refused_with_the_form(bare: Shop, since: str) -> None:
    bare.cli("refresh", "--run-date", DAY)
    done = bare.cli("report", "--since", since)
    assert (done.returncode, "such as 30d or 12h" in done.stderr) == ((2, True) if since else (0, False))


@pytest.mark.parametrize(("since", "shown"), [("999999d", 2), ("2020-01-01", 2), ("2999-01-01", 1)])
def test_since_is_a_date_or_a_length_of_time(bare: Shop, since: str, shown: int) -> None:
    bare.cli("refresh", "--run-date", DAY)
    assert len(page(bare, "--since", since)["groups"][0][3]) == shown


def test_an_unreadable_manifest_costs_the_tags_alone_unless_it_was_named(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    (bare.target / "manifest.json").write_text("{")
    done = bare.cli("report")
    assert (done.returncode, done.stderr.startswith("WARN there is no filter by tag: ")) == (0, True)
    assert bare.cli("report", "--manifest", "target/manifest.json").returncode == 2


# --- the file


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_left_as_it_is(bare: Shop, kind: str) -> None:
    bare.cli("refresh", "--run-date", DAY)
    precious, path = bare.folder / "precious", bare.target / "anymetrics_report.html"
    precious.write_text("mine")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(precious)
    done = bare.cli("report")
    assert (done.returncode, "is left as it is" in done.stderr) == (2, True)
    assert precious.read_text() == "mine"


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    done = bare.cli("report", "--file", "no/such/folder/page.html")
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
    assert not (bare.folder / "no").exists()


def test_the_report_replaces_the_last_one_and_keeps_its_permissions(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    path = bare.target / "anymetrics_report.html"
    page(bare)
    path.chmod(0o604)
    page(bare)
    assert path.stat().st_mode & 0o777 == 0o604
    assert [each.name for each in bare.target.iterdir() if "draft" in each.name] == []


def test_what_cannot_be_read_of_the_ledger_is_an_error_and_no_half_report(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    changed(bare.target, "UPDATE outcome SET message = CAST(x'eda080' AS TEXT)")
    done = bare.cli("report")
    assert (done.returncode, "cannot be used (Could not decode" in done.stderr) == (2, True)
    assert not (bare.target / "anymetrics_report.html").exists()


def test_open_starts_the_browser_or_says_where_the_page_is(bare: Shop) -> None:
    bare.cli("refresh", "--run-date", DAY)
    seen = bare.folder / "seen"
    browser = bare.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    address = (bare.target / "anymetrics_report.html").as_uri()
    # In a process: Python looks for browsers once.
    done = bare.program("report", "--open", BROWSER=f"{browser} %s")
    assert (done.returncode, done.stderr, seen.read_text()) == (0, "", f"{address}\n")
    done = bare.program("report", "--open", BROWSER="/bin/false %s", PATH="/nowhere")
    assert (done.returncode, address in done.stderr) == (0, True)
    done = bare.cli("report", "--open", "--format", "markdown")
    assert (done.returncode, "Leave out one of the two" in done.stderr) == (2, True)


# --- what a command says when something failed


def test_a_failure_ends_with_the_command_that_shows_why(bare: Shop) -> None:
    with Sandbox(answers=lambda _number: Shape.NO_PERMISSION) as refusing:
        done = bare.cli("refresh", "--run-date", DAY, **refusing.environment)
        said = "AnyMetrics: To see what failed and why, run: dbt-anymetrics report --open"
        assert done.stderr.splitlines()[-1].endswith(f"  {said}")
        assert bare.cli("retry", **refusing.environment).stderr.splitlines()[-1].endswith(said)
        assert "report" not in bare.cli("retry", "--quiet", **refusing.environment).stderr
        events = bare.cli("retry", "--log-format", "json", **refusing.environment).stderr.splitlines()
        assert json.loads(events[-1])["info"] == {**json.loads(events[-1])["info"], "name": "Note", "msg": said}
    assert "report" not in bare.cli("retry").stderr


@pytest.mark.parametrize("state", [(), ("--state", "its ledger.db")])
def test_the_command_finds_the_same_ledger(state: tuple[str, ...], bare: Shop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    with Sandbox(answers=lambda _number: Shape.NO_PERMISSION) as refusing:
        here = Shop(elsewhere, refusing.environment)
        given = ("--target-path", str(bare.target), *state)
        done = here.cli("refresh", "--run-date", DAY, *given)
        line = done.stderr.splitlines()[-1]
        found = re.search(r"run: dbt-anymetrics (report --open .*)", line)
        assert found
        arguments = shlex.split(found[1])
        # Beside a ledger that is named, the target folder does not matter; it may be a temporary one.
        assert arguments == ["report", "--open", *(state or ("--target-path", str(bare.target)))]
        done = here.cli(*[each for each in arguments if each != "--open"])
        assert (done.returncode, "1 failed" in done.stdout) == (0, True)


def test_no_file_of_the_user_is_written_over(bare: Shop, sandbox: Sandbox) -> None:
    assert bare.cli("refresh", "--run-date", DAY).returncode == 0
    (bare.folder / "notes.md").write_text("## My notes\n")
    names = ("target/anymetrics.db", "target/manifest.json", "target/anymetrics_results.json", "notes.md")
    before = [(bare.folder / name).read_bytes() for name in names]
    for name in names:
        for form in ("html", "markdown"):
            done = bare.cli("report", "--format", form, "--file", name)
            assert done.returncode == 2
            assert "is a file that is no report, and is left as it is" in done.stderr
    assert [(bare.folder / name).read_bytes() for name in names] == before
    for form in ("html", "markdown", "html"):
        assert bare.cli("report", "--format", form, "--file", "mine").returncode == 0


def test_a_folder_without_a_project_is_warned_of(tmp_path: Path) -> None:
    here = Shop(tmp_path)
    said = f"WARN there is no dbt_project.yml in {tmp_path}: run this in a dbt project, or name its folder"
    assert said in here.cli("status").stdout
    assert said in here.cli("report").stderr
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    assert "dbt_project.yml" not in here.cli("status").stdout + here.cli("report").stderr


def test_outside_a_project_no_folder_is_made_for_it(recorded: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    recorded.cli("refresh", "--run-date", DAY, "--state", str(tmp_path / "kept.db"))
    (tmp_path / "nowhere").mkdir()
    here = Shop(tmp_path / "nowhere", {"ANYMETRICS_STATE": str(tmp_path / "kept.db")})
    assert here.cli("report").returncode == 0
    assert [path.name for path in here.folder.iterdir()] == ["anymetrics_report.html"]


@pytest.mark.parametrize("node", ["null", '{"tags": null}', '{"name": "a", "resource_type": "model", "tags": [5]}'])
def test_a_manifest_of_another_form_is_no_filter_by_tag(node: str, recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--run-date", DAY)
    (recorded.target / "manifest.json").write_text(f'{{"nodes": {{"model.shop.orders": {node}}}}}')
    done = recorded.cli("report")
    assert done.returncode == 0
    assert "WARN there is no filter by tag" in done.stderr


def test_nothing_since_then_is_not_nothing_at_all(recorded: Shop, sandbox: Sandbox) -> None:
    recorded.cli("refresh", "--run-date", DAY)
    done = recorded.cli("report", "--since", "2999-01-01")
    assert "(nothing since then)" in done.stdout
    assert "Nothing refreshed yet" not in (recorded.target / "anymetrics_report.html").read_text()


def test_the_slowest_tables_are_those_that_were_accepted_late(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        recording = begun(database)
        sent(recording, ended(refresh(), Ended.ERROR))
        assert picture(database).slowest == []
        sent(recording, ended(refresh(DAYS[1])))
        assert [each[1:] for each in picture(database).slowest] == [(2.0, 2.0)]


# --- large


def test_a_thousand_tables_and_ninety_dates_are_less_than_a_megabyte(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.target.mkdir()
    with opened(shop.target) as database:
        long_history(database)
    done = shop.cli("report")
    assert "89,910 refreshed, 90 failed" in done.stdout
    assert (shop.target / "anymetrics_report.html").stat().st_size < 1_000_000


def test_memory_does_not_grow_with_the_number_of_attempts(tmp_path: Path) -> None:
    def peak(times: int) -> int:
        target = tmp_path / str(times)
        target.mkdir()
        with opened(target) as database:
            long_history(database, 20, 10, times)
            ledger, _ = Ledger.find(database, ADDRESS, TENANT)
            tracemalloc.start()
            pictured(ledger, {})
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return found

    assert peak(10 * MOST) < 1.5 * peak(3 * MOST)
