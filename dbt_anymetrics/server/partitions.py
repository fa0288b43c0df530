"""The partitions of a plan: which AnyMetrics knows, and what an external plan is told of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from msgspec import UNSET, Struct, UnsetType, field

from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Asker, Call, Reading
from dbt_anymetrics.server.confirmation import is_confirmation
from dbt_anymetrics.server.pages import PAGE_SIZE, Page, every_page, has_next

PARTITIONS = "/accelerate/plan/queryMtPartitionList"
UPDATE = "/accelerate/plan/updatePartition"


class Partitions(Struct, frozen=True):
    """The partitions that AnyMetrics has on record for a plan.

    One that is listed exists; nothing tells whether it was computed again. A plan that is always refreshed as a whole
    has no partitions.
    """

    is_partitioned: bool
    values: tuple[str, ...]


class _Value(Struct):
    value: str


class _Some(Struct, rename="camel"):
    """One page of partitions. The key of its list is misspelt in the API page, and may be mended one day."""

    misspelt: list[_Value] | None = field(default=None, name="paritionList")
    partition_list: list[_Value] | None = None
    has_next: bool | None = None
    total: int | None = None


class _Body(Struct):
    partition: _Some | None


class _Answer(Struct):
    """The API page prints no envelope; this call may get the one that nearly all others have."""

    partition: _Some | UnsetType | None = UNSET
    data: _Body | None = None

    def __post_init__(self) -> None:
        if self.partition is UNSET and self.data is None:
            raise ValueError("there is no partition in it")

    @property
    def some(self) -> _Some | None:
        if isinstance(self.partition, UnsetType):
            return self.data.partition if self.data else None
        return self.partition


def partitions(client: Asker, uuid: str) -> Reading[Partitions]:
    """Ask for all partitions of a plan (AnyMetrics API page, Query Materialized Table Partitions)."""
    is_partitioned = True

    def page(number: int) -> Reading[Page[str]]:
        nonlocal is_partitioned
        query = urlencode({"uuid": uuid, "pageNumber": number, "pageSize": PAGE_SIZE})
        reading = Reading.of(client.ask(Call(method="GET", path=f"{PARTITIONS}?{query}", form=_Answer)), _some)
        if reading.value is None:
            return Reading(reading.answer)
        [some] = reading.value
        is_partitioned = some is not None
        return Reading(reading.answer, _page(some, number))

    reading = every_page(page)
    return Reading(reading.answer, None if reading.value is None else Partitions(is_partitioned, reading.value))


def update_partition(
    client: Asker, uuid: str, granularity: str, succeeded: Iterable[date], failed: Iterable[date]
) -> Answer:
    """Tell an external plan which of its partitions were built, and which were not.

    AnyMetrics API page, Update External Acceleration Partition Data. It changes what AnyMetrics knows of them, and no
    table. The granularity has to be that of the plan. How the page prints the answer is not known here.
    """
    body = {
        "uuid": uuid,
        "runType": "MANUAL",
        "successTimeRange": list(_ranges(granularity, succeeded)),
        "failedTimeRange": list(_ranges(granularity, failed)),
    }
    effect = "the partitions were updated"
    answer = client.ask(Call(method="POST", path=UPDATE, body=body, form=_Done, confirms=_is_done, effect=effect))
    return Reading.of(answer, lambda _: None).answer


class _Done(Struct, omit_defaults=True):
    data: Any = None
    success: Any = None
    succeed: Any = None


def _is_done(answer: _Done) -> bool:
    # A call that has nothing to give back answers with null beside an explicit success.
    return is_confirmation(answer.data) or (answer.data is None and True in (answer.success, answer.succeed))


def _some(answer: _Answer) -> tuple[_Some | None]:
    return (answer.some,)


def _page(some: _Some | None, number: int) -> Page[str]:
    if some is None:
        return Page((), has_next=False)
    values = some.misspelt if some.partition_list is None else some.partition_list
    return Page([each.value for each in values or ()], has_next(some.has_next, some.total, number))


def _ranges(granularity: str, dates: Iterable[date]) -> Iterator[dict[str, str]]:
    """Dates as the ranges of the API, both ends of which are in them; days in a row are one range."""
    starts = {_start(day, granularity) for day in dates}
    for first, last in _rows(sorted(starts), timedelta(days=1 if granularity == "DAY" else 0)):
        yield {"dateGranularity": granularity, "startTime": f"{first}T00:00:00", "endTime": f"{last}T00:00:00"}


def _start(day: date, granularity: str) -> date:
    """The first day of the period that a date is in."""
    match granularity:
        case "WEEK":
            return day - timedelta(days=day.weekday())
        case "MONTH":
            return day.replace(day=1)
        case "QUARTER":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "YEAR":
            return day.replace(month=1, day=1)
    return day


def _rows(dates: list[date], step: timedelta) -> Iterator[tuple[date, date]]:
    """The first and last of dates that follow each other by one step."""
    rows: list[tuple[date, date]] = []
    for day in dates:
        if rows and day - rows[-1][1] == step:
            rows[-1] = (rows[-1][0], day)
        else:
            rows.append((day, day))
    yield from rows
