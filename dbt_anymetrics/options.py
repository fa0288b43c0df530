"""What a command was asked to do, whichever way it was asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Args
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.defaults import THREADS, TIMEOUT
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.dates import Orders

if TYPE_CHECKING:
    from dbt_anymetrics.server.connection import Connection

ENABLED_VARIABLE = "ANYMETRICS_ENABLED"

_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Options(Struct, frozen=True, kw_only=True):
    """Every option of every command, with its default.

    Beside them, what the on-run-end hook was given, and what of dbt's own arguments was seen by running it.
    """

    project_dir: str | None = None
    target_path: str | None = None
    manifest: Path | None = None
    run_results: Sequence[Path] = ()

    datasource: str | None = None
    run_date: str | None = None
    partition: str | None = None
    hook_run_date: str | None = None
    hook_partition: list[str] | None = None
    seen_args: Args | None = None
    timezone: str = "UTC"
    vars: Mapping[str, Any] = msgspec.field(default_factory=dict)
    models: Sequence[str] = ()
    force: bool = False
    every: bool = False
    command: str = "refresh"

    url: str | None = None
    tenant_id: str | None = None
    auth_type: str | None = None
    timeout: float = TIMEOUT
    ca_bundle: str | None = None
    threads: int = THREADS

    fail_fast: bool = False
    quiet: bool = False
    output: Literal["text", "json"] = "text"
    log_format: Literal["text", "json"] = "text"

    @classmethod
    def of(cls, *layers: Mapping[str, Any]) -> Options:
        """The options that layers of them give, a later layer over an earlier one; None counts as not given."""
        return cls(**{name: value for layer in layers for name, value in layer.items() if value is not None})

    def project(self) -> Project:
        """Where the artifacts are."""
        return Project(self.project_dir, self.target_path)

    def orders(self) -> Orders:
        """What concerns the plan."""
        return Orders(
            datasource=self.datasource,
            partition=self.hook_partition if self.partition is None else self.partition,
            run_date=self.run_date,
            hook_run_date=self.hook_run_date,
            timezone=self.timezone,
            models=tuple(self.models),
            vars=self.vars,
        )

    def check(self) -> None:
        """Refuse at once what no command can work with, whatever it would do first. Raises UsageError."""
        _ = self.address

    @property
    def address(self) -> str | None:
        """AnyMetrics' base address in its normal form, or None where it is not given. Raises UsageError."""
        if not self.url or not self.url.strip():
            return None
        from dbt_anymetrics.server.connection import base_address  # not every command has an address

        return base_address(self.url)

    def connection(self) -> Connection:
        """The connection, checked. Raises UsageError."""
        from dbt_anymetrics.server.connection import connection  # not every command connects

        return connection(
            url=self.url,
            tenant_id=self.tenant_id,
            auth_type=self.auth_type,
            timeout=self.timeout,
            ca_bundle=self.ca_bundle,
        )

    def recorded(self) -> dict[str, Any]:
        """The options as the artifact shows them; there is no secret among them. Raises UsageError."""
        given = msgspec.to_builtins(self, enc_hook=str)  # a path, or whatever YAML made of a var
        given["url"] = self.address
        del given["seen_args"]
        return {key: value for key, value in given.items() if value not in (None, (), [], {}, False)}


def is_enabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ANYMETRICS_ENABLED, the kill switch, lets anything be sent. Raises UsageError."""
    text = environment.get(ENABLED_VARIABLE) or "true"
    if text.strip().lower() not in _SWITCHES:
        raise UsageError(f"{text!r} is not true or false", where=ENABLED_VARIABLE)
    return _SWITCHES[text.strip().lower()]
