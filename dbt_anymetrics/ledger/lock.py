"""One dbt-anymetrics at a time for each target folder."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.files import open_own

FILE_NAME = ".anymetrics_results.lock"

_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it however the process ends.

    Raises UsageError when another process holds it. Where the folder cannot hold a lock there is none: that the record
    cannot be written there either is told when it is tried.
    """
    try:
        file = open_own(folder / FILE_NAME)
    except OSError:
        yield
        return
    with file:
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _BUSY:
                raise UsageError(
                    "another dbt-anymetrics is refreshing from this folder",
                    where=str(folder),
                    hint="Wait until it ends, or give each dbt run a --target-path of its own",
                ) from None
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
