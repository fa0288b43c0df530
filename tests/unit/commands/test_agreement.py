"""`plan` says what `refresh` does: over the same cases, what is planned is what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox, Shape
from tests.artifacts import scenario
from tests.expected import sent
from tests.shop import DAY, Shop

REFUSE_SOME = frozenset({3, 5, 8})


def nothing(_shop: Shop, _sandbox: Sandbox) -> None:
    """No earlier command."""


def all_of_it(shop: Shop, _sandbox: Sandbox) -> None:
    shop.cli("refresh", "--run-date", DAY)


def some_of_it(shop: Shop, _sandbox: Sandbox) -> None:
    shop.cli("refresh", "--run-date", DAY, "--select", "dim_*")


def for_another_tenant(shop: Shop, sandbox: Sandbox) -> None:
    with Sandbox(tenant_id="tn_other") as other:
        shop.cli("refresh", "--run-date", DAY, **{**other.environment, "ANYMETRICS_URL": other.url})
    assert sent(sandbox) == []


def a_damaged_record(shop: Shop, _sandbox: Sandbox) -> None:
    (shop.target / "anymetrics_results.json").write_text("{")


EARLIER = [nothing, all_of_it, some_of_it, for_another_tenant, a_damaged_record]

ARGUMENTS: list[tuple[str, ...]] = [
    ("--run-date", DAY),
    ("--run-date", DAY, "--force"),
    ("--run-date", DAY, "--select", "dim_customers"),
    ("--partition", "2024-01-01"),
]


@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/anymetrics/api/v1/scheduler/task/trigger"])
def test_what_is_planned_is_what_is_sent(
    earlier: Callable[[Shop, Sandbox], None],
    arguments: tuple[str, ...],
    spelling: str,
    recorded: Shop,
    sandbox: Sandbox,
) -> None:
    earlier(recorded, sandbox)
    before = len(sent(sandbox))
    respelt = {"ANYMETRICS_URL": spelling.format(sandbox.url).replace("http://", "HTTP://")}
    plan = json.loads(recorded.cli("plan", *arguments, "--output", "json", **respelt).stdout)
    planned = [(each["table_name"], each["partition"]) for each in plan["results"] if each["status"] == "planned"]
    recorded.cli("refresh", *arguments, **respelt)
    assert sorted(sent(sandbox)[before:]) == sorted(planned)


def test_a_refusal_is_planned_again(tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=lambda number: Shape.NO_PERMISSION if number in REFUSE_SOME else None) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        shop.cli("refresh", "--run-date", DAY)
        plan = json.loads(shop.cli("plan", "--run-date", DAY, "--output", "json").stdout)
    assert [each["status"] for each in plan["results"]].count("planned") == len(REFUSE_SOME)
