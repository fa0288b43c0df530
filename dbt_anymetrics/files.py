"""Files with fixed names in folders that others may write to: never through a link, never a pipe, never without end.

A folder that others may write to can hold anything under the name that a program expects. A link would make us write
to a file of the user's, a pipe would make us wait for ever, and a device would fill the memory.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from io import BufferedWriter, FileIO
from pathlib import Path

# Windows has neither of these; what they guard against needs a privilege there.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)

_READ = os.O_RDONLY | _NO_WAIT | _BINARY
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY

_PERMISSIONS = 0o666

_ABANDONED = 600
"""Seconds after which nobody works on a draft any longer."""


def open_regular(path: Path, limit: int, *, links: bool = False) -> FileIO:
    """Open to read a regular file of less than `limit` bytes; a link counts as none unless `links` allows it.

    Raises OSError, with EINVAL for what is no regular file and EFBIG for one that is too large.
    """
    return FileIO(_checked(os.open(path, _READ | (0 if links else _NO_LINK)), limit))


def read_regular(path: Path, limit: int, *, links: bool = False) -> bytes:
    """The content of such a file. Raises OSError, as `open_regular` does."""
    with open_regular(path, limit, links=links) as file:
        return file.readall()[:limit]


def create(path: Path, mode: int | None = None) -> FileIO:
    """A new, empty file. What had its name before is removed; a link is never followed.

    `mode` are its permissions, by default those that the process gives to new files. Raises OSError.
    """
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, _CREATE, _PERMISSIONS)
    if mode is not None and hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)
    return FileIO(descriptor, "r+")


def draft_of(path: Path) -> Path:
    """A name for a file that is to get this name when it is whole; each call gives another."""
    return path.with_name(f".{path.name}.{os.urandom(6).hex()}.draft")


def clear_drafts(path: Path) -> None:
    """Remove what killed commands left behind of files that were to get this name."""
    for draft in path.parent.glob(f".{path.name}.*.draft*"):
        with suppress(OSError):
            if time.time() - draft.lstat().st_mtime > _ABANDONED:
                draft.unlink()


def write_whole(path: Path, pieces: Iterable[bytes], mode: int | None = None) -> None:
    """Write a file that is whole at every moment. A link of its name is replaced, not followed. Raises OSError.

    `mode` are its permissions, by default those that the process gives to new files.
    """
    draft = draft_of(path)
    try:
        with BufferedWriter(create(draft, mode)) as file:
            file.writelines(pieces)
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def is_other(path: Path) -> bool:
    """Whether the name is that of something else than a file: a folder, a link, a pipe. Raises OSError."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def mode_of(path: Path) -> int | None:
    """The permissions of a regular file, or None where there is none."""
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            return stat.S_IMODE(found.st_mode)
    return None


def _checked(descriptor: int, limit: int | None = None) -> int:
    found = os.fstat(descriptor)
    error = None
    if not stat.S_ISREG(found.st_mode):
        error = OSError(errno.EINVAL, "it is not a regular file")
    elif limit is not None and found.st_size >= limit:
        error = OSError(errno.EFBIG, f"it is larger than {limit >> 20} MiB")
    if error:
        os.close(descriptor)
        raise error
    return descriptor
