"""The calls beside the trigger: against the sandbox, and against answers in every odd form."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from itertools import count
from typing import Any

import pytest

from dbt_anymetrics.sandbox import PlanFault, Sandbox, Shape
from dbt_anymetrics.sandbox.tokens import APP_ID, APP_SECRET
from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Call, Reading
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import Connection, connection
from dbt_anymetrics.server.lineage import Edge, Vertex, lineage, lineage_of
from dbt_anymetrics.server.pages import MOST_PAGES
from dbt_anymetrics.server.partitions import Partitions, partitions, update_partition
from dbt_anymetrics.server.plans import LatestTime, PlanName, latest_time, plan, plans
from dbt_anymetrics.server.tasks import create_task
from dbt_anymetrics.server.tokens import create_token
from tests.raw_server import RawServer, http

DAY = date(2024, 7, 17)
ORDERS = "starrocks.`default_catalog.shop`.orders"
VISITS = "starrocks.`default_catalog.shop`.visits"

ENVELOPE = {"success": True, "code": "200", "errorMsg": None, "detailErrorMsg": None, "traceId": "t.1"}


def settings(url: str, secret: str = "not-a-real-credential", timeout: float = 10.0) -> Connection:
    return connection(
        url=url,
        tenant_id="tn_sandbox",
        auth_type="UID",
        timeout=timeout,
        environment={"ANYMETRICS_AUTH_VALUE": secret},
    )


@contextmanager
def calling(url: str, timeout: float = 10.0) -> Iterator[Client]:
    with closing(Client(settings(url, timeout=timeout), {})) as client:
        yield client


@contextmanager
def trying(**world: Any) -> Iterator[tuple[Sandbox, Client]]:
    """A sandbox whose plans move at once, and a client of it."""
    with Sandbox(**{"moves_after": 0, **world}) as sandbox, calling(sandbox.url) as client:
        yield sandbox, client


@contextmanager
def answering(*bodies: object) -> Iterator[Client]:
    """A client of a server that gives these answers, the last one for ever."""
    numbers = count()
    answers = [http(body if isinstance(body, bytes) else json.dumps(body).encode()) for body in bodies]

    def act(visit: Any) -> None:
        for _ in visit.requests():
            visit.socket.sendall(answers[min(next(numbers), len(answers) - 1)])

    with RawServer(act) as server, calling(server.url) as client:
        yield client


def message(of: Reading[Any] | Answer) -> str:
    answer = of.answer if isinstance(of, Reading) else of
    assert not answer.ok
    if isinstance(of, Reading):
        assert of.value is None
    return answer.message or ""


# How far a plan got


def test_a_trigger_moves_the_plans_that_depend_on_its_table() -> None:
    own = {"of_orders": ["default_catalog.shop.orders"], "of_visits": ["visits"], "of_all": None, "outside": []}
    with trying(plans=own) as (_, client):
        before = {name: latest_time(client, name).value for name in own}
        assert client.trigger(ORDERS, DAY).ok
        after = {name: latest_time(client, name).value for name in own}
    moved = [name for name in own if after[name] != before[name]]
    assert moved == ["of_orders", "of_all"]
    then, now = before["of_all"], after["of_all"]
    assert then
    assert now
    assert (then.latest_refresh_time or "") < (now.latest_refresh_time or "")
    assert (now.has_not_ready, now.latest_date_time) == (False, "2024-07-17 00:00:00")


def test_a_plan_that_is_unknown_is_an_error_in_words() -> None:
    with trying() as (_, client):
        assert message(latest_time(client, "of_nobody")) == "the sandbox has no plan 'of_nobody'"


@pytest.mark.parametrize(
    ("data", "latest"),
    [
        ({"hasNotReady": None}, LatestTime(None)),
        ({"hasNotReady": True, "latestDateTime": None, "latestRefreshTime": None}, LatestTime(True)),
        (
            {"hasNotReady": False, "latestRefreshTime": "2024-09-01 18:09:16", "more": [1]},
            LatestTime(False, None, "2024-09-01 18:09:16"),
        ),
    ],
)
def test_what_is_not_known_of_a_plan_is_none(data: object, latest: LatestTime) -> None:
    with answering({"data": data, **ENVELOPE}) as client:
        reading = latest_time(client, "p")
    assert (reading.value, reading.answer.trace_id, reading.answer.data) == (latest, "t.1", None)


@pytest.mark.parametrize(
    "data",
    [
        None,
        False,
        [],
        {},
        {"latestRefreshTime": "2024-09-01 18:09:16"},
        {"hasNotReady": "false"},
        {"hasNotReady": False, "latestRefreshTime": 1725185356},
        {"hasNotReady": False, "latestRefreshTime": ""},
        {"hasNotReady": False, "latestRefreshTime": "2024-09-01T18:09:16Z"},
        {"hasNotReady": False, "latestRefreshTime": "2024-09-01 18:09:16\n"},
    ],
)
def test_a_time_of_another_form_is_an_error_in_words(data: object) -> None:
    with answering({"data": data, **ENVELOPE}) as client:
        said = message(latest_time(client, "p"))
    assert said.startswith("the answer is not of the form that AnyMetrics' API pages print: ")


@pytest.mark.parametrize(
    ("fault", "moves"),
    [(PlanFault.NEVER, "no"), (PlanFault.BACK, "back"), (PlanFault.NULL, "unknown"), (PlanFault.NOT_READY, "on")],
)
def test_plans_fail_as_they_are_told(fault: PlanFault, moves: str) -> None:
    with trying(plan_fails=fault) as (_, client):
        before = latest_time(client, "every_table").value
        client.trigger(ORDERS, DAY)
        after = latest_time(client, "every_table").value
    assert before
    assert after
    then, now = before.latest_refresh_time, after.latest_refresh_time
    assert after.has_not_ready is (moves != "back")
    if then is None or now is None:
        assert moves == "unknown"
    else:
        assert moves == ("no" if now == then else "back" if now < then else "on")


# Which plans there are


def test_all_plans_are_listed_over_several_pages() -> None:
    names = [f"plan_{number:03}" for number in range(250)]
    with trying(plans=dict.fromkeys(names)) as (sandbox, client):
        found = plans(client).value
        assert found == tuple(PlanName(sandbox.plan_ids[name], name, name, "RESULT") for name in names)
        assert len(sandbox.received) == 3


@pytest.mark.parametrize("enveloped", [False, True])
def test_a_list_of_plans_may_have_an_envelope_and_no_word_of_further_pages(enveloped: bool) -> None:
    body = {"data": [{"id": "u1", "name": "p"}], **(ENVELOPE if enveloped else {})}
    with answering(body) as client:
        assert plans(client).value == (PlanName("u1", "p"),)


def test_pages_that_never_end_are_an_error() -> None:
    body = {"data": [{"id": "u1", "name": "p"}], "hasNext": True}
    with answering(body) as client:
        assert message(plans(client)) == "page 2 brings nothing new, yet says that there is more"


def test_no_more_pages_than_the_limit_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_anymetrics.server.pages.MOST_PAGES", 3)
    bodies = [{"data": [{"id": f"u{number}", "name": "p"}], "total": 100 * MOST_PAGES} for number in range(5)]
    with answering(*bodies) as client:
        assert message(plans(client)) == "there are more than 300 of them"


def test_one_failing_page_fails_the_whole() -> None:
    first = {"data": [{"id": "u1", "name": "p"}], "hasNext": True}
    with answering(first, {"data": None, "success": False, "errorMsg": "System error"}) as client:
        assert message(plans(client)) == "System error"


def test_a_plan_tells_its_schedule_metrics_and_table() -> None:
    with trying(plans={"daily": ["default_catalog.shop.orders"]}) as (sandbox, client):
        details = plan(client, sandbox.plan_ids["daily"]).value
    assert details
    assert (details.name, details.materialize_type, details.granularity) == ("daily", "RESULT", "DAY")
    assert (details.is_scheduled, details.cron, details.metrics) == (False, None, ("orders_rows",))
    assert details.table_path == "default_catalog.anymetrics.daily"


@pytest.mark.parametrize("enveloped", [False, True])
def test_what_a_plan_says_in_another_form_is_left_out(enveloped: bool) -> None:
    odd = {"id": "u1", "name": 5, "metricList": [1, "m", None], "refreshConfig": {"isScheduleUpdate": True, "cron": 1}}
    with answering({"data": odd, **ENVELOPE} if enveloped else odd) as client:
        details = plan(client, "u1").value
    assert details
    assert (details.id, details.name, details.metrics) == ("u1", None, ("m",))
    assert (details.is_scheduled, details.cron, details.table_path) == (True, None, None)


def test_a_scheduled_plan_has_its_cron() -> None:
    with answering({"id": "u1", "refreshConfig": {"isScheduleUpdate": True, "cron": "0 0 2 * * ?"}}) as client:
        details = plan(client, "u1").value
    assert details
    assert (details.is_scheduled, details.cron) == (True, "0 0 2 * * ?")


@pytest.mark.parametrize("body", [{}, {"data": None, **ENVELOPE}, {"status": "up"}, {"data": [], **ENVELOPE}])
def test_an_answer_that_is_no_plan_is_an_error(body: object) -> None:
    with answering(body) as client:
        assert "did not confirm" in message(plan(client, "u1"))


# Partitions

PRINTED = {
    "hasData": True,
    "isPartition": True,
    "partition": {
        "paritionList": [{"value": "2025-10-21"}],
        "hasNext": False,
        "total": 3,
        "pageNumber": 50,
        "pageSize": 1,
    },
}
MENDED = {"partition": {"partitionList": [{"value": "2025-10-21"}], "hasNext": False}}
ONE = Partitions(is_partitioned=True, values=("2025-10-21",))
NONE = Partitions(is_partitioned=False, values=())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (PRINTED, ONE),
        (MENDED, ONE),
        ({"data": PRINTED, **ENVELOPE}, ONE),
        ({"data": MENDED, **ENVELOPE}, ONE),
        ({**PRINTED, **ENVELOPE}, ONE),
        ({"hasData": True, "isPartition": False, "partition": None}, NONE),
        ({"data": {"partition": None}, **ENVELOPE}, NONE),
        ({"partition": {"paritionList": None}}, Partitions(is_partitioned=True, values=())),
    ],
)
def test_partitions_come_in_several_forms(body: object, found: Partitions) -> None:
    with answering(body) as client:
        assert partitions(client, "u1").value == found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "there is no partition in it"),
        ({"success": True, "code": "200"}, "there is no partition in it"),
        ({"data": None, **ENVELOPE}, "there is no partition in it"),
        ({"data": None, **ENVELOPE, "success": False, "errorMsg": "No permission"}, "No permission"),
        ({"partition": [1]}, "Expected `object | null`, got `array`"),
        ({"partition": {"paritionList": [{"value": 20240717}]}}, "Expected `str`, got `int`"),
    ],
)
def test_what_is_no_partition_is_an_error_in_words(body: object, said: str) -> None:
    with answering(body) as client:
        assert said in message(partitions(client, "u1"))


def test_all_partitions_are_read_over_several_pages() -> None:
    with trying(plans={"p": None}) as (sandbox, client):
        assert create_task(client, "p", date(2024, 1, 1), date(2024, 12, 31)).ok
        found = partitions(client, sandbox.plan_ids["p"]).value
    assert found
    assert len(found.values) == 366
    assert (found.values[0], found.values[-1]) == ("2024-12-31", "2024-01-01")


def test_an_external_plan_is_told_what_was_built() -> None:
    with trying(plans={"outside": []}) as (sandbox, client):
        uuid = sandbox.plan_ids["outside"]
        days = [date(2024, 7, day) for day in (20, 17, 18, 19, 17, 25)]
        assert update_partition(client, uuid, "DAY", days, []).ok
        assert update_partition(client, uuid, "DAY", [], [date(2024, 7, 18)]).ok
        found = partitions(client, uuid).value
        body = json.loads(sandbox.received[0].body)
    assert found
    assert found.values == ("2024-07-25", "2024-07-20", "2024-07-19", "2024-07-17")
    assert [(each["startTime"], each["endTime"]) for each in body["successTimeRange"]] == [
        ("2024-07-17T00:00:00", "2024-07-20T00:00:00"),
        ("2024-07-25T00:00:00", "2024-07-25T00:00:00"),
    ]
    assert body["failedTimeRange"] == []


def test_months_are_not_joined_to_ranges() -> None:
    with trying(plans={"outside": []}) as (sandbox, client):
        months = [date(2024, 6, 1), date(2024, 7, 1)]
        said = message(update_partition(client, sandbox.plan_ids["outside"], "MONTH", months, []))
        assert said == "the partitions of the plan 'outside' are by DAY"
        assert len(json.loads(sandbox.received[0].body)["successTimeRange"]) == 2


def test_only_an_external_plan_can_be_told() -> None:
    with trying(plans={"p": None}) as (sandbox, client):
        said = message(update_partition(client, sandbox.plan_ids["p"], "DAY", [DAY], []))
    assert said == "the plan 'p' is not external"


@pytest.mark.parametrize(
    ("body", "ok"),
    [
        ({"data": True, **ENVELOPE}, True),
        ({"data": None, **ENVELOPE}, True),
        ({"data": None, "succeed": True}, True),
        ({"data": None, "code": "200"}, False),
        ({"data": False, **ENVELOPE}, False),
        ({"data": None, **ENVELOPE, "errorMsg": "Failed"}, False),
        ({}, False),
    ],
)
def test_when_an_update_of_partitions_is_confirmed(body: object, ok: bool) -> None:
    with answering(body) as client:
        assert update_partition(client, "u1", "DAY", [DAY], []).ok is ok


# Tasks


@pytest.mark.parametrize(
    ("body", "ok"),
    [
        ({"data": True, **ENVELOPE}, True),
        ({"data": "acc_plan_of_orders", **ENVELOPE}, True),
        ({"data": {"dagName": "acc_plan_of_orders"}, **ENVELOPE}, True),
        ({"data": None, **ENVELOPE, "errorMsg": "Failed to create the data backfill task"}, False),
        ({"data": None, **ENVELOPE}, False),
        ({"data": "failed", **ENVELOPE}, False),
        ({"data": "it is not possible", **ENVELOPE}, False),
        ({"data": False, **ENVELOPE}, False),
        ({"data": {}, **ENVELOPE}, False),
    ],
)
def test_when_a_task_is_created(body: object, ok: bool) -> None:
    with answering(body) as client:
        assert create_task(client, "p", DAY, DAY).ok is ok


def test_a_task_says_its_plan_dates_and_batches() -> None:
    with trying(plans={"p": None}) as (sandbox, client):
        assert create_task(client, "p", DAY, date(2024, 7, 31), 7).ok
        said = message(create_task(client, "q", DAY, DAY))
        body = json.loads(sandbox.received[0].body)
    assert body == {"planName": "p", "startTime": "2024-07-17", "endTime": "2024-07-31", "dateIntervalOfLot": 7}
    assert said == "Failed to create the data backfill task for the application acceleration plan"


# Lineage


def test_lineage_has_the_tables_that_are_known_and_those_triggered() -> None:
    with trying(tables=["hive.web.clicks"]) as (_, client):
        client.trigger(VISITS, DAY)
        edges = lineage(client).value or ()
        of_visits = lineage_of(client, "default_catalog.shop.visits").value
        of_none = lineage_of(client, "default_catalog.shop.visit").value
    tables = {edge.src_vertex.vertex_id for edge in edges if edge.src_vertex.vertex_type == "PHYSICAL_TABLE"}
    assert tables == {"hive.web.clicks", "default_catalog.shop.visits"}
    visits = Vertex("default_catalog.shop.visits", "PHYSICAL_TABLE")
    assert of_visits == (Edge(visits, Vertex("ds_visits", "DATASET")),)
    assert of_none == ()


def test_ten_thousand_edges_take_little_memory() -> None:
    with trying(lineage_edges=10_000) as (_, client):
        lineage(client)  # what is loaded and kept at the first call is not the answer's
        tracemalloc.start()
        try:
            edges = lineage(client).value
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert edges
    assert len(edges) == 10_000
    assert held < 5 << 20


def test_a_lineage_of_more_than_a_mebibyte_is_read_whole() -> None:
    edge = {"srcVertex": {"vertexId": "x" * 1000, "vertexType": "DATASET"}}
    edge["dstVertex"] = edge["srcVertex"]
    with answering({"data": {"edgeList": [edge] * 2000}, **ENVELOPE}) as client:
        assert len(lineage(client).value or ()) == 2000


@pytest.mark.parametrize("data", [None, {}, {"edgeList": [{}]}, {"edgeList": [{"srcVertex": None}]}, []])
def test_what_is_no_lineage_is_an_error_in_words(data: object) -> None:
    with answering({"data": data, **ENVELOPE}) as client:
        assert "is not of the form" in message(lineage(client))


def test_no_edge_is_no_error() -> None:
    with answering({"data": {"edgeList": None}, **ENVELOPE}) as client:
        assert lineage(client).value == ()


def test_lineage_may_take_longer_than_other_calls() -> None:
    # Every answer is as slow as this, and 0.2 s is twice what a call of this client may take.
    with Sandbox(slow=0.5) as sandbox, calling(sandbox.url, timeout=0.1) as client:
        assert message(latest_time(client, "every_table")) == "no answer within 0.1 s"
        assert lineage(client).value == ()


# Tokens


@pytest.mark.parametrize(
    "data", ["the-token-of-mine", ["the-token-of-mine"], {"token": "the-token-of-mine", "expire": 21600}]
)
def test_a_token_comes_in_three_forms(data: object) -> None:
    with answering({"data": data, **ENVELOPE}) as client:
        reading = create_token(settings(client._connection.url, APP_SECRET), APP_ID, {})
    assert reading.value
    assert reading.value.reveal() == "the-token-of-mine"
    assert "the-token" not in repr(reading)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        [],
        ["the-token-of-mine", "another-token"],
        {"token": "the-token-of-mine", "refreshToken": "another-token"},
        {"token": 5},
        "the-token\nof-mine",
        True,
    ],
)
def test_what_is_not_one_token_is_an_error_that_does_not_show_it(data: object) -> None:
    with answering({"data": data, **ENVELOPE}) as client:
        reading = create_token(settings(client._connection.url, APP_SECRET), APP_ID, {})
    assert "is not of the form" in message(reading)
    assert "the-token" not in repr(reading)


def test_a_token_stands_in_for_the_credential() -> None:
    with Sandbox() as sandbox:
        asking = settings(sandbox.url, APP_SECRET)
        token = create_token(asking, APP_ID, {}).value
        assert token
        made = connection(
            url=sandbox.url,
            tenant_id="tn_sandbox",
            auth_type="TOKEN",
            environment={"ANYMETRICS_AUTH_VALUE": token.reveal()},
        )
        with closing(Client(made, {})) as client:
            assert client.trigger(ORDERS, DAY).ok
        asked, used = sandbox.received
        shown = repr((asked, used))
    assert {"tenant-id", "auth-type", "auth-value"}.isdisjoint(asked.headers)
    assert APP_SECRET not in shown
    assert token.reveal() not in shown


def test_another_secret_gives_no_token_and_is_not_shown() -> None:
    with Sandbox() as sandbox:
        reading = create_token(settings(sandbox.url, "s3cret-of-another-app"), APP_ID, {})
        shown = repr((reading, sandbox.received))
    assert message(reading) == "the appId or the appSecret is not right"
    assert "s3cret-of-another-app" not in shown


def test_a_server_that_sends_the_secret_back_does_not_show_it() -> None:
    body = {"data": None, "success": False, "code": "1", "errorMsg": f"bad appSecret {APP_SECRET}"}
    with answering(body) as client:
        reading = create_token(settings(client._connection.url, APP_SECRET), APP_ID, {})
    assert message(reading) == "bad appSecret **********"


# All of them

EXTERNAL = "0123456789abcdef0123456789abcdef"

READS: dict[str, Callable[[Client], Reading[Any] | Answer]] = {
    "latest_time": lambda client: latest_time(client, "p"),
    "plans": plans,
    "plan": lambda client: plan(client, EXTERNAL),
    "partitions": lambda client: partitions(client, EXTERNAL),
    "lineage": lineage,
    "lineage_of": lambda client: lineage_of(client, "a.b.c"),
    "update_partition": lambda client: update_partition(client, EXTERNAL, "DAY", [DAY], []),
    "create_task": lambda client: create_task(client, "p", DAY, DAY),
    "create_token": lambda client: create_token(client._connection, APP_ID, {}),
}

ODD: dict[str, tuple[bytes, str]] = {
    "a refusal": (b'{"data":null,"success":false,"code":"SM_02_0038","errorMsg":"No permission"}', "No permission"),
    "another name": (b'{"data":null,"success":false,"code":"1","message":"No permission"}', "No permission"),
    "a code": (b'{"data":true,"success":true,"code":"SM99002"}', "code SM99002"),
    "an empty body": (b"", "the answer is empty"),
    "a web page": (b"<html>", "the answer is a web page"),
    "a text": (b'"text"', "not the JSON object"),
    "null": (b"null", "not the JSON object"),
    "half": (b'{"data": {"edgeList": [', "it may be cut short"),
    "depth": (b'{"data":' + b"[" * 100_000, ""),
    "no UTF-8": (b'{"data": "\xff\xfe"}', ""),
    "an object of nothing": (b"{}", ""),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_answer_to_any_call_is_an_error_in_words(name: str, odd: str) -> None:
    body, said = ODD[odd]
    with answering(body) as client:
        assert said in message(READS[name](client))


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("shape", [Shape.NO_PERMISSION, Shape.SERVER_ERROR, Shape.RESET, Shape.HALF_BODY])
def test_a_failing_service_fails_every_call(name: str, shape: Shape) -> None:
    with Sandbox(answers=shape, plans={"p": None, EXTERNAL: []}) as sandbox, calling(sandbox.url) as client:
        assert message(READS[name](client))


@pytest.mark.parametrize("name", READS)
def test_no_answer_does_not_say_that_a_refresh_may_have_been_triggered(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbt_anymetrics.server.lineage.SECONDS", 0.1)
    effects = {"update_partition": "; whether the partitions were updated is unknown"}
    effects["create_task"] = "; whether the task was created is unknown"
    with RawServer(lambda visit: visit.wait()) as server, calling(server.url, timeout=0.1) as client:
        assert message(READS[name](client)) == f"no answer within 0.1 s{effects.get(name, '')}"


def test_many_calls_one_after_the_other_share_a_connection() -> None:
    with RawServer(lambda visit: visit.answer_all(http())) as server, calling(server.url) as client:
        for _ in range(20):
            assert client.probe().ok
            assert client.ask(Call(method="GET", path="/x")).ok
        assert server.connections == 1
