"""The commands, without their command line."""

from __future__ import annotations

import os

import click
from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.engine import Caller, Delivering, Outcome, Reporter, deliver
from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.inputs import Inputs, read_inputs
from dbt_anymetrics.lock import locked
from dbt_anymetrics.memory import carried, is_unfinished, recall, unfinished
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.plan import NOT_SELECTED, plan
from dbt_anymetrics.record import Document, Record
from dbt_anymetrics.report import Console, JsonReporter, TextReporter, plan_lines
from dbt_anymetrics.result import Result, Status, count


def reporter_for(options: Options) -> Reporter:
    """What shows a command's progress; with `--output json`, stdout is left to the artifact."""
    is_json = options.log_format == "json"
    console = Console(quiet=options.quiet, results_to_stderr=options.output == "json", stamped=not is_json)
    return JsonReporter(console) if is_json else TextReporter(console)


_OPEN = (Status.ERROR, Status.PLANNED)


class Plan(Struct, frozen=True):
    """What a command is about to do, and from what it follows."""

    options: Options
    results: list[Result]
    previous: Document | None


def inputs_of(options: Options, reporter: Reporter) -> Inputs:
    """Read dbt's artifacts, and tell what is odd about them. Raises ArtifactError."""
    inputs = read_inputs(options.project(), options.manifest, options.run_results, options.seen_args)
    for warning in inputs.warnings:
        reporter.warning(warning)
    return inputs


def make_plan(options: Options, inputs: Inputs, reporter: Reporter) -> Plan:
    """Plan what the record does not tell to be done already. Raises UsageError."""
    previous = _read(Record(inputs.folder), reporter)
    if previous and previous.metadata.invocation_id == inputs.runs[-1].invocation_id:
        options = _as_hooked(options, previous)
    results = plan(inputs.manifest, inputs.runs, options.orders(), options.project().vars(), os.environ)
    if not options.force:
        results = recall(results, previous)
    _warn_of_nothing(results, options, reporter)
    return Plan(options, results, previous)


def _as_hooked(options: Options, previous: Document) -> Options:
    """The options with what the on-run-end hook of the recorded dbt run was given."""
    return replace(
        options,
        hook_run_date=options.hook_run_date or previous.args.get("hook_run_date"),
        hook_partition=options.hook_partition or previous.args.get("hook_partition"),
    )


def refresh(options: Options, reporter: Reporter) -> Outcome:
    """Plan, send, record. Raises UsageError when nothing could be sent."""
    if _is_switched_off(reporter):
        return _unsent(options, [], reporter)
    inputs = inputs_of(options, reporter)
    with locked(inputs.folder):
        made = make_plan(options, inputs, reporter)
        if all(run.nothing_built for run in inputs.runs):
            # The record of an earlier run stays: `retry` may still need it.
            return _unsent(made.options, made.results, reporter)
        if lost := unfinished(made.previous, made.results):
            reporter.warning(
                f"{len(lost)} refreshes of an earlier dbt run failed or were not sent, and are forgotten now, for "
                f"example {lost[0].table_name} {lost[0].partition}"
            )
        kept = carried(made.previous, made.results)
        return _deliver(made.options, made.results, Record(inputs.folder), kept, reporter)


def retry(options: Options, reporter: Reporter) -> Outcome:
    """Send again what the record says failed or was not sent. Raises UsageError when there is no record."""
    if _is_switched_off(reporter):
        return _unsent(options, [], reporter)
    folder = options.project().target
    with locked(folder):
        record = Record(folder)
        previous = record.read()
        if previous is None:
            raise UsageError("there is no such record", where=str(record.path), hint="Run dbt-anymetrics refresh first")
        open_ends = [result for result in previous.results if result.status in _OPEN]
        if not open_ends:
            reporter.warning(f"{record.path} holds nothing that failed or was not sent")
        done = [result for result in previous.results if result.status not in _OPEN]
        again = [_again(result) for result in open_ends]
        return _deliver(_as_hooked(options, previous), again, record, done, reporter)


def _is_switched_off(reporter: Reporter) -> bool:
    if is_enabled():
        return False
    reporter.warning(f"nothing is refreshed: switched off by {ENABLED_VARIABLE}={os.environ[ENABLED_VARIABLE]}")
    return True


def _unsent(options: Options, results: list[Result], reporter: Reporter) -> Outcome:
    """The outcome of a command that had nothing to send and leaves the record as it is."""
    counts = count(results)
    if results:
        reporter.begin(results)
        reporter.end(results, counts)
    return Outcome(Document.of(options.recorded(), results), counts, 0)


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


def _deliver(
    options: Options, results: list[Result], record: Record, kept: list[Result], reporter: Reporter
) -> Outcome:
    return deliver(
        results,
        record=record,
        kept=kept,
        args=options.recorded(),
        delivering=Delivering(
            connect=lambda: _connect(options, reporter), threads=options.threads, fail_fast=options.fail_fast
        ),
        reporter=reporter,
    )


def _connect(options: Options, reporter: Reporter) -> Caller:
    from dbt_anymetrics.client import Client  # noqa: PLC0415 (requests is slow to import, and not every command sends)

    connection = options.connection()
    if connection.is_exposed:
        reporter.warning(f"the credentials travel unencrypted to {connection.url}; use https where the server has it")
    return Client(connection, os.environ)


def _read(record: Record, reporter: Reporter) -> Document | None:
    try:
        return record.read()
    except RecordError as error:
        reporter.warning(f"{error}; nothing of it is remembered")
        return None


def _warn_of_nothing(results: list[Result], options: Options, reporter: Reporter) -> None:
    if not results:
        reporter.warning(
            "no model, seed or snapshot has anymetrics settings in its meta, so there is nothing to refresh"
        )
    elif all(result.message == NOT_SELECTED for result in results):
        reporter.warning(f"no configured node matches --model {' '.join(options.models)}")


def show_plan(options: Options, reporter: Reporter) -> int:
    """Print what refresh would do, and return the exit code: 1 when a node's settings are wrong."""
    results = make_plan(options, inputs_of(options, reporter), reporter).results
    if options.output == "json":
        click.echo(Document.of(options.recorded(), results).to_json().decode(), nl=False)
    else:
        for line in plan_lines(results):
            click.echo(line)
    return int(any(result.status is Status.ERROR for result in results))
