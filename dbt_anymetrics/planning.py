"""The plan of a command: artifacts read, the plan made, what is done already taken out."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

import click
from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.errors import RecordError
from dbt_anymetrics.inputs import Inputs, read_inputs
from dbt_anymetrics.memory import carried, recall, unfinished
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.text import Console, JsonReporter, Reporter, TextReporter, plan_lines
from dbt_anymetrics.plan import NOT_SELECTED, plan
from dbt_anymetrics.record import Document, Record
from dbt_anymetrics.result import Result, Status


class Plan(Struct, frozen=True, kw_only=True):
    """What a command is about to do, and what the record of earlier commands means for it.

    `kept` is what was recorded of the same dbt runs beside these results, `forgotten` what an earlier run left undone.
    """

    options: Options
    results: Collection[Result]
    invocation_id: str | None
    kept: list[Result]
    forgotten: list[Result]

    @property
    def document(self) -> Document:
        """The plan as an artifact."""
        return Document.of(self.options.recorded(), self.results, self.invocation_id)


def reporter_for(options: Options) -> Reporter:
    """What shows a command's progress; with `--output json`, stdout is left to the artifact."""
    is_json = options.log_format == "json"
    console = Console(quiet=options.quiet, results_to_stderr=options.output == "json", stamped=not is_json)
    return JsonReporter(console) if is_json else TextReporter(console)


def inputs_of(options: Options, reporter: Reporter) -> Inputs:
    """Read dbt's artifacts, and tell what is odd about them. Raises ArtifactError."""
    inputs = read_inputs(options.project(), options.manifest, options.run_results, options.seen_args)
    for warning in inputs.warnings:
        reporter.warning(warning)
    return inputs


def make_plan(options: Options, inputs: Inputs, reporter: Reporter) -> Plan:
    """Plan what the record does not tell to be done already. Raises UsageError."""
    previous = _read(Record(inputs.folder), reporter)
    if previous and not _is_of(options, previous):
        reporter.warning("what is recorded was sent to another AnyMetrics or tenant, so all of it is sent here")
        previous = None
    newest = inputs.runs[-1].invocation_id
    if previous and previous.metadata.invocation_id == newest:
        options = as_hooked(options, previous)
    planned = plan(inputs.manifest, inputs.runs, options.orders(), options.project().vars(), os.environ)
    results = planned if options.force else recall(planned, previous)
    _warn_of_nothing(results, options, reporter)
    return Plan(
        options=options,
        results=results,
        invocation_id=newest,
        kept=carried(previous, results),
        forgotten=unfinished(previous, results),
    )


def _is_of(options: Options, previous: Document) -> bool:
    """Whether a record is of the AnyMetrics and the tenant that the options name, as far as they name any."""
    pairs = ((getattr(options, name), previous.args.get(name)) for name in ("url", "tenant_id"))
    return all(given is None or recorded is None or given == recorded for given, recorded in pairs)


def as_hooked(options: Options, previous: Document) -> Options:
    """The options with what the on-run-end hook of the recorded dbt run was given."""
    return replace(
        options,
        hook_run_date=options.hook_run_date or previous.args.get("hook_run_date"),
        hook_partition=options.hook_partition or previous.args.get("hook_partition"),
    )


def show_plan(options: Options, reporter: Reporter) -> int:
    """Print what refresh would do, and return the exit code: 1 when a node's settings are wrong."""
    made = make_plan(options, inputs_of(options, reporter), reporter)
    if options.output == "json":
        print_document(made.document)
    else:
        for line in plan_lines(made.results):
            click.echo(line)
    return int(any(result.status is Status.ERROR for result in made.results))


def print_document(document: Document) -> None:
    """Print an artifact, and nothing else, to stdout. Raises RecordError when that cannot be written to."""
    if sys.stdout is None:  # closed before the start
        return
    try:
        sys.stdout.buffer.writelines(document.pieces())
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RecordError(f"cannot be written ({error.strerror})", where="stdout") from None


def _read(record: Record, reporter: Reporter) -> Document | None:
    try:
        return record.read()
    except RecordError as error:
        reporter.warning(f"{error}; nothing of it is remembered")
        return None


def _warn_of_nothing(results: Collection[Result], options: Options, reporter: Reporter) -> None:
    if not results:
        reporter.warning(
            "no model, seed or snapshot has anymetrics settings in its meta, so there is nothing to refresh"
        )
    elif all(result.message == NOT_SELECTED for result in results):
        reporter.warning(f"no configured node matches --model {' '.join(options.models)}")
