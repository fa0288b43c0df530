"""When a refresh is tried again, how many retries a run may make, and when it gives up altogether."""

from __future__ import annotations

import random
import threading

from msgspec import Struct

from dbt_anymetrics.server.answer import Answer


class Backoff(Struct, frozen=True, kw_only=True):
    """How often and how patiently a refresh is tried; seconds."""

    attempts: int = 5
    wait_initial: float = 0.5
    wait_max: float = 8.0
    retry_after_max: float = 60.0

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait after a failed attempt (1 for the first), or None to give up.

        The wait doubles each time, with jitter so that threads do not return together. The server's Retry-After makes
        it longer, never shorter, and one that is too long is a reason to give up.
        """
        if attempt >= self.attempts or (retry_after or 0) > self.retry_after_max:
            return None
        longest = min(self.wait_max, self.wait_initial * 2.0 ** (attempt - 1))
        wait = random.uniform(longest / 2, longest)  # noqa: S311 (jitter is no secret)
        return max(wait, retry_after or 0)


class RetryBudget:
    """How many retries all refreshes of a run may make together: a server that is down is not asked for hours."""

    def __init__(self, refreshes: int) -> None:
        self._left = max(20, refreshes // 5)
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one retry, if there is one left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0


class Circuit:
    """Opens when many refreshes in a row did not reach AnyMetrics: the rest would not either."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures = 0
        self._lock = threading.Lock()

    def note(self, answer: Answer) -> bool:
        """Count the final answer of a refresh; true when the circuit is open from now on."""
        with self._lock:
            self._failures = 0 if answer.from_anymetrics else self._failures + 1
            return self._failures >= self._limit
