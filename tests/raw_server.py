"""A server below HTTP: it does with each connection what a test says, right or wrong."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType

SUCCESS = b'{"data": true, "success": true, "code": "200", "errorMsg": null, "traceId": "trace"}'

_GONE = (ConnectionError, ssl.SSLError, TimeoutError, ValueError, StopIteration)
"""What a connection raises when its client has left, before its first request (StopIteration) or after: the client's
business."""

_NO_LINGER = struct.pack("ii", 1, 0)


def http(body: bytes = SUCCESS, status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer; `Content_Length` and such in `headers` replace the right ones."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Visit:
    """One connection of a client. `number` counts connections from 0; `over` is set when the server ends."""

    def __init__(self, connection: socket.socket, number: int, over: threading.Event, requests: list[bytes]) -> None:
        self.socket = connection
        self.number = number
        self.over = over
        self._requests = requests

    def requests(self) -> Iterator[bytes]:
        """Each request on this connection, read whole, until the client leaves."""
        while request := self._read():
            self._requests.append(request)
            yield request

    def answer(self, *answers: bytes) -> None:
        """Answer the first requests with these, one each, and leave."""
        for answer, _ in zip(answers, self.requests(), strict=False):
            self.socket.sendall(answer)

    def answer_all(self, answer: bytes) -> None:
        """Answer every request with the same."""
        for _ in self.requests():
            self.socket.sendall(answer)

    def trickle(self, first: bytes, then: bytes, seconds: float = 0.05) -> None:
        """Send something at once, and then this byte now and then, for as long as the client will have it."""
        self.socket.sendall(first)
        while not self.over.wait(seconds):
            self.socket.sendall(then)

    def wait(self) -> None:
        """Say nothing until the client leaves."""
        while self.socket.recv(1 << 16):
            pass

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.socket.close()

    def _read(self) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            part = self.socket.recv(1 << 16)
            if not part:
                return b""
            request += part
        head, _, body = request.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(body) < length:
            part = self.socket.recv(1 << 16)
            if not part:
                return b""
            body += part
        return head + b"\r\n\r\n" + body


class RawServer:
    """Serves on loopback while it is entered: each connection, in a thread of its own, is handed to `act`."""

    def __init__(self, act: Callable[[Visit], None], context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._act = act
        self._context = context
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:  # noqa: PYI034 (typing.Self is newer than Python 3.10)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                number, self.connections = self.connections, self.connections + 1
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(*_GONE, OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                self._act(Visit(connection, number, self._over, self.requests))
