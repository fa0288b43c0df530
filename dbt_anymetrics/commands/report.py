"""`dbt-anymetrics report`: one page of everything that the ledger knows, or a summary of it in Markdown."""

from __future__ import annotations

import os
import shlex
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timezone
from pathlib import Path

from dbt_anymetrics.commands import remarks
from dbt_anymetrics.commands.pictured import MOST, Pictured, pictured
from dbt_anymetrics.commands.prepare import (
    address_of,
    check_read,
    ledger_to_show,
    lost,
    no_project,
    project_of,
    tenant_of,
)
from dbt_anymetrics.dbt_run.inputs import MANIFEST
from dbt_anymetrics.dbt_run.project import PROJECT_FILE
from dbt_anymetrics.dbt_run.selectable import read_selectable
from dbt_anymetrics.errors import ArtifactError, RecordError, UsageError
from dbt_anymetrics.files import is_other, mode_of, open_regular, write_whole
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import Opened
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.terminal import echo, show
from dbt_anymetrics.picture import Page, Picture, Status, markdown, render
from dbt_anymetrics.planning.interval import parse_interval
from dbt_anymetrics.text import one_line, shown

FILE_NAME = "anymetrics_report.html"

_TITLE = "AnyMetrics refreshes"
_SINCE = "Write a date such as 2025-11-01, or a length of time such as 30d or 12h"
_STEPS = (
    (
        "Build with dbt, refresh what it built, and make this report again:",
        "dbt build\ndbt-anymetrics refresh\ndbt-anymetrics report",
    ),
)


def report(options: Options) -> int:
    """Write it, and return the exit code, 0, whatever failed: it is a report.

    Raises UsageError for a ledger that cannot be read and for wrong options, and RecordError when the report cannot be
    written.
    """
    is_page = options.form != "markdown"
    since, folder = _since(options.since), project_of(options).target
    path = _path(options, folder)
    with ledger_to_show(options, only_to_read=True) as (ledger, opened):
        if missing := _missing(options, ledger, opened):
            show(missing if is_page else f"## {_TITLE}\n\n{missing}")
            return 0
        found = pictured(ledger, _tags(options, folder), since)
        page = _page(options, folder, ledger, opened, found, since)
        check_read(ledger.loss)
    text = render(found.picture, page) if is_page else markdown(found.picture, page)
    if path is None:
        show(text.rstrip("\n"))
        return 0
    _write(path, text, is_default=options.file is None)
    show(f"Report: {path.absolute()} ({_summary(found.picture, since)})")
    if options.open_browser:
        _open(path)
    return 0


def _since(text: str | None) -> datetime | None:
    """The moment that `--since` means: the beginning of a day here, or so long ago. Raises UsageError."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return _ago(text)
    try:
        return datetime.combine(day, time()).astimezone()
    except (ValueError, OverflowError):  # the first or the last day that there is
        return datetime.combine(day, time(), timezone.utc)


def _ago(text: str) -> datetime | None:
    try:
        return datetime.now(timezone.utc) - parse_interval(text)
    except OverflowError:  # before there were dates
        return None
    except UsageError:
        what = f"{shown(text)} is not a date or a length of time"
        raise UsageError(what, where="--since", hint=_SINCE) from None


def _path(options: Options, folder: Path) -> Path | None:
    """The file to write, or None for stdout. Raises UsageError."""
    if options.form == "markdown" and options.open_browser:
        raise UsageError("is for the page, not for Markdown", where="--open", hint="Leave out one of the two")
    if options.file is None:
        return None if options.form == "markdown" else _checked(_default(options, folder))
    if options.file == Path("-"):
        return None
    return _checked(Path(os.path.abspath(options.file)))  # noqa: PTH100 (resolve would follow links)


def _default(options: Options, folder: Path) -> Path:
    """The file in the target folder; outside a dbt project, in the current one, where nothing is made for it."""
    is_project = (project_of(options).folder / PROJECT_FILE).is_file()
    return (folder if is_project or folder.is_dir() else Path.cwd()) / FILE_NAME


def _checked(path: Path) -> Path:
    """The file, before anything else is done. Raises UsageError for what is no report, and is left as it is."""
    hint = "Name another file with --file"
    try:
        if is_other(path):
            raise UsageError(
                "is a folder, a link, a pipe or a device, and is left as it is", where=str(path), hint=hint
            )
        if not _is_free(path):
            raise UsageError("is a file that is no report, and is left as it is", where=str(path), hint=hint)
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None
    return path


def _is_free(path: Path) -> bool:
    """Whether there is no such file, an empty one, or an earlier report. Raises OSError."""
    try:
        with open_regular(path, 1 << 40) as file:
            start = file.read(_START)
    except FileNotFoundError:
        return True
    return not start or any(mark in start for mark in _MARKS)


_START = 1_000
_MARKS = (b'<meta name="generator" content="dbt-anymetrics">', f"## {_TITLE}\n".encode())
"""What a page and a summary begin with."""


def _missing(options: Options, ledger: Ledger, opened: Opened) -> str | None:
    """What to say where there is no ledger, nor an artifact of the time before there was one."""
    if ledger.service() or not opened.path or opened.path.exists():
        return None
    for note in no_project(options):
        echo(f"WARN {note}", err=True)
    return (
        f"There is no ledger yet at {opened.path}, so there is nothing to report. Run dbt-anymetrics refresh first, or "
        "name the ledger with --state"
    )


def _tags(options: Options, folder: Path) -> Mapping[str, Sequence[str]]:
    """The tags of each node, where there is a manifest. Raises ArtifactError for one that the user named."""
    path = options.manifest or folder / MANIFEST
    if not options.manifest and not path.exists():
        return {}
    try:
        return {unique_id: node.tags for unique_id, node in read_selectable(path).items()}
    except ArtifactError as error:
        if options.manifest:
            raise
        echo(f"WARN there is no filter by tag: {one_line(str(error), 1000)}", err=True)
        return {}


def _page(
    options: Options, folder: Path, ledger: Ledger, opened: Opened, found: Pictured, since: datetime | None
) -> Page:
    address, tenant_id = ledger.service() or (address_of(options), tenant_of(options))
    of_whom = f"{address} · tenant {tenant_id} · " if address and tenant_id else ""
    return Page(
        title=_TITLE,
        place=f"{of_whom}made {_minute(datetime.now(timezone.utc))} UTC",
        everything=" ".join(["dbt-anymetrics report", *map(shlex.quote, remarks.same_ledger(options, folder))]),
        steps=() if found.picture.tables or since else _STEPS,
        notes=[*lost(opened), *_notes(ledger, found, since)],
    )


def _notes(ledger: Ledger, found: Pictured, since: datetime | None) -> Iterator[str]:
    if since:
        here = since.astimezone()
        yield f"Shown is what was done since {_minute(here)} {here.tzname()}, and all that is pending."
    if found.left_out:
        yield (
            f"Of each table and date, at most the newest {MOST} attempts are shown, and beyond 100,000 attempts the "
            f"last one: {found.left_out:,} older ones are only counted."
        )
    for each in ledger.elsewhere():
        yield f"Pending for another AnyMetrics or tenant: {each}."


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _write(path: Path, text: str, *, is_default: bool) -> None:
    """Write the report, never through a link. Half a character, which a name may hold, is written as JSON writes it."""
    try:
        if is_default:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [text.encode(errors="backslashreplace")], mode_of(path))
    except OSError as error:
        raise RecordError(f"cannot be written ({error.strerror or error})", where=str(path)) from None


def _summary(picture: Picture, since: datetime | None) -> str:
    counts = picture.counts
    numbers = {
        "refreshed": counts[Status.REFRESHED] + counts[Status.AGAIN],
        "failed": counts[Status.FAILED] + counts[Status.REFUSED],
        **{status.value: counts[status] for status in (Status.PENDING, Status.WAITING, Status.SKIPPED)},
    }
    told = ", ".join(f"{number:,} {name}" for name, number in numbers.items() if number)
    return told or ("nothing since then" if since else "nothing in it yet")


def _open(path: Path) -> None:
    """Open the page in the user's browser, or say where it is."""
    address = path.absolute().as_uri()
    try:
        is_open = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        echo(f"There is no browser here that could be started. Open {address}", err=True)
