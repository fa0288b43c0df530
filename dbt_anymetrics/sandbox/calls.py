"""The calls beside the trigger and the list of metrics, as their API pages say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from uuid import uuid4

from dbt_anymetrics.sandbox.answers import ACCEPTED, NO_PERMISSION, SYSTEM_ERROR, Answer, envelope, refusal, success
from dbt_anymetrics.sandbox.lineage import VERTEX_TYPES, Edge, Lineage, Vertex
from dbt_anymetrics.sandbox.parameters import (
    Body,
    Query,
    bad_request,
    checked_list,
    checked_moment,
    checked_number,
    checked_object,
    checked_text,
)
from dbt_anymetrics.sandbox.plans import Plan, Plans
from dbt_anymetrics.sandbox.received import Request
from dbt_anymetrics.sandbox.tokens import SIX_HOURS, Tokens
from dbt_anymetrics.sandbox.validation import RefusedError

API = "/anymetrics/api/v1"
TOKEN_PATH = f"{API}/token/create"

MATERIALIZE_TYPES = ("ACCELERATE", "RESULT", "EXTERNAL")
GRANULARITIES = ("HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
NOT_CREATED = "Failed to create the data backfill task for the application acceleration plan"

_MOST_DAYS = 10_000

GRANULARITY = "DAY"
"""Of every plan here."""


@dataclass(frozen=True)
class World:
    """What there is besides the tables: everything that these calls read and change."""

    tenant_id: str
    plans: Plans
    lineage: Lineage
    tokens: Tokens

    def triggered(self, table: str, day: date) -> None:
        """Take note of a trigger of `catalog.schema.table`."""
        self.lineage.add(table)
        self.plans.trigger(table, day)


ItemT = TypeVar("ItemT")

Handler = Callable[[World, Request], Answer]


def latest_time(world: World, request: Request) -> Answer:
    """Get Result Acceleration Status: how far plans got, all of them together."""
    body = Body(request.headers, request.body, ("planNameList", "planIdList"))
    name, value = body.one_of("planNameList", "planIdList")
    wanted = [checked_text(name, each) for each in checked_list(name, value)]
    if not wanted:
        raise bad_request(f"{name} is empty")
    find = world.plans.named if name == "planNameList" else world.plans.with_id
    states = [world.plans.state(_known(find(each), each)) for each in wanted]
    unready, data_times, refreshes = zip(*states, strict=True)
    data = {
        "hasNotReady": any(unready),
        "latestDateTime": min(filter(None, data_times), default=None),
        "latestRefreshTime": max(filter(None, refreshes), default=None),
    }
    return success(envelope(data))


def plan_list(world: World, request: Request) -> Answer:
    """List Materialization Plans: a page of them, printed without the envelope."""
    body = Body(request.headers, request.body, ("materializeType", "pager"))
    kind = body.fields.get("materializeType")
    if kind is not None and kind not in MATERIALIZE_TYPES:
        raise bad_request(f"materializeType {kind!r} is not one of {', '.join(MATERIALIZE_TYPES)}")
    pager = checked_object("pager", body.fields.get("pager"))
    number, size = (checked_number(name, pager.get(name)) for name in ("pageNumber", "pageSize"))
    plans = [_listed(plan) for plan in world.plans.all() if kind in (None, plan.kind)]
    return success({"data": _page(plans, number, size), **_paging(plans, number, size)})


def plan_details(world: World, request: Request) -> Answer:
    """Get Materialization Plan Details, printed without the envelope."""
    wanted = _query(request).text("uuid")
    plan = _known(world.plans.with_id(wanted), wanted)
    refresh = {
        "cron": plan.cron,
        "isScheduleUpdate": plan.cron is not None,
        "updateUpperInterval": 0,
        "updateLowerInterval": 0,
    }
    return success(
        {
            **_listed(plan),
            "tablePath": {"tableCatalog": "default_catalog", "tableSchema": "anymetrics", "tableName": plan.name},
            "metricTimeGranularity": GRANULARITY,
            "metricEntityList": [],
            "metricList": [f"{table.rpartition('.')[2]}_rows" for table in plan.tables or ()],
            "dimensionList": ["metric_time"],
            "refreshConfig": {**refresh, "granularity": GRANULARITY, "isFullRefresh": False, "increment": None},
        }
    )


def partition_list(world: World, request: Request) -> Answer:
    """Query Materialized Table Partitions: printed without the envelope, and with a misspelt key."""
    query = _query(request)
    wanted, number, size = query.text("uuid"), query.number("pageNumber", 1), query.number("pageSize", 1)
    days = world.plans.days(_known(world.plans.with_id(wanted), wanted))
    values = [{"value": day.isoformat()} for day in _page(days, number, size)]
    partition = {"paritionList": values, **_paging(days, number, size)}
    return success({"hasData": bool(days), "isPartition": True, "partition": partition})


def update_partition(world: World, request: Request) -> Answer:
    """Update External Acceleration Partition Data: what was built of an external plan, and what was not."""
    known = ("uuid", "runType", "successTimeRange", "failedTimeRange")
    body = Body(request.headers, request.body, known)
    wanted = body.text("uuid")
    if body.fields.get("runType", "MANUAL") != "MANUAL":
        raise bad_request("runType must be MANUAL")
    made, lost = (_ranges(name, body.fields.get(name)) for name in known[2:])
    if len({granularity for granularity, _ in made + lost}) > 1:
        raise bad_request("all ranges must have the granularity of the plan")
    plan = _known(world.plans.with_id(wanted), wanted)
    if not plan.is_external:
        raise RefusedError(refusal(SYSTEM_ERROR, f"the plan {plan.name!r} is not external"))
    if any(granularity != GRANULARITY for granularity, _ in made + lost):
        raise RefusedError(refusal(SYSTEM_ERROR, f"the partitions of the plan {plan.name!r} are by {GRANULARITY}"))
    world.plans.move(plan, {day for _, days in made for day in days}, {day for _, days in lost for day in days})
    return ACCEPTED


def create_task(world: World, request: Request) -> Answer:
    """Create a backfill task. What is wrong with the plan or the dates is told beside success true and code 200."""
    body = Body(request.headers, request.body, ("planId", "planName", "startTime", "endTime", "dateIntervalOfLot"))
    name, value = body.one_of("planId", "planName")
    wanted = checked_text(name, value)
    first, last = body.day("startTime"), body.day("endTime")
    body.number("dateIntervalOfLot")
    plan = world.plans.named(wanted) if name == "planName" else world.plans.with_id(wanted)
    if plan is None or not 0 <= (last - first).days < _MOST_DAYS:
        return Answer(envelope(data=None, errorMsg=NOT_CREATED))
    world.plans.move(plan, _days(first, last))
    return success(envelope(data=f"dag_{uuid4().hex}"))


def all_lineage(world: World, request: Request) -> Answer:  # noqa: ARG001 -- it takes nothing
    """View All Lineage."""
    return _lineage(world, world.lineage.edges())


def vertex_lineage(world: World, request: Request) -> Answer:
    """View Asset Lineage: what is so many steps up and down from one vertex."""
    query = _query(request)
    vertex = query.text("vertex_id"), query.text("vertex_type")
    up, down = query.number("input_step", 0), query.number("output_step", 0)
    if vertex[1] not in VERTEX_TYPES:
        raise bad_request(f"vertex_type {vertex[1]!r} is not one of {', '.join(VERTEX_TYPES)}")
    return _lineage(world, world.lineage.around(vertex, up, down))


def create_token(world: World, request: Request) -> Answer:
    """Create a token from the id and the secret of an application."""
    body = Body(request.headers, request.body, ("appId", "appSecret", "expire"))
    seconds = body.number("expire") or SIX_HOURS
    token = world.tokens.create(body.text("appId"), body.text("appSecret"), seconds)
    return success(envelope(token)) if token else refusal(NO_PERMISSION, "the appId or the appSecret is not right")


CALLS: Mapping[str, tuple[str, Handler]] = {
    f"{API}/accelerate/latestTime": ("POST", latest_time),
    f"{API}/accelerate/plan/queryAccelerateResultPlanList": ("POST", plan_list),
    f"{API}/accelerate/plan/queryAccelerateResultPlan": ("GET", plan_details),
    f"{API}/accelerate/plan/queryMtPartitionList": ("GET", partition_list),
    f"{API}/accelerate/plan/updatePartition": ("POST", update_partition),
    f"{API}/accelerate/task/create": ("POST", create_task),
    f"{API}/lineage/queryAll": ("GET", all_lineage),
    f"{API}/lineage/queryVertexLineage": ("GET", vertex_lineage),
    TOKEN_PATH: ("POST", create_token),
}
"""Each path with its method and what answers it."""


def _known(plan: Plan | None, wanted: str) -> Plan:
    if plan is None:
        raise RefusedError(refusal(SYSTEM_ERROR, f"the sandbox has no plan {wanted!r}"))
    return plan


def _query(request: Request) -> Query:
    return Query(request.target.partition("?")[2])


def _listed(plan: Plan) -> dict[str, object]:
    return {"id": plan.id, "name": plan.name, "displayName": plan.name, "materializeType": plan.kind}


def _page(items: Sequence[ItemT], number: int, size: int) -> list[ItemT]:
    return list(items[(number - 1) * size : number * size])


def _paging(items: Sequence[object], number: int, size: int) -> dict[str, object]:
    return {"hasNext": number * size < len(items), "total": len(items), "pageNumber": number, "pageSize": size}


def _ranges(name: str, value: object) -> list[tuple[str, list[date]]]:
    """The granularity and the partitions of each range in a list that need not be there."""
    return [_range(name, checked_object(name, each)) for each in checked_list(name, value or [])]


def _range(name: str, fields: Mapping[str, object]) -> tuple[str, list[date]]:
    granularity = checked_text("dateGranularity", fields.get("dateGranularity"))
    if granularity not in GRANULARITIES:
        raise bad_request(f"dateGranularity {granularity!r} is not one of {', '.join(GRANULARITIES)}")
    first, last = (checked_moment(end, fields.get(end)).date() for end in ("startTime", "endTime"))
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise bad_request(f"a range of {name} ends before it begins, or has more than {_MOST_DAYS:,} days")
    return granularity, list(_days(first, last)) if granularity == "DAY" else [first]


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _lineage(world: World, edges: list[Edge]) -> Answer:
    def vertex(of: Vertex) -> dict[str, str]:
        return {"tenantId": world.tenant_id, "vertexId": of[0], "vertexType": of[1]}

    return success(envelope({"edgeList": [{"srcVertex": vertex(src), "dstVertex": vertex(dst)} for src, dst in edges]}))
