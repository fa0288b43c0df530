"""What is still to be sent, claimed a few at a time, so that no other command sends the same meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice

from dbt_anymetrics.ledger.claims import Claim
from dbt_anymetrics.result import Refresh

Claims = Callable[[Sequence[Refresh]], Sequence[Claim]]


class Taken(Enum):
    """What may be taken beside a refresh."""

    NOTHING = "all is taken"
    LATER = "what is left is being sent by other commands: ask again in a moment"


class Queue:
    """Refreshes to send. Not safe to share between threads without a lock."""

    def __init__(self, planned: Iterable[Refresh], claims: Claims, size: int) -> None:
        self._planned = iter(planned)
        self._claims = claims
        self._size = size
        self._ours: deque[tuple[Refresh, bool]] = deque()
        self._busy: deque[Refresh] = deque()

    def take(self) -> tuple[Refresh, bool] | Taken:
        """The next refresh, and whether another command has sent it meanwhile."""
        while not self._ours:
            wanted = list(islice(self._planned, self._size))
            if not wanted:
                return self._take_busy()
            self._claim(wanted)
        return self._ours.popleft()

    def _take_busy(self) -> tuple[Refresh, bool] | Taken:
        wanted = [self._busy.popleft() for _ in range(min(self._size, len(self._busy)))]
        if wanted:
            self._claim(wanted)
        if self._ours:
            return self._ours.popleft()
        return Taken.LATER if self._busy else Taken.NOTHING

    def _claim(self, wanted: Sequence[Refresh]) -> None:
        for refresh, state in zip(wanted, self._claims(wanted), strict=True):
            if state is Claim.BUSY:
                self._busy.append(refresh)
            else:
                self._ours.append((refresh, state is Claim.DONE))

    def rest(self) -> Iterator[Refresh]:
        """What was not taken."""
        yield from (refresh for refresh, _ in self._ours)
        yield from self._busy
        yield from self._planned
