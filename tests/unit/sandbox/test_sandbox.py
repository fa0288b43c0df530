"""The sandbox over real sockets: every rule it holds a request to, every shape it can answer, all it shows."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from html import unescape
from typing import IO, Any

import pytest

from dbt_anymetrics.commands.sandbox import serve
from dbt_anymetrics.sandbox import Received, Sandbox, Shape

TRIGGER = "/anymetrics/api/v1/scheduler/task/trigger"
METRICS = "/anymetrics/api/v1/metrics/list?pageNumber=1&pageSize=1"
ORDERS = "starrocks.`default_catalog.shop`.orders"
BODY = {"tableName": ORDERS, "tenantId": "tn_sandbox", "tablePartition": "2024-07-17"}
HEADERS = {
    "tenant-id": "tn_sandbox",
    "auth-type": "UID",
    "auth-value": "not-a-real-credential",
    "Content-Type": "application/json",
}
SECRET = "s3cret-value-of-mine"
TIMEOUT = 10

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs the signals and files of Unix")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(sandbox: Sandbox) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", int(sandbox.url.rpartition(":")[2]), timeout=TIMEOUT))


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    connection.request(method, path, body, HEADERS if headers is None else headers)
    response = connection.getresponse()
    return Reply(response.status, dict(response.getheaders()), response.read())


def call(
    sandbox: Sandbox, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Reply:
    with connect(sandbox) as connection:
        return exchange(connection, method, path, body, headers)


def trigger(sandbox: Sandbox, headers: dict[str, str] | None = None, **fields: object) -> Reply:
    return call(sandbox, "POST", TRIGGER, json.dumps({**BODY, **fields}).encode(), headers)


def raw(sandbox: Sandbox, request: bytes) -> bytes:
    """Send these bytes, say that no more follow, and read all that comes back."""
    port = int(sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def assert_refused(sandbox: Sandbox, reply: Reply, code: str, said: str, status: int = 200) -> None:
    assert reply.status == status
    trace_id = sandbox.received[-1].trace_id
    assert reply.json == {
        "data": None,
        "success": False,
        "code": code,
        "errorMsg": said,
        "detailErrorMsg": None,
        "traceId": trace_id,
    }
    [received] = sandbox.received
    assert (received.ok, received.status, received.code, received.message) == (False, status, code, said)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


# --- what is accepted


def test_a_trigger_by_the_book_is_accepted(sandbox: Sandbox) -> None:
    reply = trigger(sandbox)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    trace_id = sandbox.received[0].trace_id
    assert reply.json == {
        "data": True,
        "success": True,
        "code": "200",
        "errorMsg": None,
        "detailErrorMsg": None,
        "traceId": trace_id,
    }


def test_the_metrics_list_can_be_read(sandbox: Sandbox) -> None:
    reply = call(sandbox, "GET", METRICS)
    assert (reply.status, reply.json["success"], reply.json["data"]["total"]) == (200, True, 0)


def test_the_trace_id_has_the_vendors_look_and_is_unique(sandbox: Sandbox) -> None:
    traces = [trigger(sandbox).json["traceId"] for _ in range(20)]
    assert len(set(traces)) == 20
    assert all(re.fullmatch(r"[0-9a-f]{32}\.[0-9]+\.[0-9]{10,20}", trace) for trace in traces)


@pytest.mark.parametrize("auth_type", ["UID", "TOKEN", "ACCOUNT", "APIKEY"])
def test_every_auth_type_of_the_api_can_be_chosen(auth_type: str) -> None:
    with Sandbox(auth_type=auth_type, tenant_id="tn_1", auth_value="me") as sandbox:
        headers = {**HEADERS, "auth-type": auth_type, "tenant-id": "tn_1", "auth-value": "me"}
        assert trigger(sandbox, headers, tenantId="tn_1").json["success"] is True


@pytest.mark.parametrize(
    "name",
    [
        "数据源.`internal.库`.订单",
        "my engine.`hive_catalog.hive-db`.t 1",
        "e.`c.s`." + "t" * 120,
    ],
)
def test_an_unusual_but_right_table_name_is_accepted(sandbox: Sandbox, name: str) -> None:
    assert trigger(sandbox, tableName=name).json["success"] is True
    assert sandbox.received[0].table_name == name


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])
def test_json_may_name_its_charset(sandbox: Sandbox, content_type: str) -> None:
    assert trigger(sandbox, {**HEADERS, "Content-Type": content_type}).json["success"] is True


def test_one_connection_serves_many_requests(sandbox: Sandbox) -> None:
    with connect(sandbox) as connection:
        for _ in range(50):
            assert exchange(connection, "POST", TRIGGER, json.dumps(BODY).encode()).status == 200
            assert connection.sock is not None
    assert [received.number for received in sandbox.received] == list(range(50))


def test_many_clients_at_once_are_all_recorded(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(lambda _: trigger(sandbox), range(640)))
    assert all(reply.json["success"] for reply in replies)
    assert [received.number for received in sandbox.received] == list(range(640))
    assert {received.trace_id for received in sandbox.received} == {reply.json["traceId"] for reply in replies}


# --- what HTTP itself forbids


def test_an_unknown_path_is_not_found(sandbox: Sandbox) -> None:
    said = "the sandbox has no path /anymetrics/api/v2/x"
    assert_refused(sandbox, call(sandbox, "GET", "/anymetrics/api/v2/x"), "404", said, 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_trigger_by_another_method_is_not_allowed(sandbox: Sandbox, method: str) -> None:
    reply = call(sandbox, method, TRIGGER, b"{}")
    assert_refused(sandbox, reply, "405", f"{TRIGGER} takes POST, not {method}", 405)
    assert reply.headers["Allow"] == "POST"


def test_the_metrics_list_takes_only_get(sandbox: Sandbox) -> None:
    reply = call(sandbox, "POST", METRICS, b"{}")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


def test_an_answer_to_head_has_no_body(sandbox: Sandbox) -> None:
    with connect(sandbox) as connection:
        assert exchange(connection, "HEAD", TRIGGER).body == b""
        assert exchange(connection, "GET", METRICS).status == 200


@pytest.mark.parametrize("size", [64 * 1024 + 1, 500_000])
def test_a_body_over_64_kb_is_too_large(sandbox: Sandbox, size: int) -> None:
    reply = call(sandbox, "POST", TRIGGER, b" " * size)
    assert_refused(sandbox, reply, "413", f"the body has {size} bytes, the most is 65536", 413)
    assert reply.headers["Connection"] == "close"


def test_a_body_of_64_kb_is_read(sandbox: Sandbox) -> None:
    assert call(sandbox, "POST", TRIGGER, json.dumps(BODY).encode().ljust(64 * 1024)).json["success"] is True


@pytest.mark.parametrize(
    ("header", "status", "said"),
    [
        (b"", 411, "the header Content-Length is missing"),
        (b"Transfer-Encoding: chunked", 411, "the body must come with a Content-Length, not a Transfer-Encoding"),
        (b"Content-Length: two", 400, "the header Content-Length is not one number"),
        (b"Content-Length: -2", 400, "the header Content-Length is not one number"),
        (b"Content-Length: 2\r\nContent-Length: 3", 400, "the header Content-Length is not one number"),
        (b"Content-Length: 9", 400, "the body ends after 2 of 9 bytes"),
    ],
)
def test_a_body_without_its_right_length_is_refused(sandbox: Sandbox, header: bytes, status: int, said: str) -> None:
    head = b"POST " + TRIGGER.encode() + b" HTTP/1.1\r\nHost: x\r\n" + header + (b"\r\n" if header else b"") + b"\r\n"
    answer = raw(sandbox, head + b"{}")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errorMsg"] == said
    assert sandbox.received[0].message == said


@pytest.mark.parametrize(
    ("request_line", "status"), [(b"nonsense", 400), (b"BREW / HTTP/1.1", 501), (b"GET / HTTP/9.9", 505)]
)
def test_what_is_not_http_is_refused_in_the_envelope(sandbox: Sandbox, request_line: bytes, status: int) -> None:
    answer = raw(sandbox, request_line + b"\r\nHost: x\r\n\r\n")
    assert json.loads(answer[answer.index(b"{") :])["code"] == str(status)


# --- who may call


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tenant-id": None}, "the header tenant-id is missing"),
        ({"auth-type": None}, "the header auth-type is missing"),
        ({"auth-value": None}, "the header auth-value is missing"),
        ({"auth-value": ""}, "the header auth-value is empty"),
        ({"auth-type": "uid"}, "the header auth-type is 'uid', not one of UID, TOKEN, ACCOUNT, APIKEY"),
        ({"auth-type": "TOKEN"}, "the header auth-type is 'TOKEN', the sandbox takes only 'UID'"),
        ({"tenant-id": "tn_2"}, "the header tenant-id is 'tn_2', the sandbox has only 'tn_sandbox'"),
        ({"auth-value": "other"}, "the header auth-value is not the value the sandbox was started with"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", TRIGGER), ("GET", METRICS)])
def test_a_caller_who_is_not_the_sandboxs_own_has_no_permission(
    sandbox: Sandbox, method: str, path: str, change: dict[str, str | None], said: str
) -> None:
    headers = {name: value for name, value in {**HEADERS, **change}.items() if value is not None}
    body = json.dumps(BODY).encode() if method == "POST" else None
    assert_refused(sandbox, call(sandbox, method, path, body, headers), "SM_02_0038", said)


def test_a_repeated_identity_header_is_refused(sandbox: Sandbox) -> None:
    head = "\r\n".join(f"{name}: {value}" for name, value in HEADERS.items())
    answer = raw(sandbox, f"GET {METRICS} HTTP/1.1\r\n{head}\r\ntenant-id: tn_sandbox\r\n\r\n".encode())
    assert b"the header tenant-id is repeated" in answer


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ({"auth_type": "BASIC"}, "not one of UID, TOKEN, ACCOUNT, APIKEY"),
        ({"tenant_id": ""}, "tenant_id must be printable ASCII, not empty"),
        ({"auth_value": " x"}, "auth_value must be printable ASCII, not empty, with no space around it"),
        ({"auth_value": "x\ny"}, "auth_value must be printable ASCII"),
        ({"tenant_id": "t" * 129}, "tenant_id has 129 characters, the most is 128"),
    ],
)
def test_an_identity_that_no_request_could_carry_is_refused_at_once(identity: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sandbox(**identity)


# --- what a trigger must say


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        (None, "the header Content-Type is missing"),
        ("text/plain", "the header Content-Type is 'text/plain', not application/json in UTF-8"),
        (
            "application/json; charset=gbk",
            "the header Content-Type is 'application/json; charset=gbk', not application/json in UTF-8",
        ),
    ],
)
def test_a_trigger_that_is_not_called_json_is_refused(sandbox: Sandbox, content_type: str | None, said: str) -> None:
    headers = {**HEADERS, "Content-Type": content_type}
    given = {name: value for name, value in headers.items() if value is not None}
    assert_refused(sandbox, trigger(sandbox, given), "SM99002", said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Expecting value"),
        (b"tableName=x", "Expecting value"),
        (b"[]", "it is a list"),
        (b'"text"', "it is a string"),
        (b"null", "it is null"),
        (b"true", "it is a boolean"),
        (b"1", "it is a number"),
        (b'{"tableName": NaN}', "NaN is not JSON"),
        (b'{"tableName": "a", "tableName": "b"}', "a field occurs twice"),
        (b'{"tableName": "\xff"}', "invalid start byte"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 60_000, "recursion"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(sandbox: Sandbox, body: bytes, said: str) -> None:
    reply = call(sandbox, "POST", TRIGGER, body)
    assert (reply.status, reply.json["success"], reply.json["code"]) == (200, False, "SM99002")
    assert reply.json["errorMsg"].startswith("the body is not a JSON object: ")
    assert said in reply.json["errorMsg"]


@pytest.mark.parametrize("field", ["tableName", "tenantId", "tablePartition"])
def test_a_missing_field_is_refused(sandbox: Sandbox, field: str) -> None:
    body = json.dumps({name: value for name, value in BODY.items() if name != field}).encode()
    assert_refused(sandbox, call(sandbox, "POST", TRIGGER, body), "SM99002", f"{field} is missing")


@pytest.mark.parametrize("field", ["tableName", "tenantId", "tablePartition"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (True, "a boolean"), (1, "a number"), (1.5, "a number"), ([], "a list"), ({}, "an object")],
)
def test_a_field_that_is_not_a_string_is_refused(sandbox: Sandbox, field: str, value: object, kind: str) -> None:
    said = f"{field} must be a string, it is {kind}"
    body = json.dumps({**BODY, field: value}).encode()
    assert_refused(sandbox, call(sandbox, "POST", TRIGGER, body), "SM99002", said)


def test_an_unknown_field_is_refused(sandbox: Sandbox) -> None:
    assert_refused(sandbox, trigger(sandbox, tablename="x"), "SM99002", "unknown field 'tablename'")


def test_another_tenant_in_the_body_than_in_the_header_is_refused(sandbox: Sandbox) -> None:
    said = "tenantId is 'tn_2', the header tenant-id is 'tn_sandbox'"
    assert_refused(sandbox, trigger(sandbox, tenantId="tn_2"), "SM99002", said)


def test_every_wrong_field_is_named_at_once(sandbox: Sandbox) -> None:
    said = (
        "tableName must be a string, it is a number; tenantId is '', the header tenant-id is 'tn_sandbox'; "
        "tablePartition '' is not of the form yyyy-MM-dd; unknown field 'x'"
    )
    assert_refused(sandbox, trigger(sandbox, tableName=1, tenantId="", tablePartition="", x=1), "SM99002", said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "'' must have two backticks, around `<catalog>.<schema>`, not 0"),
        ("a.b.c.d", "'a.b.c.d' must have two backticks, around `<catalog>.<schema>`, not 0"),
        ("a.`b`.`c`.d", "'a.`b`.`c`.d' must have two backticks, around `<catalog>.<schema>`, not 4"),
        ("a`b.c`.d", "'a`b.c`.d' is not of the form <data source>.`<catalog>.<schema>`.<table>"),
        ("a.`b.c`d", "'a.`b.c`d' is not of the form <data source>.`<catalog>.<schema>`.<table>"),
        ("a.`bc`.d", "'a.`bc`.d' must have <catalog>.<schema> between its backticks, with one dot"),
        ("a.`b.c.d`.e", "'a.`b.c.d`.e' must have <catalog>.<schema> between its backticks, with one dot"),
        (".`b.c`.d", "has no data source"),
        ("a.`.c`.d", "has no catalog"),
        ("a.`b.`.d", "has no schema"),
        ("a.`b.c`.", "has no table"),
        ("a.b.`c.d`.e", "has a dot in its data source 'a.b'"),
        ("a.`b.c`.d.e", "has a dot in its table 'd.e'"),
        (" a.`b.c`.d", "has a space around or a control character in its data source ' a'"),
        ("a.`b. c`.d", "has a space around or a control character in its schema ' c'"),
        ("a.`b.c`.d\n", "has a space around or a control character in its table 'd\\n'"),
        ("a.`b.c`.\ud800", "has a space around or a control character in its table '\\ud800'"),
        ("a.`b.c`." + "d" * 121, "has 129 characters, the most is 128, backticks included"),
    ],
)
def test_a_table_name_of_another_form_is_refused(sandbox: Sandbox, name: str, said: str) -> None:
    assert_refused(sandbox, trigger(sandbox, tableName=name), "SM99002", f"tableName {said}")


@pytest.mark.parametrize(
    "partition",
    [
        "",
        "20240717",
        "2024-7-17",
        "17/07/2024",
        "2024-07-17 ",
        "2024-07-17\n",
        "2024-07-17T00:00:00",
        "\uff12\uff10\uff12\uff14-07-17",
    ],
)
def test_a_partition_of_another_form_is_refused(sandbox: Sandbox, partition: str) -> None:
    said = f"tablePartition {partition!r} is not of the form yyyy-MM-dd"
    assert_refused(sandbox, trigger(sandbox, tablePartition=partition), "SM99002", said)


@pytest.mark.parametrize("partition", ["2023-02-29", "2024-13-01", "2024-00-10", "0000-01-01"])
def test_a_date_that_does_not_exist_is_refused(sandbox: Sandbox, partition: str) -> None:
    said = f"tablePartition '{partition}' is not a date that exists"
    assert_refused(sandbox, trigger(sandbox, tablePartition=partition), "SM99002", said)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "pageNumber"),
        ("?pageNumber=1", "pageSize"),
        ("?pageNumber=0&pageSize=1", "pageNumber"),
        ("?pageNumber=1&pageSize=x", "pageSize"),
        ("?pageNumber=1&pageNumber=2&pageSize=1", "pageNumber"),
    ],
)
def test_a_metrics_read_without_its_paging_is_refused(sandbox: Sandbox, query: str, parameter: str) -> None:
    reply = call(sandbox, "GET", METRICS.partition("?")[0] + query)
    assert_refused(sandbox, reply, "SM99002", f"the parameter {parameter} must be one whole number above 0")


# --- the shapes

REFUSALS = {
    Shape.NO_PERMISSION: {"data": None, "success": False, "code": "SM_02_0038", "errorMsg": "No permission"},
    Shape.SYSTEM_ERROR: {"data": None, "success": False, "code": "SM99002", "errorMsg": "System error"},
    Shape.FAILED_TO_CREATE: {
        "data": None,
        "success": True,
        "code": "200",
        "errorMsg": "Failed to create the task instance",
    },
    Shape.MESSAGE_FIELD: {"data": None, "success": False, "code": "SM99002", "message": "System error"},
    Shape.UNCONFIRMED: {"data": None, "success": True, "code": "200", "errorMsg": None},
    Shape.DATA_FALSE: {"data": False, "success": True, "code": "200", "errorMsg": None},
}
SUCCESSES = {
    Shape.SUCCESS_CODE_NULL: {"data": True, "success": True, "code": None, "errorMsg": None},
    Shape.SUCCESS_CODE_NUMBER: {"data": True, "success": True, "code": 200, "errorMsg": None},
    Shape.SUCCESS_BARE: {"data": True},
    Shape.SUCCESS_SUCCEED: {"data": True, "succeed": True, "code": "200", "errorMsg": None},
    Shape.SUCCESS_DATA_STRING: {"data": "task_20240717_0001", "success": True, "code": "200"},
    Shape.SUCCESS_DATA_OBJECT: {"data": {"dagName": "table_update"}, "success": True, "code": "200"},
}
STATUSES = {
    Shape.UNAUTHORIZED: 401,
    Shape.FORBIDDEN: 403,
    Shape.NOT_FOUND: 404,
    Shape.TOO_MANY_REQUESTS: 429,
    Shape.SERVER_ERROR: 500,
    Shape.UNAVAILABLE: 503,
}
BODIES = {
    Shape.HTML: ("text/html; charset=utf-8", b"<!doctype html>"),
    Shape.EMPTY: ("application/json", b""),
    Shape.TRUNCATED: ("application/json", b'{"data": true, "success": true, "code": "20'),
    Shape.NOT_JSON: ("application/json", b"OK"),
}
BROKEN = {Shape.REDIRECT, Shape.HANG, Shape.RESET, Shape.HALF_BODY}


def test_every_shape_is_tested_here() -> None:
    assert {*REFUSALS, *SUCCESSES, *STATUSES, *BODIES, *BROKEN} == set(Shape)


@pytest.mark.parametrize(("shape", "fields"), [*REFUSALS.items(), *SUCCESSES.items()])
def test_a_shape_in_json_has_its_fields(shape: Shape, fields: dict[str, object]) -> None:
    with Sandbox(answers=shape) as sandbox:
        reply = trigger(sandbox)
        [received] = sandbox.received
        assert reply.status == 200
        assert reply.json.items() >= fields.items()
        assert reply.json.get("traceId") == (None if shape is Shape.SUCCESS_BARE else received.trace_id)
        assert received.ok is (shape in SUCCESSES)
        assert bool(received.message) is (shape in REFUSALS)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        (Shape.MESSAGE_FIELD, {"data", "success", "code", "message", "traceId"}),
        (Shape.SUCCESS_SUCCEED, {"data", "succeed", "code", "errorMsg", "detailErrorMsg", "traceId"}),
        (Shape.SUCCESS_BARE, {"data"}),
    ],
)
def test_a_shape_without_a_field_lacks_it(shape: Shape, fields: set[str]) -> None:
    with Sandbox(answers=shape) as sandbox:
        assert trigger(sandbox).json.keys() == fields


@pytest.mark.parametrize(("shape", "status"), STATUSES.items())
def test_a_shape_of_a_gateway_has_its_status(shape: Shape, status: int) -> None:
    with Sandbox(answers=shape) as sandbox:
        reply = trigger(sandbox)
        assert reply.status == sandbox.received[0].status == status
        assert reply.headers["Content-Type"].startswith("text/html")
        assert reply.headers.get("Retry-After") == ("1" if status == 429 else None)
        assert str(status) in (sandbox.received[0].message or "")


@pytest.mark.parametrize(("shape", "content_type", "start"), [(shape, *rest) for shape, rest in BODIES.items()])
def test_a_shape_with_a_wrong_body_has_that_body(shape: Shape, content_type: str, start: bytes) -> None:
    with Sandbox(answers=shape) as sandbox:
        reply = trigger(sandbox)
        assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
        assert reply.body.startswith(start)
        assert reply.headers["Content-Length"] == str(len(reply.body))
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.body)


def test_a_redirect_leads_to_a_login_page_whose_visit_is_recorded() -> None:
    with Sandbox(answers=Shape.REDIRECT) as sandbox:
        reply = trigger(sandbox)
        assert (reply.status, reply.headers["Location"]) == (302, "/login")
        login = call(sandbox, "GET", reply.headers["Location"], headers={})
        assert (login.status, b"Log in" in login.body) == (200, True)
        assert [(each.path, each.ok) for each in sandbox.received] == [(TRIGGER, False), ("/login", False)]


def test_a_reset_resets_after_the_request_was_read() -> None:
    with Sandbox(answers=Shape.RESET) as sandbox:
        with pytest.raises(ConnectionResetError):
            trigger(sandbox)
        assert (sandbox.received[0].table_name, sandbox.received[0].status) == (ORDERS, None)


def test_half_a_body_breaks_off() -> None:
    with Sandbox(answers=Shape.HALF_BODY) as sandbox:
        with pytest.raises(http.client.IncompleteRead) as caught:
            trigger(sandbox)
        assert caught.value.partial.startswith(b'{"data": true')
        assert caught.value.expected


def test_a_hang_lasts_until_the_sandbox_stops() -> None:
    arrived = threading.Event()
    with (
        Sandbox(answers=Shape.HANG, on_request=lambda _: arrived.set()) as sandbox,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(trigger, sandbox)
        assert arrived.wait(TIMEOUT)
        assert not answer.done()
        sandbox.stop()
        assert isinstance(answer.exception(TIMEOUT), http.client.RemoteDisconnected | ConnectionResetError)


def test_a_hang_does_not_keep_other_clients_waiting() -> None:
    with Sandbox(answers=lambda number: Shape.HANG if number == 0 else None) as sandbox, connect(sandbox) as hung:
        hung.request("POST", TRIGGER, json.dumps(BODY).encode(), HEADERS)
        hung.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            hung.getresponse()
        assert trigger(sandbox).json["success"] is True


def test_a_client_that_leaves_a_hang_is_let_go() -> None:
    body = json.dumps(BODY)
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"POST {TRIGGER} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
    with Sandbox(answers=Shape.HANG) as sandbox:
        # Nothing, and not a timeout: the sandbox closed its end once the client had said goodbye.
        assert raw(sandbox, request.encode()) == b""
        assert len(sandbox.received) == 1


def test_a_callable_chooses_the_shape_by_the_number_of_the_trigger() -> None:
    shapes = {0: Shape.UNAVAILABLE, 2: Shape.NO_PERMISSION}
    with Sandbox(answers=shapes.get) as sandbox:
        assert call(sandbox, "GET", METRICS).json["success"] is True
        assert [trigger(sandbox).status for _ in range(2)] == [503, 200]
        assert trigger(sandbox).json["success"] is False


def test_a_shape_answers_the_metrics_read_too() -> None:
    with Sandbox(answers=Shape.FORBIDDEN) as sandbox:
        assert call(sandbox, "GET", METRICS).status == 403


def test_a_shape_does_not_hide_a_wrong_request() -> None:
    with Sandbox(answers=Shape.SUCCESS_BARE) as sandbox:
        assert trigger(sandbox, tablePartition="today").json["success"] is False


# --- what is remembered and shown


def test_a_request_is_remembered_in_full() -> None:
    seen: list[Received] = []
    with Sandbox(on_request=seen.append) as sandbox:
        trace_id = trigger(sandbox).json["traceId"]
        [received] = sandbox.received
    assert seen == [received]
    assert (received.number, received.method, received.path) == (0, "POST", TRIGGER)
    assert (received.table_name, received.partition) == (ORDERS, "2024-07-17")
    assert (received.ok, received.status, received.code, received.message) == (True, 200, "200", None)
    assert (received.trace_id, json.loads(received.body)) == (trace_id, BODY)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", received.time)
    assert received.headers.items() >= {"tenant-id": "tn_sandbox", "auth-type": "UID", "auth-value": "***"}.items()


def test_received_is_served_as_json(sandbox: Sandbox) -> None:
    trigger(sandbox)
    trigger(sandbox, tablePartition="x")
    listing = call(sandbox, "GET", "/received", headers={})
    assert listing.headers["Content-Type"] == "application/json"
    assert [(each["number"], each["partition"], each["ok"]) for each in listing.json] == [
        (0, "2024-07-17", True),
        (1, "x", False),
    ]
    assert len(sandbox.received) == 2


def test_the_list_of_received_is_a_copy(sandbox: Sandbox) -> None:
    trigger(sandbox)
    sandbox.received.clear()
    assert len(sandbox.received) == 1


def test_the_secret_is_never_kept_shown_or_served() -> None:
    with Sandbox(auth_value=SECRET) as sandbox:
        own = {**HEADERS, "auth-value": SECRET}
        replies = [
            call(sandbox, "GET", "/"),
            trigger(sandbox, own),
            trigger(sandbox, own, tableName=f"e.`c.s`.{SECRET}"),
            trigger(sandbox, own, tableName=SECRET, tablePartition=SECRET, **{SECRET: SECRET}),
            trigger(sandbox, {**own, "tenant-id": SECRET, "X-Other": SECRET}),
            trigger(sandbox, {**own, "Content-Type": SECRET, "Authorization": f"Bearer {SECRET}", "Cookie": SECRET}),
            call(sandbox, "GET", f"/{SECRET}?{SECRET}", headers=own),
            call(sandbox, "GET", "/received"),
            call(sandbox, "GET", "/picture"),
            call(sandbox, "GET", "/"),
        ]
        assert len(sandbox.received) == 6
        assert SECRET not in repr(sandbox.received)
        assert SECRET not in repr(vars(sandbox))
        assert all(SECRET.encode() not in reply.body for reply in replies)


def test_the_secret_of_another_server_sent_here_is_not_kept_either(sandbox: Sandbox) -> None:
    replies = [
        trigger(sandbox, {**HEADERS, "auth-value": SECRET, "X-Other": SECRET}, tableName=SECRET),
        call(sandbox, "GET", "/received"),
        call(sandbox, "GET", "/"),
    ]
    assert SECRET not in repr(sandbox.received)
    assert all(SECRET.encode() not in reply.body for reply in replies)


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization", "Cookie"])
def test_other_credentials_are_masked(sandbox: Sandbox, header: str) -> None:
    trigger(sandbox, {**HEADERS, header: "x"})
    assert sandbox.received[0].headers[header.lower()] == "***"


# --- the page


def page(sandbox: Sandbox) -> str:
    reply = call(sandbox, "GET", "/", headers={})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return reply.body.decode()


def embedded(sandbox: Sandbox) -> Any:
    return json.loads(page(sandbox).partition('id="data">')[2].partition("</script>")[0])


def test_an_empty_page_says_how_to_begin(sandbox: Sandbox) -> None:
    said = unescape(page(sandbox))
    for name, value in sandbox.environment.items():
        assert f"export {name}={value}" in said
    assert "dbt-anymetrics refresh" in said


def test_a_value_of_ones_own_is_not_on_the_page() -> None:
    with Sandbox(auth_value=SECRET) as sandbox:
        assert "export ANYMETRICS_AUTH_VALUE=<the value this sandbox was started with>" in unescape(page(sandbox))
        assert sandbox.environment["ANYMETRICS_AUTH_VALUE"] == SECRET


def test_the_page_shows_tables_by_schema_against_dates(sandbox: Sandbox) -> None:
    for name in (ORDERS, "starrocks.`default_catalog.shop`.customers", "hive.`lake.web`.visits"):
        trigger(sandbox, tableName=name)
    trigger(sandbox, tablePartition="2024-08-01")
    content = embedded(sandbox)
    assert content["days"] == ["2024-08-01", "2024-07-17"]
    assert [(*group[:3], [(row[0], row[1]) for row in group[3]]) for group in content["groups"]] == [
        ("hive", "lake", "web", [("visits", ".1")]),
        ("starrocks", "default_catalog", "shop", [("customers", ".1"), ("orders", "11")]),
    ]


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        (None, "refreshed"),
        (Shape.SUCCESS_BARE, "refreshed"),
        (Shape.NO_PERMISSION, "refused"),
        (Shape.MESSAGE_FIELD, "refused"),
        (Shape.FAILED_TO_CREATE, "failed"),
        (Shape.HTML, "failed"),
        (Shape.UNAVAILABLE, "failed"),
        (Shape.HALF_BODY, "failed"),
    ],
)
def test_the_page_tells_what_became_of_a_trigger(shape: Shape | None, status: str) -> None:
    with Sandbox(answers=shape) as sandbox:
        with suppress(http.client.IncompleteRead):
            trigger(sandbox)
        assert embedded(sandbox)["counts"] == {status: 1}


def test_a_failure_has_its_whole_text_and_its_trace_id() -> None:
    with Sandbox(answers=Shape.SYSTEM_ERROR) as sandbox:
        trigger(sandbox)
        content = embedded(sandbox)
        trace_id = sandbox.received[0].trace_id
    detail = "The scheduler did not accept the task"
    assert content["outcomes"] == [["refused", 200, "SM99002", "System error", detail, ""]]
    assert content["groups"][0][3][0][2][3] == trace_id


def test_what_names_no_table_or_date_is_told_by_its_request(sandbox: Sandbox) -> None:
    trigger(sandbox, tableName="orders")
    trigger(sandbox, tablePartition="day 3")
    call(sandbox, "GET", "/unknown")
    call(sandbox, "GET", METRICS)
    assert [other[0] for other in embedded(sandbox)["others"]] == [
        "GET /unknown",
        f"{ORDERS} day 3",
        "orders 2024-07-17",
    ]


def test_the_page_asks_only_for_what_it_has_not_seen(sandbox: Sandbox) -> None:
    trigger(sandbox)
    [version] = re.findall('data-version="([^"]*)"', page(sandbox))
    assert (call(sandbox, "GET", f"/picture?seen={version}").status) == 204
    trigger(sandbox)
    news = call(sandbox, "GET", f"/picture?seen={version}")
    assert (news.status, news.json["counts"]) == (200, {"again": 1})
    assert call(sandbox, "GET", f"/picture?seen={news.headers['ETag']}").status == 204


def test_another_sandbox_on_the_same_port_is_news(sandbox: Sandbox) -> None:
    with Sandbox() as other:
        version = call(other, "GET", "/picture").headers["ETag"]
    assert call(sandbox, "GET", f"/picture?seen={version}").status == 200


def test_what_a_client_sends_is_no_markup_on_the_page(sandbox: Sandbox) -> None:
    script = "<script>alert('&')</script>"
    trigger(sandbox, tableName=f"{script}.`{script}.{script}`.{script}")
    trigger(sandbox, tableName=script, tablePartition=script)
    call(sandbox, "GET", f"/{script.replace(' ', '')}")
    assert script not in page(sandbox)
    assert page(sandbox).count("<script") == 2
    assert embedded(sandbox)["groups"][0][:3] == [script] * 3


def test_a_lone_surrogate_does_not_break_the_pages(sandbox: Sandbox) -> None:
    trigger(sandbox, tableName="\ud800", tablePartition="\udfff")
    assert embedded(sandbox)["others"][0][0] == "\ud800 \udfff"
    assert call(sandbox, "GET", "/received").json[0]["ok"] is False


def test_the_page_keeps_up_with_many_clients_at_once(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda n: trigger(sandbox) if n % 4 else page(sandbox), range(160)):
            pass
    assert embedded(sandbox)["counts"] == {"again": 1}
    assert len(embedded(sandbox)["groups"][0][3][0][2]) == 120 * 5


# --- start and stop


def test_the_environment_points_at_the_sandbox(sandbox: Sandbox) -> None:
    assert sandbox.environment == {
        "ANYMETRICS_URL": sandbox.url,
        "ANYMETRICS_TENANT_ID": "tn_sandbox",
        "ANYMETRICS_AUTH_TYPE": "UID",
        "ANYMETRICS_AUTH_VALUE": "not-a-real-credential",
    }


def test_a_port_in_use_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2])).start()


def test_the_port_is_free_again_after_the_stop() -> None:
    with Sandbox() as first:
        trigger(first)
    with Sandbox(port=int(first.url.rpartition(":")[2])) as second:
        assert trigger(second).status == 200
    assert len(first.received) == 1


def test_a_stopped_sandbox_refuses_connections() -> None:
    with Sandbox() as sandbox:
        pass
    with pytest.raises(ConnectionRefusedError):
        trigger(sandbox)


def test_stopping_closes_the_connections_that_are_kept_open() -> None:
    with Sandbox() as sandbox, connect(sandbox) as connection:
        exchange(connection, "GET", METRICS)
        sandbox.stop()
        assert connection.sock.recv(1) == b""


def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    Sandbox().stop()
    with Sandbox() as sandbox:
        sandbox.stop()


def test_a_sandbox_starts_only_once() -> None:
    with Sandbox() as sandbox, pytest.raises(RuntimeError, match="started before"):
        sandbox.start()


def test_waiting_ends_with_the_stop() -> None:
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sandbox.wait)
        assert not waiting.done()
        sandbox.stop()
        assert waiting.result(TIMEOUT) is None


# --- the command


@contextmanager
def command(
    *arguments: str, stdout: int | IO[str] = subprocess.PIPE, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run the command until the end of the block, and then Ctrl-C it."""
    run = [sys.executable, "-m", "dbt_anymetrics", "sandbox", *arguments]
    everything = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(
        run, env=everything, stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", errors="backslashreplace"
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=TIMEOUT)[1]
            assert "Traceback" not in said
            assert process.returncode == 130


def printed(process: subprocess.Popen[str], what: str) -> str:
    """Read on until a line holds this."""
    assert process.stdout is not None
    return next(line for line in process.stdout if what in line)


def printed_port(process: subprocess.Popen[str]) -> int:
    return int(re.findall(r"127\.0\.0\.1:(\d+)", printed(process, "stands in"))[0])


class Running(Sandbox):
    """Another process's sandbox, as far as the requests of these tests need one."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{port}"


def wait_until_it_listens(port: int) -> Running:
    deadline = time.monotonic() + TIMEOUT
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Running(port)
        assert time.monotonic() < deadline


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_port_it_takes_the_next_free_one_and_says_so() -> None:
    with command() as first, command() as second:
        ports = {printed_port(first), printed_port(second)}
    assert len(ports) == 2
    assert min(ports) >= 8083


def test_a_taken_default_port_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("dbt_anymetrics.commands.sandbox.DEFAULT_PORT", port)
        monkeypatch.setattr("dbt_anymetrics.commands.sandbox._NEXT_PORTS", range(port, port + 100))
        monkeypatch.setattr(Sandbox, "wait", lambda self: None)
        serve(None, None)
    assert capsys.readouterr().out.startswith(f"Port {port} is taken, so the sandbox uses ")


@unix
@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1", "gbk"])
def test_a_name_that_stdout_cannot_encode_is_escaped(encoding: str) -> None:
    with command("--port", str(free_port()), PYTHONIOENCODING=encoding) as process:
        sandbox = Running(printed_port(process))
        assert trigger(sandbox, tableName="\u6570.`c.s`.\U0001f600\u00e9").json["success"] is True
        assert printed(process, "`c.s`").rstrip().endswith("2024-07-17  200")


@contextmanager
def stdout_that_is(kind: str) -> Iterator[int]:
    """A full disk, or a pipe whose reader left or never reads."""
    if kind == "full":
        reader, writer = os.open(os.devnull, os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)
    else:
        reader, writer = os.pipe()
    if kind == "closed":
        os.close(reader)
    yield writer
    os.close(writer)
    if kind != "closed":
        os.close(reader)


@unix
@pytest.mark.parametrize("kind", ["closed", "full", "never read"])
def test_a_stdout_that_takes_nothing_does_not_stop_it(kind: str) -> None:
    port = free_port()
    body = json.dumps({**BODY, "tableName": "e.`c.s`." + "t" * 100}).encode()
    with (
        stdout_that_is(kind) as stdout,
        command("--port", str(port), stdout=stdout),
        connect(wait_until_it_listens(port)) as connection,
    ):
        for _ in range(1000):
            assert exchange(connection, "POST", TRIGGER, body).status == 200
