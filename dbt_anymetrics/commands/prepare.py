"""From options to what a command works with: the project, dbt's artifacts, the ledger, the plan and the server."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.commands import remarks
from dbt_anymetrics.dbt_run.artifacts import Manifest
from dbt_anymetrics.dbt_run.inputs import MANIFEST, Inputs, read_inputs
from dbt_anymetrics.dbt_run.invocation import Build, is_refreshable
from dbt_anymetrics.dbt_run.profile import Chosen
from dbt_anymetrics.dbt_run.project import PROJECT_FILE, Project
from dbt_anymetrics.dbt_run.selectable import by_name, named_as, read_selectable
from dbt_anymetrics.errors import RecordError, UsageError
from dbt_anymetrics.ledger.artifact import Document, read_earlier
from dbt_anymetrics.ledger.database import DamagedError, Database, is_address, is_server, shown_address
from dbt_anymetrics.ledger.earlier import take_in
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.ledger.opening import (
    Location,
    Opened,
    damaged_beside,
    open_ledger,
    open_server,
    replaced,
    temporary,
)
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.console import Console
from dbt_anymetrics.output.reporter import Opening, Reporter
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.holding import caught, released, still_holding
from dbt_anymetrics.planning.interval import parse_interval
from dbt_anymetrics.planning.plan import Held, plan
from dbt_anymetrics.planning.plan_names import PlansOf, plans_in, plans_of_none
from dbt_anymetrics.planning.run_date import RunDate, run_date
from dbt_anymetrics.planning.selection import parse, selected
from dbt_anymetrics.planning.settings import is_wrong
from dbt_anymetrics.planning.unbuilt import NO_NEWS, Unbuilt, unbuilt
from dbt_anymetrics.result import Item, LazyCollection, PlanSeen, Refresh, Status
from dbt_anymetrics.text import plain

if TYPE_CHECKING:
    from dbt_anymetrics.server.connection import Connection

_IN_IT = "It holds what is pending, so that is not known now"


class Plan(Struct, frozen=True, kw_only=True):
    """What a command is about to do, with warnings and notes about it.

    `items` are the entries of the plan, with what failed tests of earlier runs held back and no test holds back now.
    `held` are the refreshes that failed tests hold back, `reheld` those of earlier runs that other tests hold from now
    on. `gone` are nodes with wrong settings that are no longer in the project. `unbuilt` tells what dbt did not build.
    `plans_of` gives the acceleration plans
    that a node names. `run_date` says the date of the run and where it comes from.
    """

    options: Options
    ledger: Ledger
    items: LazyCollection[Item]
    held: Sequence[Held] = ()
    reheld: Sequence[tuple[Held, Sequence[str]]] = ()
    invocations: Sequence[str | None] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    gone: Collection[str] = ()
    unbuilt: Unbuilt = NO_NEWS
    plans_of: PlansOf = plans_of_none
    run_date: RunDate | None = None

    @property
    def invocation_id(self) -> str | None:
        """dbt's id of the newest run in it."""
        return self.invocations[-1] if self.invocations else None

    @property
    def planned(self) -> LazyCollection[Refresh]:
        """What is to be sent."""
        return LazyCollection(lambda: (item for item in self.items if isinstance(item, Refresh)))

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to send or to note: every node is `untouched`, and so is what the ledger knows."""
        nothing = not self.held and not self.reheld and not self.gone and not self.unbuilt.is_news
        return nothing and all(not isinstance(i, Refresh) and i.status is Status.UNTOUCHED for i in self.items)

    def opening(self, connection: Connection) -> Opening:
        """What is said before anything is sent."""
        tables = Counter(refresh.table_name for refresh in self.planned)
        return Opening(
            address=connection.url,
            tenant_id=connection.tenant_id,
            tables=len(tables),
            refreshes=tables.total(),
            run_date=str(self.run_date) if self.run_date else None,
        )


def reporter_for(options: Options) -> Reporter:
    """What shows a command's progress; with `--output json`, stdout is left to the artifact."""
    is_json = options.log_format == "json"
    console = Console(quiet=options.quiet, results_to_stderr=options.output == "json", stamped=not is_json)
    if not is_json:
        return TextReporter(console)
    from dbt_anymetrics.output.jsonl import JsonReporter  # lazy: seldom needed

    return JsonReporter(console)


def project_of(options: Options) -> Project:
    """Where the artifacts are."""
    chosen = Chosen(target=options.target, profile=options.profile, profiles_dir=options.profiles_dir)
    return Project(options.project_dir, options.target_path, given_vars=options.vars, chosen=chosen)


def inputs_of(options: Options) -> Inputs:
    """Read dbt's artifacts. Raises ArtifactError."""
    return read_inputs(project_of(options), options.manifest, options.run_results, options.seen_args)


def orders_of(options: Options, inputs: Inputs) -> Orders:
    """What the user asks for in options, in addition to the settings in meta. Raises UsageError."""
    return orders_for(options, inputs.manifest, inputs.manifest_path)


def orders_for(options: Options, manifest: Manifest, path: Path) -> Orders:
    """The same for a manifest and the file that it was read from. Raises UsageError."""
    return Orders(
        datasource=options.datasource,
        partition=options.hook_partition if options.partition is None else options.partition,
        run_date=options.run_date,
        hook_run_date=options.hook_run_date,
        timezone=options.timezone,
        min_interval=_min_interval(options),
        selected=_selected(options, manifest, path),
        vars=options.vars,
    )


def _min_interval(options: Options) -> timedelta | None:
    try:
        return parse_interval(options.min_interval) if options.min_interval else None
    except UsageError as error:
        raise UsageError(error.what, where="--min-interval / ANYMETRICS_MIN_INTERVAL", hint=error.hint) from None


def _selected(options: Options, manifest: Manifest, path: Path) -> frozenset[str] | None:
    if not options.models:
        return None
    this = f"package:{manifest.metadata.project_name}"
    selection = parse(each.replace("package:this", this) for each in options.models)
    is_plain = all(criterion.is_plain for criteria in selection for criterion in criteria)
    if is_plain and (found := selected(selection, by_name(manifest))):
        return found
    return selected(selection, read_selectable(path))


def manifest_of(options: Options) -> Path:
    """Where dbt's manifest is. Raises UsageError."""
    return options.manifest or project_of(options).target / MANIFEST


def no_project(options: Options) -> Iterator[str]:
    """Say that the ledger was looked for in a folder that is no dbt project."""
    folder = project_of(options).folder.resolve()
    if not (options.state or options.target_path or (folder / PROJECT_FILE).is_file()):
        yield (
            f"there is no {PROJECT_FILE} in {folder}: run this in a dbt project, or name its folder with --project-dir "
            "or the ledger with --state"
        )


_IN_LEDGER = frozenset({"name", "package", "resource_type"})
"""What `--select` may ask of a node by its unique_id alone."""


def chosen_nodes(options: Options, unique_ids: Collection[str]) -> frozenset[str]:
    """Those of the ledger's nodes that `--select` means; all without one.

    What the ledger does not know of a node, such as its tags, is in dbt's manifest. Raises UsageError without one.
    """
    if not options.models:
        return frozenset(unique_ids)
    selection = parse(options.models)
    nodes = {unique_id: named_as(unique_id) for unique_id in unique_ids}
    if not {criterion.method for criteria in selection for criterion in criteria} <= _IN_LEDGER:
        known = read_selectable(manifest_of(options))
        nodes = {unique_id: known.get(unique_id, node) for unique_id, node in nodes.items()}
    return selected(selection, nodes)


def address_of(options: Options) -> str | None:
    """AnyMetrics' base address in its normal form, or None where it is not given. Raises UsageError."""
    if not options.url or not options.url.strip():
        return None
    from dbt_anymetrics.server.connection import base_address  # lazy: not every command has an address

    return base_address(options.url)


def tenant_of(options: Options) -> str | None:
    """The tenant as it is given, or None."""
    return (options.tenant_id or "").strip() or None


def connection_of(options: Options) -> Connection:
    """The connection, checked. Raises UsageError."""
    from dbt_anymetrics.server.connection import SECRET_VARIABLES, connection  # lazy: not every command connects

    return connection(
        url=options.url,
        tenant_id=options.tenant_id,
        auth_type=options.auth_type,
        timeout=options.timeout,
        ca_bundle=options.ca_bundle,
        environment={SECRET_VARIABLES[0]: options.auth_value.reveal()} if options.auth_value else os.environ,
    )


def recorded(options: Options) -> dict[str, Any]:
    """The options as the artifact shows them; there is no secret among them. Raises UsageError."""
    options = replace(options, auth_value=None)
    given: dict[str, Any] = {name: plain(value) for name, value in msgspec.structs.asdict(options).items()}
    given["url"] = address_of(options)
    given["state"] = plain(shown_state(options.state))
    del given["seen_args"]
    return {key: value for key, value in given.items() if value not in (None, (), [], {}, False)}


def shown_state(state: str | None) -> str | None:
    """Where the ledger is, without a password."""
    if state and is_server(state):
        return shown_address(state)
    return "(not shown, it may hold a password)" if state and is_address(state) else state


def document(
    options: Options, items: Collection[Item], invocation_id: str | None, plans: Sequence[PlanSeen] = ()
) -> Document:
    """The artifact of these entries, and of the plans that were waited for."""
    return Document.of(recorded(options), items, invocation_id, plans)


def ledger_in(options: Options, folder: Path, *, only_to_read: bool = False) -> Opened:
    """Open the ledger that the options mean, else the one in the folder. Raises UsageError for a wrong `--state`."""

    def fill(database: Database) -> None:
        if earlier := read_earlier(folder):
            take_in(database, earlier, _normal(earlier.args.get("url")))

    if options.state and is_server(options.state):
        return open_server(options.state, fill)
    return open_ledger(Location.of(options.state, folder), fill, only_to_read=only_to_read)


@contextmanager
def ledger_to_show(options: Options, *, only_to_read: bool) -> Iterator[tuple[Ledger, Opened]]:
    """The ledger of the project, for a command that is about its content.

    Raises UsageError when it cannot be read, since an empty one in its place would say that nothing is pending, and
    when the options leave open which AnyMetrics is meant.
    """
    opened = ledger_in(options, project_of(options).target, only_to_read=only_to_read)
    with closing(opened.database):
        if opened.warnings:  # a damaged one was set aside
            raise UsageError(opened.warnings[0], hint=_IN_IT)
        ledger, candidates = Ledger.find(opened.database, address_of(options), tenant_of(options))
        if candidates:
            hint = f"Set ANYMETRICS_URL and ANYMETRICS_TENANT_ID to one of these: {remarks.named(candidates)}"
            raise UsageError("the ledger holds several AnyMetrics or tenants", where=opened.database.where, hint=hint)
        check_read(opened.loss or ledger.loss)
        yield ledger, opened


def check_ledger(options: Options, folder: Path) -> None:
    """Refuse to make a ledger only to find it empty: this is the wrong folder, or nothing was refreshed yet.

    Raises UsageError.
    """
    if is_server(options.state):
        return
    location = Location.of(options.state, folder)
    if not location.path.exists() and not read_earlier(folder):
        hint = "Run dbt-anymetrics refresh first, or name the ledger with --state"
        raise UsageError("there is no ledger yet", where=str(location.path), hint=hint)


def check_read(loss: RecordError | None) -> None:
    """Raise UsageError for a ledger that could not be read."""
    if loss:
        raise UsageError(loss.what, where=loss.where, hint=_IN_IT)


def lost(opened: Opened) -> Iterator[str]:
    """What to say of ledgers that were damaged: what was pending in them is not known any more."""
    for aside in damaged_beside(opened.path) if opened.path else ():
        yield (
            f"a ledger was damaged, and what was pending in it is not known here. Refresh what it may have held with "
            f"'dbt-anymetrics refresh --partition', then remove {aside}"
        )


def read_only(opened: Opened) -> Iterator[str]:
    """What to say of a ledger that can be read and not written, to a command that only reads it."""
    if opened.database.is_read_only:
        yield f"{opened.database.where} is read-only: a command that sends cannot remember anything in it"


def _normal(address: object) -> str | None:
    """The address in an earlier artifact, which was written as it was given."""
    with suppress(UsageError):
        return address_of(Options(url=address)) if isinstance(address, str) else None
    return None


def plan_with_ledger(options: Options, inputs: Inputs, *, only_to_read: bool = False) -> tuple[Plan, Opened]:
    """The plan, and the ledger it was made with. Raises UsageError.

    A ledger that turns out to be damaged while it is read is set aside, and the plan made again with a new one.
    """
    opened = ledger_in(options, inputs.folder, only_to_read=only_to_read)
    plan = _make_plan(options, inputs, opened.database)
    if loss := plan.ledger.loss:
        opened.database.close()
        opened = _in_place_of(opened, loss, only_to_read=only_to_read)
        plan = _make_plan(options, inputs, opened.database)
    return plan, opened


def _in_place_of(opened: Opened, loss: RecordError, *, only_to_read: bool) -> Opened:
    if isinstance(loss, DamagedError) and opened.path:
        location = Location(opened.path, is_named=False)
        return replaced(location, lambda _database: None, loss, only_to_read=only_to_read)
    return temporary(loss)


def _make_plan(options: Options, inputs: Inputs, database: Database) -> Plan:
    """Plan what the ledger does not tell to be done already."""
    ledger, candidates = Ledger.find(database, address_of(options), tenant_of(options))
    newest = inputs.runs[-1]
    options = as_hooked(options, ledger, newest.invocation_id)
    orders = orders_of(options, inputs)
    made = plan(
        inputs.manifest, inputs.runs, orders, project_of(options).vars(newest.results.metadata.dbt_version), os.environ
    )
    invocations = list(dict.fromkeys(run.invocation_id for run in inputs.runs))
    items = made.items
    if not options.force:
        items = ledger.without_recent(ledger.without_confirmed(items, invocations))
    held = ledger.held()
    freed = _freed(held, made.held, items, inputs, orders)
    newly_held = _caught(ledger, inputs, orders) if options.later else []
    return Plan(
        options=options,
        ledger=ledger,
        items=LazyCollection(lambda: chain(items, freed)) if freed else items,
        held=[*made.held, *newly_held],
        reheld=list(still_holding(held, inputs.manifest, inputs.runs)),
        invocations=invocations,
        warnings=[
            *inputs.warnings,
            *remarks.nothing(items, options.models),
            *remarks.unclear(candidates),
            *remarks.kept(inputs, orders, project_of(options).folder),
            *remarks.overwritten(inputs, options.command, ledger),
        ],
        notes=[*([_no_longer_held(freed, options)] if freed else []), *map(_now_held, newly_held)],
        gone=[each.unique_id for each in ledger.mistakes() if _is_gone(each.unique_id, inputs.manifest)],
        unbuilt=_unbuilt(inputs.manifest, made.builds, orders, ledger),
        plans_of=plans_in(inputs.manifest),
        run_date=run_date(newest, orders.run_date, orders.hook_run_date, orders.timezone),
    )


def _unbuilt(manifest: Manifest, made: Mapping[str, Build], orders: Orders, ledger: Ledger) -> Unbuilt:
    project = manifest.metadata.project_name or ""
    known = [each.unique_id for each in ledger.unbuilt() if each.project == project]
    return unbuilt(manifest, made, orders, known)


def _is_gone(unique_id: str, manifest: Manifest) -> bool:
    """Whether a node is no longer in this project, or is a test without settings, which nothing refreshes.

    Other projects may share the ledger.
    """
    if node := manifest.nodes.get(unique_id):
        return not is_refreshable(unique_id) and not is_wrong(node)
    return unique_id.split(".")[1:2] == [manifest.metadata.project_name]


def as_hooked(options: Options, ledger: Ledger, invocation_id: str | None) -> Options:
    """The options with what the on-run-end hook of the same dbt run was given."""
    hooked = ledger.hooked(invocation_id)
    return replace(
        options,
        hook_run_date=options.hook_run_date or hooked.run_date,
        hook_partition=options.hook_partition or hooked.partition,
    )


def _freed(
    held: Sequence[Held], holding: Sequence[Held], items: Collection[Item], inputs: Inputs, orders: Orders
) -> list[Refresh]:
    """What failed tests of earlier runs held back and no test holds back now, without what is in this plan anyway."""
    if not held:
        return []
    pairs = {(item.table_name, item.partition) for item in items if isinstance(item, Refresh)}
    pairs |= {(each.table_name, each.partition) for group in holding for each in group.refreshes}
    free = (each for group in released(held, inputs.manifest, inputs.runs, orders) for each in group.refreshes)
    # The newest run that built a table and date stands for the older ones.
    newest = {(refresh.table_name, refresh.partition): refresh for refresh in free}
    return [refresh for pair, refresh in newest.items() if pair not in pairs]


def _no_longer_held(freed: Sequence[Refresh], options: Options) -> str:
    nodes = list(dict.fromkeys(refresh.unique_id for refresh in freed))
    verb = "is" if len(nodes) == 1 else "are"
    then = "it is noted for later again" if options.later else "refreshing what earlier dbt runs built"
    return f"{', '.join(nodes)} {verb} no longer held back by a failed test: {then}"


def _caught(ledger: Ledger, inputs: Inputs, orders: Orders) -> list[Held]:
    """What earlier dbt runs noted for later, of nodes whose tests failed now."""
    return list(caught(ledger.waiting, inputs.manifest, inputs.runs, orders))


def _now_held(held: Held) -> str:
    tests = ", ".join(held.tests)
    return f"{held.refreshes.unique_id} is held back from now on, because of failed tests: {tests}"
