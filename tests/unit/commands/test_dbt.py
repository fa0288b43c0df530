"""`dbt-anymetrics dbt ...`: which options are whose, and what is read from those of dbt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.cli import main
from dbt_anymetrics.commands.dbt import look, separate
from dbt_anymetrics.sandbox import Sandbox
from tests.builders import manifest_json, node_json, result_json, run_json, write_artifacts
from tests.shop import Shop


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_that_of_our_own_command(option: str, tmp_path: Path) -> None:
    done = Shop(tmp_path).cli("dbt", option, ANYMETRICS_DBT="no-such-dbt")
    assert done.returncode == 0
    assert "--run-date DATE" in done.stdout
    assert "--threads" not in done.stdout.partition("Options:")[2]  # dbt's own


@pytest.mark.parametrize(
    ("arguments", "ours", "dbts"),
    [
        ("build --threads 4", "", "build --threads 4"),
        ("--run-date 2024-07-17 build -s marts", "--run-date 2024-07-17", "build -s marts"),
        ("--force -- build", "--force", "build"),
        ("--force -- --quiet build", "--force", "--quiet build"),
        ("--vars {a:1} --force build", "--force", "--vars {a:1} build"),
        (
            "--log-format json --timezone=UTC run --vars --url",
            "--timezone=UTC",
            "--log-format json run --vars --url",
        ),
        ("--quiet --partition", "--partition", "--quiet"),
        ("--version", "", "--version"),
        ("", "", ""),
    ],
)
def test_options_are_separated_by_whose_they_are(arguments: str, ours: str, dbts: str) -> None:
    parameters = main.commands["dbt"].params
    assert separate(arguments.split(), parameters) == (ours.split(), dbts.split())


def test_what_dbt_2_does_not_record_is_read_from_its_arguments() -> None:
    seen = look(
        [
            *(
                "run",
                "--target",
                "--empty",
                "--vars={ds: 2024-07-17}",
                "--project-dir",
                "p",
                "-f",
                "--sample",
                "3 days",
            ),
            *("--event-time-start", "2024-07-11", "--event-time-end=2024-07-14"),
        ]
    )
    assert (seen.args.event_time_start, seen.args.event_time_end) == ("2024-07-11", "2024-07-14")
    assert (seen.project_dir, seen.vars) == ("p", "{ds: 2024-07-17}")
    assert (seen.args.full_refresh, seen.args.empty, seen.args.sample) == (True, False, "3 days")


@pytest.mark.parametrize("given", ["-t prod", "-tprod", "--target prod", "--target=prod"])
def test_the_target_is_read_however_it_is_written(given: str) -> None:
    seen = look(["build", *given.split(), "--profile", "p", "--profiles-dir=d"])
    assert (seen.target, seen.profile, seen.profiles_dir, seen.builds) == ("prod", "p", "d", True)


STAND_IN = """#!/bin/sh
cp manifest.json run_results.json target/
"""


@pytest.mark.parametrize(
    ("given", "environment"), [(("--log-format", "json"), {}), ((), {"DBT_LOG_FORMAT": "json"}), (("-q",), {})]
)
def test_our_lines_have_the_format_of_dbts(
    given: tuple[str, ...], environment: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    known = manifest_json(node_json("orders", {"anymetrics.datasource": "sr"}))
    write_artifacts(tmp_path, known, run_json(result_json("orders"), invocation_id="new"))
    (tmp_path / "target").mkdir()
    (tmp_path / "dbt").write_text(STAND_IN)
    (tmp_path / "dbt").chmod(0o755)
    shop = Shop(tmp_path, {**sandbox.environment, **environment, "ANYMETRICS_DBT": str(tmp_path / "dbt")})
    done = shop.program("dbt", *given, "run")
    assert (done.returncode, len(sandbox.received)) == (0, 1)
    assert all(json.loads(line)["info"] for line in f"{done.stdout}{done.stderr}".splitlines())
    assert (done.stdout + done.stderr == "") == ("-q" in given)


def test_a_dbt_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = Shop(tmp_path).cli("dbt", "run", ANYMETRICS_DBT="no-such-dbt")
    assert done.returncode == 2
    assert "ANYMETRICS_DBT: there is no no-such-dbt to run" in done.stderr
