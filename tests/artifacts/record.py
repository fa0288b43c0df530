"""Record the artifacts of one dbt version: `python tests/artifacts/record.py 1.11 path/to/dbt`.

Runs every scenario on a copy of `integration_tests` and stores what dbt wrote, trimmed, in `<version>/`: the
manifest once, and per scenario one file with its run_results.json and the metadata of its manifest. dbt 2.x finds
DuckDB through LD_LIBRARY_PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

LEFT_BY_DBT = shutil.ignore_patterns("dbt_packages", "package-lock.yml", "target", "logs", "*.duckdb*")

MICROBATCH_SINCE = (1, 9)
EVENT_TIMES = ["--event-time-start", "2024-07-11", "--event-time-end", "2024-07-18"]

#: What a reader of manifest.json has no use for, and what changes with every run.
NODE_NOISE = {
    *("raw_code", "compiled", "compiled_code", "compiled_path", "build_path", "path", "created_at"),
    *("docs", "doc_blocks", "extra_ctes", "extra_ctes_injected"),
}
KEPT_COLLECTIONS = {"nodes", "unit_tests", "exposures"}


@dataclass(frozen=True)
class Scenario:
    """One dbt command; those after it in the list start from the state it leaves."""

    name: str
    command: str
    vars: dict[str, object] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    since: tuple[int, int] = (1, 5)


SCENARIOS = [
    Scenario("build", "build"),
    Scenario("run", "run"),
    Scenario("test", "test"),
    Scenario("compile", "compile"),
    Scenario("docs", "docs generate"),
    Scenario("seed", "seed"),
    Scenario("snapshot", "snapshot"),
    Scenario("full-refresh", "run --full-refresh"),
    Scenario("nothing-selected", "run --select no_such_model"),
    Scenario("run-date", "run", env={"DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE": "2024-07-16"}),
    Scenario("build-failed-test", "build", vars={"fail_test": True}),
    Scenario("build-failed-model", "build", vars={"fail_model": True}),
    Scenario("retry", "retry", since=(1, 6)),
    Scenario("microbatch-partial", "run --select daily_orders", {"fail_batch": "2024-07-14"}, since=(1, 9)),
    Scenario("microbatch-retry", "retry", since=(1, 9)),
    Scenario("empty", "run --empty", since=(1, 8)),
    Scenario("sample", 'run --sample {"start":"2024-07-15","end":"2024-07-17"}', since=(1, 10)),
]


class Project:
    """A copy of the integration project, and the dbt that runs it."""

    def __init__(self, folder: Path, dbt: str, version: tuple[int, ...]) -> None:
        self.folder = folder / "integration_tests"
        self.dbt = dbt
        self.has_microbatch = version >= MICROBATCH_SINCE
        shutil.copytree(REPOSITORY / "integration_tests", self.folder, ignore=LEFT_BY_DBT)
        shutil.copytree(REPOSITORY / "macros", folder / "macros")
        shutil.copy(REPOSITORY / "dbt_project.yml", folder)

    def run(self, arguments: list[str], env: dict[str, str] | None = None) -> None:
        """Run dbt; failing is what some scenarios are for."""
        switches = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "ANYMETRICS_ENABLED": "false"}
        subprocess.run(
            [self.dbt, *arguments],
            cwd=self.folder,
            env={**os.environ, **switches, **(env or {})},
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def play(self, scenario: Scenario) -> None:
        """Run the command of one scenario."""
        command = scenario.command.split()
        builds_microbatch = self.has_microbatch and command[0] in {"build", "run"}
        dbt_vars = {"ds": "2024-07-17", **({"microbatch": True} if self.has_microbatch else {}), **scenario.vars}
        options = ["--vars", json.dumps(dbt_vars), *(EVENT_TIMES if builds_microbatch else [])]
        self.run([*command, *options], scenario.env)

    def artifact(self, name: str) -> dict[str, Any]:
        """Read one artifact, its machine paths replaced."""
        file = self.folder / "target" / name
        text = file.read_text(encoding="utf-8") if file.exists() else '{"metadata": {"invocation_id": ""}}'
        artifact: dict[str, Any] = json.loads(text.replace(str(self.folder), "/shop"))
        return artifact


def trimmed_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """Empty the collections nobody reads, and strip the nodes."""
    kept = {key: value if key in KEPT_COLLECTIONS else type(value)() for key, value in manifest.items()}
    kept["nodes"] = {unique_id: trimmed_node(node) for unique_id, node in sorted(manifest["nodes"].items())}
    return kept


def trimmed_node(node: dict[str, Any]) -> dict[str, Any]:
    """Drop the noise of a node, and its macros: a 1.x manifest lists more of them once the node is compiled."""
    kept = {key: value for key, value in node.items() if key not in NODE_NOISE}
    if "depends_on" in kept:
        kept["depends_on"] = {**node["depends_on"], "macros": []}
    return kept


def trimmed_run_results(run_results: dict[str, Any]) -> dict[str, Any]:
    """Drop the compiled SQL, and all but the first line of each message."""
    for result in run_results["results"]:
        result.pop("compiled_code", None)
        if result.get("message"):
            result["message"] = result["message"].splitlines()[0]
    return run_results


def record(project: Project, version: tuple[int, ...], folder: Path) -> None:
    """Play every scenario this version has, and store it."""
    nodes: dict[str, Any] = {}
    previous = ""
    for scenario in (each for each in SCENARIOS if version >= each.since):
        project.play(scenario)
        manifest, run_results = project.artifact("manifest.json"), project.artifact("run_results.json")
        invocation = run_results["metadata"]["invocation_id"]
        if invocation in {previous, ""}:
            print(f"{scenario.name}: dbt wrote no run_results.json")
            continue
        previous = invocation
        metadata = {**manifest.pop("metadata"), "user_id": None}
        trimmed = trimmed_manifest(manifest)
        nodes = nodes or trimmed["nodes"]
        if trimmed["nodes"] != nodes or metadata["invocation_id"] != invocation:
            raise SystemExit(f"{scenario.name}: its manifest is not the one of the other scenarios")
        write(folder / "manifest.json", trimmed)
        recorded = {"manifest_metadata": metadata, "run_results": trimmed_run_results(run_results)}
        write(folder / f"{scenario.name}.json", recorded)


def write(file: Path, content: dict[str, Any]) -> None:
    """Write compact JSON."""
    file.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def main(label: str, dbt: str) -> None:
    """Record the version `label` with the executable `dbt`."""
    version = tuple(int(number) for number in label.split("."))
    folder = Path(__file__).parent / label
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        project = Project(Path(temporary), dbt, version)
        project.run(["deps"])
        record(project, version, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
