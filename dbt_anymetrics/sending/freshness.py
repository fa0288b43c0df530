"""Whether acceleration plans are refreshed after their tables were triggered, as far as AnyMetrics tells.

No call tells the state of what one trigger began. What can be seen is when a plan was last refreshed: if that is later
than it was before the trigger, the plan was *refreshed since the trigger*. Whether it holds this run cannot be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from dbt_anymetrics.ledger.awaited import Awaited, Baseline
from dbt_anymetrics.result import Freshness, PlanSeen
from dbt_anymetrics.server.call import Asker
from dbt_anymetrics.server.partitions import partitions
from dbt_anymetrics.server.plans import LatestTime, latest_time, plan, plans
from dbt_anymetrics.text import first_of, seconds

FIRST = 5.0
"""Seconds until the first read; each later one waits half as long again as the one before it."""

GROWTH = 1.5

LONGEST = 60.0

_MINUTE = 60.0

Tell = Callable[[str], None]

Pause = Callable[[float], bool]
"""Waits for some seconds, and returns whether the user interrupted meanwhile."""


def baselines(client: Asker, names: Sequence[str]) -> Iterator[Baseline]:
    """When each plan was last refreshed, before anything is triggered. A read that fails stops nothing."""
    unreachable: str | None = None
    for name in names:
        if unreachable:
            yield Baseline(name, unknown=unreachable)
            continue
        reading = latest_time(client, name)
        if reading.value is None:
            reason = reading.answer.message or "there is no answer"
            yield Baseline(name, unknown=reason)
            unreachable = None if reading.answer.from_anymetrics else reason
        else:
            yield Baseline(name, refreshed_at=reading.value.latest_refresh_time)


class Watch:
    """One plan that should be refreshed."""

    def __init__(self, awaited: Awaited) -> None:
        self.plan = awaited.plan
        self._baseline = awaited.baseline.refreshed_at
        self._days = awaited.days or []
        self._last = self._baseline
        self._problem: str | None = None
        self._missing: Sequence[date] = ()
        self._by_day: str | None = None
        """The uuid of a plan with partitions by day; empty for another one, None while that is not known."""

    def look(self, client: Asker, tell: Tell) -> PlanSeen | None:
        """Read once, and return the end of the wait, if this is one. A read that fails is borne."""
        reading = latest_time(client, self.plan)
        if reading.value is None:
            self._stumble(reading.answer.message or "there is no answer", tell)
            return None
        self._problem = None
        self._note(reading.value, tell)
        if not self._is_newer(self._last):
            return None
        return self._with_its_dates(client, tell)

    def unseen(self, reason: str) -> PlanSeen:
        """The end of the wait when the plan was not seen refreshed."""
        if self._problem:
            return self._seen(Freshness.UNKNOWN, f"its state could not be read: {self._problem}")
        return self._seen(Freshness.NOT_SEEN, f"not seen refreshed {reason}; {self.state}")

    @property
    def state(self) -> str:
        """What was read last."""
        if self._problem:
            return f"cannot be read ({self._problem})"
        if self._missing:
            return f"refreshed at {self._last}, without {first_of([*map(str, self._missing)])} among its partitions"
        return f"last refreshed at {self._last}" if self._last else "never refreshed"

    def _is_newer(self, refreshed_at: str | None) -> bool:
        return refreshed_at is not None and (self._baseline is None or refreshed_at > self._baseline)

    def _note(self, latest: LatestTime, tell: Tell) -> None:
        before, self._last = self._last, latest.latest_refresh_time
        if before and self._last and self._last < before:
            tell(f"plan {self.plan}: its time went back from {before} to {self._last}, so it is waited for further")

    def _stumble(self, problem: str, tell: Tell) -> None:
        if problem != self._problem:
            tell(f"plan {self.plan}: cannot be read ({problem}). Trying again")
        self._problem = problem

    def _with_its_dates(self, client: Asker, tell: Tell) -> PlanSeen | None:
        """The end, once a plan by day has the dates that were triggered among its partitions."""
        if self._days and self._by_day is None:
            ids = plans(client)
            if ids.value is None:
                self._stumble(f"the list of plans: {ids.answer.message}", tell)
                return None
            own = [each.id for each in ids.value if each.name == self.plan]
            if len(own) != 1:
                many = f"{len(own)} plans have this name" if own else "no plan in the list has this name"
                return self._seen(Freshness.UNKNOWN, f"{many}, so its partitions cannot be looked up")
            self._learn(client, own[0], tell)
        if self._days and (self._by_day is None or not self._has_days(client, tell)):
            return None
        return self._seen(Freshness.REFRESHED, "refreshed since the trigger")

    def _learn(self, client: Asker, uuid: str, tell: Tell) -> None:
        """Learn whether the plan has partitions by day."""
        details = plan(client, uuid)
        if details.value is None:
            self._stumble(f"what the plan is like: {details.answer.message}", tell)
        else:
            self._by_day = uuid if details.value.granularity == "DAY" else ""

    def _has_days(self, client: Asker, tell: Tell) -> bool:
        if not self._by_day:
            return True
        found = partitions(client, self._by_day)
        if found.value is None:
            self._stumble(f"its partitions: {found.answer.message}", tell)
            return False
        known, before = set(found.value.values), self._missing
        self._missing = [day for day in self._days if found.value.is_partitioned and day.isoformat() not in known]
        if self._missing and self._missing != before:
            tell(f"plan {self.plan}: {self.state}")
        return not self._missing

    def _seen(self, freshness: Freshness, message: str) -> PlanSeen:
        return PlanSeen(plan=self.plan, freshness=freshness, message=message, latest_refresh_time=self._last)


def watch(
    client: Asker,
    awaited: Sequence[Awaited],
    timeout: float,
    pause: Pause,
    tell: Tell,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[PlanSeen]:
    """How each plan ends: refreshed, or not seen before the one deadline, `timeout` seconds from now on our own clock.

    It never triggers anything.
    """
    started, wait = clock(), FIRST
    waiting = [Watch(each) for each in awaited]
    reason = f"within {seconds(timeout)}"
    news = _News(clock)
    while waiting and (left := timeout - (clock() - started)) > 0:
        if _paused(min(wait, left), pause, lambda: news.give(waiting, tell)):
            reason = "before the wait was interrupted"
            break
        for each in list(waiting):
            if seen := each.look(client, tell):
                waiting.remove(each)
                yield seen
        wait = min(wait * GROWTH, LONGEST)
    yield from (each.unseen(reason) for each in waiting)


class _News:
    """What is waited for, told each minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = self._told = clock()

    def give(self, waiting: Sequence[Watch], tell: Tell) -> float:
        """Tell it when a minute is over, and return how many seconds there are until it is to be told again."""
        now = self._clock()
        if now - self._told >= _MINUTE:
            self._told = now
            tell(_still(waiting, now - self._started))
        return _MINUTE - (now - self._told)


def _paused(length: float, pause: Pause, news: Callable[[], float]) -> bool:
    """Wait until the next read, telling the news meanwhile; true when the user ended it."""
    while length > 0:
        step = min(length, news())
        if pause(step):
            return True
        length -= step
    return False


def _still(waiting: Sequence[Watch], passed: float) -> str:
    return f"still waiting after {passed:,.0f} s: {first_of([f'{each.plan} ({each.state})' for each in waiting])}"
