"""Text from elsewhere, made fit to be shown on one line."""

from __future__ import annotations

from collections.abc import Callable


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
