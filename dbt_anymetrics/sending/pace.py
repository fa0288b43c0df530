"""So many refreshes a minute, and no more: AnyMetrics computes each of them."""

from __future__ import annotations

import threading
import time


class Pace:
    """Spreads what several threads begin evenly over each minute; without a number it lets everything begin at once."""

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Wait for the next turn, or until it is stopped."""
        if not self._interval:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        stop.wait(turn - now)
