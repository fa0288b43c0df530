"""The date that a dbt run counts as."""

from __future__ import annotations

from datetime import date, datetime, timezone, tzinfo

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import in_zone
from dbt_anymetrics.dbt_run.invocation import Run
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.planning.partition import parse_date

RUN_DATE_VARIABLE = "DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE"


_EARLY = 8
"""Until this hour, a run has more likely rebuilt the day before than the day on which it started."""


class RunDate(Struct, frozen=True):
    """The date that a run counts as, and where it comes from: `started` is the run's start, where that decided."""

    day: date
    source: str
    started: datetime | None = None

    @property
    def doubt(self) -> str | None:
        """What to say where the date may be a day too late: only the start decided it, and it was early in the day."""
        if self.started is None or self.started.hour >= _EARLY:
            return None
        return (
            f"the run started at {self.started:%H:%M}. If it rebuilt the day before, say so with "
            "anymetrics.partition: run_date-1, or with --run-date"
        )

    def __str__(self) -> str:
        """As `2024-07-18 (the day the run started, in UTC)`."""
        return f"{self.day} ({self.source})"


def run_date(run: Run, given: str | None, hooked: str | None, zone: str) -> RunDate:
    """The run's own date: as given, as the hook says, as dbt's environment recorded, else of the run's start.

    Raises UsageError for a text that is no date, and for an unknown time zone.
    """
    recorded = run.results.metadata.env
    for where, text in (
        ("--run-date / ANYMETRICS_RUN_DATE", given),
        ("run_date of the on-run-end hook", hooked),
        (RUN_DATE_VARIABLE, recorded.get("ANYMETRICS_RUN_DATE") or recorded.get(RUN_DATE_VARIABLE)),
    ):
        if text or text == given == "":
            return RunDate(_parsed(text, where), where)
    started = in_zone(run.started_at, time_zone(zone))
    return RunDate(started.date(), f"the day the run started, in {zone}", started)


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name. Raises UsageError."""
    if name.upper() == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo  # lazy: only needed away from UTC

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise UsageError(
            f"{name!r} is not a time zone this machine knows",
            where="--timezone / ANYMETRICS_TIMEZONE",
            hint="Give an IANA name such as Asia/Shanghai; where the system has none, 'pip install tzdata'",
        ) from None


def _parsed(text: str, where: str) -> date:
    try:
        return parse_date(text)
    except UsageError as error:
        raise UsageError(error.what, where=where, hint="Give one date, yyyy-MM-dd") from None
