"""What the record of earlier commands means for this one: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from dbt_anymetrics.record import Document
from dbt_anymetrics.result import Key, Result, Status


def recall(results: Iterable[Result], previous: Document | None) -> list[Result]:
    """The same results, with what the record says was already refreshed for the same dbt invocation as skipped."""
    done = {result.key: result for result in previous.results if result.was_refreshed} if previous else {}
    return [_already(result, done) for result in results]


def _already(result: Result, done: Mapping[Key, Result]) -> Result:
    earlier = done.get(result.key) if result.status is Status.PLANNED else None
    if earlier is None:
        return result
    message = "already refreshed for this dbt run; --force sends it again"
    return replace(earlier, unique_id=result.unique_id, status=Status.SKIPPED, message=message)


def carried(previous: Document | None, results: Sequence[Result]) -> list[Result]:
    """What the record holds of the same dbt invocations beside these results; it must not be forgotten."""
    if previous is None:
        return []
    invocations = {result.invocation_id for result in results}
    keys = {result.key for result in results}
    return [
        earlier
        for earlier in previous.results
        if earlier.partition and earlier.invocation_id in invocations and earlier.key not in keys
    ]


def unfinished(previous: Document | None, results: Sequence[Result]) -> list[Result]:
    """What the record holds of other dbt invocations that was never refreshed."""
    if previous is None:
        return []
    invocations = {result.invocation_id for result in results}
    return [r for r in previous.results if is_unfinished(r) and r.invocation_id not in invocations]


def is_unfinished(result: Result) -> bool:
    """Whether a refresh failed or was not sent, and can be sent again."""
    return result.partition is not None and result.status in (Status.ERROR, Status.PLANNED)
