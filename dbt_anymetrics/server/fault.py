"""What went wrong on the way to AnyMetrics, in words."""

from __future__ import annotations

import re
from http.client import RemoteDisconnected
from socket import gaierror

import requests
from urllib3.exceptions import LocationParseError

from dbt_anymetrics.server.answer import Answer

_STALE = (RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""How a call fails on a connection that the server has closed, before anything of an answer was read."""

_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    LocationParseError,
    TypeError,
)
"""What the libraries raise for an address that they cannot take apart, with a part of it in the text."""

_OF_AN_ADDRESS = re.compile(r"port|host|url|netloc|ipv6", re.IGNORECASE)

_ADDRESS = re.compile(r"\S*(?:://|@)\S*")


def explain(error: Exception, url: str, connecting: float, seconds: float, effect: str | None) -> Answer:
    """What went wrong, whether it is worth another try, and whether the call may have had its effect.

    `connecting` and `seconds` are how long a connection and an answer were waited for. `effect` is what the call was to
    bring about, if anything.
    """
    inner = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError):
        return Answer(message=f"TLS fails: {_root(error)}. For a private authority, set ANYMETRICS_CA_BUNDLE")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Answer(message=f"no connection within {connecting:g} s", retriable=True)
    if isinstance(error, requests.exceptions.Timeout) or isinstance(inner, TimeoutError):
        unknown = f"; whether {effect} is unknown" if effect else ""
        return Answer(message=f"no answer within {seconds:g} s{unknown}", retriable=True, is_unknown=True)
    if isinstance(error, requests.exceptions.ProxyError):
        return Answer(message=f"the proxy fails: {_root(error)}. Check HTTPS_PROXY and NO_PROXY", retriable=True)
    if isinstance(inner, ConnectionRefusedError):
        return Answer(message=f"connection refused: check that AnyMetrics is running at {url}", retriable=True)
    return _failed(error, inner, url)


def _failed(error: Exception, inner: BaseException, url: str) -> Answer:
    is_no_address = isinstance(inner, ValueError) and bool(_OF_AN_ADDRESS.search(str(inner)))
    if is_no_address or isinstance(inner, _NO_ADDRESS):
        # Ours was checked before: it is a proxy's, and may hold a password.
        return Answer(message="the address of a proxy cannot be used. Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY")
    retriable = isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, OSError))
    is_unknown = not isinstance(inner, gaierror)
    return Answer(message=f"the connection to {url} fails: {_root(error)}", retriable=retriable, is_unknown=is_unknown)


def is_stale(error: Exception) -> bool:
    """Whether a call failed as it does on a connection that the server had closed before."""
    return isinstance(_innermost(error), _STALE)


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
