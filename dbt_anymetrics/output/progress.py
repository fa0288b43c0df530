"""How far long work has come: counted in one place, shown as a bar on a terminal or as lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta

from dbt_anymetrics.output.terminal import columns, echo, is_terminal

_LONG = 100

_LINES = 20
"""How many lines a log gets for long work."""

_FEW = 25
"""The least number of refreshes between two such lines. Before so many are done, no pace is shown."""

_PAUSE = 0.1
"""Seconds between two drawings of the bar."""

_ROOM = 0.02
"""Seconds for which a line that went elsewhere keeps the bar away: `| tee log` brings it back to this terminal."""

_WIDTHS = range(8, 25)
_ERASE = "\r\x1b[K"

Clock = Callable[[], float]


def is_long(total: int) -> bool:
    """Whether so many refreshes are long work: those that succeed are only counted then."""
    return total >= _LONG


class Progress:
    """How much of the work is done, how fast, and how long the rest takes at that pace."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.done = 0
        self.total = 0
        self._errors = 0
        self._clock = clock
        self._started = clock()

    def count(self, done: int, total: int, *, ok: bool) -> None:
        """Count one more refresh that has ended."""
        self.done = done
        self.total = total
        self._errors += not ok

    @property
    def is_due(self) -> bool:
        """Whether a log gets a line now: every 5 %; none at the end, which has its own."""
        every = max(_FEW, -(-self.total // _LINES))
        return self.done % every == 0 and self.done < self.total

    def parts(self) -> list[str]:
        """What can be shown, the most important first."""
        counts = [f"{self.done} of {self.total} done", f"OK={self.done - self._errors} ERROR={self._errors}"]
        if self.done < _FEW:
            return counts
        pace = self.done / max(self._clock() - self._started, 0.001)
        left = timedelta(seconds=round((self.total - self.done) / pace))
        return [*counts, f"{left} left", f"{pace:,.1f}/s"]

    def __str__(self) -> str:
        """As a line: `500 of 10000 done, OK=498 ERROR=2, 0:01:06 left, 143.2/s`."""
        return ", ".join(self.parts())


class Bar:
    """A line at the bottom of a terminal on stderr, redrawn as the work goes on. Without a terminal there is none."""

    def __init__(self, *, hidden: bool = False, clock: Clock = time.monotonic) -> None:
        self.visible = not hidden and is_terminal(sys.stderr)
        self._clock = clock
        self._drawn = False
        self._due = clock()
        self._room = 0.0 if is_terminal(sys.stdout) else _ROOM

    def draw(self, progress: Progress) -> None:
        """Show the progress, unless that was done a moment ago."""
        if not self.visible or self._clock() < self._due:
            return
        self._drawn = True
        echo(f"{_ERASE}{_fitted(progress, columns(sys.stderr) - 1)}", err=True, nl=False)
        self._due = self._clock() + _PAUSE

    def erase(self) -> None:
        """Make room for an ordinary line."""
        if self._drawn:
            self._drawn = False
            echo(_ERASE, err=True, nl=False)
            self._due = self._clock() + self._room


def _fitted(progress: Progress, width: int) -> str:
    """As much of the progress as a line has room for: one that is too long would wrap, and could not be erased."""
    parts = progress.parts()
    while parts and len(", ".join(parts)) > width:
        parts.pop()
    text = ", ".join(parts)
    bar = min(width - len(f"{text} []"), _WIDTHS[-1])
    if bar < _WIDTHS[0]:
        return text
    return f"{text} [{'#' * (bar * progress.done // progress.total):-<{bar}}]"
