"""What is odd about a plan, said before it is carried out, and where to look when something failed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from dbt_anymetrics.dbt_run.frozen import frozen
from dbt_anymetrics.dbt_run.inputs import Inputs
from dbt_anymetrics.dbt_run.invocation import is_refreshable
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.ledger.database import is_address
from dbt_anymetrics.ledger.ledger import Ledger
from dbt_anymetrics.options import Options
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.plan import NOT_SELECTED
from dbt_anymetrics.planning.unbuilt import is_meant
from dbt_anymetrics.result import Item, Refresh

_SAME_WORK = timedelta(hours=12)
"""A dbt command and its retry are not further apart."""

NO_SETTINGS = "no model, seed or snapshot has anymetrics settings in its meta, so there is nothing to refresh"

_CANDIDATES = 10
"""AnyMetrics and tenants that an error lists."""


def nothing(items: Collection[Item], select: Sequence[str]) -> Iterator[str]:
    """Warn of a plan that can refresh nothing, whatever dbt built."""
    if not items:
        yield NO_SETTINGS
    elif all(not isinstance(item, Refresh) and item.message == NOT_SELECTED for item in items):
        yield (f"no configured node matches --select {' '.join(select)}")


def kept(inputs: Inputs, orders: Orders, folder: Path) -> Iterator[str]:
    """Warn of dates in .yml files that partial parsing has kept from an earlier day."""
    if orders.partition is not None:
        return
    newest = inputs.runs[-1]
    if nodes := list(frozen(inputs.manifest, newest, newest.started_at.date(), folder)):
        yield (
            f"{', '.join(nodes)}: the date of anymetrics.partition is older than this dbt run, and its .yml file has a "
            "template that moves with the time. dbt keeps such a date from the day on which it read the file: write "
            "run_date or run_date-1 in its place"
        )


def overwritten(inputs: Inputs, command: str, ledger: Ledger) -> Iterator[str]:
    """Say after `dbt retry` that it overwrote the results of the dbt command before it, unless these were seen."""
    newest = inputs.runs[-1]
    if not newest.is_retry or len(inputs.runs) > 1 or command not in ("refresh", "plan", "python"):
        return
    if not ledger.knows_run(newest.invocation_id) and not _is_seen(inputs, ledger):
        yield (
            "the last dbt command was 'dbt retry', which runs only what had failed and overwrites run_results.json: "
            "what the dbt command before it built is not refreshed now. Use the hook, 'dbt-anymetrics dbt', or a "
            "refresh after each dbt command"
        )


def _is_seen(inputs: Inputs, ledger: Ledger) -> bool:
    """Whether the ledger knows the run before a `dbt retry`: what is built now is what that run did not build.

    A retry of tests alone tells nothing; any run of these hours is taken for the one before then.
    """
    newest = inputs.runs[-1]
    nodes = inputs.manifest.nodes
    retried = {each for each in newest.by_id if is_refreshable(each) and is_meant(nodes.get(each))}
    if retried:
        return retried <= {each.unique_id for each in ledger.unbuilt()}
    return ledger.knows_run_since(newest.started_at - _SAME_WORK, newest.invocation_id)


def unclear(candidates: Sequence[str]) -> Iterator[str]:
    """Warn that it is not known which of these AnyMetrics is meant."""
    if candidates:
        yield (
            "the ledger holds several AnyMetrics or tenants: set ANYMETRICS_URL and ANYMETRICS_TENANT_ID to see what "
            f"is refreshed already. It knows {named(candidates)}"
        )


def named(candidates: Sequence[str]) -> str:
    """The first of several AnyMetrics and tenants, and how many more there are."""
    more = len(candidates) - _CANDIDATES
    return "; ".join([*candidates[:_CANDIDATES], *([f"and {more:,} more"] if more > 0 else [])])


def where_to_look(options: Options, folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Name the command that tells what failed, with the options with which it finds the same ledger from here."""
    is_program = options.command == "python" or options.auth_value is not None  # there is no browser on a worker
    given = [*([] if is_program else ["--open"]), *map(shlex.quote, same_ledger(options, folder, environment))]
    command = " ".join(["dbt-anymetrics report", *given])
    is_hidden = is_address(options.state or "") and options.state != environment.get("ANYMETRICS_STATE")
    where = ", with the address of the ledger in ANYMETRICS_STATE" if is_hidden else ""
    return f"AnyMetrics: To see what failed and why, run: {command}{where}"


def same_ledger(options: Options, folder: Path, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The options that the environment and the current folder do not give by themselves.

    A ledger that is named needs no folder: that of the project may be a temporary copy.
    """
    if not options.state:
        yield from _folders(options, folder, environment)
    for option, variable, value in (
        ("--state", "ANYMETRICS_STATE", options.state),
        ("--url", "ANYMETRICS_URL", options.url),
        ("--tenant-id", "ANYMETRICS_TENANT_ID", options.tenant_id),
    ):
        # The address of a database may hold a password, and a line of a log is public.
        if value and value != environment.get(variable) and not (option == "--state" and is_address(value)):
            yield from (option, value)


def _folders(options: Options, folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    project_dir = options.project_dir
    if project_dir and not _is_same(Project(project_dir, None, {}).folder, Project(None, None, environment).folder):
        yield from ("--project-dir", project_dir)
    else:
        project_dir = None
    if not _is_same(folder, _found(project_dir, environment)):
        yield from ("--target-path", str(folder.absolute()))


def _found(project_dir: str | None, environment: Mapping[str, str]) -> Path | None:
    """The target folder that a command finds with no other options; None where it cannot be worked out."""
    try:
        return Project(project_dir, None, environment).target
    except UsageError:
        return None


def _is_same(one: Path, other: Path | None) -> bool:
    return other is not None and one.resolve() == other.resolve()
