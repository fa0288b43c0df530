"""What AnyMetrics' answers mean. HTTP status alone says little: most refusals come with 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics.lenient import mend
from dbt_anymetrics.server.confirmation import ERROR_KEYS, errors_in, is_confirmation, is_good_code
from dbt_anymetrics.text import one_line

_OWN_FIELDS = ("success", "succeed", "errorMsg", "detailErrorMsg", "traceId")
"""A body with none of these is not AnyMetrics' own, unless it is nothing but its data."""

_ENVELOPE = frozenset({*_OWN_FIELDS, "code", *ERROR_KEYS})
"""What a body may hold beside its data."""

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


_LOST_BEHIND_A_GATEWAY = frozenset({502, 504})
"""A gateway had no answer: the call may have reached AnyMetrics all the same."""


class Answer(Struct, frozen=True, kw_only=True):
    """The outcome of one call.

    `message` is None exactly when the call succeeded. `data` is the body's `data`, or the whole body where the call
    says of what form that is. `from_anymetrics` tells an answer of the API itself, which is about this call, from any
    other, which is about the address or the credentials. `is_unknown` tells that the call may have had its effect
    although no answer says so.
    """

    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    trace_id: str | None = None
    data: Any = None
    from_anymetrics: bool = False
    retriable: bool = False
    is_unknown: bool = False
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether AnyMetrics confirmed."""
        return self.message is None


class Misfit(Struct, frozen=True):
    """Stands in the place of data that are not of the form that was asked for."""

    why: str


class Envelope(Struct, frozen=True):
    """The body of every documented answer, as it came; other services of the product use some names differently."""

    fields: dict[str, Any]

    def error_text(self) -> str | None:
        """What the answer says went wrong, if it says so in words under any usual name."""
        return ": ".join(dict.fromkeys(map(_text, errors_in(self.fields)))) or None

    def fault(self, confirms: Callable[[Any], bool]) -> str | None:
        """Why this is no success, or None.

        Success is: `success` (or `succeed`) is true or absent, `code` is absent, null or 200, there is no error text,
        and `data` confirms (AnyMetrics API page, Data Update, and real answers of its services).
        """
        if text := self.error_text():
            return text
        verdicts = {name: self.fields[name] for name in ("success", "succeed") if name in self.fields}
        for name, value in verdicts.items():
            # One of the two names may be null beside the other.
            if value is not True and (value is not None or True not in verdicts.values()):
                return f"AnyMetrics says it failed, without a reason ({name} is {_text(value) or 'null'})"
        if not is_good_code(code := self.fields.get("code")):
            return f"AnyMetrics answers with code {_text(code) or repr(code)}, without a reason"
        if isinstance(data := self.fields.get("data"), Misfit):
            return f"the answer is not of the form that AnyMetrics' API pages print: {data.why}"
        if confirms(data):
            return None
        return f"AnyMetrics did not confirm: {_came(self.fields, data)}"

    @property
    def code(self) -> str | None:
        """The code as text, or None for what says nothing."""
        return _text(self.fields.get("code")) or None

    @property
    def trace_id(self) -> str | None:
        """The trace id as text, by which the vendor finds the call."""
        return _text(self.fields.get("traceId")) or None

    @property
    def data(self) -> Any:
        """The data, as far as they are of the form that was asked for."""
        return None if isinstance(data := self.fields.get("data"), Misfit) else data

    @property
    def is_of_anymetrics(self) -> bool:
        """Whether the body has AnyMetrics' form, which that of a gateway in front of it has not."""
        data = self.fields.get("data")
        is_nothing_but_data = set(self.fields) == {"data"} and data is not None and not isinstance(data, Misfit)
        return is_nothing_but_data or any(name in self.fields for name in _OWN_FIELDS)


def _came(fields: dict[str, Any], data: object) -> str:
    if "data" in fields:
        return f"data is {_text(data)}"
    return f"there is no data in its answer {_text(fields)}"


def judge(
    status: int,
    body: bytes,
    location: str | None = None,
    retry_after: float | None = None,
    redact: Callable[[str], str] = str,
    confirms: Callable[[Any], bool] = is_confirmation,
    form: Any = None,
) -> Answer:
    """Decide what an HTTP answer means.

    `location` is where a redirect points, `retry_after` is in seconds, `redact` strikes out what may not be shown, and
    `confirms` says which data make a success. With a `form`, the whole body is decoded as that type, and is what
    `confirms` is given.
    """
    retriable = status == 429 or status >= 500  # noqa: PLR2004
    envelope = _decode(body, form)
    if envelope and 200 <= status < 300:  # noqa: PLR2004
        message = envelope.fault(confirms)
    else:
        message = _http_fault(status, body, envelope.error_text() if envelope else None, location or "nowhere")
    return Answer(
        http_status=status,
        code=_shown(envelope.code if envelope else None, redact),
        message=_shown(message, redact),
        trace_id=_shown(envelope.trace_id if envelope else None, redact),
        data=envelope.data if envelope else None,
        from_anymetrics=not message or bool(envelope and envelope.is_of_anymetrics and _is_about_the_call(status)),
        retriable=retriable,
        is_unknown=status in _LOST_BEHIND_A_GATEWAY,
        retry_after=retry_after if retriable else None,
    )


def _is_about_the_call(status: int) -> bool:
    return not 300 <= status < 400 and status not in _OF_THE_WAY and status < 500  # noqa: PLR2004


def _shown(text: str | None, redact: Callable[[str], str]) -> str | None:
    return one_line(text, _MAX_MESSAGE, redact) or None if text else None


def _decode(body: bytes, form: Any) -> Envelope | None:
    """The body as an envelope, or None when it is no JSON object."""
    try:
        return Envelope(_mended(body, form))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _mended(body: bytes, form: Any) -> dict[str, Any]:
    try:
        return _fields(body, form)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not mend(memoryview(odd := bytearray(body))):
            raise
        return _fields(odd, form)


def _fields(body: bytes | bytearray, form: Any) -> dict[str, Any]:
    if form is None:
        return msgspec.json.decode(body, type=dict[str, Any])
    # Only what the form asks for is made into objects: all of a large answer would take many times its size.
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    told = {name: msgspec.json.decode(value) for name, value in raw.items() if name in _ENVELOPE}
    return {**told, "data": _formed(body, form)}


def _formed(body: bytes | bytearray, form: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        return Misfit(str(error))


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


def _text(value: object) -> str:
    """A value of the body as text; nothing for what says nothing."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "(too deeply nested to show)"
