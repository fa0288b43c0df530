"""The results artifact of a version that had no ledger yet: what it says is entered once, when the ledger is made."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from dbt_anymetrics.defaults import MOST_DAYS
from dbt_anymetrics.ledger.artifact import Document
from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.result import Refresh, Result, Status, count


def take_in(database: Database, document: Document, address: str | None) -> None:
    """Enter what an artifact says was confirmed, and what was not, unless it does not say of which AnyMetrics."""
    tenant_id = document.args.get("tenant_id")
    results = list(_refreshes(document))
    if not (results and address and isinstance(tenant_id, str)):
        return
    kind, hooked = document.args.get("command"), document.args.get("hook_partition")
    command = Command(
        kind=kind if isinstance(kind, str) else "refresh",
        process=os.getpid(),
        invocation_id=document.metadata.invocation_id,
        hook_run_date=document.args.get("hook_run_date"),
        hook_partition=hooked if isinstance(hooked, list) else None,
    )
    recording = Recording(database, address, tenant_id, command)
    recording.ask((refresh for refresh, _ in results), ())
    recording.add([(result, 0) for _, result in results])
    counts = count(result for _, result in results)
    recording.end(counts, int(not counts.all_well), MOST_DAYS)


def _refreshes(document: Document) -> Iterator[tuple[Refresh, Result]]:
    for result in document.results:
        if result.table_name and result.partition:
            refresh = Refresh(
                unique_id=result.unique_id,
                table_name=result.table_name,
                partition=result.partition,
                invocation_id=result.invocation_id,
            )
            if result.is_done_before or result.status is Status.SUCCESS:
                yield refresh, replace(result, status=Status.SUCCESS, message=None)
            elif result.status in (Status.ERROR, Status.PLANNED, Status.PENDING):
                status = Status.ERROR if result.status is Status.ERROR else Status.PENDING
                yield refresh, replace(result, status=status)
