"""Which attempts the page shows, when it has no room for all."""

from __future__ import annotations

from collections.abc import Iterable

from dbt_anymetrics.picture.model import Attempt, Outcome, when
from dbt_anymetrics.picture.picture import Picture

_OVERHEAD = 24
"""Bytes that an attempt or an outcome takes in addition to its texts."""


class Details:
    """The attempts that fit: one of each cause always, then those that failed, then the newest.

    When there is little room, older successes have no trace ids, which are the largest part, and the oldest are
    left out. `outcomes` numbers the outcomes of all that fit, `left` counts what does not.
    """

    def __init__(self, picture: Picture, room: int) -> None:
        self.outcomes: dict[Outcome, int] = {}
        self._room = room
        self._kept: set[int] = set()
        self._untraced: set[int] = set()
        attempts = sorted(picture.attempts, key=when, reverse=True)
        for cause in picture.causes:
            self._keep(cause.attempts[0])
        for attempt in attempts:
            if attempt.outcome.status.is_failure:
                self._keep_if_it_fits(attempt)
        self._keep_successes(attempts)
        self.left = len(attempts) - len(self._kept)

    def __contains__(self, attempt: Attempt) -> bool:
        """Whether there is room for this very attempt; one that equals it is another."""
        return id(attempt) in self._kept

    def has_trace(self, attempt: Attempt) -> bool:
        """Whether there is room for its trace id."""
        return id(attempt) not in self._untraced

    def _keep_successes(self, newest_first: Iterable[Attempt]) -> None:
        rest = [attempt for attempt in newest_first if attempt not in self]
        needed = sum(_OVERHEAD + len(attempt.trace_id) for attempt in rest)
        for_times = 0 if needed <= self._room else self._room // 2
        for attempt in rest:
            if self._room <= for_times:
                self._untraced.add(id(attempt))
            self._keep_if_it_fits(attempt)

    def _keep_if_it_fits(self, attempt: Attempt) -> None:
        if self._room > 0 and attempt not in self:
            self._keep(attempt)

    def _keep(self, attempt: Attempt) -> None:
        self._kept.add(id(attempt))
        self._room -= _OVERHEAD + len(attempt.what) + len(attempt.trace_id) * self.has_trace(attempt)
        outcome = attempt.outcome
        if outcome not in self.outcomes:
            self.outcomes[outcome] = len(self.outcomes)
            self._room -= _OVERHEAD + len(outcome.message) + len(outcome.detail) + len(outcome.by)
