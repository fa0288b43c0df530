"""`dbt-anymetrics wait`: wait until the plans that earlier commands triggered are refreshed."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial

import msgspec

from dbt_anymetrics.commands.deliver import INTERRUPTED
from dbt_anymetrics.commands.freshness import Waited, wait_for
from dbt_anymetrics.commands.prepare import (
    check_ledger,
    check_read,
    connection_of,
    ledger_to_show,
    project_of,
    tenant_of,
)
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import Opened
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.result import Counts, Freshness
from dbt_anymetrics.sending.outcomes import Outcomes


def wait(options: Options, reporter: Reporter) -> int:
    """Wait, tell, and return the exit code: 1 unless every plan was refreshed since its trigger.

    Raises UsageError when there is no ledger, and when no refresh in it named a plan.
    """
    check_ledger(options, project_of(options).target)
    with ledger_to_show(options, only_to_read=False) as (ledger, opened):
        _check_plans(ledger)
        waited = _wait(options, opened, reporter) if ledger.awaited() else Waited()
        check_read(ledger.loss)
    if options.output == "json":
        show(msgspec.json.encode({"plans": waited.plans}).decode())
    if not waited.plans:
        reporter.note("No plan is waited for: each was seen refreshed since its last trigger.")
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

    connection = connection_of(options)
    command = Command(kind="wait", process=os.getpid())
    begin = partial(Recording, opened.database, connection.url, tenant_of(options) or "", command)
    outcomes = Outcomes(begin, lambda loss: reporter.error(str(loss)))
    with closing(client_of(connection, os.environ)) as client:
        waited = wait_for(client, outcomes, options, reporter)
    fresh = sum(seen.freshness is Freshness.REFRESHED for seen in waited.plans)
    counts = Counts(ok=fresh, error=len(waited.plans) - fresh)
    outcomes.end(counts, int(not waited.is_well), options.keep_days)
    return waited
