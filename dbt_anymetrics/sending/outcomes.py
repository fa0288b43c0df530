"""Every outcome of a command: in the ledger or, from when that cannot be written, in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.ledger.awaited import Awaited, Baseline
from dbt_anymetrics.ledger.claims import Claim
from dbt_anymetrics.ledger.ledger import Backlog
from dbt_anymetrics.ledger.recording import Recording
from dbt_anymetrics.planning.plan import Held
from dbt_anymetrics.planning.unbuilt import NO_NEWS, Unbuilt
from dbt_anymetrics.result import Counts, Item, Key, PlanSeen, Refresh, Result, Status, count

_AT_ONCE = 500
"""Outcomes of refreshes that were not sent, entered together."""


class Outcomes:
    """What came of a command's refreshes. When the ledger cannot be written, the user is told once, and it goes on.

    `begin` enters the command in the ledger; None where there is none for it.
    """

    def __init__(
        self, begin: Callable[[], Recording] | None, tell: Callable[[RecordError], None], *, force: bool = False
    ) -> None:
        self.counts = Counts()
        self.is_lost = False
        self._tell = tell
        self._force = force
        self._horizons: dict[Key, int] = {}
        self._unwritten: list[Result] = []
        self._broken: RecordError | None = None
        self._recording: Recording | None = None
        if begin:
            try:
                self._recording = begin()
            except RecordError as loss:
                self._broken = loss

    @property
    def is_kept(self) -> bool:
        """Whether a later command finds what is noted here."""
        return self._recording is not None and not self._broken and not self.is_lost

    def lose(self, loss: RecordError) -> None:
        """Tell that what is noted will not be there for a later command."""
        self.is_lost = True
        self._tell(loss)

    def ask(
        self,
        items: Iterable[Item],
        held: Sequence[Held],
        reheld: Sequence[tuple[Held, Sequence[str]]] = (),
        gone: Collection[str] = (),
        not_built: Unbuilt = NO_NEWS,
    ) -> None:
        """Note everything that is asked for as pending, and which tests hold what was held back before.

        `gone` are nodes that are no longer in the project.
        """
        self._try(lambda recording: recording.ask(items, held, gone, not_built, force=self._force))
        if reheld:
            self._try(lambda recording: recording.hold(reheld))

    def claim(self, refreshes: Sequence[Refresh]) -> Sequence[Claim]:
        """Claim what is to be sent next. It is called by the threads that send, so it writes no output."""
        if self._recording and not self._broken:
            try:
                claimed = self._recording.claim(refreshes, force=self._force)
            except RecordError as loss:
                self._broken = loss
            else:
                self._horizons.update((refresh.key, claimed.horizon) for refresh in refreshes)
                return claimed.states
        return [Claim.OURS] * len(refreshes)

    def sent_by_another(self, refresh: Refresh) -> Result:
        """What came of a refresh that another command has sent for the same dbt run meanwhile."""
        earlier = None
        with suppress(RecordError):
            earlier = self._recording and self._recording.ledger.confirmed(refresh)
        return earlier or refresh.result(Status.SKIPPED, "already refreshed by another command")

    def add(self, ended: Iterable[tuple[Refresh, Result]]) -> None:
        """Note what came of refreshes, all at once."""
        self._add([(result, self._horizons.pop(refresh.key, 0)) for refresh, result in ended])

    def add_unsent(self, results: Iterable[Result]) -> Iterator[Result]:
        """Note refreshes that were not sent, many at a time, and give each."""
        waiting = iter(results)
        while several := list(islice(waiting, _AT_ONCE)):
            self._add([(result, 0) for result in several])
            yield from several

    def _add(self, results: Sequence[tuple[Result, int]]) -> None:
        self.counts += count(result for result, _ in results)
        if not self._try(lambda recording: recording.add(results)):
            self._unwritten += [result for result, _ in results]

    def expect(self, found: Mapping[Baseline, Sequence[str]]) -> None:
        """Note the plans that what is about to be sent should refresh, with the nodes that name each."""
        self._try(lambda recording: recording.expect(found))

    def triggered(self, days: Mapping[str, Iterable[date]]) -> None:
        """Note the dates that were confirmed for each of these plans."""
        self._try(lambda recording: recording.triggered(days))

    def awaited(self) -> Sequence[Awaited]:
        """The plans that were triggered, by this command or an earlier one, and not seen refreshed since."""
        with suppress(RecordError):
            if self._recording and not self._broken:
                return self._recording.ledger.awaited()
        return []

    def note_plan(self, seen: PlanSeen) -> None:
        """Note how the wait for a plan ended."""
        self._try(lambda recording: recording.note_plan(seen))

    def beat(self) -> None:
        """Say in the ledger that the command is still at work."""
        self._try(lambda recording: recording.beat())

    def end(self, counts: Counts, exit_code: int, keep_days: float) -> None:
        """Close the command's entry in the ledger."""
        self._try(lambda recording: recording.end(counts, exit_code, keep_days))

    def pending_beside(self, invocations: Sequence[str | None]) -> Backlog:
        """How much is pending of other dbt runs."""
        with suppress(RecordError):
            if self._recording and not self._broken:
                return self._recording.ledger.backlog(invocations)
        return Backlog()

    def __iter__(self) -> Iterator[Result]:
        """Every outcome, in the order in which they came. Raises RecordError when the ledger cannot be read again."""
        if self._recording:
            yield from self._recording.outcomes()
        yield from self._unwritten

    def _try(self, write: Callable[[Recording], None]) -> bool:
        """Whether it is written."""
        if self._recording and not self._broken:
            try:
                write(self._recording)
            except RecordError as loss:
                self._broken = loss
        if self._broken and not self.is_lost:
            self.lose(self._broken)
        return self._recording is not None and not self._broken
