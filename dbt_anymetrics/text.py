"""Text from elsewhere, made fit to be shown on one line."""

from __future__ import annotations


def shown(value: object) -> str:
    """A value as an error may show it: like Python writes it, and not too long."""
    try:
        return one_line(repr(value), 100)
    except RecursionError:
        return "(too deeply nested to show)"


def one_line(text: str, limit: int) -> str:
    """A text without line breaks and terminal control characters, cut to `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
