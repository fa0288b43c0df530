"""Reads that come page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.server.call import Reading

PAGE_SIZE = 100
MOST_PAGES = 1000

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """One page: its items, and whether there is another."""

    items: Sequence[T]
    has_next: bool


def has_next(said: bool | None, total: int | None, number: int) -> bool:
    """Whether a page has another one after it, by what it says of that or else by the total."""
    return (total or 0) > number * PAGE_SIZE if said is None else said


def every_page(read: Callable[[int], Reading[Page[T]]]) -> Reading[tuple[T, ...]]:
    """Read the pages from 1 on, and give their items, each once.

    The reading fails when one page fails, or when the pages do not come to an end: a server that does not know the page
    number would send the first page again and again.
    """
    found: dict[T, None] = {}
    for number in range(1, MOST_PAGES + 1):
        answer, page = (reading := read(number)).answer, reading.value
        if page is None:
            return Reading(answer)
        before = len(found)
        found.update(dict.fromkeys(page.items))
        if not page.has_next:
            return Reading(answer, tuple(found))
        if len(found) == before:
            return Reading(replace(answer, message=f"page {number} brings nothing new, yet says that there is more"))
    return Reading(replace(answer, message=f"there are more than {MOST_PAGES * PAGE_SIZE:,} of them"))
