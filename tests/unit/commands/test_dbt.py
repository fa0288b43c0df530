"""`dbt-anymetrics dbt ...`: which options are whose, and what is read from those of dbt."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbt_anymetrics.cli import main
from dbt_anymetrics.commands.dbt import look, separate
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


def test_a_dbt_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = Shop(tmp_path).cli("dbt", "run", ANYMETRICS_DBT="no-such-dbt")
    assert done.returncode == 2
    assert "ANYMETRICS_DBT: there is no no-such-dbt to run" in done.stderr
