from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from dbt_anymetrics.result import Result, Status, Timing, count

TIMING = Timing(
    datetime(2024, 7, 18, 6, 0, 0, tzinfo=timezone.utc), datetime(2024, 7, 18, 6, 0, 1, 500_000, tzinfo=timezone.utc)
)


def result(status: Status = Status.PLANNED, timing: Timing | None = None) -> Result:
    day = date(2024, 7, 17)
    return Result(unique_id="m", table_name="t", partition=day, status=status, timing=timing, invocation_id="i")


def test_a_timing_is_told_in_seconds() -> None:
    assert TIMING.seconds == 1.5


def test_an_invocation_a_table_and_a_date_make_a_refresh() -> None:
    assert result().key == ("i", "t", date(2024, 7, 17))
    assert result().key == result(Status.ERROR, TIMING).key


@pytest.mark.parametrize(
    ("status", "timing", "expected"),
    [
        (Status.SUCCESS, TIMING, True),
        (Status.SKIPPED, TIMING, True),
        (Status.SKIPPED, None, False),
        (Status.ERROR, TIMING, False),
        (Status.ERROR, None, False),
        (Status.PLANNED, None, False),
    ],
)
def test_what_was_sent_and_did_not_fail_was_refreshed(status: Status, timing: Timing | None, expected: bool) -> None:
    assert result(status, timing).was_refreshed is expected


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
    counts = count(result(status) for status in statuses)
    assert str(counts) == expected
    assert counts.all_well is all_well
