from __future__ import annotations

import pytest

from dbt_anymetrics.text import one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("表不存在", "表不存在"),
        ("a\r\n\tb", "a b"),
        ("  a   b  ", "a b"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\x00\x07\x9b\u202e\u2028b", "a b"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("", ""),
        ("\n", ""),
    ],
)
def test_control_characters_become_single_spaces(text: str, expected: str) -> None:
    assert one_line(text, 100) == expected


@pytest.mark.parametrize(("text", "expected"), [("12345", "12345"), ("123456", "1234…"), ("1" * 10_000_000, "1111…")])
def test_a_long_text_is_cut_to_the_limit(text: str, expected: str) -> None:
    assert one_line(text, 5) == expected
