"""From a plan to its record: the one engine behind every way in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.answer import Answer
from dbt_anymetrics.delivery import Backoff, Delivery
from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.interrupt import stopping
from dbt_anymetrics.record import Document, Record
from dbt_anymetrics.report import Reporter
from dbt_anymetrics.result import Counts, Key, Result, Status, count


class Caller(Protocol):
    """What sends a refresh: the client, once it is connected."""

    def trigger(self, table_name: str, partition: Any) -> Answer:  # noqa: ANN401
        """Send one refresh."""

    def close(self) -> None:
        """Let go of the connection."""


class Delivering(Struct, frozen=True, kw_only=True):
    """How refreshes are sent."""

    connect: Callable[[], Caller]
    threads: int
    fail_fast: bool = False
    backoff: Backoff = Backoff()


class Outcome(Struct, frozen=True):
    """What a command did: the artifact, the counts of this command, and its exit code."""

    document: Document
    counts: Counts
    exit_code: int


def deliver(
    results: Sequence[Result],
    *,
    record: Record,
    kept: Sequence[Result],
    args: dict[str, Any],
    delivering: Delivering,
    reporter: Reporter,
) -> Outcome:
    """Send what is planned, record each outcome at once, and report it. What is `kept` stands in the record as it is.

    Raises UsageError when something is to be sent and the connection's settings are wrong; nothing was sent then. An
    interrupted delivery is no error here: its exit code is 130.
    """
    planned = [result for result in results if result.status is Status.PLANNED]
    caller = delivering.connect() if planned else None
    document = Document.of(args, [*kept, *results])
    journal = _Journal(record, reporter)
    journal.begin(document)
    reporter.begin(results)
    exit_code = 0
    if caller:
        with closing(caller):
            sent, exit_code = _send(planned, caller, delivering, journal, reporter)
        results = [sent.get(result.key, result) if result.status is Status.PLANNED else result for result in results]
    document = Document.of(args, [*kept, *results])
    journal.finish(document)
    counts = count(results)
    reporter.end(results, counts)
    return Outcome(document, counts, exit_code or int(journal.broken or not counts.all_well))


def _send(
    planned: Sequence[Result], caller: Caller, delivering: Delivering, journal: _Journal, reporter: Reporter
) -> tuple[dict[Key, Result], int]:
    """The outcome of every planned refresh by its key, and an exit code other than 0 when the user interrupted."""
    stop = threading.Event()
    outcomes: dict[Key, Result] = {}
    with stopping(stop) as interrupted:
        delivery = Delivery(
            planned,
            caller.trigger,
            threads=delivering.threads,
            stop=stop,
            backoff=delivering.backoff,
            fail_fast=delivering.fail_fast,
        )
        try:
            for result in delivery:
                outcomes[result.key] = result
                journal.add(result)
                reporter.outcome(len(outcomes), len(planned), result)
        except KeyboardInterrupt:
            interrupted.set()
    reason = "interrupted" if interrupted.is_set() else delivery.given_up
    for result in planned:
        outcomes.setdefault(result.key, replace(result, message=f"not sent: {reason}"))
    return outcomes, 130 if interrupted.is_set() else 0


class _Journal:
    """The record, whose loss is told once and never stops a refresh."""

    def __init__(self, record: Record, reporter: Reporter) -> None:
        self.broken = False
        self._record = record
        self._reporter = reporter

    def begin(self, document: Document) -> None:
        self._try(lambda: self._record.begin(document))

    def add(self, result: Result) -> None:
        self._try(lambda: self._record.add(result))

    def finish(self, document: Document) -> None:
        self._try(lambda: self._record.finish(document))

    def _try(self, write: Callable[[], None]) -> None:
        if self.broken:
            return
        try:
            write()
        except RecordError as error:
            self.broken = True
            self._reporter.error(str(error))
