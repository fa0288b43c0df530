"""Writing to the streams of this process without a traceback, and without stopping the work.

The text may come from a server, the stream may have any encoding, its reader may be gone and its disk may be full. None
of that may stop the work, so what a command tells while it works goes through `echo`, which never raises. A command
whose output is its purpose uses `show`.
"""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from typing import TextIO

import click

from dbt_anymetrics.errors import RecordError

ESCAPE = "dbt_anymetrics.escape"
"""Name of an error handler for encoding: what an encoding lacks is written as JSON writes it, for example \\u4e2d."""

_WIDTH = 80


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Write to stdout, or to stderr; what the stream cannot show is escaped, and a stream that is gone is given up."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # closed before Python started
        return
    try:
        click.echo(fitted(text, stream), err=err, nl=nl)
    except (OSError, ValueError):  # its reader is gone, the disk is full, or somebody closed it
        return


def show(text: str) -> None:
    """Write to stdout what the user called the command for. Raises RecordError when it cannot be written.

    A reader that has gone away, such as `head`, is no error.
    """
    if sys.stdout is None:  # closed before Python started
        return
    try:
        click.echo(fitted(text, sys.stdout))
    except (BrokenPipeError, ValueError):
        return
    except OSError as error:
        raise RecordError(f"cannot be written ({error.strerror})", where="stdout") from None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody may be watching."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False


def columns(stream: TextIO | None) -> int:
    """The width of the terminal behind a stream, 80 where there is none."""
    try:  # not shutil, which looks at stdout alone
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH if stream else _WIDTH
    except (OSError, ValueError):
        return _WIDTH


def prepare() -> None:
    """Make the streams of a process that is ours escape what their encoding lacks, for what click itself writes."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=ESCAPE)


def finish() -> None:
    """Give up streams whose reader is gone: for these, Python prints an error at its end and changes the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _finish(stream)


def _finish(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fitted(text: str, stream: TextIO | None) -> str:
    """The text with what the stream's encoding lacks escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeError:
        return text.encode(encoding, ESCAPE).decode(encoding)
    return text


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    return escaped, error.end


codecs.register_error(ESCAPE, _escape)
