"""The user's dbt project on disk: where it is, where its target folder is, and the vars it sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.files import read_regular

PROJECT_FILE = "dbt_project.yml"
_MAX_BYTES = 1 << 24
_PROJECT_DIR_VARIABLES = ("DBT_ENGINE_PROJECT_DIR", "DBT_PROJECT_DIR")
_PACKAGES_VARIABLES = ("DBT_ENGINE_PACKAGES_INSTALL_PATH", "DBT_PACKAGES_INSTALL_PATH")
_TARGET_PATH_VARIABLES = ("DBT_ENGINE_TARGET_PATH", "DBT_TARGET_PATH")


class Project:
    """A dbt project, found as dbt finds it; nothing is read before it is needed."""

    def __init__(
        self, project_dir: str | None, target_path: str | None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._project_dir = project_dir or _first(environment, _PROJECT_DIR_VARIABLES)
        self._target_path = target_path or _first(environment, _TARGET_PATH_VARIABLES)
        self._environment = environment

    @cached_property
    def folder(self) -> Path:
        """The project folder: the one given, else the current folder or its nearest parent with a dbt_project.yml."""
        if self._project_dir:
            return Path(self._project_dir).expanduser()
        here = Path.cwd()
        return next((f for f in (here, *here.parents) if (f / PROJECT_FILE).is_file()), here)

    @cached_property
    def target(self) -> Path:
        """The target folder: flag, environment, `target-path:` of dbt_project.yml, else `target`."""
        return self.folder / (self._target_path or self._configured_target() or "target")

    def vars(self) -> Mapping[str, Any]:
        """`vars:` of dbt_project.yml; read at the first look-up, because few projects need it here."""
        return _LazyVars(self)

    @property
    def has_hook(self) -> bool:
        """Whether on-run-end of dbt_project.yml calls our macro. Raises UsageError when the file is not YAML."""
        return "anymetrics" in self._text and "anymetrics.refresh" in str(self.configuration.get("on-run-end"))

    @property
    def has_package(self) -> bool:
        """Whether `dbt deps` installed our dbt package. Raises UsageError when dbt_project.yml is not YAML."""
        packages = _first(self._environment, _PACKAGES_VARIABLES) or self.configuration.get("packages-install-path")
        return (self.folder / str(packages or "dbt_packages") / "anymetrics" / PROJECT_FILE).is_file()

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """dbt_project.yml as a mapping; empty when there is none. Raises UsageError when it is not YAML."""
        text = self._text
        return load_yaml(text, str(self.folder / PROJECT_FILE)) if text else {}

    @cached_property
    def _text(self) -> str:
        try:
            content = read_regular(self.folder / PROJECT_FILE, _MAX_BYTES, links=True)
        except OSError:
            return ""
        return content.decode("utf-8", errors="replace")

    def _configured_target(self) -> str | None:
        # YAML is loaded only where the deprecated key is there at all: it doubles the time this program takes to start.
        if "target-path" not in self._text:
            return None
        configured = self.configuration.get("target-path")
        if not isinstance(configured, str) or "{{" not in configured:
            return configured and str(configured)
        from dbt_anymetrics.dbt_run.jinja import render  # lazy: jinja2 is slow to import

        return str(render(configured, {}, self._environment))


class _LazyVars(Mapping[str, Any]):
    """The `vars:` of a project, loaded at the first use."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _vars(self) -> dict[str, Any]:
        found = self._project.configuration.get("vars")
        return found if isinstance(found, dict) else {}

    def __getitem__(self, key: str) -> Any:
        return self._vars[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._vars)

    def __len__(self) -> int:
        return len(self._vars)


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


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
