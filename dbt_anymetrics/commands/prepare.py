"""The plan of a command: artifacts read, the plan made, what is done already taken out."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.dbt_run.inputs import Inputs, read_inputs
from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.ledger.memory import carried, recall, unfinished
from dbt_anymetrics.ledger.record import Document, Record
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.console import Console
from dbt_anymetrics.output.plan_text import plan_lines
from dbt_anymetrics.output.reporter import Opening, Reporter
from dbt_anymetrics.output.terminal import echo
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.planning.plan import NOT_SELECTED, plan
from dbt_anymetrics.result import Result, Status

if TYPE_CHECKING:
    from dbt_anymetrics.server.connection import Connection

NO_SETTINGS = "no model, seed or snapshot has anymetrics settings in its meta, so there is nothing to refresh"


class Plan(Struct, frozen=True, kw_only=True):
    """What a command is about to do, and what the record of earlier commands means for it.

    `kept` is what was recorded of the same dbt runs beside these results. `warnings` are about the plan itself, and
    `losses` are what sending it would make us forget of earlier commands.
    """

    options: Options
    results: Collection[Result]
    invocation_id: str | None
    kept: list[Result] = []
    warnings: list[str] = []
    losses: list[str] = []
    run_date: str | None = None

    @property
    def document(self) -> Document:
        """The plan as an artifact."""
        return Document.of(self.options.recorded(), self.results, self.invocation_id)

    @property
    def sends(self) -> bool:
        """Whether there is anything to send."""
        return any(result.status is Status.PLANNED for result in self.results)

    def opening(self, connection: Connection) -> Opening:
        """What is said before anything is sent."""
        planned = Counter(result.table_name for result in self.results if result.status is Status.PLANNED)
        return Opening(
            address=connection.url,
            tenant_id=connection.tenant_id,
            tables=len(planned),
            refreshes=planned.total(),
            run_date=self.run_date,
        )


def reporter_for(options: Options) -> Reporter:
    """What shows a command's progress; with `--output json`, stdout is left to the artifact."""
    is_json = options.log_format == "json"
    console = Console(quiet=options.quiet, results_to_stderr=options.output == "json", stamped=not is_json)
    if not is_json:
        return TextReporter(console)
    from dbt_anymetrics.output.jsonl import JsonReporter  # seldom needed

    return JsonReporter(console)


def inputs_of(options: Options) -> Inputs:
    """Read dbt's artifacts. Raises ArtifactError."""
    return read_inputs(options.project(), options.manifest, options.run_results, options.seen_args)


def make_plan(options: Options, inputs: Inputs) -> Plan:
    """Plan what the record does not tell to be done already. Raises UsageError."""
    recorded, warnings = _read(Record(inputs.folder))
    previous = recorded if recorded and is_of_same_service(options, recorded) else None
    newest = inputs.runs[-1]
    if previous and previous.metadata.invocation_id == newest.invocation_id:
        options = as_hooked(options, previous)
    orders = options.orders()
    planned = plan(inputs.manifest, inputs.runs, orders, options.project().vars(), os.environ)
    results = planned if options.force else recall(planned, previous)
    return Plan(
        options=options,
        results=results,
        invocation_id=newest.invocation_id,
        kept=carried(previous, results),
        warnings=[*inputs.warnings, *warnings, *_nothing(results, options)],
        losses=list(_losses(options, recorded, previous, unfinished(previous, results))),
        run_date=str(newest.date(orders.run_date, orders.hook_run_date, orders.timezone)),
    )


def _losses(
    options: Options, recorded: Document | None, previous: Document | None, forgotten: list[Result]
) -> Iterator[str]:
    """What the record of an earlier command has to do with this one, and will be lost by it."""
    if recorded and not previous and not options.force:
        yield "what is recorded here was sent to another AnyMetrics or tenant, so nothing of it counts for this one"
    if forgotten:
        yield (
            f"refreshes of an earlier dbt run that failed or were not sent are forgotten now: {len(forgotten)}, for "
            f"example {forgotten[0].table_name} {forgotten[0].partition}"
        )


def is_of_same_service(options: Options, recorded: Document) -> bool:
    """Whether a record is of the AnyMetrics and the tenant that the options name, as far as they name any.

    Raises UsageError for an address that is none.
    """
    pairs = (
        (options.address, _normal(recorded.args.get("url"))),
        (options.tenant_id and options.tenant_id.strip(), recorded.args.get("tenant_id")),
    )
    return all(given is None or before is None or given == before for given, before in pairs)


def _normal(address: object) -> str | None:
    """The address in a record, which earlier versions wrote as it was given."""
    with suppress(UsageError):
        return Options(url=address).address if isinstance(address, str) else None
    return None


def as_hooked(options: Options, previous: Document) -> Options:
    """The options with what the on-run-end hook of the recorded dbt run was given."""
    return replace(
        options,
        hook_run_date=options.hook_run_date or previous.args.get("hook_run_date"),
        hook_partition=options.hook_partition or previous.args.get("hook_partition"),
    )


def show_plan(options: Options, reporter: Reporter) -> int:
    """Print what refresh would do, and return the exit code: 1 when a node's settings are wrong."""
    options.check()
    made = make_plan(options, inputs_of(options))
    for warning in made.warnings:
        reporter.warning(warning)
    if options.output == "json":
        print_document(made.document)
    else:
        for line in plan_lines(made.results, every=options.every):
            echo(line)
        for loss in made.losses:
            reporter.warning(loss)
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


def _read(record: Record) -> tuple[Document | None, list[str]]:
    try:
        return record.read(), []
    except RecordError as error:
        return None, [f"{error}; nothing of it is remembered"]


def _nothing(results: Collection[Result], options: Options) -> Iterator[str]:
    if not results:
        yield NO_SETTINGS
    elif all(result.message == NOT_SELECTED for result in results):
        yield (f"no configured node matches --select {' '.join(options.models)}")
