"""Everything this package raises on purpose.

AnyMetricsError            what happened, where, and what to do about it
├── UsageError             the command, a setting or an environment variable is wrong; nothing was sent (exit 2)
│   └── ArtifactError      dbt's artifacts are missing, unreadable or do not belong together (exit 2)
├── RefreshError           some refresh failed, where a function raises for it (exit 1)
├── NodeError              the settings of one dbt node are wrong; the other nodes are unaffected (exit 1)
└── RecordError            the ledger or the results artifact cannot be read or written (exit 1)
"""

from __future__ import annotations

from typing import ClassVar


class AnyMetricsError(Exception):
    """The base of every error of this package.

    `what` happened, `where` (a file, a setting, a node), and a `hint` that says what to do; str() gives all three.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.hint}" if self.hint else head


class UsageError(AnyMetricsError):
    """The command line, a setting or an environment variable is wrong. Nothing was sent."""

    exit_code = 2


class ArtifactError(UsageError):
    """dbt's artifacts are missing, unreadable, or do not belong together. Nothing was sent."""


class RefreshError(AnyMetricsError):
    """Some refresh failed; raised by `refresh_after` alone, since `refresh` returns what became of each."""


class NodeError(AnyMetricsError):
    """The settings of one dbt node are wrong; every other node is unaffected."""


class RecordError(AnyMetricsError):
    """The ledger or the results artifact cannot be read or written."""
