"""Ctrl-C without losing an outcome."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_NOTE = b"\nCtrl-C: waiting for the answers under way; once more gives up on them\n"
_STDERR = 2


@contextmanager
def stoppable(stop: Callable[[], None], abandon: Callable[[], None], note: bytes = _NOTE) -> Iterator[threading.Event]:
    """Let the first Ctrl-C call `stop` and the second one `abandon`; from then on it does again what it did before.

    A signal can arrive at any moment. So `stop` and `abandon` must only put a message into a queue, and no outcome that
    has arrived is lost before it is recorded.
    The event that is given tells whether there was one. Python only lets the main thread listen; on any other thread
    Ctrl-C does not arrive anyway.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            signal.signal(signal.SIGINT, before)
            abandon()
            return
        interrupted.set()
        stop()
        with suppress(OSError):
            os.write(_STDERR, note)  # not print(), which the signal may have interrupted

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
