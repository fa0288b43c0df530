"""Waiting for plans: server times against server times, one deadline of our own, and nothing unknown taken for known.

The plans are those of a real sandbox; only the seconds between two reads are counted and not waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timezone
from typing import Any

import pytest

from dbt_anymetrics.ledger.awaited import Awaited, Baseline
from dbt_anymetrics.result import Freshness, PlanSeen
from dbt_anymetrics.sandbox import PlanFault, Sandbox
from dbt_anymetrics.sending.freshness import baselines, watch
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import connection
from tests.expected import sent

DAY = date(2024, 7, 17)
ORDERS = "sr.`default_catalog.mart`.orders"
NOW = datetime(2024, 7, 18, tzinfo=timezone.utc)
PLAN = "daily_sales"


class Wait:
    """A wait whose seconds pass at once. `then` is done before the reads of these numbers, counted from 1."""

    def __init__(self, then: dict[int, Callable[[], object]] | None = None, interrupt_at: int | None = None) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.told: list[str] = []
        self._then = then or {}
        self._interrupt_at = interrupt_at

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        self.pauses.append(seconds)
        self._then.get(len(self.pauses), lambda: None)()
        return len(self.pauses) == self._interrupt_at

    def for_plans(self, client: Client, *awaited: Awaited, timeout: float = 1800) -> list[PlanSeen]:
        return list(watch(client, awaited, timeout, self.pause, self.told.append, lambda: self.now))


def client_of(url: str) -> Client:
    environment = {"ANYMETRICS_AUTH_VALUE": "not-a-real-credential"}
    return Client(connection(url=url, tenant_id="tn_sandbox", auth_type="UID", timeout=5, environment=environment), {})


def world(**options: Any) -> Sandbox:
    return Sandbox(**{"plans": {PLAN: None}, "moves_after": 0, **options})


def awaited(client: Client, *days: date, name: str = PLAN) -> Awaited:
    [baseline] = baselines(client, [name])
    return Awaited(baseline=baseline, nodes=["model.shop.orders"], days=days, since=NOW)


def test_a_plan_that_moves_after_the_trigger_is_refreshed_since_the_trigger() -> None:
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY)
        wait = Wait({3: lambda: client.trigger(ORDERS, DAY)})
        [seen] = wait.for_plans(client, before)
    assert (seen.freshness, seen.message) == (Freshness.REFRESHED, "refreshed since the trigger")
    assert str(seen).startswith(f"plan {PLAN}: refreshed since the trigger (at 20")
    assert wait.pauses == [5, 7.5, 11.25]


def test_reads_come_ever_more_seldom_and_the_last_one_is_at_the_deadline() -> None:
    with world(plan_fails=PlanFault.NEVER) as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY)
        client.trigger(ORDERS, DAY)
        wait = Wait()
        [seen] = wait.for_plans(client, before, timeout=200)
    assert seen.freshness is Freshness.NOT_SEEN
    assert seen.message.startswith("not seen refreshed within 200 s; last refreshed at 20")
    # A pause ends early to say each minute what is waited for: 19.4 and 18.6 are one of 38 s.
    assert [round(pause, 1) for pause in wait.pauses] == [5, 7.5, 11.2, 16.9, 19.4, 5.9, 38, 16.1, 40.9, 19.1, 20]
    assert sum(wait.pauses) == pytest.approx(200)
    assert [line.partition(":")[0] for line in wait.told] == [f"still waiting after {n} s" for n in (60, 120, 180)]


def test_no_pause_is_longer_than_a_minute() -> None:
    with world(plan_fails=PlanFault.NEVER) as sandbox, closing(client_of(sandbox.url)) as client:
        wait = Wait()
        wait.for_plans(client, awaited(client))
    assert max(wait.pauses) <= 60
    assert sum(wait.pauses) == pytest.approx(1800)


@pytest.mark.parametrize("fault", [PlanFault.BACK, PlanFault.NULL])
def test_a_time_that_goes_back_or_is_not_there_is_not_newer(fault: PlanFault) -> None:
    with world(plan_fails=fault) as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY)
        client.trigger(ORDERS, DAY)
        wait = Wait()
        [seen] = wait.for_plans(client, before, timeout=30)
    assert seen.freshness is Freshness.NOT_SEEN
    assert any("went back" in line for line in wait.told) == (fault is PlanFault.BACK)
    assert ("never refreshed" in seen.message) == (fault is PlanFault.NULL)


def test_what_is_never_ready_is_not_waited_for() -> None:
    with world(plan_fails=PlanFault.NOT_READY) as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY)
        client.trigger(ORDERS, DAY)
        assert Wait().for_plans(client, before)[0].freshness is Freshness.REFRESHED


def test_a_plan_by_day_needs_the_dates_that_were_triggered() -> None:
    other = date(2024, 7, 16)
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY, other)
        wait = Wait({1: lambda: client.trigger(ORDERS, DAY), 4: lambda: client.trigger(ORDERS, other)})
        [seen] = wait.for_plans(client, before)
    assert seen.freshness is Freshness.REFRESHED
    assert len(wait.pauses) == 4
    assert [line.partition("without")[2] for line in wait.told] == [" 2024-07-16 among its partitions"]


def test_dates_that_never_come_are_named_at_the_end() -> None:
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, date(2024, 7, 16))
        client.trigger(ORDERS, DAY)
        [seen] = Wait().for_plans(client, before, timeout=30)
    assert seen.freshness is Freshness.NOT_SEEN
    assert seen.message.endswith("without 2024-07-16 among its partitions")


def test_reads_that_fail_are_borne_until_the_deadline() -> None:
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY)
    wait = Wait()
    with closing(client_of(sandbox.url)) as client:  # the sandbox is gone
        [seen] = wait.for_plans(client, before, timeout=60)
    assert seen.freshness is Freshness.UNKNOWN
    assert "its state could not be read: " in seen.message
    assert sum(wait.pauses) == pytest.approx(60)
    assert len([line for line in wait.told if line.endswith("Trying again")]) == 1


def test_each_plan_ends_by_itself_and_the_deadline_is_for_all() -> None:
    plans = {PLAN: ["orders"], "others": ["customers"]}
    with world(plans=plans) as sandbox, closing(client_of(sandbox.url)) as client:
        before = awaited(client, DAY), awaited(client, DAY, name="others")
        client.trigger(ORDERS, DAY)
        wait = Wait()
        seen = wait.for_plans(client, *before, timeout=20)
    assert [(each.plan, each.freshness) for each in seen] == [
        (PLAN, Freshness.REFRESHED),
        ("others", Freshness.NOT_SEEN),
    ]
    assert sum(wait.pauses) == pytest.approx(20)


def test_the_user_can_end_the_wait() -> None:
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        [seen] = Wait(interrupt_at=2).for_plans(client, awaited(client, DAY))
    assert seen.freshness is Freshness.NOT_SEEN
    assert seen.message.startswith("not seen refreshed before the wait was interrupted")


def test_no_wait_triggers_anything() -> None:
    with world(plan_fails=PlanFault.NEVER) as sandbox, closing(client_of(sandbox.url)) as client:
        Wait().for_plans(client, awaited(client, DAY), timeout=600)
        assert sent(sandbox) == []


def test_a_baseline_that_cannot_be_read_says_why_and_stops_no_other() -> None:
    with world() as sandbox, closing(client_of(sandbox.url)) as client:
        missing, known = baselines(client, ["no_such_plan", PLAN])
    assert "no_such_plan" in (missing.unknown or "")
    assert known.unknown is None
    assert known.refreshed_at is not None


def test_a_server_that_is_gone_is_asked_for_one_baseline() -> None:
    with Sandbox() as gone:
        pass
    with closing(client_of(gone.url)) as client:
        first, second = baselines(client, [PLAN, "others"])
    assert first == Baseline(PLAN, unknown=first.unknown)
    assert first.unknown == second.unknown is not None
