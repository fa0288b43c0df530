"""Text from elsewhere, made fit to be shown on one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

_HALF = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes that are not UTF-8, and of half a character in JSON or YAML."""


def shown(value: object) -> str:
    """A value as an error may show it: like Python writes it, and not too long."""
    try:
        return one_line(repr(value), 100)
    except RecursionError:
        return "(too deeply nested to show)"


_MOST = 16_384
_UNSURE = 8_192


def one_line(text: str, limit: int, redact: Callable[[str], str] = str) -> str:
    """A text without line breaks and terminal control characters, cut to `limit` characters.

    `redact` is given the text as it would be shown, so that no white space hides from it what it strikes out. Of a very
    long text, the end of what is looked at is left out: a secret that is cut in two could not be recognised there.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:_MOST]).split())
    if len(text) > _MOST:
        line = line[:-_UNSURE]
    line = redact(line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


_NAMED = 5


def first_of(names: Sequence[str]) -> str:
    """As `orders, customers, visits, sales, stock and 3 more`."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def seconds(length: float) -> str:
    """A length of time in seconds, as `1,800 s` or `0.4 s`."""
    return f"{length:,.1f}".removesuffix(".0") + " s"


def is_valid(text: object) -> bool:
    """Whether a text, or each of several, can be written as UTF-8; what is no text is."""
    if isinstance(text, str):
        return not _HALF.search(text)
    return not isinstance(text, (list, tuple)) or all(map(is_valid, text))


_MOST_VALUES = 10_000


def plain(value: object) -> object:
    """A value as JSON can hold it, whatever YAML made of it: keys are texts, and what cannot be shown says so."""
    return _plain(value, 20, count())


def _plain(value: object, depth: int, seen: Iterator[int]) -> object:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else "(a number too large to show)"
    if isinstance(value, (Mapping, list, tuple, set)):
        if not depth or next(seen) > _MOST_VALUES:  # YAML can repeat a part of itself, even within itself
            return "(too large to show)"
        if isinstance(value, Mapping):
            return {str(_plain(key, 1, seen)): _plain(each, depth - 1, seen) for key, each in value.items()}
        return [_plain(each, depth - 1, seen) for each in value]
    return _HALF.sub("\ufffd", str(value))
