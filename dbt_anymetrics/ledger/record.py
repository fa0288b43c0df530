"""The results artifact, `anymetrics_results.json`: what was done, and the memory of what need not be done again.

While refreshes are sent, each outcome is appended to a journal beside it, so that a kill at any moment loses none; the
artifact itself is replaced whole, so that it is readable JSON at every moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from io import BufferedWriter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics import __version__
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.files import create, mode_of, read_regular
from dbt_anymetrics.ledger.journal import Journal, left_behind
from dbt_anymetrics.result import Result

FILE_NAME = "anymetrics_results.json"
JOURNAL_NAME = "anymetrics_results.jsonl"

MAX_BYTES = 1 << 28
"""A larger record is not read: that of 100,000 refreshes is a fifth of this."""


class Metadata(Struct, frozen=True, kw_only=True):
    """About the artifact: the version that wrote it, when (UTC), and dbt's id of the (newest) run."""

    version: str = __version__
    generated_at: datetime = msgspec.field(default_factory=lambda: datetime.now(timezone.utc))
    invocation_id: str | None = None


class Document(Struct, frozen=True, kw_only=True):
    """The whole artifact."""

    metadata: Metadata
    args: dict[str, Any] = {}
    results: Collection[Result] = []

    @classmethod
    def of(cls, args: dict[str, Any], results: Collection[Result], invocation_id: str | None) -> Document:
        """The artifact of these results, dated now; `invocation_id` is that of the newest dbt run in it."""
        return cls(metadata=Metadata(invocation_id=invocation_id), args=args, results=results)

    def pieces(self) -> Iterator[bytes]:
        """The artifact as people and programs read it, each result on a line of its own."""
        encode = msgspec.json.Encoder().encode
        yield b'{\n  "metadata": %b,\n  "args": %b,\n  "results": [' % (encode(self.metadata), encode(self.args))
        between = b"\n    "
        for result in self.results:
            yield between + encode(result)
            between = b",\n    "
        yield b"\n  ]\n}\n"


class Record:
    """The artifact of one target folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._journal_path = folder / JOURNAL_NAME
        self._journal: Journal | None = None

    def read(self) -> Document | None:
        """The artifact with what its journal adds, or None when there is none. Raises RecordError."""
        try:
            document = msgspec.json.decode(read_regular(self.path, MAX_BYTES), type=Document)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RecordError(f"is not a results artifact ({error})", where=str(self.path)) from None
        newer = {_identity(result): result for result in self._left_behind(document)}
        results = [newer.get(_identity(result), result) for result in document.results]
        return msgspec.structs.replace(document, results=results)

    def reread(self, written: Document) -> Document:
        """The artifact that was just written. Raises RecordError when it is gone, or another command's."""
        document = self.read()
        if document is None or document.metadata != written.metadata:
            raise RecordError("is gone or was replaced by another command", where=str(self.path))
        return document

    def begin(self, document: Document) -> None:
        """Write what is planned, and open the journal. Raises RecordError."""
        try:
            self._replace(document)
            self._journal = Journal(self._journal_path, document.metadata.generated_at)
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, result: Result) -> None:
        """Record one outcome, at once. Raises RecordError."""
        try:
            if self._journal:
                self._journal.add(result)
        except OSError as error:
            raise self._unwritable(error) from None

    def added(self) -> Iterator[Result]:
        """What was added so far. Raises RecordError."""
        try:
            yield from self._journal or ()
        except OSError as error:
            raise self._unreadable(error) from None

    def finish(self, document: Document) -> None:
        """Write the end of it; the journal is no longer needed. Raises RecordError."""
        try:
            self._replace(document)
        except OSError as error:
            raise self._unwritable(error) from None
        if self._journal:
            with suppress(OSError):  # one that stays behind is of an older artifact, and nobody reads it
                self._journal.remove()

    def close(self) -> None:
        """Leave it as it is; what was added stays in the journal."""
        if self._journal:
            self._journal.close()

    def _replace(self, document: Document) -> None:
        # Always the same name: what a killed writer leaves, the next one replaces. The lock keeps others away.
        draft = self.path.with_name(f".{FILE_NAME}.draft")
        try:
            with BufferedWriter(create(draft, mode_of(self.path))) as file:
                file.writelines(document.pieces())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)

    def _left_behind(self, document: Document) -> list[Result]:
        try:
            return left_behind(read_regular(self._journal_path, MAX_BYTES), document.metadata.generated_at)
        except OSError:
            return []

    def _unreadable(self, error: OSError) -> RecordError:
        return RecordError(f"cannot be read ({error.strerror})", where=str(self.path))

    def _unwritable(self, error: OSError) -> RecordError:
        return RecordError(
            f"cannot be written ({error.strerror})",
            where=str(self.path),
            hint="Nothing remembers what was sent: a second refresh would send it again",
        )


def _identity(result: Result) -> tuple[object, ...]:
    return result.unique_id, *result.key
