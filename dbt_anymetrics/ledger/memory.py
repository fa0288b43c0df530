"""What the record of earlier commands means for this one: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from dbt_anymetrics.ledger.record import Document
from dbt_anymetrics.result import Key, Result, Results, Status

_WAYS = {
    "dbt": "dbt-anymetrics dbt",
    "hook": "the hook",
    "python": "dbt_anymetrics.refresh()",
    "refresh": "dbt-anymetrics refresh",
    "retry": "dbt-anymetrics retry",
}
"""What a user calls the commands that a record may be of."""


def recall(results: Collection[Result], previous: Document | None) -> Collection[Result]:
    """The same results, with what the record says was already refreshed for the same dbt invocation as skipped."""
    done = {result.key: result for result in _of_same_runs(previous, results) if result.was_refreshed}
    if previous is None or not done:
        return results
    way = _WAYS.get(str(previous.args.get("command")), "an earlier command")
    return Results(lambda: (_already(result, done, way) for result in results))


def _already(result: Result, done: Mapping[Key, Result], way: str) -> Result:
    earlier = done.get(result.key) if result.status is Status.PLANNED else None
    if earlier is None:
        return result
    message = earlier.message if earlier.is_done_before else f"already refreshed by {way}; --force sends it again"
    return replace(earlier, unique_id=result.unique_id, status=Status.SKIPPED, message=message)


def carried(previous: Document | None, results: Collection[Result]) -> list[Result]:
    """What the record holds of the same dbt invocations beside these results; it must not be forgotten."""
    earlier = [result for result in _of_same_runs(previous, results) if result.partition]
    beside = {result.key for result in earlier}.difference(result.key for result in results) if earlier else set()
    return [result for result in earlier if result.key in beside]


def unfinished(previous: Document | None, results: Iterable[Result]) -> list[Result]:
    """What the record holds of other dbt invocations that was never refreshed."""
    if previous is None:
        return []
    invocations = {result.invocation_id for result in results}
    return [r for r in previous.results if is_unfinished(r) and r.invocation_id not in invocations]


def _of_same_runs(previous: Document | None, results: Iterable[Result]) -> list[Result]:
    """What the record holds of the dbt invocations of these results."""
    if previous is None:
        return []
    invocations = {result.invocation_id for result in results}
    return [result for result in previous.results if result.invocation_id in invocations]


def is_unfinished(result: Result) -> bool:
    """Whether a refresh failed or was not sent, and can be sent again."""
    return result.partition is not None and result.status in (Status.ERROR, Status.PLANNED)
