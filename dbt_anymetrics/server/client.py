"""The HTTP calls to AnyMetrics: one session a thread, no redirects, every outcome an `Answer`."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import date
from http.client import HTTPException, RemoteDisconnected
from socket import gaierror

import requests
from msgspec.structs import replace
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, InvalidHeader, LocationParseError
from urllib3.util.retry import Retry

from dbt_anymetrics import __version__
from dbt_anymetrics.server.answer import Answer, judge
from dbt_anymetrics.server.confirmation import is_confirmation, is_there
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.deadline import GRACE, TimedAdapter, Watchdog, within
from dbt_anymetrics.text import one_line

TRIGGER = "/scheduler/task/trigger"
PROBE = "/metrics/list?pageNumber=1&pageSize=1"

_STALE = (RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""How a call fails on a connection that the server has closed, before anything of an answer was read."""

_FAULTS = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError, TypeError)
"""What the libraries raise; TypeError is for a proxy without a host."""

_UNSENT = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, LocationParseError, TypeError)
"""Faults before anything was sent."""

_ADDRESS = re.compile(r"\S*(?:://|@)\S*")

_MAX_BODY = 1 << 20
_CHUNK = 1 << 14


class _Session(requests.Session):
    """A session that never looks where a redirect leads: requests would, even when told not to follow it."""

    def get_redirect_target(self, _response: requests.Response) -> None:
        """Say that there is none."""


class Client:
    """Calls AnyMetrics over one connection; safe to share between threads. Close it after use."""

    def __init__(self, connection: Connection, environment: Mapping[str, str]) -> None:
        self._connection = connection
        self._environment = environment
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self._seconds = 2 * connection.timeout
        self._watchdog = Watchdog(self._seconds)

    def trigger(self, table_name: str, partition: date) -> Answer:
        """Tell AnyMetrics that one date of a table has new data (AnyMetrics API page, Data Update)."""
        body = {
            "tableName": table_name,
            "tenantId": self._connection.tenant_id,
            "tablePartition": partition.isoformat(),
        }
        return self._call("POST", TRIGGER, body)

    def probe(self) -> Answer:
        """Make the cheapest read that needs the credentials."""
        return self._ask("GET", PROBE)

    def _ask(self, method: str, path: str, body: object = None) -> Answer:
        """Make a call that asks something, for no longer than a call may take."""
        try:
            return within(self.call_limit, lambda: self._call(method, path, body, is_there))
        except TimeoutError:
            return self.overdue()

    @property
    def call_limit(self) -> float:
        """Seconds after which a call is given up, whatever it waits for."""
        return self._seconds + GRACE

    def overdue(self) -> Answer:
        """What is said of a call that is given up."""
        return self._fault(requests.Timeout())

    def close(self) -> None:
        """Close every thread's session."""
        self._watchdog.close()
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _call(
        self, method: str, path: str, body: object = None, confirms: Callable[[object], bool] = is_confirmation
    ) -> Answer:
        try:
            session, adapter = self._session()
        except ValueError as error:  # from a proxy in the environment that is no address
            return self._fault(error)
        try:
            with self._watchdog.limited(adapter):
                return self._sent(session, adapter, method, path, body, confirms)
        except _FAULTS as error:
            return self._fault(requests.Timeout() if adapter.expired else error)

    def _sent(
        self,
        session: requests.Session,
        adapter: TimedAdapter,
        method: str,
        path: str,
        body: object,
        confirms: Callable[[object], bool],
    ) -> Answer:
        try:
            response = self._request(session, method, path, body)
        except requests.ConnectionError as error:
            if adapter.expired or not (adapter.is_reused and isinstance(_innermost(error), _STALE)):
                raise
            # The server had closed the connection that was kept from the last call: no more than a new one is needed.
            adapter.renew()
            response = self._request(session, method, path, body)
        with response:
            content = _read(response)
        if adapter.expired:
            return self._fault(requests.Timeout())
        headers = response.headers
        return judge(
            response.status_code,
            content,
            headers.get("Location"),
            _retry_after(headers.get("Retry-After")),
            redact=self._connection.auth_value.redact,
            confirms=confirms,
        )

    def _request(self, session: requests.Session, method: str, path: str, body: object) -> requests.Response:
        return session.request(
            method,
            self._connection.address(path),
            json=body,
            timeout=self._connection.timeout,
            allow_redirects=False,  # requests would send our auth-value header to the other host
            stream=True,
        )

    def _session(self) -> tuple[requests.Session, TimedAdapter]:
        """The session of this thread, which holds one connection open from call to call."""
        if not hasattr(self._local, "session"):
            self._local.session, self._local.adapter = self._new_session()
            with self._lock:
                self._sessions.append(self._local.session)
        return self._local.session, self._local.adapter

    def _new_session(self) -> tuple[requests.Session, TimedAdapter]:
        connection, environment = self._connection, self._environment
        session = _Session()
        # Proxies and the CA bundle are taken from the environment once, here. Left to itself, requests would look at
        # each call, and would also send a .netrc password to the host.
        session.trust_env = False
        session.proxies.update(get_environ_proxies(connection.url))
        bundle = connection.ca_bundle or environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
        session.verify = bundle or True
        session.headers.update(
            {
                "User-Agent": f"dbt-anymetrics/{__version__}",
                "Accept": "application/json",
                "tenant-id": connection.tenant_id,
                "auth-type": connection.auth_type,
                "auth-value": connection.auth_value.reveal(),
            }
        )
        adapter = TimedAdapter(None if bundle or connection.url.startswith("http:") else _system_trust())
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session, adapter

    def _fault(self, error: Exception) -> Answer:
        fault = self._explain(error)
        # The text of an exception may hold what the server sent.
        return replace(fault, message=one_line(fault.message or "", 500, self._connection.auth_value.redact))

    def _explain(self, error: Exception) -> Answer:
        """What went wrong on the way, whether it is worth another try, and whether the call may have had its effect."""
        seconds = f"{self._connection.timeout:g} s"
        inner = _innermost(error)
        if isinstance(error, requests.exceptions.SSLError):
            return Answer(message=f"TLS fails: {_root(error)}. For a private authority, set ANYMETRICS_CA_BUNDLE")
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return Answer(message=f"no connection within {seconds}", retriable=True)
        if isinstance(error, requests.exceptions.Timeout) or isinstance(inner, TimeoutError):
            message = f"no answer within {seconds}; whether the refresh was triggered is unknown"
            return Answer(message=message, retriable=True, is_unknown=True)
        if isinstance(error, requests.exceptions.ProxyError):
            return Answer(message=f"the proxy fails: {_root(error)}. Check HTTPS_PROXY and NO_PROXY", retriable=True)
        if isinstance(inner, ConnectionRefusedError):
            message = f"connection refused: check that AnyMetrics is running at {self._connection.url}"
            return Answer(message=message, retriable=True)
        message = f"the connection to {self._connection.url} fails: {_root(error)}"
        retriable = isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, OSError))
        return Answer(message=message, retriable=retriable, is_unknown=not isinstance(inner, (gaierror, *_UNSENT)))


def _system_trust() -> ssl.SSLContext:
    """TLS with the authorities that the system trusts, such as a company's own; requests adds its own list to them."""
    import truststore  # lazy: not every command sends, and not every address is https

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _read(response: requests.Response) -> bytes:
    """The body, cut at a size that no answer of the API reaches."""
    # Left to itself, urllib3 1.x takes an answer that was cut short for a whole one.
    response.raw.enforce_content_length = True
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > _MAX_BODY:
            break
    return bytes(body)


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait as the header says, which is a number or an HTTP date."""
    if not header:
        return None
    try:
        return Retry().parse_retry_after(header)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _root(error: BaseException) -> str:
    """The innermost reason in words, without addresses: that of a proxy may hold a password."""
    error = _innermost(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _ADDRESS.sub("(an address)", str(error)) or type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    """What urllib3 and requests have wrapped several times, with object addresses in the text."""
    seen = {id(error)}
    while (inner := _inner(error)) and id(inner) not in seen:
        seen.add(id(inner))
        error = inner
    return error


def _inner(error: BaseException) -> BaseException | None:
    # urllib3 1.x tries a call of Python 2 first, and hides that with `from None`.
    context = None if error.__suppress_context__ else error.__context__
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, context)
    return next((inner for inner in candidates if isinstance(inner, BaseException)), None)
