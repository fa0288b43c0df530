"""The profile and target that dbt uses: what `target` means in dbt_project.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from dbt_anymetrics.dbt_run.yaml_text import load_yaml
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.files import read_regular

_FILE = "profiles.yml"
_MAX_BYTES = 1 << 24

_SHOWN = ("type", "schema", "database", "dataset", "project", "catalog", "threads")
"""What a target says of its database beside its name; never a password."""


class Chosen(Struct, frozen=True, kw_only=True):
    """What the user says of the profile, as dbt's options of these names do; None where dbt decides."""

    target: str | None = None
    profile: str | None = None
    profiles_dir: str | None = None


def target_of(
    chosen: Chosen, configured: object, environment: Mapping[str, str], render: Callable[[str], object]
) -> dict[str, object]:
    """The entries of `target`, found as dbt finds them; `configured` is `profile:` of dbt_project.yml.

    `render` renders what has Jinja in it. Raises UsageError when there is no such profile or target.
    """

    def first(given: str | None, name: str) -> str | None:
        return given or environment.get(f"DBT_ENGINE_{name}") or environment.get(f"DBT_{name}")

    profile = first(chosen.profile, "PROFILE") or _text(configured, render) or ""
    path = _path(first(chosen.profiles_dir, "PROFILES_DIR"))
    outputs = _mapping(_loaded(path).get(profile), f"profile {profile}", path)
    name = first(chosen.target, "TARGET") or _text(outputs.get("target"), render) or "default"
    found = _mapping(_mapping(outputs.get("outputs"), "outputs", path).get(name), f"target {name}", path)
    facts = {key: _rendered(found[key], render) for key in _SHOWN if key in found}
    return {**facts, "name": name, "target_name": name, "profile_name": profile}


def _path(folder: str | None) -> Path:
    if folder:
        return Path(folder).expanduser() / _FILE
    here = Path(_FILE)
    return here if here.is_file() else Path("~/.dbt").expanduser() / _FILE


def _loaded(path: Path) -> dict[str, Any]:
    try:
        text = read_regular(path, _MAX_BYTES, links=True).decode("utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path)) from None
    return load_yaml(text, str(path))


def _mapping(found: object, what: str, path: Path) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UsageError(f"there is no {what}", where=str(path))
    return found


def _text(value: object, render: Callable[[str], object]) -> str | None:
    found = _rendered(value, render)
    return None if found is None else str(found)


def _rendered(value: object, render: Callable[[str], object]) -> object:
    return render(value) if isinstance(value, str) and "{" in value else value
