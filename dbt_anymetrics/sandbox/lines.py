"""Lines on stdout. A closed or broken stdout never stops the sandbox."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from queue import Full, Queue

from dbt_anymetrics.output.terminal import echo

_WAITING = 10_000
_LAST_SECONDS = 2


class Lines:
    """Writes lines from a thread of its own, so that a reader who is slow or stuck never keeps a request waiting.

    When too many lines wait to be written, more are left out and counted.
    """

    def __init__(self) -> None:
        self._queue: Queue[str | None] = Queue(_WAITING)
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="sandbox lines", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Write a line soon."""
        try:
            self._queue.put_nowait(line)
        except Full:
            self._left_out += 1

    def close(self) -> None:
        """Give what is still to be written a moment."""
        with suppress(Full):
            self._queue.put_nowait(None)
        self._thread.join(_LAST_SECONDS)
        if self._thread.is_alive():
            # It is stuck in a write that nobody reads. At its end, Python would wait for the same lock and abort.
            sys.stdout = None

    def _run(self) -> None:
        for line in iter(self._queue.get, None):
            echo(line)
            if self._left_out and self._queue.empty():
                echo(f"({self._left_out:,} more requests, too many to show)")
                self._left_out = 0
