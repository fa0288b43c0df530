"""JSON that is not quite JSON, put right: numbers that only Python writes, and halves of characters."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b', re.DOTALL)

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

_UNKNOWN = b"\\ufffd"


def decode(data: bytes | memoryview, kind: type[T]) -> T:
    """Decode JSON, put right where it needs to be. Raises what msgspec raises.

    A memoryview is put right in place; bytes are copied, for that alone.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        changeable = memoryview(bytearray(data)) if isinstance(data, bytes) else data
        if not mend(changeable):
            raise
        return msgspec.json.decode(changeable, type=kind)


def mend(data: memoryview) -> bool:
    """Put JSON right where it lies, and return whether something was changed.

    Python writes NaN and Infinity for numbers that JSON does not know, and so does dbt 1.x where a user's YAML has
    them: they become 0. It also writes the bytes of a text that is not UTF-8 as halves of a surrogate pair, which are
    no characters: each becomes U+FFFD.
    """
    changed = False
    for token in _TOKEN.finditer(data):
        if data[token.start()] != ord('"'):
            data[token.start() : token.end()] = b"0".ljust(token.end() - token.start())
            changed = True
        elif b"\\u" in token[0]:
            changed |= _mend_text(data, token.start(), token.end())
    return changed


def _mend_text(data: memoryview, start: int, end: int) -> bool:
    """Replace the halves of surrogate pairs in one text."""
    changed = False
    for escape in _ESCAPE.finditer(data[start:end]):
        if escape["half"]:
            data[start + escape.start() : start + escape.end()] = _UNKNOWN
            changed = True
    return changed
