"""`dbt-anymetrics wait`: wait until the plans that earlier commands triggered are refreshed."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import closing
from functools import partial

import msgspec

from dbt_anymetrics.commands.deliver import INTERRUPTED, is_switched_off
from dbt_anymetrics.commands.freshness import Waited, told_apart, wait_for
from dbt_anymetrics.commands.prepare import (
    check_ledger,
    check_read,
    connection_of,
    ledger_to_show,
    project_of,
    tenant_of,
)
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.awaited import Awaited
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import Opened
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.result import Counts, Freshness, PlanSeen
from dbt_anymetrics.sending.freshness import Pause, Tell, watch
from dbt_anymetrics.sending.outcomes import Outcomes


def wait(options: Options, reporter: Reporter) -> int:
    """Wait, tell, and return the exit code: 1 unless every plan was refreshed since its trigger.

    Raises UsageError when there is no ledger, and when no refresh in it named a plan.
    """
    if is_switched_off(reporter):
        return 0
    check_ledger(options, project_of(options).target)
    with ledger_to_show(options, only_to_read=False) as (ledger, opened):
        _check_plans(ledger)
        waited = _wait(options, opened, reporter) if ledger.awaited() else Waited()
        check_read(ledger.loss)
    if options.output == "json":
        show(msgspec.json.encode({"plans": waited.plans}).decode())
    if not waited.plans:
        reporter.note("No plan is waited for: since its last trigger each was seen refreshed, or dropped.")
    return INTERRUPTED if waited.interrupted else int(not waited.is_well)


def _check_plans(ledger: Ledger) -> None:
    if not ledger.plans_by_node():
        raise UsageError(
            "no refresh in the ledger named a plan, so there is nothing to wait for",
            where="anymetrics.plans",
            hint="Set it in the meta of the nodes to the plans that depend on them, and refresh",
        )


def _wait(options: Options, opened: Opened, reporter: Reporter) -> Waited:
    from dbt_anymetrics.server.opened import client_of  # lazy: requests is slow to import

    outcomes = _outcomes(options, opened, reporter)
    with closing(client_of(connection_of(options), os.environ)) as client:
        waited = wait_for(client, outcomes, options, reporter)
    _end(outcomes, waited, options)
    return waited


def _outcomes(options: Options, opened: Opened, reporter: Reporter) -> Outcomes:
    command = Command(kind="wait", process=os.getpid())
    address = connection_of(options).url
    begin = partial(Recording, opened.database, address, tenant_of(options) or "", command)
    return Outcomes(begin, lambda loss: reporter.error(str(loss)))


def _end(outcomes: Outcomes, waited: Waited, options: Options) -> None:
    fresh = sum(seen.freshness is Freshness.REFRESHED for seen in waited.plans)
    counts = Counts(ok=fresh, error=len(waited.plans) - fresh)
    outcomes.end(counts, int(not waited.is_well), options.keep_days)


# For a program that waits in another process than the one that refreshed, and has no ledger there.


def awaited(options: Options, nodes: Collection[str] | None) -> tuple[list[PlanSeen], list[Awaited]]:
    """The plans of which nothing can be told, and those that can be waited for, of these nodes or of all.

    Raises UsageError, also when none of these nodes names a plan.
    """
    with ledger_to_show(options, only_to_read=True) as (ledger, _):
        named = ledger.plans_by_node()
        names = {plan for node in (named if nodes is None else nodes) for plan in named.get(node, ())}
        if nodes and not names:
            hint = "Set anymetrics.plans in its meta"
            raise UsageError("no node that was refreshed names a plan", where="wait_for_fresh", hint=hint)
        found = told_apart(each for each in ledger.awaited() if each.plan in names)
        check_read(ledger.loss)
        return found


def watched(options: Options, known: Sequence[Awaited], pause: Pause, tell: Tell) -> list[PlanSeen]:
    """Wait for these plans, for at most `wait_timeout`, and return how it ended for each. Raises UsageError."""
    from dbt_anymetrics.server.opened import client_of  # lazy: requests is slow to import

    with closing(client_of(connection_of(options), os.environ)) as client:
        return list(watch(client, known, options.wait_timeout, pause, tell))


def note_seen(options: Options, plans: Sequence[PlanSeen], reporter: Reporter) -> Waited:
    """Note how the wait for these plans ended, and tell it. Raises UsageError."""
    waited = Waited(plans)
    with ledger_to_show(options, only_to_read=False) as (_, opened):
        outcomes = _outcomes(options, opened, reporter)
        for seen in plans:
            outcomes.note_plan(seen)
            reporter.plan(seen)
        _end(outcomes, waited, options)
    return waited
