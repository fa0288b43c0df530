"""Every dbt and every Python that users have: `nox`, or `nox --list`.

What a machine cannot install (no such Python, no such package, no npm) is skipped with its reason, and never counts as
passed. docs/compatibility.md says what was run, when, and with what result.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False

#: dbt version: the Python to run it with, and what to install. The newest two need a parser whose package
#: downloads from elsewhere while it builds; PARSER is a release of it that does not.
DBT: dict[str, tuple[str, ...]] = {
    "1.5": ("3.10", "dbt-core~=1.5.0", "dbt-duckdb~=1.5.0"),
    "1.6": ("3.10", "dbt-core~=1.6.0", "dbt-duckdb~=1.6.0"),
    "1.7": ("3.10", "dbt-core~=1.7.0", "dbt-duckdb~=1.7.0"),
    "1.8": ("3.10", "dbt-core~=1.8.0", "dbt-duckdb~=1.8.0"),
    "1.9": ("3.11", "dbt-core~=1.9.0", "dbt-duckdb~=1.10.0"),
    "1.10": ("3.11", "dbt-core~=1.10.0", "dbt-duckdb"),
    "1.11": ("3.12", "dbt-core~=1.11.0", "dbt-duckdb"),
    "1.12": ("3.12", "dbt-core~=1.12.0", "dbt-duckdb"),
    "1.13": ("3.13", "dbt-core>=1.13.0b1,<1.14", "dbt-duckdb"),
}
PARSER = "dbt-core-experimental-parser==2.0.0a4"
WITH_PARSER = ("1.12", "1.13")
OLD = ("1.5", "1.6", "1.7")
WITHOUT_HOOK = ("1.5",)

FUSION = "dbt==2.0.0rc196"
DUCKDB_LIBRARY = "@duckdb/node-bindings-linux-x64"

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

#: An orchestrator: the file of its tests, and what to install. Airflow's own constraints leave Cosmos out, so the two
#: are resolved together.
ORCHESTRATORS: dict[str, tuple[str, ...]] = {
    "airflow-2.10": ("airflow", "apache-airflow==2.10.*", "astronomer-cosmos", "dbt-core~=1.10.0", "dbt-duckdb"),
    "airflow-2.11": ("airflow", "apache-airflow==2.11.*", "astronomer-cosmos", "dbt-core~=1.11.0", "dbt-duckdb"),
    "airflow-3": ("airflow", "apache-airflow>=3,<4", "astronomer-cosmos", "dbt-core~=1.11.0", "dbt-duckdb"),
    "dagster": ("dagster", "dagster", "dagster-dbt", "dbt-core~=1.11.0", "dbt-duckdb"),
    "prefect": ("prefect", "prefect", "prefect-dbt", "dbt-core~=1.11.0", "dbt-duckdb"),
}

PYPROJECT = nox.project.load_toml("pyproject.toml")
TEST_TOOLS = nox.project.dependency_groups(PYPROJECT, "test")

END_TO_END = "tests/dbt/test_end_to_end.py"
INSIDE_AND_AROUND = ("tests/dbt/test_hook.py", "tests/dbt/test_around.py", "tests/dbt/test_neighbours.py")

WITHOUT_DBT = ("-m", "not slow and not dbt")
"""The tests that run no real dbt."""

LONG_FORM = ("-m", "slow or not slow")
"""With the long form of each test, as `make soak` runs it."""

NEEDS_UNIX = re.compile(r"\bDBT\b|SIG[A-Z]+|/dev/|/proc|\bpty\b|Shop\(|: Shop\b|RawServer|Connection refused")
"""What stands in a file of tests that need what only a Unix (or only Linux) has."""

Session = Callable[..., None]


def each_dbt(*versions: str) -> Callable[[Session], Session]:
    """Run a session for each of these dbt versions, with the Python that belongs to it."""
    return nox.parametrize(
        ["python", "version"], [(DBT[version][0], version) for version in versions], ids=list(versions)
    )


def install(session: nox.Session, *packages: str) -> None:
    """Install, or leave the session as not run."""
    try:
        session.install(*packages)
    except CommandFailed:
        session.skip(f"not run: {' '.join(packages)} cannot be installed here")


def install_dbt(session: nox.Session, version: str) -> None:
    """Install one dbt with DuckDB, and nothing of ours."""
    packages = DBT[version][1:]
    if version in WITH_PARSER:
        overrides = Path(session.create_tmp(), "overrides.txt")
        overrides.write_text(PARSER + "\n")
        packages = (*packages, "--override", str(overrides))
    install(session, *packages)


def install_ours(session: nox.Session) -> None:
    """Install this package, as a user does, and the tools of its tests."""
    install(session, ".", *TEST_TOOLS)


def pytest(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run tests, on two processors unless the command line says otherwise."""
    session.run("pytest", "--numprocesses=2", *arguments, *session.posargs, env=environment)


def program(session: nox.Session, name: str) -> str:
    """The path of a program of the session's environment."""
    return str(Path(session.bin, name))


@nox.session
@each_dbt(*(version for version in DBT if version not in OLD))
def dbt(session: nox.Session, version: str) -> None:
    """The three ways in, with one dbt-core and DuckDB."""
    install_dbt(session, version)
    install_ours(session)
    pytest(session, *LONG_FORM, END_TO_END, *INSIDE_AND_AROUND, TEST_DBT=program(session, "dbt"))


@nox.session
@each_dbt(*OLD)
def artifacts(session: nox.Session, version: str) -> None:
    """A dbt-core that no longer gets fixes: the command after dbt on its artifacts, and what else it can do."""
    install_dbt(session, version)
    install_ours(session)
    rest = () if version in WITHOUT_HOOK else INSIDE_AND_AROUND
    versions = "tests/unit/dbt_run/test_versions.py"
    pytest(session, *LONG_FORM, versions, END_TO_END, *rest, TEST_DBT=program(session, "dbt"))


@nox.session(python="3.11")
def fusion(session: nox.Session) -> None:
    """dbt 2.x on DuckDB, whose library npm has."""
    install(session, FUSION)
    install_ours(session)
    folder = session.create_tmp()
    try:
        session.run("npm", "install", "--prefix", folder, DUCKDB_LIBRARY, external=True)
    except CommandFailed:
        session.skip(f"not run: {DUCKDB_LIBRARY} cannot be installed here")
    library = str(Path(folder, "node_modules", DUCKDB_LIBRARY).resolve())  # the tests run dbt in other folders
    dbt_2 = program(session, "dbt")
    pytest(session, "tests/dbt/test_fusion.py", TEST_FUSION=dbt_2, TEST_DBT=dbt_2, LD_LIBRARY_PATH=library)


@nox.session(python="3.11")
def postgres(session: nox.Session) -> None:
    """The hook in a build on PostgreSQL, from the system's packages."""
    on_database(session, "postgres", "postgres", "dbt-core~=1.11.0", "dbt-postgres~=1.10")


@nox.session(python="3.10")
def mariadb(session: nox.Session) -> None:
    """The hook in a build on MariaDB, from the system's packages; dbt-mysql goes no further than dbt-core 1.7."""
    on_database(session, "mariadb", "mariadbd", "dbt-core~=1.7.0", "dbt-mysql~=1.7.0")


def on_database(session: nox.Session, name: str, server: str, *packages: str) -> None:
    """Run the tests on a server, or leave the session as not run where the machine has none."""
    # Debian keeps PostgreSQL's server out of PATH, and a user's PATH may be without sbin.
    folders = (os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))), "/usr/sbin")
    path = os.pathsep.join(folders)
    if not shutil.which(server, path=path):
        session.skip(f"not run: there is no {server} on this machine")
    install(session, *packages)
    install_ours(session)
    pytest(session, "tests/dbt/test_databases.py", TEST_DATABASE=name, TEST_DBT=program(session, "dbt"), PATH=path)


@nox.session(python="3.11")
@nox.parametrize("name", list(ORCHESTRATORS), ids=list(ORCHESTRATORS))
def orchestrators(session: nox.Session, name: str) -> None:
    """The examples of docs/orchestrators.md as they stand, in an orchestrator on the shop, against the sandbox."""
    tests, *packages = ORCHESTRATORS[name]
    install(session, *packages)
    install_ours(session)
    pytest(session, f"tests/orchestrators/test_{tests}.py", TEST_DBT=program(session, "dbt"))


@nox.session(python=PYTHONS)
def python(session: nox.Session) -> None:
    """Every test that needs no dbt, in an environment without one; away from Linux, those that need no Unix either."""
    install_ours(session)
    pytest(session, *WITHOUT_DBT, *fit_for_this_system())


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml declares, beside dbt-core 1.6, which accepts them all."""
    requirements = PYPROJECT["project"]["dependencies"]
    bounds = [each.replace(">=", "==") for each in requirements if ">=" in each]
    # Jinja2 3.1.2 takes us back to dbt-core 1.6.9, whose JSON log fails with protobuf 5, which it does not exclude.
    install(session, ".", *TEST_TOOLS, *bounds, *DBT["1.6"][1:], "protobuf<5")
    session.run("uv", "pip", "freeze", "--python", program(session, "python"), external=True)
    pytest(session, *WITHOUT_DBT, *fit_for_this_system())
    pytest(session, *LONG_FORM, END_TO_END, *INSIDE_AND_AROUND, TEST_DBT=program(session, "dbt"))


def fit_for_this_system() -> list[str]:
    """All tests outside tests/dbt on Linux; elsewhere those of their files that need no Unix."""
    folders = [Path("tests", "unit"), Path("tests", "faults")]
    if sys.platform == "linux":
        return list(map(str, folders))
    files = (file for folder in folders for file in folder.rglob("test_*.py"))
    return sorted(str(file) for file in files if not NEEDS_UNIX.search(file.read_text("utf-8")))


@nox.session
@each_dbt(*DBT)
def beside(session: nox.Session, version: str) -> None:
    """Installing this package beside dbt adds msgspec, truststore and itself, and changes nothing."""
    install_dbt(session, version)
    before, complaints = frozen(session), checked(session)
    install(session, ".")
    added, removed = frozen(session) - before, before - frozen(session)
    names = {line.partition("==")[0].partition(" @ ")[0] for line in added}
    if removed or not names <= {"dbt-anymetrics", "msgspec", "truststore"}:
        session.error(f"the environment of dbt {version} changed: added {sorted(added)}, removed {sorted(removed)}")
    if checked(session) != complaints:
        session.error("uv pip check finds what it did not find before")


def frozen(session: nox.Session) -> set[str]:
    """What is installed."""
    return set(uv_pip(session, "freeze").splitlines())


def checked(session: nox.Session) -> set[str]:
    """What `uv pip check` complains of; the overridden parser is one such thing before we come."""
    return {line for line in uv_pip(session, "check").splitlines() if " requires " in line}


def uv_pip(session: nox.Session, command: str) -> str:
    """The output of uv about this environment."""
    done = session.run(
        *("uv", "pip", command, "--python", program(session, "python")),
        external=True,
        silent=True,
        success_codes=[0, 1],
    )
    return str(done or "")
