"""Outcomes on disk as they come, a line each, and read again from there: however many there are, none is in memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from dbt_anymetrics.files import create
from dbt_anymetrics.result import Result

_PIECE = 1 << 16


class _Head(Struct):
    """The first line: which artifact the journal continues."""

    generated_at: datetime


class Journal:
    """The journal of one command, which takes the place of an older one. Its methods raise OSError."""

    def __init__(self, path: Path, generated_at: datetime) -> None:
        self._path = path
        # A new file: where locks do not work, another command may still write to the old one.
        self._file = create(path)
        self._append(_Head(generated_at))

    def add(self, result: Result) -> None:
        """Write one outcome, at once."""
        self._append(result)

    def __iter__(self) -> Iterator[Result]:
        """What was added, in its order. Works as well where the file's name is gone meanwhile."""
        at, rest = 0, b""
        while piece := self._read(at):
            at += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from _results(lines)

    def remove(self) -> None:
        """End it: the artifact holds all of it."""
        self.close()  # Windows removes no open file
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """End it, and leave it to be read by the next command."""
        self._file.close()

    def _append(self, entry: Struct) -> None:
        line = msgspec.json.encode(entry) + b"\n"
        self._file.seek(0, os.SEEK_END)
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _read(self, at: int) -> bytes:
        self._file.seek(at)
        return self._file.read(_PIECE)


def left_behind(journal: bytes, generated_at: datetime) -> list[Result]:
    """The outcomes in the journal of a command that was killed, if it continues the artifact of that time."""
    head, *lines = journal.split(b"\n")
    try:
        continued = msgspec.json.decode(head, type=_Head).generated_at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return list(_results(lines)) if continued == generated_at else []


def _results(lines: list[bytes]) -> Iterator[Result]:
    """The outcomes among the lines. The head is none, nor is the last line of a writer that was killed."""
    decode = msgspec.json.Decoder(Result).decode
    for line in lines:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield decode(line)
