"""Lines as records of Python's `logging`: orchestrators show these with their level, in the log of the task."""

from __future__ import annotations

import logging
from contextlib import suppress

import click

from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.output.unwatched import UnwatchedOutput
from dbt_anymetrics.result import Result

LOG = logging.getLogger("dbt_anymetrics")

_LEVELS: dict[Level, int] = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class LogOutput(UnwatchedOutput):
    """Records of the logger `dbt_anymetrics`, without colours. `quiet` leaves the errors."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def result(self, line: str, level: Level, result: Result | None = None) -> None:  # noqa: ARG002 (a line is enough)
        """Write a line that the user asked for."""
        if not self._quiet or level == "error":
            with suppress(Exception):  # whatever a handler raises, the work goes on
                LOG.log(_LEVELS[level], "%s", click.unstyle(line))
