"""What AnyMetrics' answers mean. HTTP status alone says little: most refusals come with 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics.text import one_line

_ERROR_TEXTS = ("errorMsg", "detailErrorMsg", "message")

_MAX_MESSAGE = 500

_BY_STATUS = {
    401: "the credentials are not accepted: check ANYMETRICS_AUTH_TYPE, ANYMETRICS_AUTH_VALUE and the tenant",
    403: "access is refused: check ANYMETRICS_AUTH_TYPE, ANYMETRICS_AUTH_VALUE and the tenant",
    404: "there is no such API here: check ANYMETRICS_URL (the service is usually on port 8083)",
    407: "a proxy asks for credentials: check HTTPS_PROXY",
    413: "something on the way refuses the request as too large",
    429: "too many requests",
}


_OF_THE_WAY = frozenset({401, 403, 404, 407, 429})
"""HTTP statuses that are about the address or the credential: every other refresh would get the same answer."""


class Answer(Struct, frozen=True, kw_only=True):
    """The outcome of one call.

    `message` is None exactly when the call succeeded. `data` is the body's `data`. `from_anymetrics` tells an answer
    of the API itself, which is about this call, from any other, which is about the address or the credentials.
    """

    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    trace_id: str | None = None
    data: Any = None
    from_anymetrics: bool = False
    retriable: bool = False
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether AnyMetrics confirmed."""
        return self.message is None


class Envelope(Struct):
    """The body of every documented answer; other services of the product use some names differently.

    The texts, the code and the trace id are made texts fit to be shown as soon as the body is decoded.
    """

    data: Any = None
    success: Any = None
    succeed: Any = None
    code: Any = None
    errorMsg: Any = None  # noqa: N815 (the API's name)
    detailErrorMsg: Any = None  # noqa: N815
    message: Any = None
    traceId: Any = None  # noqa: N815

    def error_text(self) -> str | None:
        """What the answer says went wrong, if it says so in words."""
        texts = dict.fromkeys(text for name in _ERROR_TEXTS if (text := getattr(self, name)))
        return ": ".join(texts) or None

    def fault(self) -> str | None:
        """Why this is no success, or None.

        Success is: `success` (or `succeed`) is not false, `code` is absent, null or 200, there is no error text, and
        `data` is neither false nor null (AnyMetrics API page, Data Update, and real answers of its services).
        """
        if text := self.error_text():
            return text
        if self.success is False or self.succeed is False:
            return "AnyMetrics says it failed, without a reason"
        if self.code not in (None, "200"):
            return f"AnyMetrics answers with code {self.code}, without a reason"
        if self.data is None or self.data is False:
            return "AnyMetrics did not confirm (no data in its answer)"
        return None


def judge(
    status: int,
    body: bytes,
    location: str | None = None,
    retry_after: float | None = None,
    redact: Callable[[str], str] = str,
) -> Answer:
    """Decide what an HTTP answer means.

    `location` is where a redirect points, `retry_after` is in seconds, and `redact` strikes out what may not be shown.
    """
    retriable = status == 429 or status >= 500  # noqa: PLR2004
    envelope = _decode(body, redact)
    if envelope and 200 <= status < 300:  # noqa: PLR2004
        message = envelope.fault()
    else:
        message = _http_fault(status, body, envelope.error_text() if envelope else None, redact(location or "nowhere"))
    return Answer(
        http_status=status,
        code=envelope.code if envelope else None,
        message=message and one_line(message, _MAX_MESSAGE),
        trace_id=envelope.traceId if envelope else None,
        data=envelope.data if envelope else None,
        from_anymetrics=envelope is not None and not 300 <= status < 400 and status not in _OF_THE_WAY and status < 500,  # noqa: PLR2004
        retriable=retriable,
        retry_after=retry_after if retriable else None,
    )


def _decode(body: bytes, redact: Callable[[str], str]) -> Envelope | None:
    """The body as an envelope whose texts can be shown, or None when it is none."""
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    texts = {name: _text(getattr(envelope, name), redact) for name in (*_ERROR_TEXTS, "code", "traceId")}
    return msgspec.structs.replace(envelope, **texts)


def _http_fault(status: int, body: bytes, text: str | None, location: str) -> str:
    if 300 <= status < 400:  # noqa: PLR2004
        where = location.split("?", maxsplit=1)[0]
        return f"HTTP {status}: redirected to {where}, and redirects are not followed: check ANYMETRICS_URL"
    if not 200 <= status < 300:  # noqa: PLR2004
        general = "the server failed" if status >= 500 else "refused"  # noqa: PLR2004
        return ". ".join(filter(None, (f"HTTP {status}: {_BY_STATUS.get(status, general)}", text)))
    if not body.strip():
        return "the answer is empty: check that ANYMETRICS_URL is the address of AnyMetrics itself"
    if body.lstrip()[:1] == b"<":
        return "the answer is a web page (a login page or a proxy?), not the API: check ANYMETRICS_URL"
    return "the answer is not the JSON object that the API sends; it may be cut short"


def _text(value: object, redact: Callable[[str], str]) -> str | None:
    """A value of the body as text, made safe to print; None for what says nothing."""
    if value is None or value == "":
        return None
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except RecursionError:
        text = "(too deeply nested to show)"
    return one_line(redact(text), _MAX_MESSAGE) or None
