"""The HTTP calls to AnyMetrics: kept sessions, no redirects, every outcome an `Answer`."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from http.client import HTTPException
from urllib.parse import urlsplit

import requests
from msgspec.structs import replace
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util.retry import Retry

from dbt_anymetrics import __version__
from dbt_anymetrics.server.answer import Answer, judge
from dbt_anymetrics.server.call import Call
from dbt_anymetrics.server.confirmation import is_confirmation
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.deadline import GRACE, TimedAdapter, Watchdog, within
from dbt_anymetrics.server.fault import explain, is_stale
from dbt_anymetrics.text import one_line

TRIGGER = "/scheduler/task/trigger"
PROBE = "/metrics/list?pageNumber=1&pageSize=1"

_FAULTS = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError, TypeError)
"""What the libraries raise; TypeError is for a proxy without a host."""

_TRIGGERED = "the refresh was triggered"

_IDENTITY = ("tenant-id", "auth-type", "auth-value")

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
        self._sessions: list[requests.Session] = []
        self._idle: list[tuple[requests.Session, TimedAdapter]] = []
        self._lock = threading.Lock()
        self._watchdog = Watchdog()

    def trigger(self, table_name: str, partition: date) -> Answer:
        """Tell AnyMetrics that one date of a table has new data (AnyMetrics API page, Data Update)."""
        body = {
            "tableName": table_name,
            "tenantId": self._connection.tenant_id,
            "tablePartition": partition.isoformat(),
        }
        call = Call(method="POST", path=TRIGGER, body=body, confirms=is_confirmation, effect=_TRIGGERED)
        return self._made(call)

    def probe(self) -> Answer:
        """Make the cheapest read that needs the credentials."""
        return self.ask(Call(method="GET", path=PROBE))

    def ask(self, call: Call) -> Answer:
        """Make any call but a trigger, for no longer than it may take."""
        try:
            return within(self._limit(call) + GRACE, lambda: self._made(call))
        except TimeoutError:
            return self._fault(requests.Timeout(), call)

    @property
    def call_limit(self) -> float:
        """Seconds after which a trigger is given up, whatever it waits for."""
        return 2 * self._connection.timeout + GRACE

    def overdue(self) -> Answer:
        """What is said of a trigger that is given up."""
        return self._fault(requests.Timeout(), Call(method="POST", path=TRIGGER, effect=_TRIGGERED))

    def close(self) -> None:
        """Close every thread's session."""
        self._watchdog.close()
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _limit(self, call: Call) -> float:
        """Seconds that the whole call may take."""
        return max(call.seconds, 2 * self._connection.timeout)

    def _patience(self, call: Call) -> float:
        """Seconds that the next byte of the answer is waited for."""
        return max(call.seconds, self._connection.timeout)

    def _made(self, call: Call) -> Answer:
        try:
            with self._kept_session() as (session, adapter):
                return self._timed(session, adapter, call)
        except ValueError as error:  # from a proxy in the environment that is no address
            return self._fault(error, call)

    def _timed(self, session: requests.Session, adapter: TimedAdapter, call: Call) -> Answer:
        try:
            with self._watchdog.limited(adapter, self._limit(call)):
                return self._sent(session, adapter, call)
        except _FAULTS as error:
            return self._fault(requests.Timeout() if adapter.expired else error, call)

    def _sent(self, session: requests.Session, adapter: TimedAdapter, call: Call) -> Answer:
        try:
            response = self._request(session, call)
        except requests.ConnectionError as error:
            if adapter.expired or not (adapter.is_reused and is_stale(error)):
                raise
            # The server had closed the connection that was kept from the last call: no more than a new one is needed.
            adapter.renew()
            response = self._request(session, call)
        with response:
            content = _read(response, call.largest)
        if adapter.expired:
            return self._fault(requests.Timeout(), call)
        headers = response.headers
        return judge(
            response.status_code,
            content,
            headers.get("Location"),
            _retry_after(headers.get("Retry-After")),
            redact=self._connection.auth_value.redact,
            confirms=call.confirms,
            form=call.form,
        )

    def _request(self, session: requests.Session, call: Call) -> requests.Response:
        return session.request(
            call.method,
            self._connection.address(call.path),
            json=call.body,
            headers=dict.fromkeys(_IDENTITY) if call.is_anonymous else None,
            timeout=(self._connection.timeout, self._patience(call)),
            allow_redirects=False,  # requests would send our auth-value header to the other host
            stream=True,
        )

    @contextmanager
    def _kept_session(self) -> Iterator[tuple[requests.Session, TimedAdapter]]:
        """A session for one call, kept with its open connection for the next one, whichever thread makes that."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is None:
            kept = self._new_session()
            with self._lock:
                self._sessions.append(kept[0])
        try:
            yield kept
        finally:
            with self._lock:
                self._idle.append(kept)

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
        adapter = TimedAdapter(None if bundle else _system_trust(connection.url))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session, adapter

    def _fault(self, error: Exception, call: Call) -> Answer:
        connection = self._connection
        fault = explain(error, connection.url, connection.timeout, self._patience(call), call.effect)
        # The text of an exception may hold what the server sent.
        return replace(fault, message=one_line(fault.message or "", 500, connection.auth_value.redact))


def _system_trust(url: str) -> ssl.SSLContext | None:
    """TLS with the authorities that the system trusts, to which requests adds its own list; none for http."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return None
    from dbt_anymetrics.server.trust import SystemTrust  # lazy: not every address is https

    return SystemTrust.of(parts.hostname or "")


def _read(response: requests.Response, largest: int) -> bytes:
    """The body, cut at a size that no answer to this call reaches."""
    # Left to itself, urllib3 1.x takes an answer that was cut short for a whole one.
    response.raw.enforce_content_length = True
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > largest:
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
