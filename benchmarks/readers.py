"""Run in a process of its own: read a manifest and its run results once, in one of several ways, and print the usage.

`python -m benchmarks.readers WAY FOLDER`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import print_usage

Reader = Callable[[Path, Path], object]


def dbt_anymetrics() -> Reader:
    """As our commands read."""
    from dbt_anymetrics.dbt_run.artifacts import read_manifest, read_run_results

    return lambda manifest, run_results: (read_manifest(manifest), read_run_results(run_results))


def json_load() -> Reader:
    """As a script reads."""
    return lambda *paths: [_load(path) for path in paths]


def orjson() -> Reader:
    """As a fast script reads."""
    import orjson  # type: ignore[import-not-found, unused-ignore]

    return lambda *paths: [orjson.loads(path.read_bytes()) for path in paths]


def dbt_artifacts_parser() -> Reader:
    """As its own documentation says."""
    from dbt_artifacts_parser.parser import (  # type: ignore[import-not-found, unused-ignore]
        parse_manifest,
        parse_run_results,
    )

    return lambda manifest, run_results: (parse_manifest(_load(manifest)), parse_run_results(_load(run_results)))


def dbt_core() -> Reader:
    """As dbt reads the artifacts of an earlier run, for `--state` and `retry`."""
    from dbt.artifacts.schemas.manifest import WritableManifest
    from dbt.artifacts.schemas.run import RunResultsArtifact

    def read(manifest: Path, run_results: Path) -> object:
        known = WritableManifest.read_and_check_versions(str(manifest))
        return known, RunResultsArtifact.read_and_check_versions(str(run_results))

    return read


def _load(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        return json.load(file)


WAYS = {
    "dbt-anymetrics": dbt_anymetrics,
    "json.load": json_load,
    "orjson": orjson,
    "dbt-artifacts-parser": dbt_artifacts_parser,
    "dbt-core": dbt_core,
}

if __name__ == "__main__":
    way, folder = WAYS[sys.argv[1]](), Path(sys.argv[2])
    print_usage(lambda: way(folder / "manifest.json", folder / "run_results.json"))
