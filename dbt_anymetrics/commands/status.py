"""`dbt-anymetrics status`: what is pending, why and since when, and the last commands."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dbt_anymetrics.commands.prepare import check_read, ledger_to_show, lost, no_project, read_only
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import Opened
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.status_text import causes, status_lines
from dbt_anymetrics.output.terminal import show

_COMMANDS = 10


def status(options: Options) -> int:
    """Print it, and return the exit code, 0.

    Raises UsageError for a ledger that cannot be read, and RecordError when stdout cannot be written to.
    """
    with ledger_to_show(options, only_to_read=True) as (ledger, opened):
        for line in _json(ledger) if options.output == "json" else _text(options, ledger, opened):
            show(line)
        check_read(ledger.loss)
    return 0


def _text(options: Options, ledger: Ledger, opened: Opened) -> Iterator[str]:
    is_there = not opened.path or opened.path.exists()
    where = opened.path or opened.database.where
    yield f"Ledger: {where}" if is_there else f"There is no ledger yet at {where}."
    if not is_there:
        yield from (f"WARN {note}" for note in no_project(options))
    yield from (f"WARN {note}" for note in lost(opened))
    yield from (f"WARN {note}" for note in read_only(opened))
    pending = causes(ledger.entries())
    rest = ledger.mistakes(), ledger.unbuilt(), ledger.awaited(), ledger.commands(_COMMANDS), ledger.elsewhere()
    yield from status_lines(pending, *rest)


def _json(ledger: Ledger) -> Iterator[str]:
    """One object, written piece by piece: `pending` may be long."""
    encode = msgspec.json.encode
    yield '{"pending": ['
    before = ""
    for entry in ledger.entries():
        yield before + encode(entry).decode()
        before = ","
    rest = {
        "mistakes": ledger.mistakes(),
        "unbuilt": ledger.unbuilt(),
        "waiting": ledger.awaited(),
        "commands": ledger.commands(_COMMANDS),
        "elsewhere": ledger.elsewhere(),
    }
    yield f"], {encode(rest).decode()[1:]}"
