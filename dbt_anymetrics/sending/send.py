"""From a plan to its record: the one engine behind every way in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any, NoReturn, Protocol

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.record import Document, Record
from dbt_anymetrics.output.reporter import Opening, Reporter
from dbt_anymetrics.result import Counts, Result, Results, Status, count
from dbt_anymetrics.sending.delivery import Backoff, Delivery
from dbt_anymetrics.sending.interrupt import stoppable
from dbt_anymetrics.server.answer import Answer


class Caller(Protocol):
    """What sends a refresh: the client, once it is connected."""

    def trigger(self, table_name: str, partition: Any) -> Answer:
        """Send one refresh."""

    def close(self) -> None:
        """Let go of the connection."""


class Delivering(Struct, frozen=True, kw_only=True):
    """How refreshes are sent."""

    connect: Callable[[], Caller]
    threads: int
    fail_fast: bool = False
    backoff: Backoff = Backoff()


class Ending(Struct, frozen=True):
    """How a command ended: the counts of its own refreshes, its exit code, and the artifact, when it is asked for.

    `read` raises RecordError when the artifact is gone or replaced by something else.
    """

    counts: Counts
    exit_code: int
    read: Callable[[], Document]


def deliver(
    results: Collection[Result],
    *,
    record: Record,
    kept: Collection[Result],
    args: dict[str, Any],
    invocation_id: str | None,
    delivering: Delivering,
    reporter: Reporter,
    opening: Opening | None = None,
) -> Ending:
    """Send what is planned, record each outcome at once, and report it. What is `kept` stands in the record as it is.

    Memory does not grow with the number of refreshes: outcomes are on disk. The record holds what was not to be sent
    first, then each refresh as it ended.

    Raises UsageError when something is to be sent and the connection's settings are wrong; nothing was sent then. An
    interrupted delivery is no error here: its exit code is 130.
    """
    planned = Results(lambda: (result for result in results if result.status is Status.PLANNED))
    others = Results(lambda: (result for result in results if result.status is not Status.PLANNED))
    caller = delivering.connect() if planned else None
    recording = _Recording(record, reporter)
    recording.begin(Document.of(args, Results(lambda: chain(kept, results)), invocation_id))
    reporter.begin(results, opening)
    exit_code = 0
    if caller:
        with closing(caller):
            exit_code = _send(planned, caller, delivering, recording, reporter)
    ended = Results(lambda: chain(others, recording))
    counts = count(others) + recording.counts
    read = recording.finish(Document.of(args, Results(lambda: chain(kept, ended)), invocation_id))
    reporter.end(counts)
    return Ending(counts, exit_code or int(recording.broken or not counts.all_well), read)


def _send(
    planned: Collection[Result], caller: Caller, delivering: Delivering, recording: _Recording, reporter: Reporter
) -> int:
    """Return an exit code other than 0 when the user interrupted."""
    delivery = Delivery(
        planned,
        caller.trigger,
        threads=delivering.threads,
        backoff=delivering.backoff,
        fail_fast=delivering.fail_fast,
        on_retry=reporter.retry,
    )
    with stoppable(delivery.stop, delivery.abandon) as interrupted:
        for number, result in enumerate(delivery, start=1):
            recording.add(result)
            reporter.outcome(number, delivery.total, result)
        for result in delivery.left():
            recording.add(result)
            reporter.unsent(delivery.total, result)
    return 130 if interrupted.is_set() else 0


class _Recording:
    """Every outcome: in the record or, from when that cannot be written, in memory. Its loss is told once."""

    def __init__(self, record: Record, reporter: Reporter) -> None:
        self.broken = False
        self._record = record
        self._reporter = reporter
        self.counts = Counts()
        self._unwritten: list[Result] = []

    def begin(self, document: Document) -> None:
        self._try(lambda: self._record.begin(document))

    def add(self, result: Result) -> None:
        self.counts += count([result])
        if not self._try(lambda: self._record.add(result)):
            self._unwritten.append(result)

    def __iter__(self) -> Iterator[Result]:
        yield from self._record.added()
        yield from self._unwritten

    def finish(self, document: Document) -> Callable[[], Document]:
        """Write the end of it, and return what reads all of it again."""
        if self._try(lambda: self._record.finish(document)):
            return lambda: self._record.reread(document)
        try:
            whole = replace(document, results=list(document.results))
        except RecordError as error:
            return partial(_fail, error)
        finally:
            self._record.close()
        return lambda: whole

    def _try(self, write: Callable[[], None]) -> bool:
        """Whether it is written."""
        if not self.broken:
            try:
                write()
            except RecordError as error:
                self.broken = True
                self._reporter.error(str(error))
        return not self.broken


def _fail(error: RecordError) -> NoReturn:
    raise error
