"""The HTTP calls to AnyMetrics: one session a thread, no redirects, every outcome an `Answer`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from dbt_anymetrics import __version__
from dbt_anymetrics.server.answer import Answer, judge
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.deadline import TimedAdapter, Watchdog
from dbt_anymetrics.text import one_line

TRIGGER = "/scheduler/task/trigger"
PROBE = "/metrics/list?pageNumber=1&pageSize=1"

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
        self._watchdog = Watchdog(2 * connection.timeout)

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
        return self._call("GET", PROBE)

    def close(self) -> None:
        """Close every thread's session."""
        self._watchdog.close()
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _call(self, method: str, path: str, body: object = None) -> Answer:
        connection = self._connection
        session, adapter = self._session()
        try:
            with (
                self._watchdog.limited(adapter),
                session.request(
                    method,
                    connection.address(path),
                    json=body,
                    timeout=connection.timeout,
                    allow_redirects=False,  # requests would send our auth-value header to the other host
                    stream=True,
                ) as response,
            ):
                content = _read(response)
        except (requests.RequestException, HTTPError, OSError) as error:
            return self._fault(requests.Timeout() if adapter.expired else error)
        if adapter.expired:
            return self._fault(requests.Timeout())
        headers = response.headers
        return judge(
            response.status_code,
            content,
            headers.get("Location"),
            _retry_after(headers.get("Retry-After")),
            redact=connection.auth_value.redact,
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
        bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
        session.verify = connection.ca_bundle or bundle or True
        session.headers.update(
            {
                "User-Agent": f"dbt-anymetrics/{__version__}",
                "Accept": "application/json",
                "tenant-id": connection.tenant_id,
                "auth-type": connection.auth_type,
                "auth-value": connection.auth_value.reveal(),
            }
        )
        adapter = TimedAdapter()
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session, adapter

    def _fault(self, error: Exception) -> Answer:
        message, retriable = self._explain(error)
        # The text of an exception may hold what the server sent.
        return Answer(message=one_line(self._connection.auth_value.redact(message), 500), retriable=retriable)

    def _explain(self, error: Exception) -> tuple[str, bool]:
        """What went wrong on the way, and whether it is worth another try."""
        seconds = f"{self._connection.timeout:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return f"TLS fails: {_root(error)}. For a private authority, set ANYMETRICS_CA_BUNDLE", False
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return f"no connection within {seconds}", True
        if isinstance(error, requests.exceptions.Timeout) or isinstance(_innermost(error), TimeoutError):
            return f"no answer within {seconds}; whether the refresh was triggered is unknown", True
        if isinstance(error, requests.exceptions.ProxyError):
            return f"the proxy fails: {_root(error)}. Check HTTPS_PROXY and NO_PROXY", True
        if isinstance(_innermost(error), ConnectionRefusedError):
            return f"connection refused: check that AnyMetrics is running at {self._connection.url}", True
        retriable = isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, OSError))
        return f"the connection to {self._connection.url} fails: {_root(error)}", retriable


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
    """The innermost reason in words."""
    error = _innermost(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


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
