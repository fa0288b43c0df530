"""From a plan to its outcomes: the one engine behind every way in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection

from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.result import Refresh
from dbt_anymetrics.sending.delivery import Caller, Delivering, Delivery
from dbt_anymetrics.sending.interrupt import stoppable
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.sending.queue import Queue


def send(
    planned: Collection[Refresh], caller: Caller, delivering: Delivering, outcomes: Outcomes, reporter: Reporter
) -> bool:
    """Send what is planned, note each outcome at once, and report it. True when the user interrupted.

    Memory does not grow with the number of refreshes: outcomes are on disk.
    """
    queue = Queue(planned, outcomes.claim, size=delivering.threads)
    total = len(planned)

    told = _told()

    def waiting(seconds: float, under_way: int) -> None:
        outcomes.beat()
        if told(seconds):
            reporter.note(_waiting(round(seconds), under_way))

    delivery = Delivery(queue, total, caller, delivering, on_retry=reporter.retry, on_wait=waiting)
    with stoppable(delivery.stop, delivery.abandon) as interrupted:
        numbers = itertools.count(1)
        for ended in delivery:
            results = [(refresh, result or outcomes.sent_by_another(refresh)) for refresh, result in ended]
            outcomes.add(results)
            for _, result in results:
                reporter.outcome(next(numbers), total, result)
        for result in outcomes.add_unsent(delivery.left()):
            reporter.unsent(total, result)
    return interrupted.is_set()


_TOLD = (5, 20, 60)
"""After how many seconds without any news it is said what is waited for, and from then on every so many."""


def _told() -> Callable[[float], bool]:
    """Whether it is time to say it again, given for how long there was no news."""
    last = 0.0

    def is_due(seconds: float) -> bool:
        nonlocal last
        before, last = (last if last < seconds else 0.0), seconds
        moments = [*_TOLD, _TOLD[-1] * (seconds // _TOLD[-1])]
        return any(before < moment <= seconds for moment in moments)

    return is_due


def _waiting(seconds: int, under_way: int) -> str:
    if not under_way:
        return f"waiting for {seconds} s for another command, which sends the same tables and dates or holds the ledger"
    answers = "the answer to 1 refresh" if under_way == 1 else f"the answers to {under_way} refreshes"
    return f"waiting for {seconds} s for {answers}"
