"""What `refresh` and `retry` share: what is planned is sent, remembered in the ledger, and written to the artifact."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.commands.freshness import (
    Waited,
    awaited_by,
    is_vain,
    names_of,
    note_triggered,
    read_baselines,
    wait_for,
)
from dbt_anymetrics.commands.prepare import Plan, address_of, connection_of, document, tenant_of
from dbt_anymetrics.commands.remarks import where_to_look
from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.ledger.artifact import Artifact, Document
from dbt_anymetrics.ledger.database import DamagedError
from dbt_anymetrics.ledger.opening import Opened, set_aside
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.options import ENABLED_VARIABLE, Options, is_enabled
from dbt_anymetrics.output.reporter import Reporter
from dbt_anymetrics.parameters import AROUND_VARIABLE
from dbt_anymetrics.result import Counts, Item, LazyCollection, Refresh, Result, Status, count
from dbt_anymetrics.sending.delivery import Delivering
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.sending.send import send
from dbt_anymetrics.text import first_of

if TYPE_CHECKING:
    from dbt_anymetrics.server.connection import Connection

INTERRUPTED = 130

NOTED_FOR_LATER = "noted for later; 'dbt-anymetrics retry' refreshes it"
"""Why a refresh is pending that nobody was to send yet."""

_FOR_LATER = "The ledger keeps what is pending by address and tenant. The credential is not needed to note it"


class Ending(Struct, frozen=True):
    """How a command ended: the counts of its own refreshes, and its exit code."""

    counts: Counts
    exit_code: int

    @classmethod
    def of(cls, plan: Plan) -> Ending:
        """The end of a command that sends nothing: 1 when the settings of a node are wrong."""
        counts = count(plan.items)
        return cls(counts, int(counts.error > 0))


Show = Callable[[Document], None]
"""What is done with the artifact besides writing it; its results are read from the ledger, which is open only then."""


def show_nothing(_written: Document) -> None:
    """Leave it at the file."""


def switched_off(options: Options, reporter: Reporter, show: Show) -> Ending | None:
    """The end of a command that the kill switch forbids, if it does. Raises UsageError for a switch of another word."""
    return unsent(document(options, [], None), reporter, show) if is_switched_off(reporter) else None


def is_switched_off(reporter: Reporter) -> bool:
    """Whether the kill switch is on, which is said then. Raises UsageError for a switch of another word."""
    if is_enabled():
        return False
    reporter.warning(f"nothing is refreshed: switched off by {ENABLED_VARIABLE}={os.environ[ENABLED_VARIABLE]}")
    return True


def unsent(written: Document, reporter: Reporter, show: Show) -> Ending:
    """The end of a command that had nothing to do, and leaves ledger and artifact as they are."""
    counts = count(written.results)
    if written.results:
        reporter.begin(written.results, None)
        reporter.end(counts)
    show(written)
    return Ending(counts, 0)


def deliver(plan: Plan, opened: Opened, folder: Path, reporter: Reporter, show: Show) -> Ending:
    """Send the plan, and write the artifact into the folder. Raises UsageError when the connection is not complete."""
    for note in plan.notes:
        reporter.note(note)
    outcomes = _outcomes(plan, opened, reporter)
    artifact = Artifact(folder)
    outcomes.ask(plan.items, plan.held, plan.reheld, plan.gone, plan.unbuilt)
    if plan.options.later:
        plan = replace(plan, items=_for_later(plan.items, is_noted=outcomes.is_kept))
    connection = _connection(plan, outcomes, reporter)
    reporter.begin(plan.items, plan.opening(connection) if connection and plan.planned else None)
    if plan.options.wait and not connection and (others := outcomes.awaited()):
        names = first_of([each.plan for each in others])
        reporter.warning(f"--wait waits for nothing here, and 'dbt-anymetrics wait' for what is open: {names}")
    waited = _sent(plan, connection, outcomes, reporter) if connection else Waited()
    return _end(plan, outcomes, artifact, reporter, show, waited)


def _sent(plan: Plan, connection: Connection, outcomes: Outcomes, reporter: Reporter) -> Waited:
    """Send the plan, and wait for the acceleration plans that depend on it, where that is asked for."""
    from dbt_anymetrics.server.opened import client_of  # lazy: requests is slow to import, and not every command sends

    wait = plan.options.wait
    # Before anything is sent: what `retry` plans is what is pending, and that is nothing afterwards.
    names = names_of(plan.items, plan.plans_of) if wait else frozenset()
    is_in_vain = wait and is_vain(plan.items, plan.plans_of, reporter)
    with closing(client_of(connection, os.environ)) as client:
        baselines = read_baselines(client, plan.planned, plan.plans_of, outcomes)
        interrupted = bool(plan.planned) and send(plan.planned, client, _delivering(plan.options), outcomes, reporter)
        note_triggered(baselines, plan.plans_of, outcomes)
        if interrupted or is_in_vain or not wait:
            return Waited(interrupted=interrupted, is_vain=is_in_vain)
        return wait_for(client, outcomes, plan.options, reporter, names)


def _for_later(items: LazyCollection[Item], *, is_noted: bool) -> LazyCollection[Item]:
    """The same items, with what would be sent as postponed; as failed, where the ledger did not take it."""

    def later(refresh: Refresh) -> Result:
        if not is_noted:
            return refresh.result(Status.ERROR, "could not be noted for later, and is not sent")
        return refresh.result(Status.SKIPPED, NOTED_FOR_LATER, postponed=True)

    return LazyCollection(lambda: (later(item) if isinstance(item, Refresh) else item for item in items))


def _connection(plan: Plan, outcomes: Outcomes, reporter: Reporter) -> Connection | None:
    """The connection, where there is something to do. One that is not complete leaves what was asked for pending."""
    if not plan.planned and not (plan.options.wait and awaited_by(plan.items, plan.plans_of, outcomes)):
        return None
    try:
        connection = connection_of(plan.options)
    except UsageError as error:
        outcomes.end(Counts(not_sent=len(plan.planned)), error.exit_code, plan.options.keep_days)
        if outcomes.is_kept:
            reporter.warning(f"{_pending(len(plan.planned))}; 'dbt-anymetrics retry' sends what is pending")
        raise
    if connection.is_exposed:
        reporter.warning(f"the credentials travel unencrypted to {connection.url}; use https where the server has it")
    return connection


def _pending(number: int) -> str:
    return "1 refresh stays pending" if number == 1 else f"{number:,} refreshes stay pending"


def _outcomes(plan: Plan, opened: Opened, reporter: Reporter) -> Outcomes:
    """Where outcomes go. When they cannot be remembered, the user is told and the work goes on."""
    options = plan.options
    tell = partial(_tell, opened, reporter)
    identity = _identity(options)
    address, tenant_id = (value for _, value in identity)
    if not (address and tenant_id):
        if plan.held or any(_is_asked_for(item) for item in plan.items):
            missing = " and ".join(name for name, value in identity if not value)
            if options.later:
                raise UsageError("is not set, so nothing can be noted for later", where=missing, hint=_FOR_LATER)
            reporter.warning(f"what is not refreshed now is not remembered without {missing}")
        return Outcomes(None, tell)
    note = NOTED_FOR_LATER if options.later else None
    outcomes = Outcomes(
        partial(Recording, opened.database, address, tenant_id, _command(plan), note),
        tell,
        force=options.force,
    )
    if opened.loss:
        outcomes.lose(opened.loss)
    return outcomes


def _identity(options: Options) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    """What tells one AnyMetrics and tenant from others, under the names of the variables that give it.

    Raises UsageError for a tenant that no request can name: what is noted for it would never be sent.
    """
    if tenant_of(options):
        from dbt_anymetrics.server.connection import checked_tenant  # lazy: not every command sends

        checked_tenant(options.tenant_id)
    return ("ANYMETRICS_URL", address_of(options)), ("ANYMETRICS_TENANT_ID", tenant_of(options))


def _is_asked_for(item: Item) -> bool:
    return isinstance(item, Refresh) or item.status is Status.ERROR


def _command(plan: Plan) -> Command:
    options = plan.options
    return Command(
        kind=options.command,
        process=os.getpid(),
        invocation_id=plan.invocation_id,
        run_date=str(plan.run_date.day) if plan.run_date else None,
        hook_run_date=options.hook_run_date,
        hook_partition=options.hook_partition,
    )


def _tells_of_pending_itself(options: Options) -> bool:
    """Whether what is pending of earlier dbt runs needs no warning: it is sent now, or is meant to be."""
    return options.command == "retry" or options.later


def _tell(opened: Opened, reporter: Reporter, loss: RecordError) -> None:
    aside = None
    if isinstance(loss, DamagedError) and opened.path:
        with suppress(RecordError):
            aside = set_aside(opened.path)
    reporter.error(f"{loss}. It was set aside as {aside}" if aside else str(loss))


def _delivering(options: Options) -> Delivering:
    return Delivering(threads=options.threads, fail_fast=options.fail_fast, pace=options.pace)


def _is_tried_again(options: Options, counts: Counts) -> bool:
    """Whether this is the hook inside `dbt-anymetrics dbt`, which tries again what failed, but waits for no plan."""
    return options.command == "hook" and AROUND_VARIABLE in os.environ and not counts.late_plans


def _end(plan: Plan, outcomes: Outcomes, artifact: Artifact, reporter: Reporter, show: Show, waited: Waited) -> Ending:
    others = LazyCollection(lambda: (item for item in plan.items if isinstance(item, Result)))
    counts = count(others) + outcomes.counts
    if plan.ledger.loss and not outcomes.is_lost:
        outcomes.lose(plan.ledger.loss)
    exit_code = INTERRUPTED if waited.interrupted else int(not (counts.all_well and waited.is_well))
    sent: Collection[Result] = LazyCollection(lambda: outcomes)
    if waited.plans:
        sent = LazyCollection(lambda: (waited.settled(result, plan.plans_of) for result in outcomes))
        late = sum(result.status is Status.WAITING for result in sent)
        counts = replace(counts, ok=counts.ok - late, waiting=late, late_plans=waited.late)
    outcomes.end(counts, exit_code, plan.options.keep_days)
    written = document(plan.options, LazyCollection(lambda: chain(others, sent)), plan.invocation_id, waited.plans)
    try:
        artifact.write(written)
    except RecordError as error:
        reporter.error(str(error))
        exit_code = exit_code or 1
    if not _tells_of_pending_itself(plan.options) and (pending := outcomes.pending_beside(plan.invocations)):
        reporter.warning(str(pending))
    reporter.end(counts)
    if not counts.all_well and outcomes.is_kept and not _is_tried_again(plan.options, counts):
        reporter.note(where_to_look(plan.options, artifact.folder))
    show(written)
    return Ending(counts, exit_code or int(outcomes.is_lost))
