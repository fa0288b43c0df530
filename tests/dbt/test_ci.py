"""The steps for GitHub Actions and GitLab of docs/orchestrators.md, as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import BUILD, sent
from tests.shop import ROOT, Shop
from tests.tiers import SLOW

PAGE = (ROOT / "docs" / "orchestrators.md").read_text(encoding="utf-8")


def example(containing: str) -> Any:
    [found] = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if containing in text]
    return yaml.safe_load(found)


def run(shop: Shop, line: str, **environment: str) -> int:
    path = f"{Path(sys.executable).parent}:{shop.environment['PATH']}"
    # As the runners of both do, the steps of a job stop at the first command that fails.
    return shop.run(["sh", "-e", "-c", line], {"PATH": path, **environment}).returncode


def test_the_steps_for_github_build_refresh_and_write_the_summary(shop: Shop, sandbox: Sandbox, tmp_path: Path) -> None:
    steps = example("GITHUB_STEP_SUMMARY")
    (given,) = (step["env"] for step in steps if "env" in step)
    assert given.keys() == sandbox.environment.keys()
    summary = tmp_path / "summary.md"
    assert [run(shop, step["run"], GITHUB_STEP_SUMMARY=str(summary)) for step in steps] == [0, 0, 0]
    assert {table for table, _ in sent(sandbox)} == {table for table, _ in BUILD}
    assert "### Last runs\n" in summary.read_text()


@SLOW
def test_the_job_for_gitlab_builds_and_refreshes(shop: Shop, sandbox: Sandbox) -> None:
    job = example("artifacts:")["dbt"]
    assert [run(shop, line) for line in job["script"]] == [0]
    assert {table for table, _ in sent(sandbox)} == {table for table, _ in BUILD}
    assert [path for path in job["artifacts"]["paths"] if not (shop.folder / path).exists()] == []
