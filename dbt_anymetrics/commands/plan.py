"""`dbt-anymetrics plan`: what refresh would do, and the artifact on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing

from dbt_anymetrics.commands.prepare import Plan, address_of, document, inputs_of, plan_with_ledger, read_only
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.artifact import Document
from dbt_anymetrics.ledger.opening import Opened
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.output.plan_text import plan_lines
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.result import Result, Status


def show_plan(options: Options, reporter: Reporter) -> int:
    """Print what refresh would do, and return the exit code: 1 when a node's settings are wrong.

    Raises UsageError, and RecordError when stdout cannot be written to.
    """
    address_of(options)
    is_enabled()  # a switch of another word is refused at once
    inputs = inputs_of(options)
    made, opened = plan_with_ledger(options, inputs, only_to_read=True)
    with closing(opened.database):
        tell_before_showing(opened, made.warnings, reporter)
        for note in made.notes:
            reporter.note(note)
        if options.output == "json":
            print_document(document(made.options, made.items, made.invocation_id))
        else:
            for line in (*_date(made), *plan_lines(made.items, every=options.every)):
                show(line)
        return int(any(isinstance(item, Result) and item.status is Status.ERROR for item in made.items))


def _date(made: Plan) -> Iterator[str]:
    """Which date the run counts as, where a refresh depends on it."""
    if made.run_date and made.options.partition is None and made.planned:
        yield f"The date of the run is {made.run_date}"
        day, doubt = made.run_date.day, made.run_date.doubt
        if doubt and any(refresh.partition == day for refresh in made.planned):
            yield f"        {doubt}"


def tell_before_showing(opened: Opened, warnings: Iterable[str], reporter: Reporter) -> None:
    """Say what is odd about a plan that is only shown: its ledger, or that nothing would be sent. Raises UsageError."""
    losses = [_unknown(opened.loss)] if opened.loss else []
    for warning in (*opened.warnings, *losses, *read_only(opened), *warnings):
        reporter.warning(warning)
    if not is_enabled():
        reporter.warning(f"a refresh would send nothing: switched off by {ENABLED_VARIABLE}")


def _unknown(loss: RecordError) -> str:
    return str(RecordError(loss.what, where=loss.where, hint="What was refreshed already is not known"))


def print_document(written: Document) -> None:
    """Print an artifact, and nothing else, to stdout. Raises RecordError when that cannot be written to."""
    if sys.stdout is None:  # closed before the start
        return
    try:
        sys.stdout.buffer.writelines(written.pieces())
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RecordError(f"cannot be written ({error.strerror})", where="stdout") from None
