"""The plans and the lineage of the sandbox, with a clock of the test's own."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from dbt_anymetrics.sandbox.lineage import Lineage
from dbt_anymetrics.sandbox.plans import EVERY_TABLE, Plan, PlanFault, Plans
from dbt_anymetrics.sandbox.tokens import Tokens

DAY = date(2024, 7, 17)
START = datetime(2024, 9, 1, 18, tzinfo=timezone.utc)
ORDERS = "default_catalog.shop.orders"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


def plans(clock: Clock, fault: PlanFault | None = None, moves_after: float = 3.0) -> tuple[Plans, Plan]:
    made = Plans(None, moves_after, fault, clock, clock.now)
    return made, made.all()[0]


def test_a_plan_moves_when_its_time_has_come() -> None:
    clock = Clock()
    all_plans, plan = plans(clock)
    start = all_plans.state(plan)
    all_plans.trigger(ORDERS, DAY)
    clock.seconds = 2.9
    assert all_plans.state(plan) == start == (True, None, "2024-08-31 18:00:00")
    clock.seconds = 3.0
    assert all_plans.state(plan) == (False, "2024-07-17 00:00:00", "2024-09-01 18:00:03")
    assert all_plans.days(plan) == [DAY]


def test_two_moves_within_a_second_are_two_times() -> None:
    clock = Clock()
    all_plans, plan = plans(clock, moves_after=0)
    times = []
    for _ in range(3):
        all_plans.trigger(ORDERS, DAY)
        times.append(all_plans.state(plan)[2])
    assert times == ["2024-09-01 18:00:00", "2024-09-01 18:00:01", "2024-09-01 18:00:02"]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (PlanFault.NEVER, (True, None, "2024-08-31 18:00:00")),
        (PlanFault.BACK, (False, "2024-07-17 00:00:00", "2024-08-30 18:00:00")),
        (PlanFault.NULL, (True, None, None)),
        (PlanFault.NOT_READY, (True, "2024-07-17 00:00:00", "2024-09-01 18:00:09")),
    ],
)
def test_plans_fail_in_four_ways(fault: PlanFault, state: object) -> None:
    clock = Clock()
    all_plans, plan = plans(clock, fault)
    all_plans.trigger(ORDERS, DAY)
    clock.seconds = 9
    assert all_plans.state(plan) == state


@pytest.mark.parametrize(
    ("own", "table", "moved"),
    [
        (None, ORDERS, True),
        ([], ORDERS, False),
        ([ORDERS], ORDERS, True),
        (["shop.orders"], ORDERS, True),
        (["orders"], ORDERS, True),
        (["rders"], ORDERS, False),
        (["web.orders"], ORDERS, False),
        (["visits", "orders"], ORDERS, True),
    ],
)
def test_which_tables_move_a_plan(own: list[str] | None, table: str, moved: bool) -> None:
    assert Plan("p", own, START).is_moved_by(table) is moved


@pytest.mark.parametrize(
    "name", ["ecfc2a9539a04ef49897a9b4e3d65e7f", "ecfc2a95-39a0-4ef4-9897-a9b4e3d65e7f", EVERY_TABLE, "数"]
)
def test_a_plan_has_a_uuid_which_is_its_name_if_that_is_one(name: str) -> None:
    ids = {Plan(name, None, START).id for _ in range(2)}
    assert len(ids) == 1
    assert (ids == {name}) is name.startswith("ecfc")


def test_lineage_goes_as_many_steps_as_it_is_asked_for() -> None:
    lineage = Lineage([ORDERS, "a.b.c"])
    table, dataset, metric = (ORDERS, "PHYSICAL_TABLE"), ("ds_orders", "DATASET"), ("orders_rows", "METRIC")
    assert lineage.around(table, 0, 0) == []
    assert lineage.around(table, 5, 1) == [(table, dataset)]
    assert lineage.around(table, 0, 9) == [(table, dataset), (dataset, metric)]
    assert lineage.around(metric, 2, 0) == [(dataset, metric), (table, dataset)]
    assert lineage.around(dataset, 1, 1) == [(table, dataset), (dataset, metric)]


@pytest.mark.parametrize(("least", "edges"), [(0, 2), (2, 2), (3, 3), (10_000, 10_000)])
def test_lineage_is_as_long_as_it_is_to_be(least: int, edges: int) -> None:
    assert len(set(Lineage([ORDERS], least).edges())) == edges


def test_a_token_ends() -> None:
    clock = Clock()
    tokens = Tokens("app", "secret", clock)
    token = tokens.create("app", "secret", 60)
    assert token
    clock.seconds = 59
    assert tokens.knows(token)
    clock.seconds = 60
    assert not tokens.knows(token)
    assert not tokens.knows("")
    assert tokens.create("app", "another", 60) is None
