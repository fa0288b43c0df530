"""The console: results on stdout, the log on stderr, and a bar for long work."""

from __future__ import annotations

import sys
from datetime import datetime

from dbt_anymetrics.output import terminal
from dbt_anymetrics.output.progress import Bar, Progress
from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.result import Result

_STAMP = "%H:%M:%S  "
_STAMP_COLUMNS = 10


class Console:
    """Results on stdout, or on stderr where stdout holds the artifact; the log on stderr. `quiet` leaves the errors."""

    def __init__(self, *, quiet: bool = False, results_to_stderr: bool = False, stamped: bool = True) -> None:
        self._quiet = quiet
        self._results_to_stderr = results_to_stderr
        self._stamped = stamped
        self._bar = Bar(hidden=quiet)
        self._results = sys.stderr if results_to_stderr else sys.stdout
        self._is_watched = self._bar.visible and terminal.is_terminal(self._results)

    def result(self, line: str, level: Level, result: Result | None = None) -> None:  # noqa: ARG002 (a line is enough)
        """Write a line that the user asked for."""
        self._echo(line, level, err=self._results_to_stderr)

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""
        self._echo(line, level, err=True)

    def progress(self, progress: Progress) -> None:
        """Draw the bar where somebody watches; where the results go elsewhere, they get a line now and then."""
        if progress.is_due and not self._is_watched:
            self.result(str(progress), "info")
        self._bar.draw(progress)

    def columns(self) -> int:
        """The width of the terminal that shows the results; a file has all the room that a line may want."""
        if not terminal.is_terminal(self._results):
            return sys.maxsize
        return terminal.columns(self._results) - (_STAMP_COLUMNS if self._stamped else 0)

    def _echo(self, line: str, level: Level, *, err: bool) -> None:
        if self._quiet and level != "error":
            return
        self._bar.erase()
        stamp = datetime.now().astimezone().strftime(_STAMP) if self._stamped else ""
        terminal.echo(f"{stamp}{line}", err=err)
