"""The user's dbt project on disk: where it is, where its target folder is, and the vars it sets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dbt_anymetrics.dbt_run.profile import Chosen, target_of
from dbt_anymetrics.dbt_run.yaml_text import load_yaml
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.files import read_regular

PROJECT_FILE = "dbt_project.yml"
VARS_FILE = "vars.yml"
"""Where dbt 1.12 and later, and dbt 2.x, look for the vars of a project as well."""

_MAX_BYTES = 1 << 24
_PROJECT_DIR_VARIABLES = ("DBT_ENGINE_PROJECT_DIR", "DBT_PROJECT_DIR")
_PACKAGES_VARIABLES = ("DBT_ENGINE_PACKAGES_INSTALL_PATH", "DBT_PACKAGES_INSTALL_PATH")
_TARGET_PATH_VARIABLES = ("DBT_ENGINE_TARGET_PATH", "DBT_TARGET_PATH")


class Project:
    """A dbt project, found as dbt finds it; nothing is read before it is needed."""

    def __init__(
        self,
        project_dir: str | None,
        target_path: str | None,
        environment: Mapping[str, str] = os.environ,
        *,
        given_vars: Mapping[str, Any] = MappingProxyType({}),
        chosen: Chosen | None = None,
    ) -> None:
        self._given_vars = given_vars
        self._chosen = chosen or Chosen()
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

    def vars(self, dbt_version: str = "") -> Mapping[str, Any]:
        """The vars of the project, where this dbt looks for them: `vars:` of dbt_project.yml or, newer, of vars.yml.

        They are read at the first look-up, because few projects need them here.
        """
        return _LazyVars(self, reads_file=_reads_vars_file(dbt_version))

    @cached_property
    def file_vars(self) -> dict[str, Any]:
        """`vars:` of vars.yml; empty when there is none. Raises UsageError when it is not YAML."""
        text = _read(self.folder / VARS_FILE)
        found = load_yaml(text, str(self.folder / VARS_FILE)).get("vars") if text else None
        return found if isinstance(found, dict) else {}

    def changed_since(self, moment: float) -> str | None:
        """A file with settings that was changed after a moment (seconds since the epoch), or None.

        Looked at are dbt_project.yml, and the .yml and .sql files where dbt looks for models, seeds and snapshots.
        """
        folders = (self.configuration.get(f"{kind}-paths") or [f"{kind}s"] for kind in ("model", "seed", "snapshot"))
        files = (
            path
            for folder in chain.from_iterable(folders)
            for path in (self.folder / str(folder)).rglob("*")
            if path.suffix in (".yml", ".yaml", ".sql")
        )
        for path in chain([self.folder / PROJECT_FILE], files):
            with suppress(OSError):
                if path.stat().st_mtime > moment:
                    return str(path.relative_to(self.folder))
        return None

    @property
    def has_hook(self) -> bool:
        """Whether on-run-end of dbt_project.yml calls our macro. Raises UsageError when the file is not YAML."""
        return "anymetrics" in self._text and "anymetrics.refresh" in str(self.configuration.get("on-run-end"))

    @property
    def has_package(self) -> bool:
        """Whether `dbt deps` installed our dbt package. Raises UsageError when dbt_project.yml is not YAML."""
        return self._package_file.is_file()

    @property
    def package_version(self) -> str | None:
        """The version of our dbt package that `dbt deps` installed, or None. Raises UsageError for broken YAML."""
        text = _read(self._package_file)
        return str(load_yaml(text, str(self._package_file)).get("version")) if text else None

    @property
    def _package_file(self) -> Path:
        packages = _first(self._environment, _PACKAGES_VARIABLES) or self.configuration.get("packages-install-path")
        return self.folder / str(packages or "dbt_packages") / "anymetrics" / PROJECT_FILE

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """dbt_project.yml as a mapping; empty when there is none. Raises UsageError when it is not YAML."""
        text = self._text
        return load_yaml(text, str(self.folder / PROJECT_FILE)) if text else {}

    @cached_property
    def _text(self) -> str:
        return _read(self.folder / PROJECT_FILE)

    def _configured_target(self) -> str | None:
        # YAML is loaded only where the deprecated key is there at all: it doubles the time this program takes to start.
        if "target-path" not in self._text:
            return None
        configured = self.configuration.get("target-path")
        if not isinstance(configured, str) or "{{" not in configured:
            return configured and str(configured)
        try:
            return str(self._rendered(configured))
        except UsageError as error:
            raise UsageError(
                f"cannot be worked out: {error}",
                where=f"target-path: of {PROJECT_FILE}",
                hint="Name the folder with --target-path, or give the --vars, --target and --profile that dbt got",
            ) from None

    def _rendered(self, source: str) -> object:
        """A template of dbt_project.yml, rendered as dbt does: with the vars of the command line, and the target."""
        from dbt_anymetrics.dbt_run.jinja import render  # lazy: jinja2 is slow to import

        variables = {**self.file_vars, **self._given_vars}

        def plainly(text: str) -> object:
            return render(text, variables, self._environment)

        names: dict[str, object] = {}
        if "target" in source:
            names["target"] = target_of(self._chosen, self.configuration.get("profile"), self._environment, plainly)
        return render(source, variables, self._environment, names)


def _read(path: Path) -> str:
    try:
        return read_regular(path, _MAX_BYTES, links=True).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _reads_vars_file(dbt_version: str) -> bool:
    """Whether a dbt looks for vars in vars.yml: from 1.12 on, and dbt 2.x."""
    found = re.match(r"(\d+)\.(\d+)", dbt_version)
    return found is not None and (int(found[1]), int(found[2])) >= (1, 12)


class _LazyVars(Mapping[str, Any]):
    """The `vars:` of a project, loaded at the first use."""

    def __init__(self, project: Project, *, reads_file: bool) -> None:
        self._project = project
        self._reads_file = reads_file

    @cached_property
    def _vars(self) -> dict[str, Any]:
        found = self._project.configuration.get("vars")
        # dbt allows only one of the two places.
        return {**(found if isinstance(found, dict) else {}), **(self._project.file_vars if self._reads_file else {})}

    def __getitem__(self, key: str) -> Any:
        return self._vars[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._vars)

    def __len__(self) -> int:
        return len(self._vars)


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
