"""A total time limit for an HTTP call.

The timeouts of requests and urllib3 count from the last byte: a server that sends one byte now and then is waited for
without end. Here the socket itself is shut when the time is up, which wakes whoever reads from it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager


class TimedAdapter(HTTPAdapter):
    """An adapter with one connection, whose socket can be shut from another thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._expired = threading.Event()
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    @contextmanager
    def limited(self, seconds: float) -> Iterator[threading.Event]:
        """Shut the socket unless the calls within end in time; the event then tells that it was so."""
        expired = self._expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._shut()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()

    def _opened(self, opened: socket.socket) -> None:
        self._socket = opened
        if self._expired.is_set():  # while it was being opened
            self._shut()

    def _shut(self) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as in requests)
        """Make the pool, its connections watched."""
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as in requests)
        """Make the pool of a proxy, its connections watched."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        classes: dict[str, Any] = dict(manager.pool_classes_by_scheme)
        manager.pool_classes_by_scheme = {scheme: self._watched(pool) for scheme, pool in classes.items()}

    def _watched(self, pool: Any) -> Any:  # noqa: ANN401 (a class of urllib3's)
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                adapter._opened(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
