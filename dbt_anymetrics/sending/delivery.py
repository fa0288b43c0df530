"""Sending planned refreshes: in parallel, retried where that is safe and worth it, within a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timezone
from enum import Enum
from queue import Empty, SimpleQueue

from dbt_anymetrics.output.reporter import Retry
from dbt_anymetrics.result import Refresh, Result, Status, Timing
from dbt_anymetrics.sending.queue import Queue, Taken
from dbt_anymetrics.sending.retrying import Backoff, Circuit, RetryBudget
from dbt_anymetrics.server.answer import Answer

Trigger = Callable[[str, date], Answer]


class _Signal(Enum):
    """What comes from the threads beside results."""

    ENDED = "a thread has no more to do"
    STOPPED = "no more is to be started"
    ABANDONED = "nobody waits any longer"


_POLL = 0.5
"""Seconds after which is looked again whether another command has sent what this one waits for."""

_Done = tuple[Refresh, Result | None]
"""A refresh and what came of it; None when another command sent it meanwhile."""


class Delivery:
    """Refreshes to send. Iterate over it for each one as it ends; those never started do not come.

    With each comes its result, or None when another command has sent it for the same dbt run meanwhile. `stop` ends it
    early: what is under way still comes, no more is started. `abandon` does not wait for that either. `given_up` says
    why it ended by itself, if it did.
    """

    def __init__(
        self,
        queue: Queue,
        total: int,
        trigger: Trigger,
        *,
        threads: int,
        backoff: Backoff,
        fail_fast: bool = False,
        on_retry: Callable[[Retry], None],
        on_wait: Callable[[], None],
    ) -> None:
        self.given_up: str | None = None
        self._queue = queue
        self._under_way: dict[int, Refresh] = {}
        self._lock = threading.Lock()
        self._trigger = trigger
        self._stop = threading.Event()
        self._backoff = backoff
        self._fail_fast = fail_fast
        self._on_retry = on_retry
        self._on_wait = on_wait
        self._budget = RetryBudget(total)
        self._circuit = Circuit(max(10, 2 * threads))
        self._done: SimpleQueue[_Done | Retry | _Signal] = SimpleQueue()
        self._workers = min(threads, total)
        # Answers are not to come faster than they are recorded: a kill would lose those that wait, and memory grow.
        self._room = threading.Semaphore(2 * threads)

    def stop(self) -> None:
        """Start no more. May be called from a signal handler, which must not touch the event itself."""
        self._done.put(_Signal.STOPPED)

    def abandon(self) -> None:
        """Wait for no more answers. May be called from a signal handler."""
        self._done.put(_Signal.ABANDONED)

    def __iter__(self) -> Iterator[_Done]:
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
            for refresh in self._under_way.values():
                message = f"{reason} before the answer came; AnyMetrics may have refreshed it"
                yield refresh.result(Status.PENDING, message, perhaps_sent=True)
            for refresh in self._queue.rest():
                yield refresh.result(Status.PENDING, f"not sent: {reason}")

    def _settled(self, refresh: Refresh, result: Result | None) -> _Done:
        with self._lock:
            del self._under_way[id(refresh)]
        self._room.release()
        return refresh, result

    def _next(self) -> _Done | Retry | _Signal:
        while True:
            with suppress(Empty):
                # Without a time limit, Windows would not see Ctrl-C while waiting here.
                return self._done.get(timeout=1)
            self._on_wait()

    def _work(self) -> None:
        try:
            while self._room.acquire() and not self._stop.is_set():
                taken = self._take()
                if taken is Taken.NOTHING:
                    break
                if taken is Taken.LATER:
                    self._room.release()
                    self._stop.wait(_POLL)
                else:
                    refresh, is_done = taken
                    self._done.put((refresh, None if is_done else self._send(refresh)))
        finally:
            self._done.put(_Signal.ENDED)

    def _take(self) -> tuple[Refresh, bool] | Taken:
        with self._lock:
            taken = self._queue.take()
            if not isinstance(taken, Taken):
                self._under_way[id(taken[0])] = taken[0]
            return taken

    def _send(self, refresh: Refresh) -> Result:
        started = _now()
        attempts = 0
        while True:
            attempts += 1
            answer = self._call(refresh)
            wait = self._wait(attempts, answer)
            if wait is None:
                break
            # Only the thread that reads this queue writes output.
            self._done.put(Retry(refresh=refresh, message=answer.message or "", attempt=attempts, wait=wait))
            if self._stop.wait(wait):
                break
        self._give_up_after(answer)
        return refresh.result(
            Status.SUCCESS if answer.ok else Status.ERROR,
            answer.message,
            http_status=answer.http_status,
            code=answer.code,
            trace_id=answer.trace_id,
            attempts=attempts,
            timing=Timing(started, _now()),
        )

    def _call(self, refresh: Refresh) -> Answer:
        try:
            return self._trigger(refresh.table_name, refresh.partition)
        except Exception as error:  # noqa: BLE001 (an unexpected error must not stop the other refreshes)
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
