"""Text from elsewhere, made fit to be shown on one line."""

from __future__ import annotations


def one_line(text: str, limit: int) -> str:
    """A text without line breaks and terminal control characters, cut to `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
