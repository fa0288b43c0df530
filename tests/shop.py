"""The example project in a temporary copy, and the commands run in it as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import run_in_process
from tests.started_dbt import StartedDbt

ROOT = Path(__file__).parent.parent
DBT = os.environ.get("TEST_DBT") or str(Path(sys.executable).with_name("dbt"))
DAY = "2024-07-17"
DS = ("--vars", f"{{ds: {DAY}}}")
_LEFT_BEHIND = shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb*", "package-lock.yml", ".user.yml")


def since(version: str, what: str) -> pytest.MarkDecorator:
    """Skip where DBT is older than `version`, which brought `what`; a dbt without Python is newer than all of these."""
    installed = Path(DBT).parents[1].glob("lib/python*/site-packages/dbt_core-*.dist-info")
    dbt = max((numbers(folder.name.split("-")[1]) for folder in installed), default=(2,))
    return pytest.mark.skipif(dbt < numbers(version), reason=f"{what} came with dbt {version}")


def numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, to compare: (1, 13) of 1.13.0b1."""
    return tuple(int(number) for number in version.split(".")[:2])


class Shop:
    """A copy of `integration_tests` in a folder of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.target = folder / "target"
        # Of the machine's own environment, nothing that speaks to dbt or to us.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DBT_", "ANYMETRICS_"))}
        quiet = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "PYTHONWARNINGS": "ignore"}
        self.environment = {**inherited, **quiet, **environment}

    @classmethod
    def new(cls, folder: Path) -> Shop:
        """A fresh copy, its package (this repository) installed."""
        shutil.copytree(ROOT / "integration_tests", folder, ignore=_LEFT_BEHIND)
        (folder / "packages.yml").write_text(f"packages: [{{local: {json.dumps(str(ROOT))}}}]\n")
        shop = cls(folder)
        assert shop.dbt("deps").returncode == 0
        return shop

    def copy(self, folder: Path, environment: Mapping[str, str] = {}) -> Shop:
        """A copy with everything that dbt left in this one."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Shop(folder, environment)

    def dbt(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run dbt, in a process that need not import it again; stdout holds what a person would see."""
        if started := StartedDbt.of(DBT, environment):
            return started.run(["--no-use-colors", *arguments], self.folder, {**self.environment, **environment})
        return self.run([DBT, "--no-use-colors", *arguments], environment)

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run our own command in this process: most commands take less time than the start of another."""
        return run_in_process(arguments, self.folder, {**self.environment, **environment})

    def program(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run our own command as a user does, in a process: for its streams, its children, its time zone, its end."""
        return self.run([sys.executable, "-m", "dbt_anymetrics", *arguments], environment)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """Start our own command in a process, to be killed or waited for."""
        command, pipe = [sys.executable, "-m", "dbt_anymetrics", *arguments], subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run any command in the project."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def artifact(self) -> dict[str, Any]:
        """Our results artifact."""
        loaded: dict[str, Any] = json.loads((self.target / "anymetrics_results.json").read_bytes())
        return loaded
