"""Two tiers of tests: `make test` runs the short form of what takes long, `make soak` the rest of it too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

SLOW = pytest.mark.slow
"""On what only `make soak` runs."""


def tiered(cases: Iterable[Any], is_short: Callable[[int, Any], bool]) -> list[Any]:
    """The cases of a test: those that are short, by number or value, for every run, the others marked as slow."""
    return [
        case if is_short(number, case) else pytest.param(*(case if type(case) is tuple else (case,)), marks=SLOW)
        for number, case in enumerate(cases)
    ]
