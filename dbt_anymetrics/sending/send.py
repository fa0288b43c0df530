"""From a plan to its outcomes: the one engine behind every way in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from datetime import date
from typing import Protocol

from msgspec import Struct

from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.result import Refresh
from dbt_anymetrics.sending.delivery import Delivery
from dbt_anymetrics.sending.interrupt import stoppable
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.sending.queue import Queue
from dbt_anymetrics.sending.retrying import Backoff
from dbt_anymetrics.server.answer import Answer


class Caller(Protocol):
    """What sends a refresh: the client, once it is connected."""

    def trigger(self, table_name: str, partition: date) -> Answer:
        """Send one refresh."""

    def close(self) -> None:
        """Let go of the connection."""


class Delivering(Struct, frozen=True, kw_only=True):
    """How refreshes are sent."""

    connect: Callable[[], Caller]
    threads: int
    fail_fast: bool = False
    backoff: Backoff = Backoff()


def send(planned: Collection[Refresh], delivering: Delivering, outcomes: Outcomes, reporter: Reporter) -> bool:
    """Send what is planned, note each outcome at once, and report it. True when the user interrupted.

    Memory does not grow with the number of refreshes: outcomes are on disk.
    """
    with closing(delivering.connect()) as caller:
        queue = Queue(planned, outcomes.claim, size=delivering.threads)
        total = len(planned)
        delivery = Delivery(
            queue,
            total,
            caller.trigger,
            threads=delivering.threads,
            backoff=delivering.backoff,
            fail_fast=delivering.fail_fast,
            on_retry=reporter.retry,
            on_wait=outcomes.beat,
        )
        with stoppable(delivery.stop, delivery.abandon) as interrupted:
            for number, (refresh, result) in enumerate(delivery, start=1):
                ended = result or outcomes.sent_by_another(refresh)
                outcomes.add(refresh, ended)
                reporter.outcome(number, total, ended)
            for result in outcomes.add_unsent(delivery.left()):
                reporter.unsent(total, result)
        return interrupted.is_set()
