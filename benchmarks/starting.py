"""How long a command takes before it does anything, and what dbt pays for having us installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import ENVIRONMENT, Pairs, in_turn, run
from benchmarks.peers import ROOT, ours, programs
from benchmarks.report import Row, Subject, at_most, ratio_at_most
from benchmarks.server import connected_to, serving
from tests.artifacts import scenario

Json = dict[str, Any]

_PEERS = {
    "dbt-core": ("dbt", "--help"),
    "dbt-metabase": ("dbt-metabase", "--help"),
    "openlineage-dbt": ("dbt-ol", "send-events"),
}

_DBT = """
import time
started = time.perf_counter()
import dbt.cli.main
print(time.perf_counter() - started)
"""

_IMPORT = """
import time
import dbt.cli.main
started = time.perf_counter()
import dbt_anymetrics
assert hasattr(dbt_anymetrics, "plugins")
print(time.perf_counter() - started)
"""

_HOW = """\
Wall time of whole processes, with their bytecode in place; this package and Python itself in an environment that holds
nothing else. The small project is the example shop as dbt 1.11 recorded it; one of its models has a Jinja template for
its partition, which costs the import of Jinja, so both are shown. `refresh` sends its 29 refreshes to a local server.
`dbt --help` stands for dbt's start, because `dbt --version` asks the network. `dbt-ol send-events` reads the same
artifacts and prints its events, and dbt-metabase has no command that does without a server."""


BARE = "python -c pass"

IMPORTS = "python -c 'import click, msgspec'"

_GOALS = {
    "--help": (ratio_at_most(6),),
    "plan": (ratio_at_most(5), ratio_at_most(6)),
    "plan with a template": (ratio_at_most(5), ratio_at_most(6)),
    "refresh": (),
}


def measure(folder: Path, *, full: bool) -> Subject:  # noqa: ARG001 (every subject is called alike)
    """Measure all of it."""
    small, plain = _small_project(folder / "small"), _without_templates(_small_project(folder / "plain"))
    with serving(0) as url:
        commands = _commands(small, plain, connected_to(url))
        fast = in_turn(commands, 31)
        against_peers = _against_peers(commands, small)
    rows = [Row(f"{ours} against {BARE}", Pairs(fast[ours], fast[BARE]), goals) for ours, goals in _GOALS.items()]
    rows.append(Row(f"plan against {IMPORTS}", Pairs(fast["plan"], fast[IMPORTS])))
    return Subject("Starting", _HOW, [*rows, *against_peers, *_inside_dbt(plain)])


def _commands(small: Path, plain: Path, environment: Mapping[str, str]) -> dict[str, Callable[[], float]]:
    python, program = ours() / "python", ours() / "dbt-anymetrics"
    return {
        BARE: lambda: run(python, "-c", "pass").seconds,
        IMPORTS: lambda: run(python, "-c", "import click, msgspec").seconds,
        "--help": lambda: run(program, "--help").seconds,
        "plan": lambda: run(program, "plan", folder=plain).seconds,
        "plan with a template": lambda: run(program, "plan", folder=small).seconds,
        "refresh": lambda: run(program, "refresh", "--force", folder=plain, environment=environment).seconds,
    }


def _against_peers(commands: Mapping[str, Callable[[], float]], small: Path) -> list[Row]:
    found = {peer: folder for peer in _PEERS if (folder := programs(peer))}
    peers = {peer: partial(_seconds_of, folder, *_PEERS[peer], small) for peer, folder in found.items()}
    slow: dict[str, list[float]] = in_turn({**commands, **peers}, 5)
    rows = []
    for peer in peers:
        program, option = _PEERS[peer]
        for command in ("--help",) if option == "--help" else ("plan with a template", "refresh"):
            pairs = Pairs(slow[command], slow[peer])
            rows.append(Row(f"{command} against {program} {option}", pairs, (ratio_at_most(1),)))
    return rows


def _seconds_of(programs: Path, program: str, option: str, folder: Path) -> float:
    return run(programs / program, option, folder=folder).seconds


def _inside_dbt(folder: Path) -> list[Row]:
    """Skipped, as it must be, where this environment has no dbt."""
    try:
        samples = in_turn({"ours": lambda: _seconds(_IMPORT, folder), "dbt": lambda: _seconds(_DBT, folder)}, 5)
    except subprocess.CalledProcessError:
        return []
    pairs = Pairs(samples["ours"], samples["dbt"])
    return [Row("what dbt pays for our package, against its own import", pairs, (at_most(0.015, "15 ms"),))]


def _seconds(code: str, folder: Path) -> float:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _small_project(folder: Path) -> Path:
    target = scenario("1.11", "build", folder / "target")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / "integration_tests" / name, folder)
    _restore(target / "manifest.json")
    return folder


def _without_templates(folder: Path) -> Path:
    manifest = folder / "target" / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(
        text.replace("{{ var('ds', run_started_at.strftime('%Y-%m-%d')) }}", "run_date"), encoding="utf-8"
    )
    return folder


def _restore(manifest: Path) -> None:
    """Put back what the recording leaves out and a peer reads."""
    known: Json = json.loads(manifest.read_bytes())
    for node in known["nodes"].values():
        node.update(columns={}, raw_code="select 1", compiled_code="select 1")
    nodes = {**known["nodes"], **known["exposures"], **known["unit_tests"]}
    known["parent_map"] = {unique_id: node["depends_on"].get("nodes", []) for unique_id, node in nodes.items()}
    manifest.write_text(json.dumps(known), encoding="utf-8")
