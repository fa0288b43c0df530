"""Lines as records of Python's `logging`: orchestrators show these with their level, in the log of the task."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import click

from dbt_anymetrics.output.progress import Progress
from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.result import Result

LOG = logging.getLogger("dbt_anymetrics")

_LEVELS: dict[Level, int] = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class LogOutput:
    """Records of the logger `dbt_anymetrics`, without colours. `quiet` leaves the errors."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def result(self, line: str, level: Level, result: Result | None = None) -> None:  # noqa: ARG002 (a line is enough)
        """Write a line that the user asked for."""
        if not self._quiet or level == "error":
            with suppress(Exception):  # whatever a handler raises, the work goes on
                LOG.log(_LEVELS[level], "%s", click.unstyle(line))

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""
        self.result(line, level)

    def columns(self) -> int:
        """As many as a line may want."""
        return sys.maxsize

    def progress(self, progress: Progress) -> None:
        """Tell of it in a line now and then."""
        if progress.is_due:
            self.log(str(progress), "info")
