"""Sending planned refreshes: in parallel, retried where that is safe and worth it, within a budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timezone
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Protocol

from msgspec import Struct

from dbt_anymetrics.output.reporter import Retry
from dbt_anymetrics.result import Refresh, Result, Status, Timing
from dbt_anymetrics.sending.pace import Pace
from dbt_anymetrics.sending.queue import Queue, Taken
from dbt_anymetrics.sending.retrying import Backoff, Circuit, RetryBudget
from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Call
from dbt_anymetrics.server.partitions import update_partition


class Caller(Protocol):
    """What sends a refresh: the client."""

    def trigger(self, table_name: str, partition: date) -> Answer:
        """Send one refresh."""

    def ask(self, call: Call) -> Answer:
        """Make any other call."""

    @property
    def call_limit(self) -> float:
        """Seconds that a call may take at most."""

    def overdue(self) -> Answer:
        """What is said of a call that takes longer."""


class Delivering(Struct, frozen=True, kw_only=True):
    """How refreshes are sent."""

    threads: int
    fail_fast: bool = False
    pace: float | None = None
    backoff: Backoff = Backoff()


class _Signal(Enum):
    """What comes from the threads beside results."""

    ENDED = "a thread has no more to do"
    STOPPED = "no more is to be started"
    ABANDONED = "nobody waits any longer"


class _UnderWay(Struct, eq=False):
    """A refresh under way: since when its call waits for an answer, if it does, and whether nobody waits any more."""

    refresh: Refresh
    calls_since: float | None = None
    is_abandoned: bool = False


_POLL = 0.5
"""Seconds after which is looked again whether another command has sent what this one waits for."""

Done = tuple[Refresh, Result | None]
"""A refresh and what came of it; None when another command sent it meanwhile."""


class Delivery:
    """Refreshes to send. Iterate over it for those that have ended, as they end; those never started do not come.

    With each comes its result, or None when another command has sent it for the same dbt run meanwhile. `stop` ends it
    early: what is under way still comes, no more is started. `abandon` does not wait for that either. `given_up` says
    why it ended by itself, if it did. A call that takes longer than the `call_limit` of the caller is given up, and
    another thread takes the place of the one that waits for it. `on_wait` is told every
    second in which nothing comes how many of these there were in a row, and how many refreshes
    are under way.
    """

    def __init__(
        self,
        queue: Queue,
        total: int,
        caller: Caller,
        delivering: Delivering,
        *,
        on_retry: Callable[[Retry], None],
        on_wait: Callable[[float, int], None],
    ) -> None:
        self.given_up: str | None = None
        self._queue = queue
        self._under_way: dict[int, _UnderWay] = {}
        self._caller = caller
        self._tick = min(1.0, caller.call_limit)
        self._looked = time.monotonic()
        self._idle = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._delivering = delivering
        self._pace = Pace(delivering.pace)
        self._on_retry = on_retry
        self._on_wait = on_wait
        self._budget = RetryBudget(total)
        self._circuit = Circuit(max(10, 2 * delivering.threads))
        self._done: SimpleQueue[tuple[_UnderWay, Result | None] | Retry | _Signal] = SimpleQueue()
        self._workers = min(delivering.threads, total)
        # Answers are not to come faster than they are recorded: a kill would lose those that wait, and memory grow.
        self._room = threading.Semaphore(2 * delivering.threads)

    def stop(self) -> None:
        """Start no more. May be called from a signal handler, which must not touch the event itself."""
        self._done.put(_Signal.STOPPED)

    def abandon(self) -> None:
        """Wait for no more answers. May be called from a signal handler."""
        self._done.put(_Signal.ABANDONED)

    def __iter__(self) -> Iterator[list[Done]]:
        try:
            running = self._start()
            while running:
                ended: list[Done] = []
                for done in self._waiting():
                    if done is _Signal.ENDED:
                        running -= 1
                    elif done is _Signal.STOPPED:
                        self._stop.set()
                    elif isinstance(done, Retry):
                        self._on_retry(done)
                    elif isinstance(done, _Signal):
                        running = 0
                    else:
                        ended.append(self._settled(*done))
                if ended:
                    yield ended
        finally:
            self._stop.set()
            self._room.release(self._workers or 1)

    def _start(self) -> int:
        """Start the threads, and return how many there are."""
        started = 0
        try:
            while started < self._workers:
                self._start_one(started)
                started += 1
        except RuntimeError:  # the system allows no more
            if not started:
                raise
        return started

    def _start_one(self, number: int) -> None:
        # Daemons: who abandons them must be able to end the process while one still waits for its answer.
        threading.Thread(target=self._work, name=f"anymetrics-{number}", daemon=True).start()

    def left(self) -> Iterator[Result]:
        """After the end: what was planned and has no result, those under way first, with the reason."""
        reason = self.given_up or "interrupted"
        with self._lock:
            for work in self._under_way.values():
                message = f"{reason} before the answer came; AnyMetrics may have refreshed it"
                yield work.refresh.result(Status.PENDING, message, perhaps_sent=True)
            for refresh in self._queue.rest():
                yield refresh.result(Status.PENDING, f"not sent: {reason}")

    def _settled(self, work: _UnderWay, result: Result | None) -> Done:
        with self._lock:
            del self._under_way[id(work)]
        self._room.release()
        return work.refresh, result

    def _waiting(self) -> Iterator[tuple[_UnderWay, Result | None] | Retry | _Signal]:
        """What has come from the threads: at least one thing, and all that there is, up to as many as there are."""
        yield self._next()
        with suppress(Empty):
            for _ in range(self._workers):
                yield self._done.get_nowait()

    def _next(self) -> tuple[_UnderWay, Result | None] | Retry | _Signal:
        while True:
            self._give_up_overdue()
            with suppress(Empty):
                # Without a time limit, Windows would not see Ctrl-C while waiting here.
                done = self._done.get(timeout=self._tick)
                self._idle = 0.0
                return done
            self._idle += self._tick
            self._on_wait(self._idle, len(self._under_way))

    def _give_up_overdue(self) -> None:
        """Give up the calls that are over time: nothing else can end them."""
        now = time.monotonic()
        if now - self._looked < self._tick:
            return
        self._looked = now
        with self._lock:
            late = [work for work in self._under_way.values() if _is_late(work, now - self._caller.call_limit)]
            for work in late:
                work.is_abandoned = True
        for work in late:
            answer = self._caller.overdue()
            self._give_up_after(answer)
            self._done.put((work, self._result(work.refresh, answer, 1, None)))
            self._replace()

    def _replace(self) -> None:
        """Put a new thread in the place of one that is abandoned."""
        try:
            self._start_one(self._workers)
        except RuntimeError:  # the system allows no more
            self._done.put(_Signal.ENDED)

    def _work(self) -> None:
        while self._room.acquire() and not self._stop.is_set():
            self._pace.wait(self._stop)
            if self._stop.is_set():
                break
            taken = self._take()
            if taken is Taken.NOTHING:
                break
            if taken is Taken.LATER:
                self._room.release()
                self._stop.wait(_POLL)
                continue
            work, is_done = taken
            result = None if is_done else self._send(work)
            if work.is_abandoned:
                return  # another thread is in the place of this one
            self._done.put((work, result))
        self._done.put(_Signal.ENDED)

    def _take(self) -> tuple[_UnderWay, bool] | Taken:
        with self._lock:
            taken = self._queue.take()
            if isinstance(taken, Taken):
                return taken
            work = _UnderWay(taken[0])
            self._under_way[id(work)] = work
            return work, taken[1]

    def _send(self, work: _UnderWay) -> Result:
        started = _now()
        attempts = 0
        while True:
            attempts += 1
            answer = self._call(work)
            wait = self._wait(attempts, answer)
            if wait is None or work.is_abandoned:
                break
            # Only the thread that reads this queue writes output.
            self._done.put(Retry(refresh=work.refresh, message=answer.message or "", attempt=attempts, wait=wait))
            if self._stop.wait(wait):
                break
        if not work.is_abandoned:
            self._give_up_after(answer)
        return self._result(work.refresh, answer, attempts, Timing(started, _now()))

    def _result(self, refresh: Refresh, answer: Answer, attempts: int, timing: Timing | None) -> Result:
        return refresh.result(
            Status.SUCCESS if answer.ok else Status.ERROR,
            answer.message,
            http_status=answer.http_status,
            code=answer.code,
            trace_id=answer.trace_id,
            attempts=attempts,
            timing=timing,
            perhaps_sent=answer.is_unknown,
        )

    def _call(self, work: _UnderWay) -> Answer:
        work.calls_since = time.monotonic()
        try:
            return _sent(self._caller, work.refresh)
        except Exception as error:  # noqa: BLE001 (an unexpected error must not stop the other refreshes)
            return Answer(message=f"unexpected {type(error).__name__}; please report it")
        finally:
            with self._lock:  # from here on it is not given up any more
                work.calls_since = None

    def _give_up_after(self, answer: Answer) -> None:
        if self._delivering.fail_fast and not answer.ok:
            self.given_up = "--fail-fast, after an error"
        elif self._circuit.note(answer):
            self.given_up = f"too many refreshes in a row did not reach AnyMetrics ({answer.message})"
        if self.given_up:
            self._stop.set()

    def _wait(self, attempts: int, answer: Answer) -> float | None:
        if answer.ok or not answer.retriable:
            return None
        wait = self._delivering.backoff.wait(attempts, answer.retry_after)
        return wait if wait is not None and self._budget.spend() else None


def _sent(caller: Caller, refresh: Refresh) -> Answer:
    external, days = refresh.external, [refresh.partition]
    if not external:
        return caller.trigger(refresh.table_name, refresh.partition)
    built, failed = ([], days) if external.is_failed else (days, [])
    return update_partition(caller, external.plan, external.granularity, built, failed)


def _is_late(work: _UnderWay, before: float) -> bool:
    return not work.is_abandoned and work.calls_since is not None and work.calls_since < before


def _now() -> datetime:
    return datetime.now(timezone.utc)
