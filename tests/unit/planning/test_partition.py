from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.partition import MAX_DAYS, days, is_template, parse_date, resolve

RUN_DATE = date(2024, 7, 17)


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ("2024-07-01", ["2024-07-01"]),
        (" 2024-07-01 ", ["2024-07-01"]),
        ("2024-02-28..2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("2024-07-01 .. 2024-07-02", ["2024-07-01", "2024-07-02"]),
        ("2024-07-01..2024-07-01", ["2024-07-01"]),
        ("run_date", ["2024-07-17"]),
        ("run_date-1", ["2024-07-16"]),
        ("run_date - 17", ["2024-06-30"]),
        ("run_date-0", ["2024-07-17"]),
        ("run_date-2..run_date-1", ["2024-07-15", "2024-07-16"]),
        ("2024-07-16..run_date", ["2024-07-16", "2024-07-17"]),
        ("2024-07-02, 2024-07-01", ["2024-07-01", "2024-07-02"]),
        ("2024-07-01,", ["2024-07-01"]),
        (["run_date", "2024-07-01..2024-07-02"], ["2024-07-01", "2024-07-02", "2024-07-17"]),
        (["run_date", "2024-07-17", "run_date-0"], ["2024-07-17"]),
        ([["2024-07-01"], ("2024-07-02",)], ["2024-07-01", "2024-07-02"]),
        (date(2024, 7, 1), ["2024-07-01"]),
    ],
)
def test_a_partition_means_these_dates(partition: object, expected: list[str]) -> None:
    assert [str(day) for day in resolve(partition, RUN_DATE)] == expected


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        ("", "without a date"),
        (" , ", "without a date"),
        ([], "without a date"),
        ("yesterday", "'yesterday' is not a date"),
        ("2024-7-1", "is not a date"),
        ("20240717", "is not a date"),
        ("2024/07/17", "is not a date"),
        ("٢٠٢٤-07-17", "is not a date"),
        ("2024-07-17T00:00:00", "time of day"),
        ("2024-07-17 00:00:00", "time of day"),
        (datetime(2024, 7, 17, tzinfo=timezone.utc), "time of day"),
        ("2024-02-30", "does not exist"),
        ("0000-01-01", "does not exist"),
        ("run_date+1", "is not a date"),
        ("run_date-", "is not a date"),
        ("run_date--1", "is not a date"),
        ("2024-07-01..", "is not a date"),
        ("..2024-07-01", "is not a date"),
        ("2024-07-01..2024-07-02..2024-07-03", "is not a date"),
        ("2024-07-02..2024-07-01", "runs backwards"),
        ("run_date-1..run_date-7", "runs backwards"),
        ("1900-01-01..run_date", "has 45,489 dates"),
        (["2000-01-01..2009-12-31", "2010-01-01..2019-12-31"], "more than 3,660 dates"),
        (20240717, "20240717 is not a partition"),
        (None, "is not a partition"),
        ({"from": "2024-07-01"}, "is not a partition"),
        (["2024-07-01", 5], "is not a partition"),
    ],
)
def test_anything_else_is_refused(partition: object, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        resolve(partition, RUN_DATE)
    assert said in str(refusal.value)


def test_the_day_before_the_first_year_is_refused() -> None:
    with pytest.raises(UsageError, match="before the first year"):
        resolve("run_date-1", date.min)


def test_a_list_nested_too_deeply_is_refused() -> None:
    nested: list[object] = ["2024-07-01"]
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(UsageError):
        resolve(nested, RUN_DATE)


def test_a_refusal_does_not_repeat_a_long_text_whole() -> None:
    with pytest.raises(UsageError) as refusal:
        resolve("x" * 10_000, RUN_DATE)
    assert len(str(refusal.value)) < 300


def test_a_range_may_have_as_many_dates_as_the_limit_says_and_no_more() -> None:
    last = date.fromordinal(RUN_DATE.toordinal() + MAX_DAYS - 1)
    assert len(days(RUN_DATE, last)) == MAX_DAYS
    with pytest.raises(UsageError, match=f"has {MAX_DAYS + 1:,} dates"):
        days(RUN_DATE, date.fromordinal(last.toordinal() + 1))


def test_a_range_may_end_on_the_last_day_there_is() -> None:
    assert days(date.max, date.max) == [date.max]


def test_a_date_is_read_from_text() -> None:
    assert parse_date("2024-07-17\n") == RUN_DATE


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{{ var('ds') }}", True), ("{% if x %}", True), ("2024-07-17", False), ("{ds}", False)],
)
def test_jinja_is_recognised(text: str, expected: bool) -> None:
    assert is_template(text) is expected
