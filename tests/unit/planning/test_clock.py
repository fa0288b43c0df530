"""Clocks and zones: the date that docs/dates.md says, on the days that calendars and clocks make difficult."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.partition import resolve
from dbt_anymetrics.planning.run_date import run_date
from tests.builders import (
    batches,
    dates,
    manifest,
    manifest_json,
    node_json,
    planned,
    result_json,
    run,
    run_json,
    write_artifacts,
)
from tests.shop import Shop


def of_run(started_at: str, zone: str, partition: str = "run_date") -> list[str]:
    """The dates of a node with this partition, for a run that started at this moment."""
    ran = run(result_json(), invocation_started_at=started_at)
    return dates(
        planned(node_json(meta={"anymetrics.partition": partition}), runs=(ran,), run_date=None, timezone=zone)
    )


@pytest.mark.parametrize(
    ("zone", "started_at", "expected"),
    [
        # Clocks go forward at 02:00, and the day has 23 hours.
        ("Europe/Berlin", "2024-03-30T22:59:59Z", "2024-03-30"),
        ("Europe/Berlin", "2024-03-30T23:00:00Z", "2024-03-31"),
        ("Europe/Berlin", "2024-03-31T21:59:59Z", "2024-03-31"),
        ("Europe/Berlin", "2024-03-31T22:00:00Z", "2024-04-01"),
        # Clocks go back at 03:00, and the day has 25 hours.
        ("Europe/Berlin", "2024-10-26T22:00:00Z", "2024-10-27"),
        ("Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-27"),
        ("Europe/Berlin", "2024-10-27T22:59:59Z", "2024-10-27"),
        ("Europe/Berlin", "2024-10-27T23:00:00Z", "2024-10-28"),
        ("America/New_York", "2024-03-10T04:59:59Z", "2024-03-09"),
        ("America/New_York", "2024-03-11T03:59:59Z", "2024-03-10"),
        ("America/New_York", "2024-11-04T04:59:59Z", "2024-11-03"),
        # A day without a midnight: it begins at 01:00.
        ("America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"),
        # A midnight that comes twice: the second hour of 23:00 is still the day before.
        ("America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T03:00:00Z", "2018-02-18"),
        # Half an hour of daylight saving, and zones at a quarter of an hour.
        ("Australia/Lord_Howe", "2024-04-06T12:59:59Z", "2024-04-06"),
        ("Australia/Lord_Howe", "2024-04-06T13:00:00Z", "2024-04-07"),
        ("Asia/Kathmandu", "2024-07-17T18:14:59Z", "2024-07-17"),
        ("Asia/Kathmandu", "2024-07-17T18:15:00Z", "2024-07-18"),
        ("Asia/Shanghai", "2024-07-17T15:59:59Z", "2024-07-17"),
        ("Asia/Shanghai", "2024-07-17T16:00:00Z", "2024-07-18"),
        # Both sides of the date line, at one moment three dates apart by name.
        ("Pacific/Kiritimati", "2024-07-17T10:00:00Z", "2024-07-18"),
        ("Pacific/Pago_Pago", "2024-07-17T10:59:59Z", "2024-07-16"),
        ("Etc/GMT+12", "2024-07-17T11:59:59Z", "2024-07-16"),
        # Samoa crossed the date line: 2011-12-30 was no day there.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
        # Leap days, and the turn of a year.
        ("UTC", "2024-02-29T23:59:59Z", "2024-02-29"),
        ("Asia/Shanghai", "2024-02-28T16:00:00Z", "2024-02-29"),
        ("Asia/Shanghai", "2023-02-28T16:00:00Z", "2023-03-01"),
        ("Asia/Tokyo", "2023-12-31T15:00:00Z", "2024-01-01"),
    ],
)
def test_a_run_has_the_date_of_its_start_in_the_zone(zone: str, started_at: str, expected: str) -> None:
    assert of_run(started_at, zone) == [expected]


@pytest.mark.parametrize(
    ("zone", "started_at", "partition", "expected"),
    [
        ("Europe/Berlin", "2024-03-31T22:00:00Z", "run_date-1", ["2024-03-31"]),
        ("Europe/Berlin", "2024-03-31T00:30:00Z", "run_date-1", ["2024-03-30"]),
        ("Europe/Berlin", "2024-10-27T23:30:00Z", "run_date-1..run_date", ["2024-10-27", "2024-10-28"]),
        ("America/Sao_Paulo", "2018-11-05T03:00:00Z", "run_date-2..run_date-1", ["2018-11-03", "2018-11-04"]),
        # Days are those of the calendar, also where a zone left one out.
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "run_date-1", ["2011-12-30"]),
        ("UTC", "2024-03-01T00:00:00Z", "run_date-1", ["2024-02-29"]),
        ("UTC", "2023-03-01T00:00:00Z", "run_date-1", ["2023-02-28"]),
        ("UTC", "2100-03-01T00:00:00Z", "run_date-1", ["2100-02-28"]),
        ("UTC", "2024-03-01T00:00:00Z", "run_date-2..run_date", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("UTC", "2025-02-28T00:00:00Z", "run_date-365", ["2024-02-29"]),
        ("UTC", "2024-01-01T00:00:00Z", "run_date-1", ["2023-12-31"]),
    ],
)
def test_days_before_the_run_are_days_of_the_calendar(
    zone: str, started_at: str, partition: str, expected: list[str]
) -> None:
    assert of_run(started_at, zone, partition) == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu"])
def test_a_week_has_seven_dates_whatever_the_clocks_did_in_it(zone: str) -> None:
    for month in ("03", "04", "10", "11"):
        found = of_run(f"2024-{month}-12T12:00:00Z", zone, "run_date-7..run_date-1")
        assert [date.fromisoformat(day) for day in found] == [
            date.fromisoformat(found[0]) + timedelta(days=n) for n in range(7)
        ]


@pytest.mark.parametrize("text", ["2023-02-29", "2100-02-29", "1900-02-29", "2024-02-30", "2024-04-31"])
def test_a_day_that_the_calendar_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        resolve(text, date(2024, 7, 17))


def test_a_range_over_a_leap_day_has_it() -> None:
    assert len(resolve("2024-02-01..2024-03-01", date(2024, 7, 17))) == 30
    assert len(resolve("2023-02-01..2023-03-01", date(2024, 7, 17))) == 29


# A run that starts before midnight and ends after it. 16:00 UTC is midnight in Shanghai.

ACROSS_MIDNIGHT = {
    "dbt 1.10 and later": {
        "dbt_version": "1.11.0",
        "invocation_started_at": "2024-07-17T15:59:59.999999Z",
        "generated_at": "2024-07-17T18:00:00Z",
        "elapsed_time": 7200.000001,
    },
    "dbt 1.5 to 1.9": {
        "dbt_version": "1.9.0",
        "invocation_started_at": None,
        "generated_at": "2024-07-17T18:00:00Z",
        "elapsed_time": 7201.0,
    },
    "dbt 2": {
        "dbt_version": "2.0.0",
        "invocation_started_at": None,
        "generated_at": "2024-07-17T18:00:00Z",
        "elapsed_time": 0.0,
        "beside": manifest(invocation_started_at="2024-07-17T15:59:59Z"),
    },
}


@pytest.mark.parametrize("version", ACROSS_MIDNIGHT)
@pytest.mark.parametrize(("zone", "expected"), [("Asia/Shanghai", "2024-07-17"), ("Asia/Tokyo", "2024-07-18")])
def test_a_run_across_midnight_counts_as_the_day_it_started_on(version: str, zone: str, expected: str) -> None:
    ran = run(result_json(), **ACROSS_MIDNIGHT[version])  # type: ignore[arg-type]
    assert str(run_date(ran, None, None, zone).day) == expected


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [
        ("2024-07-17T23:59:59Z", "2024-07-17"),
        ("2024-07-17T23:59:59.999999Z", "2024-07-17"),
        ("2024-07-18T00:00:00Z", "2024-07-18"),
        ("2024-07-18T00:00:00", "2024-07-18"),
        ("2024-07-18T07:59:59+08:00", "2024-07-17"),
        ("2024-07-17T16:00:00-08:00", "2024-07-18"),
    ],
)
def test_the_last_moment_of_a_day_is_still_of_it(started_at: str, expected: str) -> None:
    assert of_run(started_at, "UTC") == [expected]


@pytest.mark.parametrize("recorded", ["2024-07-16T23:00:00Z", "2024-07-17T07:00:00+08:00", "2024-07-16T23:00:00"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "Pacific/Kiritimati"])
def test_a_batch_has_its_date_in_utc_whatever_the_zone_of_the_run(recorded: str, zone: str) -> None:
    ran = run(result_json(batch_results=batches(recorded)))
    node = node_json(meta={"anymetrics.enabled": True})
    assert dates(planned(node, runs=(ran,), run_date=None, timezone=zone)) == ["2024-07-16"]


@pytest.mark.parametrize("partition", ["{{ run_started_at.date() }}", "{{ run_started_at.strftime('%Y-%m-%d') }}"])
def test_a_template_sees_the_start_in_utc(partition: str) -> None:
    assert of_run("2024-07-17T20:00:00Z", "Asia/Shanghai", partition) == ["2024-07-17"]


# The clock of this machine


@pytest.mark.parametrize("machine", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"])
def test_the_zone_and_the_clock_of_this_machine_change_nothing(machine: str, tmp_path: Path) -> None:
    known = manifest_json(node_json(meta={"anymetrics.datasource": "sr"}))
    write_artifacts(tmp_path / "target", known, run_json(result_json(), invocation_started_at="2024-07-17T12:00:00Z"))
    shop = Shop(tmp_path, {"TZ": machine})
    assert " for 2024-07-17 (" in shop.program("plan").stdout
    assert " for 2024-07-18 (" in shop.program("plan", ANYMETRICS_TIMEZONE="Pacific/Kiritimati").stdout
