"""What a command was asked to do, on the command line, in the environment, from Python or by the hook."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Args
from dbt_anymetrics.defaults import KEEP_DAYS, MAX_THREADS, THREADS, TIMEOUT, WAIT_TIMEOUT
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.text import is_valid, shown

ENABLED_VARIABLE = "ANYMETRICS_ENABLED"

_SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


_TEXTS = ("datasource", "plan_name", "run_date", "partition", "timezone", "models", "url", "tenant_id", "auth_type")


_NAMES = {"models": "select", "plan_name": "plan"}
"""The options that have another name than their field."""


class Sealed(Protocol):
    """A text that shows itself only when asked to."""

    def reveal(self) -> str:
        """The text itself."""


class Options(Struct, frozen=True, kw_only=True):
    """Every option of every command, with its default.

    `hook_run_date` and `hook_partition` are the arguments of the on-run-end hook. `seen_args` are dbt's own arguments,
    which only `dbt-anymetrics dbt` sees. `auth_value` is the credential of a program that has one for itself, and that
    other programs in its process must not see; else it is read from the environment. With `later`, nothing is sent:
    what was built becomes pending.
    """

    project_dir: str | None = None
    target_path: str | None = None
    target: str | None = None
    profile: str | None = None
    profiles_dir: str | None = None
    manifest: Path | None = None
    run_results: Sequence[Path] = ()

    datasource: str | None = None
    run_date: str | None = None
    partition: str | None = None
    hook_run_date: str | None = None
    hook_partition: list[str] | None = None
    seen_args: Args | None = None
    timezone: str = "UTC"
    min_interval: str | None = None
    vars: Mapping[str, Any] = msgspec.field(default_factory=dict)
    models: Sequence[str] = ()
    force: bool = False
    later: bool = False
    every: bool = False
    drop: bool = False
    yes: bool = False
    dry_run: bool = False
    strict: bool = False
    file: Path | None = None
    form: Literal["html", "markdown"] | None = None
    open_browser: bool = False
    since: str | None = None
    newest_first: bool = False
    pace: float | None = None
    plan_name: str | None = None
    days_per_batch: int | None = None
    command: str = "refresh"

    state: str | None = None
    keep_days: float = KEEP_DAYS

    url: str | None = None
    tenant_id: str | None = None
    auth_type: str | None = None
    auth_value: Sealed | None = None
    timeout: float = TIMEOUT
    ca_bundle: str | None = None
    threads: int = THREADS

    wait: bool = False
    wait_timeout: float = WAIT_TIMEOUT

    fail_fast: bool = False
    quiet: bool = False
    output: Literal["text", "json"] = "text"
    log_format: Literal["text", "json"] = "text"

    def __repr__(self) -> str:
        """Without any value, because the address of a ledger may hold a password."""
        return "Options(...)"

    @classmethod
    def of(cls, *layers: Mapping[str, Any]) -> Options:
        """The options that layers of them give, a later layer over an earlier one; None counts as not given.

        Raises UsageError for a text that is not valid: only a path may be bytes of another encoding.
        """
        options = cls(**{name: value for layer in layers for name, value in layer.items() if value is not None})
        for name in _TEXTS:
            _check_text(getattr(options, name), f"--{_NAMES.get(name, name.replace('_', '-'))}")
        threads: object = options.threads
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"needs a number from 1 to {MAX_THREADS}", where="--threads")
        seconds: object = options.wait_timeout
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < TIMEOUT_MAX:
            raise UsageError("needs a number of seconds greater than 0", where="--wait-timeout")
        return options


def _check_text(value: object, where: str) -> None:
    """Make sure that an option is a text, or several of them. Raises UsageError."""
    texts = value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"needs a text, not {shown(text)}", where=where)
    if not is_valid(value):
        raise UsageError("is not valid UTF-8", where=where)


def is_enabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ANYMETRICS_ENABLED, the kill switch, allows sending. Raises UsageError."""
    text = environment.get(ENABLED_VARIABLE) or "true"
    if text.strip().lower() not in _SWITCHES:
        raise UsageError(f"{text!r} is not true or false", where=ENABLED_VARIABLE)
    return _SWITCHES[text.strip().lower()]
