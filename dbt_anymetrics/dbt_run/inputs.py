"""The artifacts of one command, read and checked to belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Args, Manifest, as_utc, read_manifest, read_run_results
from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import ArtifactError

MANIFEST = "manifest.json"
RUN_RESULTS = "run_results.json"


class Inputs(Struct, frozen=True):
    """A manifest, the runs in the order of their time, the folder of the results artifact, and warnings about them."""

    manifest: Manifest
    runs: list[Run]
    folder: Path
    manifest_path: Path
    warnings: list[str]


def read_inputs(
    project: Project,
    manifest: Path | None = None,
    run_results: Sequence[Path] = (),
    seen_args: Args | None = None,
) -> Inputs:
    """Read the artifacts named, or those in the project's target folder. Raises ArtifactError.

    The ledger and the results artifact are in the folder of the first run results. `seen_args` are the arguments that
    `dbt-anymetrics dbt` gave to dbt; they count where the run results lack them.
    """
    paths = list(run_results) or [project.target / RUN_RESULTS]
    # The manifest comes last: it is by far the largest, and what reading the others takes is free again by then.
    results = [read_run_results(path) for path in paths]
    manifest_path = manifest or paths[0].parent / MANIFEST
    known = read_manifest(manifest_path)
    runs = [Run(result, known) for result in results]
    for run in runs:
        _supplement(run.results.args, seen_args or Args())
    warnings = [warning for path, run in zip(paths, runs, strict=True) if (warning := _check(known, run, path))]
    runs.sort(key=lambda run: as_utc(run.results.metadata.generated_at))
    return Inputs(known, runs, paths[0].parent, manifest_path, warnings)


def _supplement(args: Args, seen: Args) -> None:
    args.full_refresh = args.full_refresh or args.other.get("full_refresh") or seen.full_refresh
    args.empty = args.empty or args.other.get("empty") or seen.empty
    args.event_time_start = args.event_time_start or args.other.get("event_time_start") or seen.event_time_start
    args.event_time_end = args.event_time_end or args.other.get("event_time_end") or seen.event_time_end
    args.sample = args.sample or args.other.get("sample") or seen.sample


def _check(manifest: Manifest, run: Run, path: Path) -> str | None:
    """A warning when manifest and run results are of different invocations, an error when they contradict."""
    if run.invocation_id == manifest.metadata.invocation_id:
        return None
    built = (unique_id for unique_id in run.by_id if unique_id.startswith(("model.", "seed.", "snapshot.")))
    unknown = [unique_id for unique_id in built if unique_id not in manifest.nodes]
    if unknown:
        raise ArtifactError(
            f"is of another dbt invocation than the manifest, which does not know {unknown[0]}",
            where=str(path),
            hint="Run dbt again, or name the two files of one run with --manifest and --run-results",
        )
    return f"{path} is of another dbt invocation than the manifest; every node of it is known, so it is used"
