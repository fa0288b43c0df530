"""A total time limit for an HTTP call.

The timeouts of requests and urllib3 count from the last byte: a server, or a proxy, that sends one byte now and then is
waited for without end. Here the socket itself is shut down when the time is up, which ends whatever waits on it. Before
there is a socket, while a name is looked up or one address after the other is tried, nothing can be shut down: such a
call is left to itself, and whoever made it goes on (`within`, and the delivery).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

GRACE = 1.0
"""Seconds that a call whose time is up has to end by itself."""

ResultT = TypeVar("ResultT")


def within(seconds: float, work: Callable[[], ResultT]) -> ResultT:
    """Do this, and raise TimeoutError when it takes longer; it is then left to itself in a thread of its own."""
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 (it is raised where it is waited for)
            errors.append(error)

    thread = threading.Thread(target=run, name="anymetrics-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


class _FinalResponse(http.client.HTTPResponse):
    """An answer without those before it: a server may send `102 Processing` or `103 Early Hints` first."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status < http.HTTPStatus.CONTINUE or status >= http.HTTPStatus.OK or status == _SWITCHED:
                return version, status, reason
            http.client.parse_headers(self.fp)


_SWITCHED = http.HTTPStatus.SWITCHING_PROTOCOLS


class TimedAdapter(HTTPAdapter):
    """An adapter with one connection, whose socket can be shut from another thread.

    `is_reused` tells that a call is on a connection of an earlier one, and `expired` that its time was up.
    """

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        self._trust = trust
        self._sockets: list[socket.socket] = []
        self.expired = False
        self.is_reused = False
        weakref.finalize(self, _close, self._sockets)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def begin(self) -> None:
        """Get ready for the next call."""
        self.expired = False
        self.is_reused = bool(self._sockets)

    def expire(self) -> None:
        """End the call under way, and any that begins to connect from now on."""
        self.expired = True
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        super().close()
        _close(self._sockets)

    def renew(self) -> None:
        """Make the next call on a new connection."""
        self.poolmanager.clear()
        for manager in self.proxy_manager.values():
            manager.clear()
        _close(self._sockets)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool, its connections watched."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._trust)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool of a proxy, its connections watched."""
        manager = super().proxy_manager_for(*args, **kwargs, ssl_context=self._trust)
        self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        classes: dict[str, Any] = dict(manager.pool_classes_by_scheme)
        manager.pool_classes_by_scheme = {scheme: self._watched(pool) for scheme, pool in classes.items()}

    def _watched(self, pool: Any) -> Any:
        adapter = self

        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            response_class = _FinalResponse

            def _new_conn(self) -> socket.socket:
                adapter.is_reused = False
                opened: socket.socket = super()._new_conn()
                adapter._opened(opened)
                return opened

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    def _opened(self, opened: socket.socket) -> None:
        """Keep a handle of the socket that stays valid whatever a proxy or TLS wraps around it."""
        _close(self._sockets)
        self._sockets.append(opened.dup())
        if self.expired:  # while it was being opened
            self.expire()


def _close(sockets: list[socket.socket]) -> None:
    while sockets:
        sockets.pop().close()


class Watchdog:
    """One thread that ends every call which takes longer than its seconds."""

    def __init__(self) -> None:
        self._deadlines: dict[TimedAdapter, float] = {}
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._watch, name="anymetrics-watchdog", daemon=True).start()

    @contextmanager
    def limited(self, adapter: TimedAdapter, seconds: float) -> Iterator[None]:
        """Limit the call within; `adapter.expired` tells afterwards whether its time was up."""
        adapter.begin()
        deadline = time.monotonic() + seconds
        with self._changed:
            if all(deadline < other for other in self._deadlines.values()):
                self._changed.notify()
            self._deadlines[adapter] = deadline
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
                earliest = min(self._deadlines.values(), default=None)
                self._changed.wait(None if earliest is None else earliest - now)
