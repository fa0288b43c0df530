from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from msgspec.structs import replace

from dbt_anymetrics.ledger.memory import carried, is_unfinished, recall, unfinished
from dbt_anymetrics.ledger.record import Document
from dbt_anymetrics.result import Result, Status, Timing

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)
PLANNED = Result(
    unique_id="model.shop.orders",
    table_name="t",
    partition=date(2024, 7, 17),
    status=Status.PLANNED,
    invocation_id="i",
)
DONE = replace(PLANNED, status=Status.SUCCESS, timing=Timing(MOMENT, MOMENT), trace_id="trace", attempts=2)
FAILED = replace(DONE, status=Status.ERROR, message="no")
SKIPPED = Result(unique_id="model.shop.other", status=Status.SKIPPED, message="why", invocation_id="i")


def document(*results: Result) -> Document:
    return Document.of({}, results, "i")


def test_what_was_refreshed_for_the_same_run_is_skipped_and_keeps_its_facts() -> None:
    (again,) = recall([PLANNED], document(DONE))
    assert again.status is Status.SKIPPED
    assert "already refreshed by an earlier command; --force" in (again.message or "")
    assert (again.timing, again.trace_id, again.attempts) == (DONE.timing, "trace", 2)


def test_what_was_skipped_for_that_reason_is_skipped_again() -> None:
    once = list(recall([PLANNED], document(DONE)))
    assert list(recall([PLANNED], document(*once))) == once


@pytest.mark.parametrize(
    "earlier",
    [
        None,
        document(),
        document(FAILED),
        document(PLANNED),
        document(replace(DONE, invocation_id="other")),
        document(replace(DONE, table_name="other")),
        document(replace(DONE, partition=date(2024, 7, 16))),
    ],
)
def test_anything_else_is_planned_as_before(earlier: Document | None) -> None:
    assert list(recall([PLANNED], earlier)) == [PLANNED]


@pytest.mark.parametrize(
    "result", [SKIPPED, replace(SKIPPED, status=Status.ERROR), replace(PLANNED, status=Status.SKIPPED)]
)
def test_what_is_not_planned_is_left_as_it_is(result: Result) -> None:
    assert list(recall([result], document(DONE))) == [result]


def test_a_table_that_another_node_refreshed_keeps_the_name_of_this_one() -> None:
    (again,) = recall([replace(PLANNED, unique_id="model.shop.renamed")], document(DONE))
    assert again.unique_id == "model.shop.renamed"


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        (None, []),
        (document(DONE), []),
        (document(FAILED), []),
        (document(replace(DONE, table_name="other")), [replace(DONE, table_name="other")]),
        (document(replace(FAILED, table_name="other")), [replace(FAILED, table_name="other")]),
        (document(replace(DONE, table_name="other", invocation_id="older")), []),
        (document(SKIPPED), []),
    ],
)
def test_what_the_record_holds_beside_the_plan_of_the_same_run_is_carried_on(
    earlier: Document | None, expected: list[Result]
) -> None:
    assert carried(earlier, [PLANNED]) == expected


@pytest.mark.parametrize(
    ("earlier", "count"),
    [
        (None, 0),
        (document(FAILED, PLANNED), 0),
        (document(replace(FAILED, invocation_id="older"), replace(PLANNED, invocation_id="older")), 2),
        (document(replace(DONE, invocation_id="older"), replace(SKIPPED, invocation_id="older")), 0),
    ],
)
def test_what_an_earlier_run_left_undone_is_found(earlier: Document | None, count: int) -> None:
    assert len(unfinished(earlier, [PLANNED])) == count


@pytest.mark.parametrize(
    ("result", "expected"),
    [(PLANNED, True), (FAILED, True), (DONE, False), (SKIPPED, False), (replace(SKIPPED, status=Status.ERROR), False)],
)
def test_a_refresh_that_failed_or_was_not_sent_can_be_sent_again(result: Result, expected: bool) -> None:
    assert is_unfinished(result) is expected
