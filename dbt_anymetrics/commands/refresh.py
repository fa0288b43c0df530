"""The commands that send, without their command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dbt_anymetrics.commands.prepare import Plan, as_hooked, inputs_of, is_of_same_service, make_plan
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.lock import locked
from dbt_anymetrics.ledger.memory import is_unfinished
from dbt_anymetrics.ledger.record import Document, Record
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.result import Result, Status, count
from dbt_anymetrics.sending.send import Caller, Delivering, Ending, deliver

if TYPE_CHECKING:
    from dbt_anymetrics.server.connection import Connection

_OPEN = (Status.ERROR, Status.PLANNED)


def refresh(options: Options, reporter: Reporter) -> Ending:
    """Plan, send, record. Raises UsageError when nothing could be sent."""
    options.check()
    if switched_off := _switched_off(options, reporter):
        return switched_off
    inputs = inputs_of(options)
    with locked(inputs.folder):
        plan = make_plan(options, inputs)
        for warning in plan.warnings:
            reporter.warning(warning)
        if all(run.nothing_built for run in inputs.runs):
            # The record of an earlier run stays: `retry` may still need it.
            return _unsent(plan.document, reporter)
        return _deliver(plan, Record(inputs.folder), reporter)


def retry(options: Options, reporter: Reporter) -> Ending:
    """Send again what the record says failed or was not sent. Raises UsageError when there is no record."""
    options.check()
    if switched_off := _switched_off(options, reporter):
        return switched_off
    folder = options.project().target
    with locked(folder):
        record = Record(folder)
        previous = record.read()
        if previous is None:
            raise UsageError("there is no such record", where=str(record.path), hint="Run dbt-anymetrics refresh first")
        _check_service(options, previous, record)
        open_ends = [result for result in previous.results if result.status in _OPEN]
        if not open_ends:
            reporter.note("Nothing failed and nothing was left over the last time, so there is nothing to send again.")
        plan = Plan(
            options=as_hooked(options, previous),
            results=[_again(result) for result in open_ends],
            invocation_id=previous.metadata.invocation_id,
            kept=[result for result in previous.results if result.status not in _OPEN],
        )
        return _deliver(plan, record, reporter)


def _check_service(options: Options, previous: Document, record: Record) -> None:
    if not is_of_same_service(options, previous):
        raise UsageError(
            f"is of another AnyMetrics ({previous.args.get('url')}) or tenant ({previous.args.get('tenant_id')})",
            where=str(record.path),
            hint="Set ANYMETRICS_URL and ANYMETRICS_TENANT_ID to these, or run dbt-anymetrics refresh",
        )


def _switched_off(options: Options, reporter: Reporter) -> Ending | None:
    if is_enabled():
        return None
    reporter.warning(f"nothing is refreshed: switched off by {ENABLED_VARIABLE}={os.environ[ENABLED_VARIABLE]}")
    return _unsent(Document.of(options.recorded(), [], None), reporter)


def _unsent(document: Document, reporter: Reporter) -> Ending:
    """The end of a command that had nothing to send and leaves the record as it is."""
    counts = count(document.results)
    if document.results:
        reporter.begin(document.results, None)
        reporter.end(counts)
    return Ending(counts, 0, lambda: replace(document, results=list(document.results)))


def _again(result: Result) -> Result:
    if not is_unfinished(result):
        return result  # a wrong setting: it needs a new plan, and stays the error it is
    return Result(
        unique_id=result.unique_id,
        table_name=result.table_name,
        partition=result.partition,
        status=Status.PLANNED,
        invocation_id=result.invocation_id,
    )


def _deliver(plan: Plan, record: Record, reporter: Reporter) -> Ending:
    options = plan.options
    opening = None
    if plan.sends:
        connection = options.connection()
        opening = plan.opening(connection)
        _warn_if_exposed(connection, reporter)
        for loss in plan.losses:
            reporter.warning(loss)
    return deliver(
        plan.results,
        record=record,
        kept=plan.kept,
        args=options.recorded(),
        invocation_id=plan.invocation_id,
        delivering=Delivering(connect=lambda: _connect(options), threads=options.threads, fail_fast=options.fail_fast),
        opening=opening,
        reporter=reporter,
    )


def _warn_if_exposed(connection: Connection, reporter: Reporter) -> None:
    if connection.is_exposed:
        reporter.warning(f"the credentials travel unencrypted to {connection.url}; use https where the server has it")


def _connect(options: Options) -> Caller:
    from dbt_anymetrics.server.client import Client  # requests is slow to import, and not every command sends

    return Client(options.connection(), os.environ)
