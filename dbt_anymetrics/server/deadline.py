"""A total time limit for an HTTP call.

The timeouts of requests and urllib3 count from the last byte: a server that sends one byte now and then is waited for
without end. Here the socket itself is shut down when the time is up, which ends a read that waits on it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager


class TimedAdapter(HTTPAdapter):
    """An adapter with one connection, whose socket can be shut from another thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.expired = False
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def expire(self) -> None:
        """End the call under way, and any that begins to connect from now on."""
        self.expired = True
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool, its connections watched."""
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool of a proxy, its connections watched."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        classes: dict[str, Any] = dict(manager.pool_classes_by_scheme)
        manager.pool_classes_by_scheme = {scheme: self._watched(pool) for scheme, pool in classes.items()}

    def _watched(self, pool: Any) -> Any:
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                adapter._opened(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    def _opened(self, opened: socket.socket) -> None:
        self._socket = opened
        if self.expired:  # while it was being opened
            self.expire()


class Watchdog:
    """One thread that ends every call which takes longer than its seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadlines: dict[TimedAdapter, float] = {}
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._watch, name="anymetrics-watchdog", daemon=True).start()

    @contextmanager
    def limited(self, adapter: TimedAdapter) -> Iterator[None]:
        """Limit the call within; `adapter.expired` tells afterwards whether its time was up."""
        adapter.expired = False
        with self._changed:
            if not self._deadlines:
                self._changed.notify()
            self._deadlines[adapter] = time.monotonic() + self._seconds
        try:
            yield
        finally:
            with self._changed:
                self._deadlines.pop(adapter, None)

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for adapter in [each for each, deadline in self._deadlines.items() if deadline <= now]:
                    del self._deadlines[adapter]
                    adapter.expire()
                # Every call has the same limit: one that begins meanwhile cannot be due before those that are known.
                earliest = min(self._deadlines.values(), default=None)
                self._changed.wait(None if earliest is None else earliest - now)
