"""Artifacts that real dbt versions wrote for `integration_tests`, trimmed. Made by `record.py`."""

from __future__ import annotations

import json
from pathlib import Path

_FOLDER = Path(__file__).parent

#: The recorded dbt versions, oldest first: "1.5" ... "2.0".
VERSIONS: list[str] = sorted(
    (manifest.parent.name for manifest in _FOLDER.glob("*/manifest.json")),
    key=lambda version: [int(number) for number in version.split(".")],
)

#: The recorded scenarios of each version. A version lacks those that it has no command or option for.
SCENARIOS: dict[str, list[str]] = {
    version: sorted(file.stem for file in (_FOLDER / version).glob("*.json") if file.stem != "manifest")
    for version in VERSIONS
}


def scenario(version: str, name: str, folder: Path) -> Path:
    """Write one recorded run to `folder` as dbt left it: manifest.json and run_results.json."""
    manifest = json.loads((_FOLDER / version / "manifest.json").read_bytes())
    recorded = json.loads((_FOLDER / version / f"{name}.json").read_bytes())
    manifest["metadata"] = recorded["manifest_metadata"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "run_results.json").write_text(json.dumps(recorded["run_results"]), encoding="utf-8")
    return folder
