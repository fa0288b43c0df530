"""`dbt-anymetrics doctor`: will this work? Everything from dbt's side, and then what AnyMetrics knows of the tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import click
import msgspec

from dbt_anymetrics import __version__
from dbt_anymetrics.commands import checks
from dbt_anymetrics.commands.checks import Look, WarningError, look_at, show_check, verdict
from dbt_anymetrics.commands.dbt import find_dbt
from dbt_anymetrics.commands.plan_checks import guessed_plans, named_plans
from dbt_anymetrics.commands.prepare import manifest_of, orders_for, project_of
from dbt_anymetrics.commands.remarks import NO_SETTINGS
from dbt_anymetrics.commands.server import Server, value_of
from dbt_anymetrics.dbt_run.artifacts import read_manifest
from dbt_anymetrics.errors import AnyMetricsError, ArtifactError
from dbt_anymetrics.options import Options
from dbt_anymetrics.output.terminal import show
from dbt_anymetrics.planning.backfill import Owner, tables_of
from dbt_anymetrics.planning.near import near_misses
from dbt_anymetrics.planning.table_name import in_lineage
from dbt_anymetrics.result import Status

ONE_BY_ONE = 50
"""Tables that are asked for each on its own; for more, the whole lineage is asked for once."""


def doctor(options: Options) -> int:
    """Print everything, and return the worst exit code: 1 for a node or the server, 2 for settings or artifacts."""
    is_json = options.output == "json"
    names = cache(partial(_names, options))  # the manifest may be large
    with closing(Server(options)) as server:
        found = look_at(
            (
                ("dbt", (*_DBT, ("tables", lambda _options: _tables(*names())))),
                (
                    "AnyMetrics",
                    (
                        ("settings", checks.settings),
                        ("call", lambda _options: checks.probed(server)),
                        ("known", lambda _options: _of_right(_known(server, names()[0]), names()[1])),
                        ("plans", lambda _options: _of_right(named_plans(server, names()[0]), names()[1])),
                        ("guess", lambda _options: guessed_plans(server, names()[0])),
                    ),
                ),
            ),
            options,
            (lambda _title: None) if is_json else show,
            (lambda _check: None) if is_json else show_check,
        )
    if is_json:
        show(msgspec.json.encode({"version": __version__, "checks": found}).decode())
    else:
        show("\nNo call of AnyMetrics tells whether an acceleration plan depends on a table.")
        show(f"\n{verdict(found)}")
    worst = max(check.exit_code for check in found)
    return worst or int(options.strict and any(check.warns for check in found))


def _versions(options: Options) -> str:
    """Whether the dbt package and this Python package are of the same version."""
    installed = project_of(options).package_version
    if installed is None:
        raise WarningError(
            "the dbt package is not installed, so there is no hook", hint="It is needed for the hook only"
        )
    if installed != __version__:
        what = f"the dbt package is {installed}, and this Python package is {__version__}"
        raise WarningError(what, hint="Take both from the same release, and run 'dbt deps'")
    return f"the dbt package and the Python package are both {__version__}"


def _beside(options: Options) -> str:
    """Whether the dbt that would run has this Python package beside it, as the hook needs."""
    program = Path(find_dbt())
    if not project_of(options).has_hook:
        return f"{program}; without the hook, dbt and this package may be in different environments"
    if program.parent.resolve() != Path(sys.executable).parent.resolve():
        hint = "Install dbt-anymetrics there, or run 'dbt-anymetrics refresh' after dbt"
        raise WarningError(f"{program} is in another environment than this package, which the hook needs", hint=hint)
    return f"{program}, in the environment of this package"


def _manifest(options: Options) -> str:
    """Whether dbt has read the project since it was changed: the settings are looked up in what dbt read."""
    if options.manifest:
        return str(options.manifest)
    path = manifest_of(options)
    try:
        read_at = path.stat().st_mtime
    except OSError:
        raise ArtifactError("there is no such file", where=str(path), hint="Run 'dbt parse'") from None
    newer = project_of(options).changed_since(read_at)
    if newer:
        raise WarningError(f"{newer} was changed after dbt wrote {path.name}", hint="Run 'dbt parse' first")
    return f"{path}, written after the last change of the project"


_DBT: tuple[tuple[str, Look], ...] = (
    ("folder", checks.folder),
    ("hook", checks.hook),
    ("versions", _versions),
    ("program", _beside),
    ("manifest", _manifest),
)


def _names(options: Options) -> tuple[dict[str, Owner], list[str]]:
    """The table names of all configured nodes, and what is wrong with others. Raises ArtifactError."""
    path = manifest_of(options)
    manifest = read_manifest(path)
    tables, others = tables_of(manifest, orders_for(options, manifest, path), "")
    wrong = [f"{each.unique_id}: {each.message}" for each in others if each.status is Status.ERROR]
    return tables, wrong


def _of_right(finding: str, wrong: list[str]) -> str:
    """What was found of the nodes whose settings are right; it says nothing of the others."""
    return f"{finding} (nodes with wrong settings are left out)" if wrong else finding


def _tables(tables: dict[str, Owner], wrong: list[str]) -> str:
    """Whether the settings of the nodes give well-formed table names."""
    if wrong:
        raise AnyMetricsError(". ".join(wrong[:5]), hint=f"{len(wrong)} in all; {_LISTS} lists them")
    if not tables:
        raise AnyMetricsError(NO_SETTINGS)
    return f"{len(tables)} with well-formed names, such as {next(iter(tables))}"


_LISTS = "'dbt-anymetrics backfill -s \"*\" --partition run_date --dry-run'"
"""What needs no dbt run, as `plan` does."""


def _known(server: Server, names: dict[str, Owner]) -> str:
    """Whether AnyMetrics knows the tables by lineage, and what is nearly the same of those that it does not."""
    tables = {in_lineage(name): owner.unique_id for name, owner in names.items() if not owner.external}
    if not tables:
        return "there is no table to look for"
    unknown, known = _unknown(server, tables)
    if not unknown:
        return f"all {len(tables)} by lineage"
    lines = [_told(table, tables[table], known) for table in sorted(unknown)]
    more = f". And {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    raise WarningError(
        f"{len(unknown)} of {len(tables)} tables are not in AnyMetrics' lineage: {'; '.join(lines[:_SHOWN])}{more}",
        hint="A table that no dataset of AnyMetrics is made of is not in the lineage either",
    )


_SHOWN = 10


def _told(table: str, unique_id: str, known: frozenset[str]) -> str:
    near = near_misses(table, known)
    return f"{table} ({unique_id})" + (f", but there is {' and '.join(near)}" if near else "")


def _unknown(server: Server, tables: dict[str, str]) -> tuple[set[str], frozenset[str]]:
    """The tables that no lineage names, and all that the lineage names, as far as it was asked for."""
    from dbt_anymetrics.server.lineage import PHYSICAL_TABLE, lineage, lineage_of  # lazy: requests is slow to import

    def unknown_of(missing: set[str]) -> Iterator[str]:
        for table in sorted(missing):
            if not value_of(lineage_of(server.client, table), f"lineage of {table}"):
                yield table

    unknown = set(tables)
    if len(tables) <= ONE_BY_ONE:
        unknown = set(unknown_of(unknown))
    if not unknown:
        return unknown, frozenset()
    _say(f"Asking AnyMetrics for its whole lineage, which may take up to 120 s ({len(unknown)} tables)")
    edges = value_of(lineage(server.client), "lineage")
    ends = (vertex for edge in edges for vertex in (edge.src_vertex, edge.dst_vertex))
    known = frozenset(vertex.vertex_id for vertex in ends if vertex.vertex_type == PHYSICAL_TABLE)
    return unknown - known, known


_say = partial(click.echo, err=True)
