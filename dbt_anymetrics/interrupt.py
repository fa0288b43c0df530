"""Ctrl-C without losing an outcome."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping(stop: threading.Event, on_first: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C set `stop`, so that what is in flight can be recorded, and the second one interrupt.

    Python only lets the main thread listen; on any other thread Ctrl-C does not arrive anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        on_first()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
