"""`dbt-anymetrics sandbox`: the stand-in in the foreground, showing each request as it comes."""

from __future__ import annotations

import click

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.sandbox import Received, Sandbox, Shape
from dbt_anymetrics.text import one_line


def serve(port: int, shape: Shape | None) -> None:
    """Serve until Ctrl-C. Raises UsageError when the port cannot be had."""
    sandbox = Sandbox(port=port, answers=shape, on_request=_show)
    try:
        sandbox.start()
    except OSError as error:
        hint = "Leave --port out to take any that is free"
        raise UsageError(f"port {port} cannot be had ({error.strerror})", where="--port", hint=hint) from None
    try:
        click.echo(f"The sandbox stands in for AnyMetrics at {sandbox.url} (open it in a browser).")
        click.echo("To use it, set in another shell:\n")
        for name, value in sandbox.environment.items():
            click.echo(f"  export {name}={value}")
        click.echo("\nCtrl-C stops it. Requests:")
        sandbox.wait()
    finally:
        sandbox.stop()


def _show(received: Received) -> None:
    what = (
        f"{received.table_name} {received.partition}" if received.table_name else f"{received.method} {received.path}"
    )
    if received.ok:
        answer = click.style("200", fg="green")
    else:
        answer = click.style(f"{received.code or received.status or 'no answer'}: {received.message}", fg="red")
    click.echo(f"{received.time}  {one_line(what, 300)}  {answer}")
