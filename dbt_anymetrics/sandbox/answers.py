"""What the sandbox can answer: the documented answers, and every strange or broken one that a client has to handle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

NO_PERMISSION = "SM_02_0038"
SYSTEM_ERROR = "SM99002"

JSON = "application/json"
HTML = "text/html; charset=utf-8"


class Delivery(Enum):
    """How much of an answer reaches the client."""

    WHOLE = "whole"
    HALF = "half"
    RESET = "reset"
    NEVER = "never"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: an `envelope`, sent as JSON with its trace id filled in, or else a `text`.

    `ok` is the verdict a correct client reaches. `note` says in words what is wrong with an answer that
    carries no error text of its own.
    """

    envelope: Mapping[str, object] | None = None
    text: str = ""
    status: int = HTTPStatus.OK
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    ok: bool = False
    note: str | None = None

    @property
    def code(self) -> str | None:
        """The `code` of the envelope, as text."""
        code = (self.envelope or {}).get("code")
        return None if code is None else str(code)

    @property
    def message(self) -> str | None:
        """The error text of the envelope, else the note."""
        envelope = self.envelope or {}
        text = envelope.get("errorMsg") or envelope.get("message")
        return str(text) if text else self.note

    @property
    def detail(self) -> str | None:
        """The detail that the envelope gives beside its error text."""
        text = (self.envelope or {}).get("detailErrorMsg")
        return str(text) if text else None

    def body(self, trace_id: str) -> bytes:
        """Encode the answer, with this trace id where the envelope has one."""
        if self.envelope is None:
            return self.text.encode()
        trace = {"traceId": trace_id} if "traceId" in self.envelope else {}
        return json.dumps({**self.envelope, **trace}, ensure_ascii=False).encode()


def envelope(data: object = True, **other: object) -> dict[str, object]:
    """Make the envelope of the AnyMetrics API page, Data Update: a success by default."""
    success = {"success": True, "code": "200", "errorMsg": None, "detailErrorMsg": None, "traceId": ""}
    return {"data": data, **success, **other}


def refusal(code: str, text: str, detail: str | None = None) -> Answer:
    """Refuse as AnyMetrics does: HTTP 200, `success` false, the reason in `errorMsg`."""
    return Answer(envelope(data=None, success=False, code=code, errorMsg=text, detailErrorMsg=detail))


def http_refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Refuse what is wrong in HTTP itself, with that status and the same envelope."""
    body = envelope(data=None, success=False, code=str(int(status)), errorMsg=text)
    return Answer(body, status=status, headers=headers or {})


def page(text: str) -> str:
    """Make a small HTML page, as a gateway or a login form would serve."""
    return f"<!doctype html>\n<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n"


def gateway(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer in the place of AnyMetrics, as a gateway does: a status and an HTML page."""
    text = f"{status.value} {status.phrase}"
    return Answer(
        text=page(text), status=status, content_type=HTML, headers=headers or {}, note=f"the gateway says {text}"
    )


def success(body: Mapping[str, object]) -> Answer:
    """Accept, in the words given."""
    return Answer(body, ok=True)


class Shape(str, Enum):
    """A way to answer that is not the documented success."""

    NO_PERMISSION = "no-permission"
    SYSTEM_ERROR = "system-error"
    FAILED_TO_CREATE = "failed-to-create"
    MESSAGE_FIELD = "message-field"
    UNCONFIRMED = "unconfirmed"
    DATA_FALSE = "data-false"
    HTML = "html"
    REDIRECT = "redirect"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_JSON = "not-json"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    TOO_MANY_REQUESTS = "too-many-requests"
    SERVER_ERROR = "server-error"
    UNAVAILABLE = "unavailable"
    HANG = "hang"
    RESET = "reset"
    HALF_BODY = "half-body"
    SUCCESS_CODE_NULL = "success-code-null"
    SUCCESS_CODE_NUMBER = "success-code-number"
    SUCCESS_BARE = "success-bare"
    SUCCESS_SUCCEED = "success-succeed"
    SUCCESS_DATA_STRING = "success-data-string"
    SUCCESS_DATA_OBJECT = "success-data-object"


ACCEPTED = success(envelope())
METRICS = success(envelope(data={"data": [], "total": 0, "hasNext": False}))
LOGIN_PATH = "/login"
LOGIN = Answer(text=page("Log in"), content_type=HTML, note="the client followed a redirect to the login page")

SHAPES: Mapping[Shape, Answer] = {
    Shape.NO_PERMISSION: refusal(NO_PERMISSION, "No permission"),
    Shape.SYSTEM_ERROR: refusal(SYSTEM_ERROR, "System error", "The scheduler did not accept the task"),
    Shape.FAILED_TO_CREATE: Answer(envelope(data=None, errorMsg="Failed to create the task instance")),
    Shape.MESSAGE_FIELD: Answer(
        {"data": None, "success": False, "code": SYSTEM_ERROR, "message": "System error", "traceId": ""}
    ),
    Shape.UNCONFIRMED: Answer(envelope(data=None), note="data is null and there is no error text"),
    Shape.DATA_FALSE: Answer(envelope(data=False), note="data is false and there is no error text"),
    Shape.HTML: Answer(text=page("Log in"), content_type=HTML, note="an HTML page with HTTP 200"),
    Shape.REDIRECT: Answer(
        status=HTTPStatus.FOUND, headers={"Location": LOGIN_PATH}, note="a redirect to the login page"
    ),
    Shape.EMPTY: Answer(note="an empty body with HTTP 200"),
    Shape.TRUNCATED: Answer(text='{"data": true, "success": true, "code": "20', note="JSON that breaks off"),
    Shape.NOT_JSON: Answer(text="OK", note="a body that is not JSON, called JSON"),
    Shape.UNAUTHORIZED: gateway(HTTPStatus.UNAUTHORIZED),
    Shape.FORBIDDEN: gateway(HTTPStatus.FORBIDDEN),
    Shape.NOT_FOUND: gateway(HTTPStatus.NOT_FOUND),
    Shape.TOO_MANY_REQUESTS: gateway(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"}),
    Shape.SERVER_ERROR: gateway(HTTPStatus.INTERNAL_SERVER_ERROR),
    Shape.UNAVAILABLE: gateway(HTTPStatus.SERVICE_UNAVAILABLE),
    Shape.HANG: Answer(delivery=Delivery.NEVER, note="no answer, the connection stays open"),
    Shape.RESET: Answer(delivery=Delivery.RESET, note="connection reset after the request was read"),
    Shape.HALF_BODY: Answer(envelope(), delivery=Delivery.HALF, note="connection closed half way in the body"),
    Shape.SUCCESS_CODE_NULL: success(envelope(code=None)),
    Shape.SUCCESS_CODE_NUMBER: success(envelope(code=200)),
    Shape.SUCCESS_BARE: success({"data": True}),
    Shape.SUCCESS_SUCCEED: success(
        {"data": True, "succeed": True, "code": "200", "errorMsg": None, "detailErrorMsg": None, "traceId": ""}
    ),
    Shape.SUCCESS_DATA_STRING: success(envelope(data="task_20240717_0001")),
    Shape.SUCCESS_DATA_OBJECT: success(envelope(data={"dagName": "table_update"})),
}
