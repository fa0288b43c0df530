from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from dbt_anymetrics.result import LazyCollection, Refresh, Status, Timing, count, shown

TIMING = Timing(
    datetime(2024, 7, 18, 6, 0, 0, tzinfo=timezone.utc), datetime(2024, 7, 18, 6, 0, 1, 500_000, tzinfo=timezone.utc)
)


REFRESH = Refresh(unique_id="m", table_name="t", partition=date(2024, 7, 17), invocation_id="i")


def test_a_timing_is_told_in_seconds() -> None:
    assert TIMING.seconds == 1.5


def test_an_invocation_a_table_and_a_date_make_a_refresh() -> None:
    assert REFRESH.key == ("i", "t", date(2024, 7, 17))


def test_a_refresh_is_shown_as_planned_and_a_result_as_it_is() -> None:
    assert shown(REFRESH) == REFRESH.result(Status.PLANNED)
    failed = REFRESH.result(Status.ERROR, "no", http_status=500)
    assert shown(failed) is failed
    assert (failed.partition, failed.message, failed.http_status) == (REFRESH.partition, "no", 500)


def test_what_was_skipped_with_a_timing_was_done_before() -> None:
    assert REFRESH.result(Status.SKIPPED, timing=TIMING).is_done_before
    assert not REFRESH.result(Status.SKIPPED).is_done_before
    assert not REFRESH.result(Status.ERROR, timing=TIMING).is_done_before


def test_a_lazy_collection_is_walked_anew_each_time() -> None:
    walks: list[int] = []

    def walk() -> list[int]:
        walks.append(1)
        return [1, 2]

    lazy = LazyCollection(walk)
    assert (list(lazy), len(lazy), bool(lazy), 2 in lazy, 3 in lazy) == ([1, 2], 2, True, True, False)
    assert len(walks) == 6  # list() also asks for the length
    assert not LazyCollection(list)


@pytest.mark.parametrize(
    ("statuses", "expected", "all_well"),
    [
        ([], "OK=0 ERROR=0 SKIP=0 TOTAL=0", True),
        ([Status.SUCCESS] * 2 + [Status.ERROR] + [Status.SKIPPED] * 4, "OK=2 ERROR=1 SKIP=4 TOTAL=7", False),
        ([Status.SUCCESS, Status.SKIPPED], "OK=1 ERROR=0 SKIP=1 TOTAL=2", True),
        ([Status.SUCCESS, Status.PLANNED], "OK=1 ERROR=0 SKIP=0 NOT_SENT=1 TOTAL=2", False),
    ],
)
def test_counts_are_told_as_dbt_tells_them(statuses: list[Status], expected: str, all_well: bool) -> None:
    counts = count(REFRESH.result(status) for status in statuses)
    assert str(counts) == expected
    assert counts.all_well is all_well
