"""A text that shows itself only when asked to, and is found again in whatever a server sends back."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

STARS = "**********"

_LONG = 8
"""Letters and digits from which a secret is looked for in every form; a shorter one may be a part of ordinary words."""

_LARGEST = 0x110000

_LAYERS = 3
"""How many escapings, one inside the other, are undone."""

_ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-f]{2})"
    r"|\\+(?:(?-i:U)(?P<long>[0-9a-f]{8})|u(?P<unicode>[0-9a-f]{4})|x(?P<hex>[0-9a-f]{2})|(?P<octal>[0-7]{3})|(?P<other>.))"
    r"|&#\d{1,12};?|&#x[0-9a-f]{1,12};?|&\w{1,8};",
    re.IGNORECASE,
)

_NO_WORD = re.compile(r"[^0-9a-z]")


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_bones", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._bones = [bones for form in _forms(value) if len(bones := _bones(form)) >= _LONG]

    def __repr__(self) -> str:
        return f"Secret('{STARS}')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied or stored")

    def reveal(self) -> str:
        """The text itself, for the request's header."""
        return self._value

    def redact(self, text: str) -> str:
        """A text with the secret struck out, as it stands there or written in another form.

        Only letters and digits are compared, without their case: white space, quotes and other marks between them hide
        nothing. Percent, backslash and HTML escapes are undone first, and base64 and hexadecimal forms are looked for
        as well. A secret of few letters is struck out where it stands alone.
        """
        while span := self._found(text):
            text = f"{text[: span[0]]}{STARS}{text[span[1] :]}"
        if len(_bones(self._value)) < _LONG:
            text = self._plain().sub(STARS, text)
        return text

    def _found(self, text: str) -> tuple[int, int] | None:
        """Where the secret begins and ends in a text, in the first form that is found."""
        for plain in _unescaped(text):
            bones = _bones(plain)
            for form in self._bones:
                if form in bones:
                    return _span(text, form)
        return None

    def _plain(self) -> re.Pattern[str]:
        """The secret as it is, or as Python, JSON, a URL or HTML write it."""
        value = self._value
        forms = {value, repr(value)[1:-1], json.dumps(value)[1:-1], value.replace("/", r"\/"), html.escape(value)}
        forms |= {quote(value), quote(value, safe=""), quote_plus(value)}
        return re.compile("|".join(map(_pattern, sorted(forms, key=len, reverse=True))), re.IGNORECASE)


def _pattern(form: str) -> str:
    """A form with any white space in the place of its own; a short one only where it stands alone."""
    pattern = r"\s+".join(map(re.escape, form.split()))
    return pattern if len(form) >= _LONG else rf"(?<![\w-]){pattern}(?![\w-])"


def _forms(value: str) -> Iterator[str]:
    """The secret as it is, in hexadecimal, and in base64 wherever in a longer text it begins."""
    data = value.encode()
    yield value
    yield data.hex()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        # The first and the last letters also hold bits of what stands before and behind.
        yield encoded[(0, 2, 3)[before] : None if (before + len(data)) % 3 == 0 else -1]


def _bones(text: str) -> str:
    """The letters and digits of a text, without their case."""
    return _NO_WORD.sub("", text.lower())


def _unescaped(text: str) -> Iterator[str]:
    """The text, and what it is with its escapes undone, layer by layer."""
    for _ in range(_LAYERS):
        yield text
        plain = _ESCAPE.sub(_meant, text)
        if plain == text:
            return
        text = plain
    yield text


def _meant(escape: re.Match[str]) -> str:
    """The character that an escape stands for, as far as it can be shown; it may be the begin of another escape."""
    for code in ("percent", "unicode", "long", "hex"):
        if escape[code]:
            return _character(int(escape[code], 16))
    if escape["octal"]:
        return _character(int(escape["octal"], 8))
    if escape["other"]:
        return " " if escape["other"] in "abfnrtv0" else escape["other"]
    return html.unescape(escape[0])


def _character(number: int) -> str:
    character = chr(number) if number < _LARGEST else " "
    return character if character.isprintable() else " "


def _span(text: str, form: str) -> tuple[int, int]:
    """The part of a text that holds the form: the shortest one, found by leaving out what stands around it."""

    def holds(part: str) -> bool:
        return any(form in _bones(plain) for plain in _unescaped(part))

    end = _least(len(text), lambda size: holds(text[:size]))
    size = _least(end, lambda size: holds(text[end - size : end]))
    return end - size, end


def _least(most: int, enough: Callable[[int], bool]) -> int:
    """The least number up to `most` that is enough, when every larger one is."""
    few = 0
    while few < most:
        middle = (few + most) // 2
        few, most = (few, middle) if enough(middle) else (middle + 1, most)
    return few
