"""The sandbox as a server on this machine."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from dbt_anymetrics.sandbox.answers import HTML, Answer, Delivery, Shape, http_refusal
from dbt_anymetrics.sandbox.api import Answers, Api, new_trace_id
from dbt_anymetrics.sandbox.calls import World
from dbt_anymetrics.sandbox.front_page import PICTURE_PATH, RECEIVED_PATH, FrontPage
from dbt_anymetrics.sandbox.lineage import Lineage
from dbt_anymetrics.sandbox.plans import PlanFault, Plans
from dbt_anymetrics.sandbox.received import Received, Request
from dbt_anymetrics.sandbox.tokens import APP_ID, APP_SECRET, Tokens
from dbt_anymetrics.sandbox.validation import BODY_LIMIT, Identity, RefusedError, body_length, check_body_size

HOST = "127.0.0.1"
AUTH_VALUE = "not-a-real-credential"
"""It is public. It is not an ordinary word, because a client removes its credential from everything that it shows."""

STOP_SECONDS = 10

MOVES_AFTER = 3.0
"""Seconds after a trigger in which its plans are refreshed."""

_Pages = Mapping[str, Callable[[str], Answer]]

_Connection = socket.socket | tuple[bytes, socket.socket]


class Sandbox:
    """A local stand-in for the AnyMetrics API, as a context manager; it serves from a daemon thread.

    It checks each request against AnyMetrics' API pages. A request that breaks a rule is refused whatever `answers`
    says; any other gets the shape `answers` names, or the documented answer. A callable is given the number of the
    trigger call, counted from 0; a shape alone answers every other call too. `on_request` is called from the serving
    threads, before the answer is sent.

    `plans` are names with the tables that move each: None for every table, none for an external plan. A trigger moves
    them after `moves_after` seconds, unless `plan_fails`. `scheduled` are plans that no trigger moves. `tables` are
    `catalog.schema.table` that lineage lists beside those triggered, and `lineage_edges` is how many edges it has at
    least. Every answer waits for `slow` seconds.

    Raises ValueError for an identity that could not be sent, and OSError on `start` when the port is taken.
    """

    url: str
    """`http://127.0.0.1:PORT`, set by `start`."""

    def __init__(  # noqa: PLR0913 -- all by name, and each is an option of the command
        self,
        *,
        port: int = 0,
        tenant_id: str = "tn_sandbox",
        auth_type: str = "UID",
        auth_value: str = AUTH_VALUE,
        answers: Answers | Shape | None = None,
        on_request: Callable[[Received], None] | None = None,
        plans: Mapping[str, Sequence[str] | None] | None = None,
        moves_after: float = MOVES_AFTER,
        plan_fails: PlanFault | None = None,
        scheduled: Iterable[str] = (),
        tables: Iterable[str] = (),
        lineage_edges: int = 0,
        slow: float = 0,
        app_id: str = APP_ID,
        app_secret: str = APP_SECRET,
    ) -> None:
        self._port = port
        self._identity = Identity(tenant_id, auth_type, auth_value)
        lineage = Lineage(tables, lineage_edges)
        self._plans = Plans(plans, moves_after, plan_fails, scheduled=scheduled)
        world = World(tenant_id, self._plans, lineage, Tokens(app_id, app_secret))
        self._api = Api(self._identity, world, answers, on_request)
        self._slow = slow
        self._server: _Server | None = None
        self._stopped = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point a client at this sandbox."""
        return {
            "ANYMETRICS_URL": self.url,
            "ANYMETRICS_TENANT_ID": self._identity.tenant_id,
            "ANYMETRICS_AUTH_TYPE": self._identity.auth_type,
            "ANYMETRICS_AUTH_VALUE": self._identity.auth_value,
        }

    @property
    def received(self) -> list[Received]:
        """A copy of what was received so far, in the order of `number`."""
        return self._api.received

    @property
    def plan_kinds(self) -> dict[str, str]:
        """What moves each plan, in words."""
        return {plan.name: plan.moved_by for plan in self._plans.all()}

    @property
    def plan_ids(self) -> dict[str, str]:
        """What the API names the uuid of each plan."""
        return {plan.name: plan.id for plan in self._plans.all()}

    def start(self) -> None:
        """Listen and serve; a sandbox starts once."""
        if self._server is not None:
            raise RuntimeError("this sandbox was started before")
        pages = {"/": self._page, PICTURE_PATH: self._picture, RECEIVED_PATH: self._listing}
        self._server = _Server((HOST, self._port), pages, self._api, self._slow)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        self._front_page = FrontPage(lambda: self.received, self._public_environment())
        # The interval is how long it takes to notice a stop.
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, name="sandbox", daemon=True).start()

    def stop(self) -> None:
        """Close every connection, also those left hanging, and the port."""
        if self._server is None or self._stopped.is_set():
            return
        self._server.shutdown()
        self._server.disconnect()
        self._server.server_close()
        self._stopped.set()

    def wait(self) -> None:
        """Block until stopped; Ctrl-C raises KeyboardInterrupt here."""
        # A wait without a timeout cannot be interrupted on Windows.
        while not self._stopped.wait(timeout=0.5):
            pass

    def __enter__(self) -> Sandbox:  # noqa: PYI034 -- typing.Self is newer than Python 3.10
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _public_environment(self) -> dict[str, str | None]:
        # The default is printed in the documentation and may be shown; any other value is someone's secret.
        value = AUTH_VALUE if self._identity.auth_value == AUTH_VALUE else None
        return {**self.environment, "ANYMETRICS_AUTH_VALUE": value}

    def _page(self, query: str) -> Answer:  # noqa: ARG002
        return Answer(text=self._front_page.html(), content_type=HTML)

    def _picture(self, query: str) -> Answer:
        news = self._front_page.news("".join(parse_qs(query).get("seen", [])))
        if news is None:
            return Answer(status=HTTPStatus.NO_CONTENT)
        text, version = news
        return Answer(text=text, headers={"ETag": version})

    def _listing(self, query: str) -> Answer:  # noqa: ARG002
        return Answer(text=json.dumps([asdict(received) for received in self.received], indent=1))


class _Server(ThreadingMixIn, TCPServer):
    """What ThreadingHTTPServer is, without its look-up of the host's name, and able to close its connections."""

    daemon_threads = True
    # On other systems this makes a port usable again at once; on Windows it would allow two servers on the same port.
    allow_reuse_address = sys.platform != "win32"
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], pages: _Pages, api: Api, slow: float) -> None:
        self.pages = pages
        self.api = api
        self._slow = slow
        self._over = threading.Event()
        self._open: set[Any] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._changed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: _Connection) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def disconnect(self) -> None:
        """End every connection, and wait until its thread has closed it."""
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._over.set()  # after that: an answer that is delayed must not go out now
            self._changed.wait_for(lambda: not self._open, timeout=STOP_SECONDS)

    def delay(self) -> None:
        """Take as long as every answer is to take, unless the sandbox stops meanwhile."""
        if self._slow:
            self._over.wait(self._slow)

    def handle_error(self, request: _Connection, client_address: object) -> None:
        # A client may leave whenever it likes: that is its business, not an error here.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "dbt-anymetrics-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        page = self.server.pages.get(path)
        if page and self.command == "GET":
            answer = page(query)
            self._send(answer, answer.text.encode(errors="backslashreplace"))
        else:
            self._exchange()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _exchange(self) -> None:
        request, refused = Request(self.command, self.path, self.headers), None
        try:
            request = Request(self.command, self.path, self.headers, self._read_body())
        except RefusedError as error:
            refused = error.answer
            self.close_connection = True
        answer, trace_id = self.server.api.exchange(request, refused)
        self.server.delay()
        self._deliver(answer, answer.body(trace_id))

    def _read_body(self) -> bytes:
        length = body_length(self.command, self.headers)
        # Part of a body too large is read as well: a client still sending might never see the answer.
        body = self.rfile.read(min(length, 16 * BODY_LIMIT))
        check_body_size(length)
        if len(body) < length:
            text = f"the body ends after {len(body)} of {length} bytes"
            raise RefusedError(http_refusal(HTTPStatus.BAD_REQUEST, text))
        return body

    def _deliver(self, answer: Answer, body: bytes) -> None:
        if answer.delivery is Delivery.WHOLE:
            self._send(answer, body)
            return
        self.close_connection = True
        if answer.delivery is Delivery.HALF:
            self._send_head(answer, len(body))
            self.wfile.write(body[: len(body) // 2])
        elif answer.delivery is Delivery.RESET:
            self._reset()
        else:
            self._hang()

    def _send(self, answer: Answer, body: bytes) -> None:
        self._send_head(answer, len(body), {"Connection": "close"} if self.close_connection else {})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_head(self, answer: Answer, length: int, more: Mapping[str, str] | None = None) -> None:
        self.send_response(answer.status)
        own = {"Content-Type": answer.content_type, "Content-Length": str(length), "Cache-Control": "no-store"}
        for name, value in {**own, **answer.headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        # A close that may not linger sends RST; it happens when the last file on the connection is closed.
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _hang(self) -> None:
        """Answer nothing until the client leaves or the sandbox closes the connection."""
        while self.connection.recv(BODY_LIMIT):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what could not be read as HTTP."""
        self.close_connection = True
        answer = http_refusal(code, message or HTTPStatus(code).phrase)
        self._send(answer, answer.body(new_trace_id()))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet: `on_request` is for those who want to hear."""
