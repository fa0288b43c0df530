"""The commands, without their command line."""

from __future__ import annotations

import os

import click
from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.engine import Caller, Delivering, Outcome, Reporter, deliver
from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.inputs import Inputs, read_inputs
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


class Plan(Struct, frozen=True):
    """What a command is about to do, and from what it follows."""

    inputs: Inputs
    options: Options
    results: list[Result]
    previous: Document | None


def make_plan(options: Options, reporter: Reporter) -> Plan:
    """Read the artifacts and the record, and plan what is not yet done. Raises UsageError."""
    project = options.project()
    inputs = read_inputs(project, options.manifest, options.run_results, options.seen_args)
    for warning in inputs.warnings:
        reporter.warning(warning)
    previous = _read(Record(inputs.folder), reporter)
    options = _as_hooked(options, inputs, previous)
    results = plan(inputs.manifest, inputs.runs, options.orders(), project.vars(), os.environ)
    if not options.force:
        results = recall(results, previous)
    _warn_of_nothing(results, options, reporter)
    return Plan(inputs, options, results, previous)


def _as_hooked(options: Options, inputs: Inputs, previous: Document | None) -> Options:
    """The options with what the on-run-end hook of the same dbt run was given, if the record tells of one."""
    if previous is None or previous.metadata.invocation_id != inputs.runs[-1].invocation_id:
        return options
    return replace(
        options,
        hook_run_date=options.hook_run_date or previous.args.get("hook_run_date"),
        hook_partition=options.hook_partition or previous.args.get("hook_partition"),
    )


def refresh(options: Options, reporter: Reporter) -> Outcome:
    """Plan, send, record. Raises UsageError when nothing could be sent."""
    if not is_enabled():
        reporter.warning(f"nothing is refreshed: switched off by {ENABLED_VARIABLE}={os.environ[ENABLED_VARIABLE]}")
        return _nothing(options)
    made = make_plan(options, reporter)
    inputs, options, results, previous = made.inputs, made.options, made.results, made.previous
    if all(run.nothing_built for run in inputs.runs):
        # The record of an earlier run stays: `retry` may still need it.
        reporter.begin(results)
        counts = count(results)
        reporter.end(results, counts)
        return Outcome(Document.of(options.recorded(), results), counts, 0)
    if lost := unfinished(previous, results):
        reporter.warning(
            f"{len(lost)} refreshes of an earlier dbt run failed or were not sent, and are forgotten now, for example "
            f"{lost[0].table_name} {lost[0].partition}"
        )
    return _deliver(options, results, Record(inputs.folder), carried(previous, results), reporter)


def retry(options: Options, reporter: Reporter) -> Outcome:
    """Send again what the record says failed or was not sent. Raises UsageError when there is no record."""
    if not is_enabled():
        reporter.warning(f"nothing is refreshed: switched off by {ENABLED_VARIABLE}={os.environ[ENABLED_VARIABLE]}")
        return _nothing(options)
    record = Record(options.project().target)
    previous = record.read()
    if previous is None:
        raise UsageError("there is no record to retry from", where=str(record.path), hint="Run dbt-anymetrics refresh")
    failed = [result for result in previous.results if result.status in (Status.ERROR, Status.PLANNED)]
    done = [result for result in previous.results if result.status not in (Status.ERROR, Status.PLANNED)]
    if not failed:
        reporter.warning(f"{record.path} holds nothing that failed or was not sent")
    return _deliver(options, [_again(result) for result in failed], record, done, reporter)


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


def _nothing(options: Options) -> Outcome:
    return Outcome(Document.of(options.recorded(), []), count([]), 0)


def show_plan(results: list[Result], options: Options) -> int:
    """Print a plan and return its exit code: 1 when a node's settings are wrong."""
    if options.output == "json":
        click.echo(Document.of(options.recorded(), results).to_json().decode(), nl=False)
    else:
        for line in plan_lines(results):
            click.echo(line)
    return int(any(result.status is Status.ERROR for result in results))
