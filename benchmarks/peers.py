"""The tools we are compared with, each installed from its package into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

_ENVIRONMENTS = ROOT / ".venv-bench"

PEERS = {
    "dbt-core": ("dbt-core~=1.11.0", "dbt-duckdb>=1.9.6"),
    "dbt-metabase": ("dbt-metabase",),
    "openlineage-dbt": ("openlineage-dbt", "dbt-core~=1.11.0", "dbt-duckdb>=1.9.6"),
    "orjson": ("orjson",),
    "dbt-artifacts-parser": ("dbt-artifacts-parser",),
}
"""The tools, and what is installed for each."""


@lru_cache
def programs(peer: str) -> Path | None:
    """The folder of a peer's programs, made at the first use; None when the peer cannot be installed."""
    environment = _ENVIRONMENTS / peer
    ready = environment / ".ready"
    folder = environment / ("Scripts" if os.name == "nt" else "bin")
    if not ready.exists():
        print(f"== making an environment with {peer}", file=sys.stderr)
        try:
            _install(environment, folder / "python", PEERS[peer])
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{peer} cannot be installed ({type(error).__name__}) and is left out", file=sys.stderr)
            return None
        ready.touch()
    return folder


def version(peer: str) -> str:
    """The version of a peer that is installed."""
    code = f"from importlib.metadata import version; print(version({peer!r}))"
    folder = programs(peer)
    if folder is None:
        return "not installed"
    return subprocess.run([folder / "python", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def _install(environment: Path, python: Path, requirements: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", *requirements], check=True)
