"""How far long work has come, on the last line of a terminal."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

import click

_LONG = 20
"""Refreshes from which on the work counts as long."""

_WIDTH = 24
_ERASE = "\r\x1b[K"


class Progress:
    """One line on stderr that is drawn again after each refresh; nothing where stderr is no terminal."""

    def __init__(self, *, hidden: bool = False) -> None:
        self._hidden = hidden or not sys.stderr.isatty()
        self._drawn = False
        self._started = time.monotonic()

    def draw(self, done: int, total: int) -> None:
        """Show how much is done, how fast, and how long the rest will take at that pace."""
        if self._hidden or total < _LONG or done >= total:
            return
        seconds = max(time.monotonic() - self._started, 0.001)
        left = timedelta(seconds=round(seconds / done * (total - done)))
        bar = "#" * (_WIDTH * done // total)
        click.echo(
            f"{_ERASE}{done:,} of {total:,} [{bar:-<{_WIDTH}}] {done / seconds:.0f}/s, {left} left", nl=False, err=True
        )
        self._drawn = True

    def erase(self) -> None:
        """Make room for an ordinary line."""
        if self._drawn:
            click.echo(_ERASE, nl=False, err=True)
            self._drawn = False
