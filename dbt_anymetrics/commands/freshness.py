"""The plans of AnyMetrics that a command's refreshes should refresh: how far each is before, and whether it moves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from queue import Empty, SimpleQueue

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.ledger.awaited import Awaited, Baseline
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.planning.plan_names import PlansOf
from dbt_anymetrics.result import Freshness, Item, PlanSeen, Refresh, Result, Status
from dbt_anymetrics.sending.freshness import baselines, watch
from dbt_anymetrics.sending.interrupt import stoppable
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.server.call import Asker
from dbt_anymetrics.text import first_of, seconds

_NOTE = b"\nCtrl-C: no longer waiting for plans; what was triggered stays triggered\n"


class Waited(Struct, frozen=True):
    """How the wait ended for each plan, and whether the user ended it."""

    plans: Sequence[PlanSeen] = ()
    interrupted: bool = False
    is_vain: bool = False
    """Whether it was asked for, and no node names a plan."""

    @property
    def is_well(self) -> bool:
        """Whether every plan was refreshed."""
        return not self.is_vain and not self.late

    @property
    def late(self) -> int:
        """How many plans were not refreshed, as far as that can be told."""
        return sum(seen.freshness is not Freshness.REFRESHED for seen in self.plans)

    def settled(self, result: Result, plans_of: PlansOf) -> Result:
        """A result, as waiting when one of its plans was not seen refreshed."""
        if result.status is not Status.SUCCESS:
            return result
        own = plans_of(result.unique_id)
        late = [seen for seen in self.plans if seen.plan in own and seen.freshness is not Freshness.REFRESHED]
        return replace(result, status=Status.WAITING, message="; ".join(map(str, late))) if late else result


def read_baselines(
    client: Asker, planned: Iterable[Refresh], plans_of: PlansOf, outcomes: Outcomes
) -> Mapping[Baseline, Sequence[str]]:
    """Read how far each plan is before anything is triggered, and note it, with the nodes that name the plan."""
    nodes: dict[str, list[str]] = {}
    for unique_id in dict.fromkeys(refresh.unique_id for refresh in planned):
        for name in plans_of(unique_id):
            nodes.setdefault(name, []).append(unique_id)
    found = {baseline: nodes[baseline.plan] for baseline in baselines(client, list(nodes))}
    if found:
        outcomes.expect(found)
    return found


def note_triggered(found: Mapping[Baseline, Sequence[str]], plans_of: PlansOf, outcomes: Outcomes) -> None:
    """Note which dates were confirmed for each plan."""
    days: dict[str, set[date]] = {}
    for result in outcomes if found else ():
        if result.status is Status.SUCCESS and result.partition:
            for name in plans_of(result.unique_id):
                days.setdefault(name, set()).add(result.partition)
    if found:
        outcomes.triggered(days)


def is_vain(items: Collection[Item], plans_of: PlansOf, reporter: Reporter) -> bool:
    """Whether no node names a plan, so that nothing can be waited for; say of which nodes it cannot be told."""
    sent = {item.unique_id: bool(plans_of(item.unique_id)) for item in items if isinstance(item, Refresh)}
    nameless = [unique_id for unique_id, has_plans in sent.items() if not has_plans]
    if nameless:
        reporter.warning(
            f"cannot tell whether plans of {first_of(nameless)} are refreshed, because anymetrics.plans names none"
        )
    return bool(sent) and not any(plans_of(item.unique_id) for item in items)


def names_of(items: Iterable[Item], plans_of: PlansOf) -> frozenset[str]:
    """The plans that nodes name, of which this command is about."""
    own = {item.unique_id for item in items if isinstance(item, Refresh) or item.status is not Status.UNTOUCHED}
    return frozenset(name for unique_id in own for name in plans_of(unique_id))


def awaited_by(items: Iterable[Item], plans_of: PlansOf, outcomes: Outcomes) -> bool:
    """Whether one of the plans that these nodes name was triggered, and not seen refreshed since."""
    awaited = outcomes.awaited()
    return bool(awaited) and not names_of(items, plans_of).isdisjoint(each.plan for each in awaited)


def wait_for(
    client: Asker, outcomes: Outcomes, options: Options, reporter: Reporter, names: Collection[str] | None = None
) -> Waited:
    """Wait for the plans that were triggered and not seen refreshed, also after an earlier command.

    `names` are those that count, None for all.
    """
    ended, known = told_apart(each for each in outcomes.awaited() if names is None or each.plan in names)

    def end(seen: PlanSeen) -> None:
        outcomes.note_plan(seen)
        reporter.plan(seen)

    for seen in ended:
        end(seen)
    if known:
        reporter.note(_opening(known, options.wait_timeout))
    with _interruptible() as (pause, is_interrupted):
        for seen in watch(client, known, options.wait_timeout, pause, reporter.note):
            end(seen)
            ended.append(seen)
        return Waited(ended, interrupted=is_interrupted())


def told_apart(awaited: Iterable[Awaited]) -> tuple[list[PlanSeen], list[Awaited]]:
    """The plans of which nothing can be told, and those that can be waited for."""
    known: list[Awaited] = []
    ended: list[PlanSeen] = []
    for each in awaited:
        if reason := _untellable(each):
            ended.append(PlanSeen(plan=each.plan, freshness=Freshness.UNKNOWN, message=f"cannot tell: {reason}"))
        else:
            known.append(each)
    return ended, known


def _untellable(awaited: Awaited) -> str | None:
    if awaited.baseline.unknown:
        return f"its state before the trigger could not be read ({awaited.baseline.unknown})"
    if awaited.days is None:
        return (
            "the command that triggers it is still running, or ended early. 'dbt-anymetrics retry --wait' sends what "
            "it left, and waits"
        )
    return None


def _opening(known: Sequence[Awaited], timeout: float) -> str:
    plans = "1 plan" if len(known) == 1 else f"{len(known)} plans"
    names = first_of([each.plan for each in known])
    return f"Waiting for {plans} to be refreshed, for at most {seconds(timeout)}: {names}"


@contextmanager
def _interruptible() -> Iterator[tuple[Callable[[float], bool], Callable[[], bool]]]:
    """A pause that Ctrl-C ends, and whether it did. A signal handler may only put something into a queue."""
    stopped: SimpleQueue[None] = SimpleQueue()

    def pause(length: float) -> bool:
        try:
            stopped.get(timeout=length)
        except Empty:
            return False
        return True

    with stoppable(lambda: stopped.put(None), lambda: None, _NOTE) as interrupted:
        yield pause, interrupted.is_set
