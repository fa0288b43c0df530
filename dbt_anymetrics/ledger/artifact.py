"""The results artifact, `anymetrics_results.json`: what the last command did, in dbt's style, for people and programs.

Nothing reads it back: the memory is the ledger. Only an artifact of the time before there was a ledger is read, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics import __version__
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.files import clear_drafts, mode_of, read_regular, write_whole
from dbt_anymetrics.result import Item, PlanSeen, Result, shown

FILE_NAME = "anymetrics_results.json"

MAX_BYTES = 1 << 28
"""A larger artifact of an earlier version is not read: that of 100,000 refreshes is a fifth of this."""


class Metadata(Struct, frozen=True, kw_only=True):
    """About the artifact: the version that wrote it, when (UTC), and dbt's id of the (newest) run.

    `has_ledger` tells it from those of the first versions, which were the only memory that there was.
    """

    version: str = __version__
    has_ledger: bool = False
    generated_at: datetime = msgspec.field(default_factory=lambda: datetime.now(timezone.utc))
    invocation_id: str | None = None


class Document(Struct, frozen=True, kw_only=True):
    """The whole artifact."""

    metadata: Metadata
    args: dict[str, Any] = {}
    plans: Sequence[PlanSeen] = []
    """The acceleration plans that were waited for."""
    results: Collection[Result] = []

    @classmethod
    def of(
        cls,
        args: dict[str, Any],
        items: Collection[Item],
        invocation_id: str | None,
        plans: Sequence[PlanSeen] = (),
    ) -> Document:
        """The artifact of these entries, dated now; `invocation_id` is that of the newest dbt run in it."""
        about = Metadata(invocation_id=invocation_id, has_ledger=True)
        return cls(metadata=about, args=args, plans=plans, results=items)  # type: ignore[arg-type]

    def pieces(self) -> Iterator[bytes]:
        """The artifact as people and programs read it, each result on a line of its own."""
        encode = msgspec.json.Encoder().encode
        head = encode(self.metadata), encode(self.args), encode(self.plans)
        yield b'{\n  "metadata": %b,\n  "args": %b,\n  "plans": %b,\n  "results": [' % head
        between = b"\n    "
        for result in self.results:
            yield between + encode(shown(result))
            between = b",\n    "
        yield b"\n  ]\n}\n"


class Artifact:
    """The artifact of one target folder, as a command takes the place of an older one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE_NAME
        self._mode = mode_of(self._path)
        # A command that is killed must not leave the results of another behind.
        with suppress(OSError):
            self._path.unlink()
        clear_drafts(self._path)

    def write(self, document: Document) -> None:
        """Write it, whole at every moment. Raises RecordError."""
        try:
            # Where every dbt run has a copy of the project for itself, there is none yet.
            self._path.parent.mkdir(exist_ok=True)
            write_whole(self._path, document.pieces(), self._mode)
        except OSError as error:
            hint = "It is for people and programs that read it; what was sent is not affected"
            raise RecordError(f"cannot be written ({error.strerror})", where=str(self._path), hint=hint) from None


def read_earlier(folder: Path) -> Document | None:
    """The artifact of a version without a ledger in a folder, or None where there is none that can be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = msgspec.json.decode(read_regular(folder / FILE_NAME, MAX_BYTES), type=Document)
        return None if found.metadata.has_ledger else found
    return None
