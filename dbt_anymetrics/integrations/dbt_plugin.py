"""What listens inside dbt 1.x: it waits for the request of the on-run-end macro, and acts when the command is over.

dbt builds the class below at every command, so this module imports only the standard library and what dbt has loaded
already. No exception may leave it but `RefreshFailed`, because dbt would report it as its own failure.

Several commands may run in one process, each in a thread of its own, although dbt is not made for it: its flags, its
invocation id and its list of callbacks belong to the command that began last. So everything here belongs to an
`Invocation`, which click keeps for the thread that runs the command.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from dbt.plugins.manager import dbtPlugin

from dbt_anymetrics import __version__

PLUGIN_VARIABLE = "DBT_ANYMETRICS_PLUGIN"
"""How the macro sees that somebody listens: as an environment variable of dbt's context."""

SAYS = "[anymetrics] "
"""What every line of the macro begins with."""

REQUEST = f"{SAYS}refresh after this run: "
"""What the macro's request begins with; JSON follows."""

_NAMED_WITHIN = 300
"""Characters of an error within which dbt names the hook that failed."""

_IN_META = "dbt_anymetrics.invocation"


class RefreshFailed(SystemExit):
    """Ends dbt with exit code 1; its text is what dbtRunner's callers show."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = 1  # the text in its place would be printed once more


class Invocation:
    """One dbt command: where its files are, its flags, and what was heard of it so far."""

    def __init__(self, of_dbt: dict[str, Any]) -> None:
        self.id = _invocation_id()
        """dbt's id of it; where other commands run in this process, it may become that of one of these."""
        self.flags = of_dbt["flags"]
        project = of_dbt["project"]
        # At once, because another thread may change the current folder.
        self.folder = Path(project.project_root).resolve()
        self.target = Path(project.project_target_path).resolve()
        self.requests: list[str] = []
        self.is_called = False
        self.has_failed_hook = False
        self.written: tuple[Path, Stamp] | None = None
        """The run results that dbt says it wrote, which it does from dbt-core 1.9 on."""

    def note_written(self, path: str) -> None:
        """Note what dbt says that it wrote, to tell it from what another command writes to the same file."""
        found = Path(path).resolve()
        self.target = found.parent
        self.written = found, stamp(found)


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    """What changes when a file is written anew."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


_running: list[Invocation] = []


class AnyMetricsPlugin(dbtPlugin):  # type: ignore[misc]
    """dbt's way in (its interface was the same from dbt-core 1.6 to 1.13)."""

    def initialize(self) -> None:
        """Listen to the events of this command."""
        with suppress(Exception):
            context = click.get_current_context()
            if _IN_META not in context.meta:
                context.meta[_IN_META] = invocation = Invocation(context.obj)
                _running.append(invocation)
            _listen(_event_manager())
            _announce()


def hear(event: Any) -> None:
    """Note the macro's requests; at the end of the command, do what they ask for.

    Called for every event of a dbt command, from any of its threads. Raises RefreshFailed, which dbt lets through,
    when a refresh failed and the hook says `on_error='fail'`.
    """
    name = type(event).__name__
    if name in ("JinjaLogDebug", "JinjaLogInfo"):
        if event.msg.startswith(SAYS):
            _note_call(event.msg)
    elif name in ("RunResultError", "ArtifactWritten", "CommandCompleted") and (invocation := _of_this_thread()):
        if name == "CommandCompleted":
            _end(invocation, succeeded=event.success)
        elif name == "RunResultError":
            invocation.has_failed_hook |= "on-run-end" in event.msg[:_NAMED_WITHIN]
        elif event.artifact_path.endswith("run_results.json"):
            with suppress(OSError):
                invocation.note_written(event.artifact_path)


def _of_this_thread() -> Invocation | None:
    """The command that this thread runs; none in the threads that dbt starts for its nodes."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_IN_META) if context else None


def _note_call(said: str) -> None:
    invocation = _of_this_thread() or (_running[0] if len(_running) == 1 else None)
    if invocation:
        invocation.is_called = True
        invocation.requests += [said.removeprefix(REQUEST)] if said.startswith(REQUEST) else []
    elif said.startswith(REQUEST):
        _print(
            f"AnyMetrics is not refreshed: {len(_running)} dbt commands run in this process, and it is not known which "
            "of them called anymetrics.refresh() outside on-run-end. Call it in on-run-end"
        )


def _end(invocation: Invocation, *, succeeded: bool) -> None:
    if invocation not in _running:
        return
    _running.remove(invocation)
    if not _running:
        os.environ.pop(PLUGIN_VARIABLE, None)
    if invocation.requests:
        failure = _answer(invocation)
        if failure and succeeded:
            raise RefreshFailed(failure)
    elif invocation.has_failed_hook and not invocation.is_called:
        _tell_skipped(invocation)


def _answer(invocation: Invocation) -> str | None:
    """Do what was asked for, and return why dbt's command is to fail for it, if it is."""
    try:
        from dbt_anymetrics.integrations.dbt_hook import answer  # lazy: only where the hook is used

        return answer(invocation)
    except BaseException as error:  # noqa: BLE001 (a mistake of ours, or Ctrl-C, is no failure of the dbt run)
        text = f"the refresh ended early: {type(error).__name__}. Run 'dbt-anymetrics refresh'"
        _print(text)
        is_fatal = any('"on_error": "fail"' in request for request in invocation.requests)
        return f"AnyMetrics: {text}" if is_fatal else None


def _tell_skipped(invocation: Invocation) -> None:
    """Say that dbt skipped our hook, where the project has it, after one before it had failed."""
    with suppress(Exception):
        from dbt_anymetrics.integrations.dbt_hook import tell_skipped  # lazy: only where a hook failed

        tell_skipped(invocation)


def _print(text: str) -> None:
    with suppress(Exception):
        print(f"{SAYS}{text}")


def _event_manager() -> Any:
    try:
        from dbt_common.events.event_manager_client import get_event_manager  # lazy: dbt-core 1.8 and later
    except ImportError:
        from dbt.events.functions import EVENT_MANAGER  # lazy: dbt-core 1.6 and 1.7

        return EVENT_MANAGER
    return get_event_manager()


def _invocation_id() -> str:
    try:
        from dbt_common.invocation import get_invocation_id  # lazy: dbt-core 1.8 and later
    except ImportError:
        from dbt.events.functions import get_invocation_id  # lazy: dbt-core 1.6 and 1.7
    return str(get_invocation_id())


def _listen(manager: Any) -> None:
    """Hear every event, once dbt has shown it.

    Not as one of dbt's callbacks: each command begins with a new list of them, and a command in another thread would
    take away ours.
    """
    fire = manager.fire_event
    if getattr(fire, "is_heard", False):
        return

    def fire_and_hear(event: Any, *arguments: Any, **more: Any) -> None:
        try:
            fire(event, *arguments, **more)
        finally:
            hear(event)

    fire_and_hear.is_heard = True  # type: ignore[attr-defined]
    manager.fire_event = fire_and_hear


def _announce() -> None:
    """Let the macro see that somebody listens.

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
