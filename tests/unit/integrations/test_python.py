"""The function for libraries, and every snippet of docs/python.md as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import dbt_anymetrics
from dbt_anymetrics import ArtifactError, UsageError, refresh
from dbt_anymetrics.sandbox import Sandbox
from tests.artifacts import scenario
from tests.builders import manifest_json, node_json, result_json, run_json, write_artifacts
from tests.shop import DAY, ROOT, Shop

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


def test_the_plain_script_runs(project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    text = snippet('refresh("path/to/dbt/project"').replace("path/to/dbt/project", str(project))
    with pytest.raises(SystemExit, match=r"^0$"):
        exec(text, {})
    assert len(sandbox.received) == REFRESHES


class DbtDag:
    """What Cosmos does with `operator_args`, as its local operator calls a callback."""

    def __init__(self, *, project_config: object, operator_args: dict[str, Any], dag_id: str) -> None:
        self.callback = operator_args["callback"]
        self.callback_args = operator_args.get("callback_args", {})

    def run_task(self, folder: Path) -> object:
        self.callback_args.update({"context": {"ds": DAY}})
        return self.callback(str(folder), **self.callback_args)


def test_the_cosmos_snippet_refreshes_in_its_callback(
    project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    cosmos = ModuleType("cosmos")
    cosmos.DbtDag, cosmos.ProjectConfig = DbtDag, SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cosmos", cosmos)
    names: dict[str, Any] = {}
    exec(snippet("DbtDag(").replace('ProjectConfig("', 'ProjectConfig(path="'), names)
    names["dag"].run_task(project)
    assert len(sandbox.received) == REFRESHES


def test_the_snippet_that_raises_raises_when_a_refresh_failed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"refresh": refresh}
    exec(snippet("refresh_or_fail"), names)
    names["refresh_or_fail"](project)
    monkeypatch.setenv("ANYMETRICS_AUTH_VALUE", "wrong")
    with pytest.raises(RuntimeError, match="ERROR=29"):
        names["refresh_or_fail"](project, force=True)


class Invocation:
    """What Dagster's `dbt.cli()` gives: the events, and where the artifacts are once they have been read."""

    def __init__(self, folder: Path) -> None:
        self.project_dir = folder
        self.target_path = folder / "target" / "dbt_assets-1234"

    def stream(self) -> Iterator[str]:
        yield "event"
        scenario("1.11", "build", self.target_path)


def test_the_dagster_snippet_refreshes_after_the_last_event(
    tmp_path: Path, project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster_dbt = ModuleType("dagster_dbt")
    dagster_dbt.DbtCliResource = object  # type: ignore[attr-defined]
    dagster_dbt.dbt_assets = lambda manifest: lambda function: function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dagster_dbt", dagster_dbt)
    names: dict[str, Any] = {}
    exec(snippet("@dbt_assets"), names)
    told: list[str] = []
    context = SimpleNamespace(log=SimpleNamespace(info=told.append))
    dbt = SimpleNamespace(cli=lambda arguments, context: Invocation(tmp_path))
    assert list(names["shop"](context, dbt)) == ["event"]
    assert len(sandbox.received) == REFRESHES
    assert told == ["AnyMetrics: OK=29 ERROR=0 SKIP=1 TOTAL=30"]


def test_the_dbt_runner_snippet_refreshes_what_it_built(shop: Shop, sandbox: Sandbox) -> None:
    text = snippet("dbtRunner().invoke").replace('"shop"', repr(str(shop.folder)))
    text = text.replace('["build"', '["run", "--select", "dim_customers"')
    done = shop.run([sys.executable, "-c", text], {})
    assert done.returncode == 0, done.stderr
    assert [str(r.table_name).rsplit(".", 1)[1] for r in sandbox.received] == ["dim_customers"]
