"""The calls beside the trigger, over real sockets: each rule of their pages, and each quirk of their answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
import pytest
from click.testing import CliRunner

from dbt_anymetrics.cli import main
from dbt_anymetrics.commands import sandbox as command
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.sandbox import PlanFault, Sandbox, Shape
from dbt_anymetrics.sandbox.calls import CALLS
from dbt_anymetrics.sandbox.tokens import APP_ID, APP_SECRET
from tests.shop import ROOT
from tests.unit.sandbox.test_sandbox import HEADERS, TIMEOUT, Reply, call, embedded, trigger

API = "/anymetrics/api/v1"
LATEST = f"{API}/accelerate/latestTime"
LIST = f"{API}/accelerate/plan/queryAccelerateResultPlanList"
PLAN = f"{API}/accelerate/plan/queryAccelerateResultPlan"
PARTITIONS = f"{API}/accelerate/plan/queryMtPartitionList"
UPDATE = f"{API}/accelerate/plan/updatePartition"
TASK = f"{API}/accelerate/task/create"
LINEAGE = f"{API}/lineage/queryAll"
VERTEX = f"{API}/lineage/queryVertexLineage"
TOKEN = f"{API}/token/create"

OUTSIDE = "0123456789abcdef0123456789abcdef"
RANGE = {"dateGranularity": "DAY", "startTime": "2025-10-20T00:00:00", "endTime": "2025-10-21T00:00:00"}
VERTEX_QUERY = "?vertex_id=default_catalog.shop.orders&vertex_type=PHYSICAL_TABLE&input_step=0&output_step=1"

RIGHT: dict[str, tuple[str, object]] = {
    LATEST: ("", {"planNameList": ["p"]}),
    LIST: ("", {"pager": {"pageNumber": 1, "pageSize": 20}}),
    PLAN: (f"?uuid={OUTSIDE}", None),
    PARTITIONS: (f"?uuid={OUTSIDE}&pageNumber=1&pageSize=20", None),
    UPDATE: ("", {"uuid": OUTSIDE, "runType": "MANUAL", "successTimeRange": [RANGE]}),
    TASK: ("", {"planName": "p", "startTime": "2024-07-01", "endTime": "2024-07-17", "dateIntervalOfLot": 7}),
    LINEAGE: ("", None),
    VERTEX: (VERTEX_QUERY, None),
    TOKEN: ("", {"appId": APP_ID, "appSecret": APP_SECRET, "expire": 60}),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(plans={"p": None, OUTSIDE: []}, moves_after=0) as running:
        yield running


def ask(sandbox: Sandbox, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
    method = CALLS[path.partition("?")[0]][0]
    return call(sandbox, method, path, None if body is None else json.dumps(body).encode(), headers)


def refused(reply: Reply, status: int) -> str:
    assert (reply.status, reply.json["success"], reply.json["data"]) == (status, False, None)
    return str(reply.json["errorMsg"])


def test_every_call_has_a_right_form_here() -> None:
    assert RIGHT.keys() == CALLS.keys()


@pytest.mark.parametrize("path", RIGHT)
def test_a_call_by_the_book_is_answered(sandbox: Sandbox, path: str) -> None:
    query, body = RIGHT[path]
    reply = ask(sandbox, path + query, body)
    assert (reply.status, reply.json.get("success", True)) == (200, True)
    assert sandbox.received[0].ok


@pytest.mark.parametrize("path", RIGHT)
def test_another_method_is_not_allowed(sandbox: Sandbox, path: str) -> None:
    method = CALLS[path][0]
    reply = call(sandbox, "POST" if method == "GET" else "GET", path, b"{}")
    assert refused(reply, 405).endswith(f"not {'POST' if method == 'GET' else 'GET'}")
    assert reply.headers["Allow"] == method


@pytest.mark.parametrize("header", ["tenant-id", "auth-type", "auth-value"])
@pytest.mark.parametrize("path", [path for path in RIGHT if path != TOKEN])
def test_every_call_but_that_for_a_token_needs_the_headers(sandbox: Sandbox, path: str, header: str) -> None:
    query, body = RIGHT[path]
    reply = ask(sandbox, path + query, body, {name: value for name, value in HEADERS.items() if name != header})
    assert f"the header {header} is missing" in refused(reply, 200)


def test_a_token_is_given_without_the_headers(sandbox: Sandbox) -> None:
    reply = ask(sandbox, TOKEN, RIGHT[TOKEN][1], {"Content-Type": "application/json"})
    assert isinstance(reply.json["data"], str)
    headers = {**HEADERS, "auth-type": "TOKEN", "auth-value": reply.json["data"]}
    assert trigger(sandbox, headers).json["success"] is True
    assert trigger(sandbox, {**headers, "auth-value": "no-token-of-anyone"}).json["code"] == "SM_02_0038"


@pytest.mark.parametrize("path", [PLAN, PARTITIONS, VERTEX])
def test_a_parameter_that_is_missing_is_a_bad_request(sandbox: Sandbox, path: str) -> None:
    parameters = RIGHT[path][0][1:].split("&")
    for left_out in parameters:
        query = "&".join(each for each in parameters if each != left_out)
        said = refused(ask(sandbox, f"{path}?{query}"), 400)
        assert said == f"the parameter {left_out.partition('=')[0]} is missing"


WRONG: list[tuple[str, object, str]] = [
    (LATEST, {}, "the body must have one of planNameList and planIdList"),
    (LATEST, {"planNameList": ["p"], "planIdList": ["u"]}, "the body must have one of planNameList and planIdList"),
    (LATEST, {"planNameList": "p"}, "planNameList must be a list"),
    (LATEST, {"planNameList": []}, "planNameList is empty"),
    (LATEST, {"planNameList": [1]}, "planNameList must be a text"),
    (LATEST, {"planNameList": ["p"], "x": 1}, "unknown field 'x'"),
    (LATEST, [], "the body is not a JSON object: it is a list"),
    (LIST, {}, "pager is missing"),
    (LIST, {"pager": [1]}, "pager must be an object"),
    (LIST, {"pager": {"pageSize": 1}}, "pageNumber is missing"),
    (LIST, {"pager": {"pageNumber": 0, "pageSize": 1}}, "pageNumber must be a whole number above 0"),
    (LIST, {"pager": {"pageNumber": True, "pageSize": 1}}, "pageNumber must be a whole number above 0"),
    (
        LIST,
        {"pager": {"pageNumber": 1, "pageSize": 1}, "materializeType": "X"},
        "materializeType 'X' is not one of ACCELERATE, RESULT, EXTERNAL",
    ),
    (UPDATE, {}, "uuid is missing"),
    (UPDATE, {"uuid": OUTSIDE, "runType": "AUTO"}, "runType must be MANUAL"),
    (UPDATE, {"uuid": OUTSIDE, "failedTimeRange": {"a": 1}}, "failedTimeRange must be a list"),
    (UPDATE, {"uuid": OUTSIDE, "failedTimeRange": [1]}, "failedTimeRange must be an object"),
    (
        UPDATE,
        {"uuid": OUTSIDE, "failedTimeRange": [{**RANGE, "dateGranularity": "day"}]},
        "dateGranularity 'day' is not",
    ),
    (
        UPDATE,
        {"uuid": OUTSIDE, "failedTimeRange": [{**RANGE, "dateGranularity": "MONTH"}], "successTimeRange": [RANGE]},
        "all ranges must have the granularity of the plan",
    ),
    (UPDATE, {"uuid": OUTSIDE, "failedTimeRange": [{**RANGE, "endTime": "2025-10-21"}]}, "endTime '2025-10-21' is not"),
    (UPDATE, {"uuid": OUTSIDE, "failedTimeRange": [{**RANGE, "endTime": "2025-10-19T00:00:00"}]}, "a range of failed"),
    (UPDATE, {"uuid": OUTSIDE, "failedTimeRange": [{**RANGE, "endTime": "9999-10-19T00:00:00"}]}, "a range of failed"),
    (TASK, {"planName": "p", "startTime": "2024-07-01"}, "endTime is missing"),
    (TASK, {"startTime": "2024-07-01", "endTime": "2024-07-01"}, "the body must have one of planId and planName"),
    (TASK, {"planName": "p", "startTime": "1/7/2024", "endTime": "2024-07-01"}, "startTime '1/7/2024' is not of the"),
    (
        TASK,
        {"planName": "p", "startTime": "2024-07-01", "endTime": "2024-07-01", "dateIntervalOfLot": 0},
        "dateIntervalOfLot must be a whole number above 0",
    ),
    (TOKEN, {"appId": APP_ID}, "appSecret is missing"),
    (TOKEN, {"appId": APP_ID, "appSecret": 5}, "appSecret must be a text"),
]


@pytest.mark.parametrize(("path", "body", "said"), WRONG)
def test_a_wrong_body_is_a_bad_request(sandbox: Sandbox, path: str, body: object, said: str) -> None:
    assert refused(ask(sandbox, path, body), 400).startswith(said)


@pytest.mark.parametrize("path", [path for path, (method, _) in CALLS.items() if method == "POST"])
def test_a_body_must_be_called_json(sandbox: Sandbox, path: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    assert refused(ask(sandbox, path, RIGHT[path][1], headers), 400) == "the header Content-Type is missing"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?uuid=x&pageNumber=0&pageSize=1", "the parameter pageNumber must be a whole number from 1 on"),
        ("?uuid=x&pageNumber=1&pageSize=a", "the parameter pageSize must be a whole number from 1 on"),
        ("?uuid=x&uuid=y&pageNumber=1&pageSize=1", "the parameter uuid is repeated"),
    ],
)
def test_a_wrong_parameter_is_a_bad_request(sandbox: Sandbox, query: str, said: str) -> None:
    assert refused(ask(sandbox, PARTITIONS + query), 400) == said


def test_a_vertex_type_of_no_page_is_a_bad_request(sandbox: Sandbox) -> None:
    query = VERTEX_QUERY.replace("PHYSICAL_TABLE", "TABLE")
    assert refused(ask(sandbox, VERTEX + query), 400).startswith("vertex_type 'TABLE' is not one of FILE, ")


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        (LATEST, "", {"planIdList": ["nobody"]}),
        (PLAN, "?uuid=nobody", None),
        (PARTITIONS, "?uuid=nobody&pageNumber=1&pageSize=1", None),
        (UPDATE, "", {"uuid": "nobody"}),
    ],
)
def test_a_plan_that_is_not_there_is_refused(sandbox: Sandbox, path: str, query: str, body: object) -> None:
    assert refused(ask(sandbox, path + query, body), 200) == "the sandbox has no plan 'nobody'"


# The answers, quirks and all


def test_partitions_have_no_envelope_and_a_misspelt_key(sandbox: Sandbox) -> None:
    ask(sandbox, UPDATE, RIGHT[UPDATE][1])
    assert ask(sandbox, f"{PARTITIONS}?uuid={OUTSIDE}&pageNumber=2&pageSize=1").json == {
        "hasData": True,
        "isPartition": True,
        "partition": {
            "paritionList": [{"value": "2025-10-20"}],
            "hasNext": False,
            "total": 2,
            "pageNumber": 2,
            "pageSize": 1,
        },
    }


def test_the_list_of_plans_has_no_envelope(sandbox: Sandbox) -> None:
    body = {"materializeType": "EXTERNAL", "pager": {"pageNumber": 1, "pageSize": 20}}
    assert ask(sandbox, LIST, body).json == {
        "data": [{"id": OUTSIDE, "name": OUTSIDE, "displayName": OUTSIDE, "materializeType": "EXTERNAL"}],
        "hasNext": False,
        "total": 1,
        "pageNumber": 1,
        "pageSize": 20,
    }


def test_the_time_of_several_plans_is_one(sandbox: Sandbox) -> None:
    trigger(sandbox)
    apart = [ask(sandbox, LATEST, {"planNameList": [name]}).json["data"] for name in ("p", OUTSIDE)]
    both = ask(sandbox, LATEST, {"planNameList": ["p", OUTSIDE]}).json["data"]
    assert [each["hasNotReady"] for each in apart] == [False, True]
    assert both == {**apart[0], "hasNotReady": True}


@pytest.mark.parametrize("change", [{"planName": "nobody"}, {"endTime": "2024-06-30"}, {"endTime": "9999-01-01"}])
def test_a_task_that_cannot_be_created_is_told_beside_success(sandbox: Sandbox, change: dict[str, str]) -> None:
    body: Any = RIGHT[TASK][1]
    reply = ask(sandbox, TASK, {**body, **change}).json
    assert (reply["success"], reply["code"], reply["data"]) == (True, "200", None)
    assert reply["errorMsg"].startswith("Failed to create")
    assert not sandbox.received[0].ok


def test_lineage_names_the_tenant_and_no_data_source(sandbox: Sandbox) -> None:
    trigger(sandbox)
    first = ask(sandbox, LINEAGE).json["data"]["edgeList"][0]
    assert first == {
        "srcVertex": {
            "tenantId": "tn_sandbox",
            "vertexId": "default_catalog.shop.orders",
            "vertexType": "PHYSICAL_TABLE",
        },
        "dstVertex": {"tenantId": "tn_sandbox", "vertexId": "ds_orders", "vertexType": "DATASET"},
    }


def test_a_trigger_that_is_refused_moves_nothing() -> None:
    with Sandbox(answers=lambda _number: Shape.SYSTEM_ERROR, moves_after=0) as sandbox:
        trigger(sandbox)
        assert ask(sandbox, LINEAGE).json["data"]["edgeList"] == []


@pytest.mark.parametrize("path", RIGHT)
def test_a_shape_answers_every_call(path: str) -> None:
    with Sandbox(answers=Shape.UNAVAILABLE, plans={"p": None, OUTSIDE: []}) as sandbox:
        query, body = RIGHT[path]
        assert ask(sandbox, path + query, body).status == 503


def test_many_triggers_at_once_all_move_their_plans(sandbox: Sandbox) -> None:
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda day: trigger(sandbox, tablePartition=day).json["success"], days))
    uuid = sandbox.plan_ids["p"]
    reply = ask(sandbox, f"{PARTITIONS}?uuid={uuid}&pageNumber=1&pageSize=1000").json
    assert [each["value"] for each in reply["partition"]["paritionList"]] == sorted(days, reverse=True)


# What must not be seen


def test_what_makes_a_token_is_nowhere_shown(sandbox: Sandbox) -> None:
    token = ask(sandbox, TOKEN, RIGHT[TOKEN][1]).json["data"]
    ask(sandbox, TOKEN, {"appId": APP_ID, "appSecret": "pw"})
    ask(sandbox, f"{TOKEN}?x=1", {"appId": APP_ID, "appSecret": "pw", "pw": 1})
    trigger(sandbox, {**HEADERS, "auth-type": "TOKEN", "auth-value": token})
    page = json.dumps(embedded(sandbox)) + call(sandbox, "GET", "/received", headers={}).body.decode()
    assert [each.body for each in sandbox.received[:3]] == ["***"] * 3
    assert APP_SECRET not in page
    assert token not in page


# Slow, and stopped meanwhile


def test_a_slow_sandbox_stops_at_once() -> None:
    asked_for = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with Sandbox(slow=600, on_request=lambda _received: asked_for.set()) as sandbox:
            asked = pool.submit(ask, sandbox, LINEAGE)
            assert asked_for.wait(TIMEOUT)
            begun = time.monotonic()
        assert time.monotonic() - begun < TIMEOUT
        assert asked.exception(TIMEOUT) is not None


# The command


@pytest.mark.parametrize(
    ("given", "plans"),
    [
        ([], {}),
        (["p"], {"p": None}),
        (["p="], {"p": []}),
        (["p=a.b.c,orders", "q"], {"p": ["a.b.c", "orders"], "q": None}),
    ],
)
def test_plans_are_given_with_their_tables(given: list[str], plans: object) -> None:
    assert command.plans(given) == plans


@pytest.mark.parametrize("given", ["", "=orders", "p=a,,b", "p=,"])
def test_a_plan_without_its_name_or_a_table_is_wrong_usage(given: str) -> None:
    with pytest.raises(UsageError, match="does not name a plan and its tables"):
        command.plans([given])


@pytest.mark.parametrize("given", ["", "orders", "shop.orders", "a..c", "a.b.c.d"])
def test_a_table_that_lineage_could_not_name_is_wrong_usage(given: str) -> None:
    with pytest.raises(UsageError, match=r"is not of the form catalog\.schema\.table"):
        command.tables(["a.b.c", given])


def test_the_options_reach_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(command, "serve", lambda port, shape, **world: made.update(world, port=port, shape=shape))
    options = "--plan p=orders --plan q --moves-after 0.5 --plan-fails back --table a.b.c --lineage-edges 9"
    options += " --slow 1 --scheduled-plan nightly"
    done = CliRunner().invoke(main, ["sandbox", *options.split()])
    assert done.exit_code == 0, done.output
    assert made == {
        "port": None,
        "shape": None,
        "plans": {"p": ["orders"], "q": None},
        "moves_after": 0.5,
        "plan_fails": PlanFault.BACK,
        "tables": ["a.b.c"],
        "lineage_edges": 9,
        "scheduled": ("nightly",),
        "slow": 1.0,
    }


def test_every_way_in_which_plans_fail_is_an_option() -> None:
    [option] = [each for each in main.commands["sandbox"].params if each.name == "plan_fails"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == [fault.value for fault in PlanFault]


@pytest.mark.parametrize(
    "what",
    [
        *(option.opts[-1] for option in main.commands["sandbox"].params),
        *(path.removeprefix(f"{API}/") for path in CALLS),
        *(fault.value for fault in PlanFault),
        APP_ID,
        APP_SECRET,
    ],
)
def test_every_option_and_call_is_on_the_page_of_the_sandbox(what: str) -> None:
    assert f"`{what}" in (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
