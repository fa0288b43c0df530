"""What a task did, as its XCom."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from dbt_anymetrics.integrations.python import Outcome
from dbt_anymetrics.result import Result, Status

_MOST = 100
"""Refreshes that an XCom lists: it is a row of Airflow's database."""

_SHOWN = (Status.SUCCESS, Status.ERROR, Status.PENDING)


def done(outcome: Outcome) -> dict[str, Any]:
    """The counts, and the first of the tables and dates with what became of each."""
    results = [result for result in outcome.document.results if result.table_name and _is_of_interest(result)]
    return {
        "counts": asdict(outcome.counts),
        "refreshes": [_refresh(result) for result in results[:_MOST]],
        "more": max(0, len(results) - _MOST),
        "failure": outcome.failure,
    }


def _is_of_interest(result: Result) -> bool:
    return result.status in _SHOWN or result.postponed


def _refresh(result: Result) -> dict[str, Any]:
    return {
        "table": result.table_name,
        "date": str(result.partition),
        "status": result.status.value,
        "node": result.unique_id,
        "trace_id": result.trace_id,
        "message": result.message,
    }
