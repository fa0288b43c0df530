"""The plans that should be refreshed after what commands triggered, as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby

import msgspec
from msgspec import Struct

from dbt_anymetrics.ledger.database import Row, Statements
from dbt_anymetrics.result import Freshness, PlanSeen

SENDING = "sending"
"""The status of a row whose command has not said yet which dates it triggered."""

WAITING = "waiting"


class Baseline(Struct, frozen=True):
    """When a plan was last refreshed before a trigger, in the local time of AnyMetrics; None for never.

    `unknown` says why that could not be read, if it could not.
    """

    plan: str
    refreshed_at: str | None = None
    unknown: str | None = None


class Awaited(Struct, frozen=True, kw_only=True):
    """A plan that should be refreshed: since when, the nodes that were triggered for it, and their dates.

    `days` is None where the command that triggers it has not said yet which dates these are.
    """

    baseline: Baseline
    nodes: Sequence[str]
    days: Sequence[date] | None
    since: datetime
    message: str | None = None

    @property
    def plan(self) -> str:
        """The name of the plan."""
        return self.baseline.plan


OPEN = """
SELECT plan, baseline, unknown, nodes, days, asked_at, message FROM awaited
WHERE service = ? AND status IN ('sending', 'waiting') ORDER BY plan, id DESC
"""

NODES = "SELECT nodes, plan FROM awaited WHERE service = ? GROUP BY nodes, plan ORDER BY plan"


def awaited(rows: Iterable[Row]) -> list[Awaited]:
    """The rows of `OPEN`, one for each plan: the newest baseline, and all nodes and dates that are waited for."""
    return [_together(list(group)) for _, group in groupby(rows, lambda row: row[0])]


def _together(rows: Sequence[Row]) -> Awaited:
    plan, baseline, unknown, _, days, asked_at, message = rows[0]
    nodes = dict.fromkeys(node for row in rows for node in msgspec.json.decode(row[3], type=list[str]))
    known = {day for row in rows if row[4] for day in msgspec.json.decode(row[4], type=list[date])}
    return Awaited(
        baseline=Baseline(plan, baseline, unknown),
        nodes=[*nodes],
        days=None if days is None else sorted(known),
        since=datetime.fromisoformat(asked_at),
        message=message,
    )


def plans_by_node(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The rows of `NODES` as the plans that each node named."""
    found: dict[str, list[str]] = {}
    for nodes, plan in rows:
        for unique_id in msgspec.json.decode(nodes):
            if plan not in found.setdefault(unique_id, []):
                found[unique_id].append(plan)
    return found


def expect(
    statements: Statements, service: int, command: int, found: Mapping[Baseline, Sequence[str]], now: str
) -> None:
    """Note what is about to be triggered: each plan's baseline, with the nodes that name the plan."""
    statements.many(
        "INSERT INTO awaited (service, command, plan, nodes, baseline, unknown, status, asked_at) "
        f"VALUES (?, ?, ?, ?, ?, ?, '{SENDING}', ?)",
        (
            (service, command, each.plan, msgspec.json.encode(nodes).decode(), each.refreshed_at, each.unknown, now)
            for each, nodes in found.items()
        ),
    )


def triggered(statements: Statements, command: int, days: Mapping[str, Iterable[date]]) -> None:
    """Note which dates were triggered for each plan; what was triggered for no date is not waited for."""
    for plan, found in days.items():
        statements.run(
            f"UPDATE awaited SET days = ?, status = '{WAITING}' WHERE command = ? AND plan = ?",
            *(msgspec.json.encode(sorted(found)).decode(), command, plan),
        )
    statements.run(
        f"UPDATE awaited SET status = '{Freshness.NOT_TRIGGERED.value}' WHERE command = ? AND status = '{SENDING}'",
        command,
    )


def forget(statements: Statements, service: int, unique_ids: Collection[str]) -> None:
    """Wait no longer for the plans that these nodes named."""
    for number, nodes in statements.rows(
        "SELECT id, nodes FROM awaited WHERE service = ? AND status IN ('sending', 'waiting')", service
    ):
        if not set(unique_ids).isdisjoint(msgspec.json.decode(nodes)):
            statements.run("UPDATE awaited SET status = 'dropped' WHERE id = ?", number)


def note(statements: Statements, service: int, seen: PlanSeen, before: str) -> None:
    """Note how the wait for a plan ended. One that was not seen refreshed stays open for the next command.

    So does one of which nothing can be told: a task that is tried again must not find it settled.
    """
    status = seen.freshness.value if seen.freshness is Freshness.REFRESHED else WAITING
    statements.run(
        f"UPDATE awaited SET status = ?, message = ? WHERE service = ? AND plan = ? "
        f"AND status IN ('{SENDING}', '{WAITING}') AND asked_at <= ?",
        *(status, seen.message, service, seen.plan, before),
    )
