"""The tools we are compared with, and our own program, each installed into an environment of its own."""

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
def ours() -> Path:
    """The folder of our own programs, installed as the checkout is now and with nothing beside them."""
    environment = _ENVIRONMENTS / "dbt-anymetrics"
    folder = _programs_of(environment)
    if not folder.exists():
        _install(environment, str(ROOT))
    _pip(environment, "--force-reinstall", "--no-deps", str(ROOT))
    return folder


@lru_cache
def programs(peer: str) -> Path | None:
    """The folder of a peer's programs, made at the first use; None when the peer cannot be installed."""
    environment = _ENVIRONMENTS / peer
    ready = environment / ".ready"
    folder = _programs_of(environment)
    if not ready.exists():
        print(f"== making an environment with {peer}", file=sys.stderr)
        try:
            _install(environment, *PEERS[peer])
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


def _install(environment: Path, *requirements: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    _pip(environment, *requirements)


def _pip(environment: Path, *arguments: str) -> None:
    subprocess.run([_programs_of(environment) / "python", "-m", "pip", "install", "-qq", *arguments], check=True)


def _programs_of(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")
