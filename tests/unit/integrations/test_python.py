"""The function for libraries, and every snippet of docs/python.md as it stands there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dbt_anymetrics
from dbt_anymetrics import Access, ArtifactError, RefreshError, UsageError, refresh, refresh_after, retry
from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.builders import manifest_json, node_json, result_json, run_json, write_artifacts
from tests.shop import DAY, ROOT, Shop
from tests.tiers import SLOW

REFRESHES = 29

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = {
    re.findall(r"^#+ (.+)$", PAGE[: match.start()], re.MULTILINE)[-1] + str(match.start()): match[1]
    for match in re.finditer(r"```python\n(.*?)```", PAGE, re.DOTALL)
}


def snippet(containing: str) -> str:
    [found] = [text for text in SNIPPETS.values() if containing in text]
    return found


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    scenario("1.11", "build", tmp_path / "target")
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    return tmp_path


def test_it_refreshes_and_tells_what_it_did(project: Path, sandbox: Sandbox) -> None:
    outcome = refresh(project, run_date=DAY, models=["dim_customers"])
    assert outcome.exit_code == 0
    assert (outcome.counts.ok, outcome.counts.error) == (1, 0)
    assert [r.partition for r in sandbox.received] == [DAY]
    assert any(result.status is dbt_anymetrics.Status.SUCCESS for result in outcome.document.results)


def test_the_outcome_of_a_run_that_built_nothing_has_its_results_as_a_list(tmp_path: Path) -> None:
    known = manifest_json(node_json("orders", {"anymetrics.datasource": "sr"}))
    write_artifacts(tmp_path / "target", known, run_json(result_json(), args={"which": "compile"}))
    (skipped,) = list(refresh(tmp_path).document.results)[:1]
    assert skipped.status is dbt_anymetrics.Status.UNTOUCHED
    assert isinstance(refresh(tmp_path).document.results, list)


def test_it_raises_our_errors_and_sends_nothing(project: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no such file"):
        refresh(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is not a date"):
        refresh(project, run_date="yesterday")
    assert sandbox.received == []


def test_a_variable_that_cannot_be_read_is_an_error_of_ours(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMETRICS_THREADS", "many")
    with pytest.raises(UsageError, match="--threads"):
        refresh(project)


def test_an_argument_that_does_not_exist_is_refused(project: Path) -> None:
    with pytest.raises(TypeError, match="partitoin"):
        refresh(project, partitoin=DAY)  # type: ignore[call-arg]


def test_a_credential_of_ones_own_is_used_in_the_place_of_the_environments(
    project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dict(sandbox.environment)
    for name in own:
        monkeypatch.setenv(name, "of-another-task")
    access = Access(**{name.removeprefix("ANYMETRICS_").lower(): value for name, value in own.items()})
    outcome = refresh(project, run_date=DAY, models=["dim_customers"], access=access)
    assert (outcome.failure, len(sandbox.received)) == (None, 1)
    secret = own["ANYMETRICS_AUTH_VALUE"]
    assert secret not in (project / "target" / "anymetrics_results.json").read_text()
    assert secret not in repr(access) + repr(outcome) + str(outcome.document.args)
    assert own["ANYMETRICS_TENANT_ID"] in repr(access)


def test_the_snippet_with_a_credential_of_ones_own_names_what_there_is(project: Path, sandbox: Sandbox) -> None:
    text = snippet("access = Access(").replace("path/to/dbt/project", str(project))
    given = sandbox.environment
    for old, name in (("https://anymetrics.example.com", "URL"), ("tn_597771", "TENANT_ID"), ('"..."', "AUTH_VALUE")):
        new = given[f"ANYMETRICS_{name}"]
        text = text.replace(old, repr(new) if old.startswith('"') else new)
    names: dict[str, Any] = {}
    exec(text, names)
    assert names["outcome"].counts.ok == REFRESHES


def test_access_does_not_show_an_address_that_may_hold_a_password() -> None:
    access = Access(url="http://me:passw0rd@localhost", tenant_id="tn_1", auth_type="UID", auth_value="x")
    assert repr(access) == "Access(url='**********', tenant_id='tn_1', auth_type='UID', auth_value=**********)"


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"run_date": "2024-13-01"}, "run_date / ANYMETRICS_RUN_DATE: "),
        ({"threads": 0}, "threads: "),
        ({"models": ["tag:"]}, "models: "),
        ({"state": "mysql://x"}, "state / ANYMETRICS_STATE: "),
    ],
)
def test_an_error_names_the_argument_that_is_wrong(given: dict[str, Any], where: str, project: Path) -> None:
    with pytest.raises(UsageError) as raised:
        refresh(project, **given)
    assert str(raised.value).startswith(where)


def test_a_failure_names_the_report_and_no_browser(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(project)
    caplog.set_level("INFO", "dbt_anymetrics")
    with Sandbox(answers=Shape.NO_PERMISSION) as refusing:
        for name, value in refusing.environment.items():
            monkeypatch.setenv(name, value)
        refresh(run_date=DAY, models=["dim_customers"])
    assert caplog.messages[-1].endswith("failed and why, run: dbt-anymetrics report")


def test_access_without_one_of_its_values_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^tenant_id: is not set"):
        Access(url="http://localhost", tenant_id=" ", auth_type="UID", auth_value="x")


def test_what_cannot_be_noted_for_later_is_a_failure(project: Path, sandbox: Sandbox) -> None:
    (project / "file").write_text("")
    noted = refresh(project, run_date=DAY, when="later", models=["dim_customers"], state=project / "file" / "x.db")
    assert (noted.exit_code, noted.counts.error, sandbox.received) == (1, 1, [])
    assert "2024-07-17: could not be noted for later, and is not sent" in (noted.failure or "")


def test_what_is_noted_for_later_is_sent_by_retry(
    project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANYMETRICS_AUTH_VALUE")
    noted = refresh(project, run_date=DAY, when="later")
    assert (noted.failure, noted.counts.skip, sandbox.received) == (None, REFRESHES + 1, [])
    monkeypatch.setenv("ANYMETRICS_AUTH_VALUE", sandbox.environment["ANYMETRICS_AUTH_VALUE"])
    assert retry(project, models=["dim_customers"]).counts.ok == 1
    assert retry(project).counts.ok == REFRESHES - 1
    assert len(sandbox.received) == REFRESHES
    with pytest.raises(UsageError, match="neither now nor later"):
        refresh(project, when="never")  # type: ignore[arg-type]


def test_the_plain_script_runs(project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    text = snippet("raise SystemExit").replace("path/to/dbt/project", str(project))
    with pytest.raises(SystemExit, match=r"^0$"):
        exec(text, {})
    assert len(sandbox.received) == REFRESHES


class CosmosTask:
    """What Cosmos does with a callback, as its local operator calls it."""

    def run_task(self, folder: Path, context: dict[str, Any]) -> Any:
        return refresh_after(str(folder), context=context)


@pytest.fixture
def dag() -> CosmosTask:
    return CosmosTask()


def days(sandbox: Sandbox) -> set[str | None]:
    """The dates of what has `run_date` for its partition."""
    return {r.partition for r in sandbox.received if str(r.table_name).endswith(".dim_customers")}


def test_the_callback_refreshes_the_day_of_airflow(dag: CosmosTask, project: Path, sandbox: Sandbox) -> None:
    assert dag.run_task(project, {"ds": "2024-03-01"}).exit_code == 0
    assert len(sandbox.received) == REFRESHES
    assert days(sandbox) == {"2024-03-01"}


def test_a_refresh_that_failed_fails_the_task_and_says_what(
    dag: CosmosTask, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMETRICS_AUTH_VALUE", "wrong")
    with pytest.raises(
        RefreshError, match=r"OK=0 ERROR=29 .*; duckdb\..+ 2024-07-..: the header .+; and 26 more$"
    ) as e:
        dag.run_task(project, {"ds": DAY})
    assert "\n" not in str(e.value)


def test_the_task_stays_green_where_that_is_asked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ANYMETRICS_URL", "ftp://nowhere")
    assert refresh_after(project, on_error="warn", context={"ds": DAY}) is None
    assert [(r.levelname, r.getMessage()[:30]) for r in caplog.records][-1] == (
        "ERROR",
        "AnyMetrics was not refreshed: ",
    )
    with pytest.raises(UsageError, match="neither warn nor fail"):
        refresh_after(project, on_error="never")  # type: ignore[arg-type]


def test_without_run_results_the_callback_says_so_and_leaves_the_task_alone(
    dag: CosmosTask, project: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (project / "target" / "run_results.json").unlink()
    assert dag.run_task(project, {}) is None
    assert "nothing is refreshed, because dbt wrote no " in caplog.text
    assert sandbox.received == []


def test_a_folder_that_is_no_project_is_an_error(dag: CosmosTask, tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(RefreshError, match=r"nowhere: there is no dbt_project\.yml"):
        dag.run_task(tmp_path / "nowhere", {})


def test_a_project_without_settings_is_an_error(dag: CosmosTask, project: Path, sandbox: Sandbox) -> None:
    manifest = project / "target" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"anymetrics.', '"other.').replace('"anymetrics"', '"other"'))
    with pytest.raises(RefreshError, match="no model, seed or snapshot has anymetrics settings"):
        dag.run_task(project, {"ds": DAY})
    assert sandbox.received == []


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"threads": "a"}, {"threads": True}, {"run_date": 20240717}, {"models": [5]}]
)
def test_an_option_of_another_kind_is_refused(options: dict[str, Any], project: Path, sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="needs a"):
        refresh(project, **options)
    assert sandbox.received == []


@pytest.mark.parametrize("environment", [{"ANYMETRICS_AUTH_VALUE": "wrong"}, {"ANYMETRICS_THREADS": "many"}])
def test_where_dbt_failed_the_error_of_the_task_is_dbts(
    environment: dict[str, str],
    dag: CosmosTask,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scenario("1.11", "build-failed-model", project / "target")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    dag.run_task(project, {"ds": DAY})
    assert "AnyMetrics was not refreshed" in [r.getMessage() for r in caplog.records if r.levelname == "ERROR"][-1]


def test_where_dbt_failed_what_it_built_is_refreshed(dag: CosmosTask, project: Path, sandbox: Sandbox) -> None:
    scenario("1.11", "build-failed-model", project / "target")
    assert dag.run_task(project, {"ds": DAY}).exit_code == 0
    assert 0 < len(sandbox.received) < REFRESHES


@pytest.mark.parametrize("context", [{}, {"ds": None}, {"ds": ""}])
def test_a_run_of_airflow_without_a_date_is_an_error_in_one_line(
    context: dict[str, Any], dag: CosmosTask, project: Path, sandbox: Sandbox
) -> None:
    with pytest.raises(RefreshError, match=r"^AnyMetrics was not refreshed: Airflow's context has no ds, because .+$"):
        dag.run_task(project, context)
    assert sandbox.received == []


def test_a_task_that_builds_nothing_needs_no_date(dag: CosmosTask, project: Path) -> None:
    scenario("1.11", "test", project / "target")
    assert dag.run_task(project, {}).exit_code == 0


def test_a_date_that_the_run_itself_names_is_not_overruled_by_airflow(
    project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario("1.11", "run-date", project / "target")
    refresh_after(project, context={"ds": "2024-03-01"})
    assert days(sandbox) == {"2024-07-16"}
    monkeypatch.setenv("ANYMETRICS_RUN_DATE", "2024-04-01")
    refresh_after(project, context={"ds": "2024-03-01"})
    refresh_after(project, run_date="2024-05-01", context={"ds": "2024-03-01"})
    assert days(sandbox) == {"2024-07-16", "2024-04-01", "2024-05-01"}


class Invocation:
    """What Dagster's `dbt.cli()` gives: the events, and where the artifacts are once they have been read."""

    def __init__(self, folder: Path, name: str | None) -> None:
        self.project_dir = folder
        self.target_path = folder / "target" / "dbt_assets-1234"
        self.name = name

    def stream(self) -> Iterator[str]:
        yield "event"
        if self.name:
            scenario("1.11", self.name, self.target_path)
        if self.name != "build":
            raise LookupError("dbt failed")


@pytest.fixture
def materialize(project: Path) -> Callable[[str | None], list[str]]:
    """Runs what is in the body of an asset of Dagster, on a dbt run that leaves this scenario."""

    def run(name: str | None) -> list[str]:
        invocation, events = Invocation(project, name), list[str]()
        try:
            events.extend(invocation.stream())
        finally:
            refresh_after(invocation.project_dir, target_path=invocation.target_path, run_date="2024-03-01")
        return events

    return run


def test_in_a_finally_it_refreshes_what_was_built(
    materialize: Callable[[str | None], list[str]], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert materialize("build") == ["event"]
    assert len(sandbox.received) == REFRESHES
    assert days(sandbox) == {"2024-03-01"}


def test_in_a_finally_it_fails_when_a_refresh_does(
    materialize: Callable[[str | None], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMETRICS_AUTH_VALUE", "wrong")
    with pytest.raises(RefreshError, match="ERROR=29"):
        materialize("build")


@pytest.mark.parametrize("name", ["build-failed-model", None])
def test_in_a_finally_it_refreshes_the_rest_when_a_model_fails(
    name: str | None, materialize: Callable[[str | None], list[str]], sandbox: Sandbox
) -> None:
    with pytest.raises(LookupError, match="dbt failed"):
        materialize(name)
    assert bool(sandbox.received) == bool(name)
    assert len(sandbox.received) < REFRESHES


@SLOW
def test_the_wrapper_is_a_dbt_that_refreshes(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    page = (ROOT / "docs" / "orchestrators.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(#!.*?)```", page, re.DOTALL)
    wrapper.write_text(script)
    wrapper.chmod(0o755)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(wrapper), "run", "--select", "dim_customers"]
    assert shop.run(command, {"PATH": path, "ANYMETRICS_RUN_DATE": DAY}).returncode == 0
    assert days(sandbox) == {DAY}
    done = shop.run(command, {"PATH": path, "ANYMETRICS_AUTH_VALUE": "wrong"})
    assert done.returncode == 1
    assert "The exit code 1 is dbt-anymetrics' (dbt: 0, dbt-anymetrics: 1)" in done.stderr


def test_lines_are_log_records_at_their_level_without_colours(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    refresh(project, run_date=DAY, models=["dim_*"])
    monkeypatch.setenv("ANYMETRICS_AUTH_VALUE", "wrong")
    refresh(project, run_date=DAY, models=["dim_customers"], force=True)
    ours = [r for r in caplog.records if r.name == "dbt_anymetrics"]
    assert {r.levelname for r in ours if " OK duckdb" in r.getMessage()} == {"INFO"}
    assert {r.levelname for r in ours if " ERROR duckdb" in r.getMessage()} == {"ERROR"}
    assert "\x1b" not in caplog.text
    assert capsys.readouterr() == ("", "")
    caplog.clear()
    refresh(project, run_date=DAY, models=["dim_customers"], force=True, quiet=True)
    assert {r.levelname for r in caplog.records} == {"ERROR"}


def test_a_script_without_logging_sees_the_lines_on_its_streams(recorded: Shop) -> None:
    program = "import dbt_anymetrics; dbt_anymetrics.refresh(run_date='2024-07-17', models=['dim_customers'])"
    done = recorded.run([sys.executable, "-c", program], {})
    assert "AnyMetrics: Done. OK=1 ERROR=0" in done.stdout
    done = recorded.run([sys.executable, "-c", f"import logging; logging.basicConfig(level='INFO'); {program}"], {})
    assert (done.stdout, "INFO:dbt_anymetrics:AnyMetrics: Done. OK=0" in done.stderr) == ("", True)


def test_the_dbt_runner_snippet_refreshes_what_it_built(shop: Shop, sandbox: Sandbox) -> None:
    text = snippet("dbtRunner().invoke").replace('"shop"', repr(str(shop.folder)))
    text = text.replace('["build"', '["run", "--select", "dim_customers"')
    done = shop.run([sys.executable, "-c", text], {})
    assert done.returncode == 0, done.stderr
    assert [str(r.table_name).rsplit(".", 1)[1] for r in sandbox.received] == ["dim_customers"]
