"""`dbt-anymetrics sandbox`: the stand-in in the foreground, showing each request as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from dbt_anymetrics.sandbox.lines import Lines
from dbt_anymetrics.text import one_line

DEFAULT_PORT = 8083
"""Where AnyMetrics itself usually listens."""

_NEXT_PORTS = range(DEFAULT_PORT, DEFAULT_PORT + 100)

_Start = Callable[[int], Sandbox]


def serve(port: int | None, shape: Shape | None, **world: Any) -> None:
    """Serve until Ctrl-C, on this port or else the first free one. Raises UsageError when the port cannot be used.

    `world` is what else the sandbox is told of plans, tables and time.
    """
    lines = Lines()

    def start(port: int) -> Sandbox:
        sandbox = Sandbox(port=port, answers=shape, on_request=lambda received: lines.write(_line(received)), **world)
        sandbox.start()
        return sandbox

    try:
        sandbox = _first_free(start) if port is None else _on(port, start)
        try:
            _introduce(sandbox, port, lines)
            sandbox.wait()
        finally:
            sandbox.stop()
    finally:
        lines.close()


def plans(given: Iterable[str]) -> dict[str, list[str] | None]:
    """The plans of `--plan`, each with the tables that move it; all do where none is named. Raises UsageError."""
    found: dict[str, list[str] | None] = {}
    for text in given:
        name, equals, tables = text.partition("=")
        if not name or not all(tables.split(",") if tables else ("none",)):
            hint = "Give NAME, NAME=TABLE,TABLE or, for an external plan, NAME="
            raise UsageError(f"{text!r} does not name a plan and its tables", where="--plan", hint=hint)
        found[name] = tables.split(",") if tables else [] if equals else None
    return found


def tables(given: Iterable[str]) -> list[str]:
    """The tables of `--table`, checked. Raises UsageError."""
    for name in given:
        if len(parts := name.split(".")) != 3 or not all(parts):  # noqa: PLR2004 (catalog, schema, table)
            raise UsageError(f"{name!r} is not of the form catalog.schema.table", where="--table")
    return list(given)


def _on(port: int, start: _Start) -> Sandbox:
    try:
        return start(port)
    except OSError as error:
        hint = f"Leave --port out to take the first that is free from {DEFAULT_PORT} on"
        raise UsageError(f"port {port} cannot be used ({error.strerror})", where="--port", hint=hint) from None


def _first_free(start: _Start) -> Sandbox:
    for port in _NEXT_PORTS:
        try:
            return start(port)
        except OSError:  # noqa: PERF203 (a port that is taken is found out by trying it)
            continue
    return _on(0, start)


def _introduce(sandbox: Sandbox, asked: int | None, lines: Lines) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    if asked is None and port != DEFAULT_PORT:
        lines.write(f"Port {DEFAULT_PORT} is taken, so the sandbox uses {port}.")
    lines.write(f"The sandbox stands in for AnyMetrics at {sandbox.url} (open it in a browser).")
    lines.write("To use it, set in another shell:\n")
    for name, value in sandbox.environment.items():
        lines.write(f"  export {name}={value}")
    lines.write("\nIts plans:\n")
    kinds = sandbox.plan_kinds
    for name, uuid in sandbox.plan_ids.items():
        lines.write(f"  {name}, uuid {uuid} ({kinds[name]})")
    lines.write("\nCtrl-C stops it. Requests:")


def _line(received: Received) -> str:
    what = (
        f"{received.table_name} {received.partition}" if received.table_name else f"{received.method} {received.path}"
    )
    if received.ok:
        answer = click.style("200", fg="green")
    else:
        said = f"{received.code or received.status or 'no answer'}: {received.message}"
        answer = click.style(one_line(said, 300), fg="red")
    return f"{received.time}  {one_line(what, 300)}  {answer}"
