"""The tokens that the sandbox has given out."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from time import monotonic

APP_ID = "sandbox-app"
APP_SECRET = "not-a-real-app-secret"  # noqa: S105 -- public: it stands in the documentation
"""No ordinary word, for a client removes it from everything that it shows."""

SIX_HOURS = 6 * 60 * 60


class Tokens:
    """Gives out tokens for one application, and knows them again; safe to share between threads."""

    def __init__(self, app_id: str, app_secret: str, clock: Callable[[], float] = monotonic) -> None:
        self._app = (app_id, app_secret)
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def create(self, app_id: str, app_secret: str, seconds: int) -> str | None:
        """A new token that holds so long, or None when these are not the application's own."""
        if (app_id, app_secret) != self._app:
            return None
        token = uuid.uuid4().hex
        with self._lock:
            self._ends[token] = self._clock() + seconds
        return token

    def knows(self, token: str) -> bool:
        """Whether this is a token that still holds."""
        with self._lock:
            return self._clock() < self._ends.get(token, 0)
