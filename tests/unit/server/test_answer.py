from __future__ import annotations

import json
from typing import Any

import pytest

from dbt_anymetrics.server.answer import Answer, judge
from dbt_anymetrics.server.confirmation import is_there

DOCUMENTED: dict[str, Any] = {
    "data": True,
    "success": True,
    "code": "200",
    "errorMsg": None,
    "detailErrorMsg": None,
    "traceId": "16c0.156.1721",
}


NAMES_OF_TASKS = (
    *("dagId", "dagName", "dagRunId", "flowId", "id", "instanceId", "jobId", "runId", "taskId", "taskInstanceId"),
    *("taskName", "uuid"),
)


def answer(body: object, status: int = 200, **more: Any) -> Answer:
    return judge(status, json.dumps(body).encode(), **more)


def test_the_documented_success_is_one() -> None:
    given = answer(DOCUMENTED)
    assert given.ok
    assert given == Answer(http_status=200, code="200", trace_id="16c0.156.1721", data=True, from_anymetrics=True)


@pytest.mark.parametrize(
    "body",
    [
        {**DOCUMENTED, "code": None},
        {**DOCUMENTED, "code": 200},
        {**DOCUMENTED, "errorMsg": "", "detailErrorMsg": " ", "message": ""},
        {**DOCUMENTED, "success": None, "succeed": True},
        {**DOCUMENTED, "message": "success"},
        {**DOCUMENTED, "msg": "OK", "error": None, "errors": []},
        {**DOCUMENTED, "data": "true"},
        {**DOCUMENTED, "data": "4c1f0a2e-8f8e-4d52-9c0e-0a6f3a1b2c3d"},
        {**DOCUMENTED, "data": "4c1f0a2e8f8e4d529c0e0a6f3a1b2c3d"},
        *(
            {**DOCUMENTED, "data": f"{word}_20240717.0001"}
            for word in ("dag", "flow", "instance", "job", "run", "Task")
        ),
        *({**DOCUMENTED, "data": {key: "d"}} for key in NAMES_OF_TASKS),
        {**DOCUMENTED, "data": {"taskId": 17, "state": "WAITING"}},
        {**DOCUMENTED, "new": ["field"]},
        {"data": True},
        {"data": True, "succeed": True},
        {"data": True, "code": "200"},
    ],
    ids=repr,
)
def test_an_odd_success_is_one(body: object) -> None:
    given = answer(body)
    assert given.ok
    assert given.message is None


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_every_2xx_may_be_a_success(status: int) -> None:
    assert answer(DOCUMENTED, status).ok


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"data": None, "success": False, "code": "SM_02_0038", "errorMsg": "no permission", "detailErrorMsg": "u1"},
            "SM_02_0038",
            "no permission: u1",
        ),
        (
            {**DOCUMENTED, "data": None, "success": False, "code": "SM99002", "errorMsg": "系统异常"},
            "SM99002",
            "系统异常",
        ),
        ({**DOCUMENTED, "data": None, "errorMsg": "Failed to create task"}, "200", "Failed to create task"),
        ({**DOCUMENTED, "errorMsg": "Failed to create task"}, "200", "Failed to create task"),
        ({**DOCUMENTED, "errorMsg": "same", "detailErrorMsg": "same"}, "200", "same"),
        ({"success": False, "message": "sibling"}, None, "sibling"),
        ({**DOCUMENTED, "message": "sibling"}, "200", "sibling"),
        ({**DOCUMENTED, "errorMsg": {"why": "odd"}}, "200", '{"why":"odd"}'),
        ({**DOCUMENTED, "success": False}, "200", "without a reason"),
        ({**DOCUMENTED, "success": None, "succeed": False}, "200", "without a reason"),
        ({**DOCUMENTED, "succeed": False}, "200", "without a reason"),
        ({**DOCUMENTED, "code": "SM99002"}, "SM99002", "code SM99002"),
        ({**DOCUMENTED, "code": 500}, "500", "code 500"),
        ({**DOCUMENTED, "code": 0}, "0", "code 0"),
        ({**DOCUMENTED, "data": None}, "200", "did not confirm"),
        ({**DOCUMENTED, "data": False}, "200", "did not confirm"),
        ({"success": True}, None, "did not confirm"),
    ],
    ids=repr,
)
def test_a_refusal_with_http_200_is_a_failure_with_its_code_and_text(
    body: object, code: str | None, message: str
) -> None:
    given = answer(body)
    assert not given.ok
    assert given.code == code
    assert message in (given.message or "")
    assert given.from_anymetrics
    assert not given.retriable


NO_CONFIRMATION: list[Any] = [
    *("failed", "false", "", " ", "ok", "success", "accepted", "0", "task", "SM99002", "dag not found 404"),
    *(0, 1, 1.0, 12345, [], ["task_1"], [True], {}, {"error": "x"}, {"result": True}),
    *({"taskId": value} for value in ("", "failed", 0, True, None, ["t"])),
    {"taskId": "t", "errorMsg": "no"},
    {"taskId": "t", "success": False},
    {"dagName": "d", "error": {"code": 1}},
    *("runtime-error-500", "task_failed_404", "flow.not.found.404", "running 1", "jobless1"),
    *({"taskId": "x1", **more} for more in ({"code": "SM99002"}, {"errorCode": 7}, {"reason": "System error"})),
    *({"id": 1, "status": value} for value in ("FAILED", 500, False)),
    {"taskId": "unauthorized"},
]

NO_VERDICT: list[Any] = ["false", "true", 0, 1, "", [], {}]

NO_STATE: list[Any] = ["FAILED", "failure", 500]

NO_CODE: list[Any] = ["", 0, "0", 201, 500, "OK", True, [], {}, 200.5]

NAMES_OF_ERRORS = (
    *("errorMsg", "detailErrorMsg", "message", "msg", "errMsg", "errorMessage", "error_message", "error_msg", "error"),
    *("errors", "exception", "detail", "details"),
)

UNCLEAR: list[tuple[str, Any]] = [
    *(("data", data) for data in NO_CONFIRMATION),
    *((name, verdict) for name in ("success", "succeed") for verdict in NO_VERDICT),
    *(("code", code) for code in NO_CODE),
    *((name, "no quota left") for name in NAMES_OF_ERRORS),
    ("error", {"code": 7, "text": "no quota left"}),
    ("error", True),
    *((name, state) for name in ("status", "state") for state in NO_STATE),
    *((name, "no quota left") for name in ("ErrorMsg", "errormsg", "errorCode", "reason")),
    ("errors", ["no quota left"]),
]


@pytest.mark.parametrize(("name", "value"), UNCLEAR, ids=repr)
def test_an_answer_that_is_not_the_confirmed_form_is_a_failure_that_shows_what_came(name: str, value: Any) -> None:
    given = answer({**DOCUMENTED, name: value})
    assert not given.ok
    shown = value.strip() if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    assert shown in (given.message or "")


FOREIGN = [
    {},
    {"error": "upstream connect error"},
    {"message": "no Route matched with those values"},
    {"code": 1001, "message": "token expired", "data": None},
    {"status": 404, "error": "Not Found", "path": "/anymetrics/api/v1/scheduler/task/trigger"},
    {"fault": {"faultstring": "Invalid ApiKey"}},
    {"data": True, "error": "x"},
]


@pytest.mark.parametrize("body", FOREIGN, ids=repr)
def test_json_of_a_gateway_is_no_answer_of_anymetrics(body: object) -> None:
    given = answer(body)
    assert not given.ok
    assert not given.from_anymetrics


@pytest.mark.parametrize("data", [[], {"data": [], "total": 0}, "text", True])
def test_what_is_read_may_be_anything_that_is_there(data: object) -> None:
    assert answer({**DOCUMENTED, "data": data}, confirms=is_there).ok


@pytest.mark.parametrize("status", [502, 504])
def test_behind_a_gateway_the_call_may_have_had_its_effect(status: int) -> None:
    assert answer({}, status).is_unknown
    assert not answer(DOCUMENTED, 500).is_unknown


def test_a_failure_keeps_the_trace_id() -> None:
    assert answer({**DOCUMENTED, "data": None}).trace_id == "16c0.156.1721"
    assert answer({**DOCUMENTED, "data": None, "traceId": 17}).trace_id == "17"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "is a web page"),
        (b"\n  <html>", "is a web page"),
        (json.dumps(DOCUMENTED).encode()[:40], "cut short"),
        (b"OK", "not the JSON object"),
        (b"true", "not the JSON object"),
        (b"null", "not the JSON object"),
        (b"[]", "not the JSON object"),
        (b'"success"', "not the JSON object"),
        (b'{"data": true} {"data": true}', "not the JSON object"),
        (b'{"data": "\xff"}', "not the JSON object"),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not the JSON object"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_2xx_that_is_no_answer_of_the_api_is_a_failure(body: bytes, message: str) -> None:
    given = judge(200, body)
    assert message in (given.message or "")
    assert not given.from_anymetrics
    assert not given.retriable


@pytest.mark.parametrize("field", ["data", "code", "errorMsg", "traceId", "other"])
def test_a_body_nested_to_any_depth_is_judged(field: str) -> None:
    for depth in [*range(850, 1050), 5000]:
        given = judge(200, f'{{"{field}": {"[" * depth}{"]" * depth}}}'.encode())
        assert len(given.message or "") <= 500


def test_a_number_of_any_size_is_judged() -> None:
    assert not judge(200, b'{"data": true, "code": ' + b"9" * 400 + b"}").ok


@pytest.mark.parametrize(
    ("status", "message", "retriable"),
    [
        (401, "HTTP 401: the credentials are not accepted", False),
        (403, "HTTP 403: access is refused", False),
        (404, "check ANYMETRICS_URL", False),
        (407, "HTTPS_PROXY", False),
        (413, "too large", False),
        (400, "HTTP 400: refused", False),
        (418, "HTTP 418: refused", False),
        (100, "HTTP 100: refused", False),
        (429, "HTTP 429: too many requests", True),
        (500, "HTTP 500: the server failed", True),
        (502, "HTTP 502: the server failed", True),
        (599, "HTTP 599: the server failed", True),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": true, "success": true}'])
def test_another_status_is_a_failure_whatever_the_body(status: int, message: str, retriable: bool, body: bytes) -> None:
    given = judge(status, body)
    assert message in (given.message or "")
    assert given.retriable is retriable


def test_another_status_keeps_the_texts_of_the_api() -> None:
    given = answer({**DOCUMENTED, "code": "SM99002", "errorMsg": "no such table"}, 400)
    assert (given.code, given.trace_id) == ("SM99002", "16c0.156.1721")
    assert "HTTP 400" in (given.message or "")
    assert "no such table" in (given.message or "")


def test_another_status_is_not_explained_by_what_its_body_lacks() -> None:
    given = answer({"timestamp": 1721, "status": 404, "error": "Not Found", "path": "/anymetrics"}, 404)
    assert "did not confirm" not in (given.message or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_that_says_where_to_without_the_query(status: int) -> None:
    given = judge(status, b"", "https://sso.example.com/login?token=secret")
    assert f"HTTP {status}: redirected to https://sso.example.com/login," in (given.message or "")
    assert "secret" not in (given.message or "")
    assert not given.retriable


@pytest.mark.parametrize("location", [None, "", "/login", "\x1b[2Jhttp://x"])
def test_a_redirect_to_anywhere_is_judged(location: str | None) -> None:
    assert (judge(302, b"", location).message or "").isprintable()


@pytest.mark.parametrize(("status", "expected"), [(429, 7.0), (503, 7.0), (200, None), (400, None)])
def test_retry_after_counts_only_for_what_is_retried(status: int, expected: float | None) -> None:
    assert judge(status, b"", retry_after=7.0).retry_after == expected


@pytest.mark.parametrize("field", ["errorMsg", "detailErrorMsg", "message", "code", "traceId"])
def test_control_characters_of_the_server_are_not_passed_through(field: str) -> None:
    given = answer({"success": False, field: "\x1b[2J\x9b1mgone\r\n\u202etext\u2028"})
    shown = (given.message, given.code, given.trace_id)
    assert any("gone text" in (text or "") for text in shown)
    assert all((text or "").isprintable() for text in shown)


@pytest.mark.parametrize("field", ["errorMsg", "code", "traceId"])
def test_a_long_text_of_the_server_is_cut(field: str) -> None:
    given = answer({"success": False, field: "x" * 100_000})
    assert all(len(text or "") <= 500 for text in (given.message, given.code, given.trace_id))


def test_half_a_character_in_an_answer_is_one_odd_character() -> None:
    given = judge(200, b'{"data": true, "success": true, "traceId": "t\\udcff", "other": "\\ud83d\\ude00"}')
    assert given.ok
    assert given.trace_id == "t\ufffd"


@pytest.mark.parametrize("name", ["success", "succeed"])
def test_a_null_verdict_alone_is_no_success(name: str) -> None:
    bare = {key: value for key, value in DOCUMENTED.items() if key != "success"}
    assert not answer({**bare, name: None}).ok
    assert answer({**bare, "success": None, "succeed": True}).ok


def test_nothing_but_null_data_is_no_answer_of_anymetrics() -> None:
    assert not answer({"data": None}).from_anymetrics
