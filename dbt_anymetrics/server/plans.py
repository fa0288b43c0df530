"""Acceleration plans: which there are, what they are like, and how far they got."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta, Struct

from dbt_anymetrics.server.call import Asker, Call, Reading
from dbt_anymetrics.server.pages import PAGE_SIZE, Page, every_page, has_next

LATEST_TIME = "/accelerate/latestTime"
PLANS = "/accelerate/plan/queryAccelerateResultPlanList"
PLAN = "/accelerate/plan/queryAccelerateResultPlan"

ServerTime = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z")]
"""A time as the server writes it. All have one form, so that the later of two is the greater text."""


class LatestTime(Struct, frozen=True, rename="camel"):
    """How far a plan got (AnyMetrics API page, Get Result Acceleration Status).

    Both times are local times of the server, without a zone: they can be compared with each other, and with nothing
    else. `latest_refresh_time` is when the plan's last task ended, `latest_date_time` is the least data time.
    `has_not_ready` also stays true for a plan with empty partitions.
    """

    has_not_ready: bool | None
    latest_date_time: ServerTime | None = None
    latest_refresh_time: ServerTime | None = None


class PlanName(Struct, frozen=True, rename="camel"):
    """A plan in the list of all (API page, List Materialization Plans); its `id` is what other calls name uuid."""

    id: str
    name: str
    display_name: str | None = None
    materialize_type: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What one plan is like (AnyMetrics API page, Get Materialization Plan Details).

    What the server does not say, or says in another form, is None or empty. A plan that `is_scheduled` follows its
    `cron`; any other is refreshed when a table that it depends on is. `table_path` is `catalog.schema.table` of the
    plan's own result.
    """

    id: str | None
    name: str | None
    materialize_type: str | None
    table_path: str | None
    granularity: str | None
    metrics: tuple[str, ...]
    is_scheduled: bool | None
    cron: str | None


class _LatestTimeAnswer(Struct):
    data: LatestTime


class _PlansAnswer(Struct, rename="camel"):
    data: list[PlanName]
    has_next: bool | None = None
    total: int | None = None


def latest_time(client: Asker, plan_name: str) -> Reading[LatestTime]:
    """Ask how far a plan got. One plan a call: for several, the answer would be of all of them together."""
    call = Call(method="POST", path=LATEST_TIME, body={"planNameList": [plan_name]}, form=_LatestTimeAnswer)
    return Reading.of(client.ask(call), lambda answer: answer.data)


def plans(client: Asker) -> Reading[tuple[PlanName, ...]]:
    """Ask for all plans of the tenant (AnyMetrics API page, List Materialization Plans)."""

    def page(number: int) -> Reading[Page[PlanName]]:
        body = {"pager": {"pageNumber": number, "pageSize": PAGE_SIZE}}
        answer = client.ask(Call(method="POST", path=PLANS, body=body, form=_PlansAnswer))
        return Reading.of(answer, lambda found: Page(found.data, has_next(found.has_next, found.total, number)))

    return every_page(page)


def plan(client: Asker, uuid: str) -> Reading[Plan]:
    """Ask what one plan is like, in an envelope or as the page prints it, without one."""
    path = f"{PLAN}?{urlencode({'uuid': uuid})}"
    return Reading.of(client.ask(Call(method="GET", path=path, form=dict[str, Any], confirms=_is_plan)), _plan)


def _details(answer: dict[str, Any]) -> dict[str, Any]:
    return _object(answer["data"]) if "data" in answer else answer


def _is_plan(answer: dict[str, Any]) -> bool:
    return not {"id", "name", "refreshConfig"}.isdisjoint(_details(answer))


def _plan(answer: dict[str, Any]) -> Plan:
    details = _details(answer)
    refresh, table = _object(details.get("refreshConfig")), _object(details.get("tablePath"))
    parts = [_text(table.get(name)) for name in ("tableCatalog", "tableSchema", "tableName")]
    is_scheduled, metrics = refresh.get("isScheduleUpdate"), details.get("metricList")
    return Plan(
        id=_text(details.get("id")),
        name=_text(details.get("name")),
        materialize_type=_text(details.get("materializeType")),
        table_path=".".join(filter(None, parts)) or None,
        granularity=_text(details.get("metricTimeGranularity")) or _text(refresh.get("granularity")),
        metrics=tuple(filter(_text, metrics)) if isinstance(metrics, list) else (),
        is_scheduled=is_scheduled if isinstance(is_scheduled, bool) else None,
        cron=_text(refresh.get("cron")),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
