"""YAML that a user wrote: dbt's own files, and `--vars`."""

from __future__ import annotations

from datetime import date
from typing import Any

from dbt_anymetrics.errors import UsageError


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """The mapping that a YAML text holds. Raises UsageError when it is no YAML or no mapping."""
    import yaml  # lazy: slow to import, seldom needed

    try:
        loaded = yaml.safe_load(text)
    except Exception as error:  # noqa: BLE001 (a tag with a wrong value raises whatever its Python type raises)
        raise UsageError(f"is not readable as YAML ({' '.join(str(error).split())})", where=where) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UsageError("is not a YAML mapping", where=where, hint="Write it as '{name: value}'")
    return loaded


def load_vars(text: str) -> dict[str, Any]:
    """What `--vars` says. A date is a text, as dbt records it. Raises UsageError."""
    loaded = load_yaml(text, "--vars")
    return {name: str(value) if isinstance(value, date) else value for name, value in loaded.items()}
