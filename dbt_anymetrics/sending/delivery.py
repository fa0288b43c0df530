"""Sending planned refreshes: in parallel, retried where that is safe and worth it, within a budget."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import date, datetime, timezone
from enum import Enum
from queue import Empty, SimpleQueue

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.output.reporter import Retry
from dbt_anymetrics.result import Result, Status, Timing
from dbt_anymetrics.server.answer import Answer

Trigger = Callable[[str, date], Answer]


class Backoff(Struct, frozen=True, kw_only=True):
    """How often and how patiently a refresh is tried; seconds."""

    attempts: int = 5
    wait_initial: float = 0.5
    wait_max: float = 8.0
    retry_after_max: float = 60.0

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait after a failed attempt (1 for the first), or None to give up.

        The wait doubles each time, with jitter so that threads do not return together; the server's Retry-After
        overrides it, and one that is too long is a reason to give up.
        """
        if attempt >= self.attempts:
            return None
        if retry_after is not None:
            return retry_after if retry_after <= self.retry_after_max else None
        longest = min(self.wait_max, self.wait_initial * 2.0 ** (attempt - 1))
        return random.uniform(longest / 2, longest)  # noqa: S311 (jitter is no secret)


class RetryBudget:
    """How many retries all refreshes of a run may make together: a server that is down is not asked for hours."""

    def __init__(self, refreshes: int) -> None:
        self._left = max(20, refreshes // 5)
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one retry, if there is one left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0


class Circuit:
    """Opens when many refreshes in a row did not reach AnyMetrics: the rest would not either."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures = 0
        self._lock = threading.Lock()

    def note(self, answer: Answer) -> bool:
        """Count the final answer of a refresh; true when the circuit is open from now on."""
        with self._lock:
            self._failures = 0 if answer.from_anymetrics else self._failures + 1
            return self._failures >= self._limit


class _Signal(Enum):
    """What comes from the threads beside results."""

    ENDED = "a thread has no more to do"
    STOPPED = "no more is to be started"
    ABANDONED = "nobody waits any longer"


class Delivery:
    """Refreshes to send. Iterate over it for each result as it comes; those never started do not come.

    `stop` ends it early: what is under way still comes, no more is started. `abandon` does not wait for that either.
    `given_up` says why it ended by itself, if it did.
    """

    def __init__(
        self,
        planned: Collection[Result],
        trigger: Trigger,
        *,
        threads: int,
        backoff: Backoff,
        fail_fast: bool = False,
        on_retry: Callable[[Retry], None],
    ) -> None:
        self.given_up: str | None = None
        self.total = len(planned)
        self._waiting = iter(planned)
        self._under_way: dict[int, Result] = {}
        self._lock = threading.Lock()
        self._trigger = trigger
        self._stop = threading.Event()
        self._backoff = backoff
        self._fail_fast = fail_fast
        self._on_retry = on_retry
        self._budget = RetryBudget(self.total)
        self._circuit = Circuit(max(10, 2 * threads))
        self._done: SimpleQueue[tuple[Result, Result] | Retry | _Signal] = SimpleQueue()
        self._workers = min(threads, self.total)
        # Answers are not to come faster than they are recorded: a kill would lose those that wait, and memory grow.
        self._room = threading.Semaphore(2 * threads)

    def stop(self) -> None:
        """Start no more. May be called from a signal handler, which must not touch the event itself."""
        self._done.put(_Signal.STOPPED)

    def abandon(self) -> None:
        """Wait for no more answers. May be called from a signal handler."""
        self._done.put(_Signal.ABANDONED)

    def __iter__(self) -> Iterator[Result]:
        try:
            running = self._start()
            while running and (done := self._next()) is not _Signal.ABANDONED:
                if done is _Signal.ENDED:
                    running -= 1
                elif done is _Signal.STOPPED:
                    self._stop.set()
                elif isinstance(done, Retry):
                    self._on_retry(done)
                else:
                    yield self._settled(*done)
        finally:
            self._stop.set()
            self._room.release(self._workers or 1)

    def _start(self) -> int:
        """Start the threads, and return how many there are."""
        for number in range(self._workers):
            # Daemons: who abandons them must be able to end the process while one still waits for its answer.
            thread = threading.Thread(target=self._work, name=f"anymetrics-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system allows no more
                if not number:
                    raise
                return number
        return self._workers

    def left(self) -> Iterator[Result]:
        """After the end: what was planned and has no result, those under way first, with the reason."""
        reason = self.given_up or "interrupted"
        with self._lock:
            for planned in self._under_way.values():
                yield replace(planned, message=f"{reason} before the answer came; AnyMetrics may have refreshed it")
            for planned in self._waiting:
                yield replace(planned, message=f"not sent: {reason}")

    def _settled(self, planned: Result, result: Result) -> Result:
        with self._lock:
            del self._under_way[id(planned)]
        self._room.release()
        return result

    def _next(self) -> tuple[Result, Result] | Retry | _Signal:
        while True:
            with suppress(Empty):
                # Without a time limit, Windows would not see Ctrl-C while waiting here.
                return self._done.get(timeout=1)

    def _work(self) -> None:
        try:
            while self._room.acquire() and not self._stop.is_set() and (planned := self._take()):
                self._done.put((planned, self._send(planned)))
        finally:
            self._done.put(_Signal.ENDED)

    def _take(self) -> Result | None:
        with self._lock:
            planned = next(self._waiting, None)
            if planned:
                self._under_way[id(planned)] = planned
            return planned

    def _send(self, planned: Result) -> Result:
        started = _now()
        attempts = 0
        while True:
            attempts += 1
            answer = self._call(planned)
            wait = self._wait(attempts, answer)
            if wait is None:
                break
            # It is told from the thread that reads the queue, as everything is: the output has one writer.
            self._done.put(Retry(refresh=planned, message=answer.message or "", attempt=attempts, wait=wait))
            if self._stop.wait(wait):
                break
        self._give_up_after(answer)
        return replace(
            planned,
            status=Status.SUCCESS if answer.ok else Status.ERROR,
            message=answer.message,
            http_status=answer.http_status,
            code=answer.code,
            trace_id=answer.trace_id,
            attempts=attempts,
            timing=Timing(started, _now()),
        )

    def _call(self, planned: Result) -> Answer:
        try:
            return self._trigger(planned.table_name or "", planned.partition or date.min)
        except Exception as error:  # noqa: BLE001 (one refresh that goes wrong in a way nobody thought of stays one)
            return Answer(message=f"unexpected {type(error).__name__}; please report it")

    def _give_up_after(self, answer: Answer) -> None:
        if self._fail_fast and not answer.ok:
            self.given_up = "--fail-fast, after an error"
        elif self._circuit.note(answer):
            self.given_up = f"too many refreshes in a row did not reach AnyMetrics ({answer.message})"
        if self.given_up:
            self._stop.set()

    def _wait(self, attempts: int, answer: Answer) -> float | None:
        if answer.ok or not answer.retriable:
            return None
        wait = self._backoff.wait(attempts, answer.retry_after)
        return wait if wait is not None and self._budget.spend() else None


def _now() -> datetime:
    return datetime.now(timezone.utc)
