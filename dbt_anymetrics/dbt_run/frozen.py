"""Dates that partial parsing keeps from an earlier run.

dbt renders a .yml file when it parses it, and parses it again only when the file changes. What moves with the time,
such as `run_started_at`, is then the date of the day on which the file was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from dbt_anymetrics.dbt_run.artifacts import REFRESHABLE, Manifest, Node
from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.files import read_regular

_DATED = re.compile(rb'partition"?\s*:\s*"?(\d{4}-\d\d-\d\d)')
_MOVING = re.compile(r"partition['\"]?\s*:[^\n]*\{\{[^\n]*\b(?:run_started_at|modules)\b")
_MAX_BYTES = 1 << 22


def frozen(manifest: Manifest, run: Run, started_on: date, folder: Path) -> Iterator[str]:
    """The nodes of a run with a date from before it, while their .yml file has a template that moves with the time.

    `folder` is that of the project: only its own .yml files are looked at.
    """
    moving: dict[Path, bool] = {}
    for unique_id in run.by_id:
        node = manifest.nodes.get(unique_id)
        if node and node.patch_path and node.resource_type in REFRESHABLE and _is_older(node, started_on):
            path = folder / node.patch_path.partition("://")[2]
            if path not in moving:
                moving[path] = _is_moving(path)
            if moving[path]:
                yield unique_id


def _is_older(node: Node, started_on: date) -> bool:
    found = _DATED.search(bytes(node.config.meta)) if node.config else None
    return found is not None and found[1].decode() < started_on.isoformat()


def _is_moving(path: Path) -> bool:
    try:
        text = read_regular(path, _MAX_BYTES, links=True).decode("utf-8", errors="replace")
    except OSError:
        return False
    return bool(_MOVING.search(text))
