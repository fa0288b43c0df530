"""The listener inside dbt 1.x: it waits for the request of the on-run-end macro, and acts when the command is over.

dbt builds the class below at every command, so this module imports only the standard library and what dbt has loaded
already. No exception may leave it, because dbt would report it as its own failure.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from dbt.plugins.manager import dbtPlugin

from dbt_anymetrics import __version__

PLUGIN_VARIABLE = "DBT_ANYMETRICS_PLUGIN"
"""How the macro sees that this listener is there: as an environment variable of dbt's context."""

SAYS = "[anymetrics] "
"""What every line of the macro begins with."""

REQUEST = f"{SAYS}refresh after this run: "
"""What the macro's request begins with; JSON follows."""


class AnyMetricsPlugin(dbtPlugin):  # type: ignore[misc]
    """dbt's way in (its interface was the same from dbt-core 1.6 to 1.13)."""

    def initialize(self) -> None:
        """Listen to the events of this command."""
        with suppress(Exception):
            callbacks = _callbacks()
            if not any(isinstance(callback, Listener) for callback in callbacks):
                callbacks.append(Listener())
            _announce()


class Listener:
    """Called for every event of a dbt command, from any of its threads."""

    def __init__(self) -> None:
        self._requests: list[str] = []
        self._written: dict[str, str] = {}
        self._called: set[str] = set()
        self._failed: set[str] = set()

    def __call__(self, event: Any) -> None:
        """Note the macro's requests; at the end of the command, do what they ask for.

        Raises SystemExit(1), which dbt lets through, when a refresh failed and the hook says `on_error='fail'`.
        """
        name = event.info.name
        if name in ("JinjaLogDebug", "JinjaLogInfo") and event.data.msg.startswith(SAYS):
            self._called.add(event.info.invocation_id)
            if event.data.msg.startswith(REQUEST):
                self._requests.append(event.data.msg.removeprefix(REQUEST))
        elif name == "RunResultError" and "on-run-end" in event.data.msg[:_NAMED_WITHIN]:
            self._failed.add(event.info.invocation_id)
        elif name == "ArtifactWritten" and event.data.artifact_path.endswith("run_results.json"):
            self._written[event.info.invocation_id] = event.data.artifact_path
        elif name == "CommandCompleted":
            self._end(event.info.invocation_id, succeeded=event.data.success)

    def _end(self, invocation_id: str, *, succeeded: bool) -> None:
        os.environ.pop(PLUGIN_VARIABLE, None)
        # Another invocation in another thread of this process ends by itself.
        requests = [request for request in self._requests if invocation_id in request]
        self._requests = [request for request in self._requests if request not in requests]
        written = self._written.pop(invocation_id, None)
        if requests and _is_fatal(requests, invocation_id, written) and succeeded:
            raise SystemExit(1)
        if invocation_id in self._failed - self._called:
            _tell_skipped(invocation_id, written)
        self._failed.discard(invocation_id)
        self._called.discard(invocation_id)


_NAMED_WITHIN = 300
"""Characters of an error within which dbt names the hook that failed."""


def _is_fatal(requests: list[str], invocation_id: str, written: str | None) -> bool:
    try:
        from dbt_anymetrics.integrations.dbt_hook import answer  # lazy: only where the hook is used

        return answer(requests, invocation_id, written)
    except BaseException as error:  # noqa: BLE001 (a mistake of ours, or Ctrl-C, is no failure of the dbt run)
        with suppress(Exception):
            print(f"[anymetrics] the refresh ended early: {type(error).__name__}. Run 'dbt-anymetrics refresh'")
        return any('"on_error": "fail"' in request for request in requests)


def _tell_skipped(invocation_id: str, written: str | None) -> None:
    """Say that dbt skipped our hook, where the project has it, after one before it had failed."""
    with suppress(Exception):
        from dbt_anymetrics.integrations.dbt_hook import tell_skipped  # lazy: only where a hook failed

        tell_skipped(invocation_id, written)


def _callbacks() -> list[Any]:
    """dbt's list of listeners, emptied at the start of each command."""
    try:
        from dbt_common.events.event_manager_client import get_event_manager  # lazy: dbt-core 1.8 and later
    except ImportError:
        from dbt.events.functions import EVENT_MANAGER  # lazy: dbt-core 1.6 and 1.7

        callbacks: list[Any] = EVENT_MANAGER.callbacks
    else:
        callbacks = get_event_manager().callbacks
    return callbacks


def _announce() -> None:
    """Let the macro see the listener.

    From 1.8 on, dbt takes a copy of the environment at the start of a command: only that copy is marked, so that no
    process started from here inherits the mark. Before, there is no copy, and the mark goes when the command ends.
    """
    try:
        from dbt_common.context import get_invocation_context  # lazy: not in every dbt
    except ImportError:
        os.environ[PLUGIN_VARIABLE] = __version__
        return
    environment: Any = get_invocation_context().env
    # On Windows dbt wraps the copy to ignore the case of names.
    wrapped = getattr(environment, "_env", None)
    if wrapped is None:
        environment[PLUGIN_VARIABLE] = __version__
    else:
        wrapped[PLUGIN_VARIABLE.casefold()] = (PLUGIN_VARIABLE, __version__)
