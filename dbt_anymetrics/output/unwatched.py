"""What outputs that nobody watches as they grow have in common: no bar, and lines of any length."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

from dbt_anymetrics.output.progress import Progress
from dbt_anymetrics.output.reporter import Level
from dbt_anymetrics.result import Result


class UnwatchedOutput(ABC):
    """Every line goes the same way, which a subclass gives."""

    @abstractmethod
    def result(self, line: str, level: Level, result: Result | None = None) -> None:
        """Write a line that the user asked for; `result` is what it is about, where that is a single one."""

    def log(self, line: str, level: Level) -> None:
        """Write a line about the work itself."""
        self.result(line, level)

    def columns(self) -> int:
        """No limit, because nothing cuts lines."""
        return sys.maxsize

    def progress(self, progress: Progress) -> None:
        """Write a line from time to time."""
        if progress.is_due:
            self.log(str(progress), "info")
