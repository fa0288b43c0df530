"""What failed, in one line: the text of the exceptions that orchestrators show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dbt_anymetrics.result import Counts, Result, Status
from dbt_anymetrics.text import one_line

_SHOWN = 3


def failed(results: Iterable[Result]) -> Iterator[str]:
    """The first of what failed or was not sent, each with its reason."""
    bad = (result for result in results if result.status in (Status.ERROR, Status.PENDING, Status.WAITING))
    for result in islice(bad, _SHOWN):
        what = f"{result.table_name} {result.partition}" if result.partition else result.unique_id
        yield f"{what}: {one_line(result.message or 'no reason is known', 300)}"


def failure_of(counts: Counts, first: Sequence[str]) -> str:
    """The counts, and the first failures."""
    if counts.all_well:
        return f"AnyMetrics was refreshed, but not all that was asked for was done, as the log says: {counts}"
    more = counts.error + counts.not_sent + counts.waiting - len(first)
    told = [*first, f"and {more} more"] if first and more > 0 else [*first]
    return "; ".join([f"AnyMetrics was not refreshed as asked: {counts}", *told])
