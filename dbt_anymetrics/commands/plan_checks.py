"""What `doctor` looks at of acceleration plans: those that nodes name, and those that seem to depend on tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from dbt_anymetrics.commands.checks import WarningError
from dbt_anymetrics.commands.server import Server, value_of
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.planning.backfill import Owner
from dbt_anymetrics.planning.table_name import in_lineage
from dbt_anymetrics.result import External
from dbt_anymetrics.server.call import Asker
from dbt_anymetrics.server.plans import Plan, PlanName

MOST = 50
"""Tables, and plans, that are asked for one by one to make a guess."""

_EXTERNAL = "EXTERNAL"


def named_plans(server: Server, tables: Mapping[str, Owner]) -> str:
    """Whether AnyMetrics knows the plans that nodes name, and refreshes them after a trigger."""
    named = list(dict.fromkeys(name for owner in tables.values() for name in owner.plans))
    externals = [(owner.external, owner.unique_id) for owner in tables.values() if owner.external]
    if not named and not externals:
        return "no node names one in anymetrics.plans, so --wait has nothing to wait for"
    doubts = [fault for name in named for fault in _faults(server.client, name, server.plans)]
    faults = [fault for external, node in externals for fault in _external_faults(server.client, external, node)]
    if faults:
        raise AnyMetricsError("; ".join([*faults, *doubts]))
    if doubts:
        raise WarningError("; ".join(doubts))
    told = [f"{len(named)} of anymetrics.plans" if named else "", f"{len(externals)} external" if externals else ""]
    return f"{' and '.join(filter(None, told))}, all known"


def only_plan(server: Server, name: str) -> PlanName:
    """The one plan with this name. Raises UsageError when there is none, or more than one."""
    if fault := _fault_of_name(name, server.plans):
        raise UsageError(fault, where=f"plan {name}")
    return next(each for each in server.plans if each.name == name)


def _faults(client: Asker, name: str, listed: Sequence[PlanName]) -> Iterator[str]:
    """What is wrong with a plan that a node names."""
    if fault := _fault_of_name(name, listed):
        yield fault
        return
    found = [each for each in listed if each.name == name]
    if found[0].materialize_type == _EXTERNAL:
        yield f"{name} is an external plan, which no trigger refreshes: set anymetrics.external_plan to {found[0].id}"
    else:
        details = _details(client, found[0].id)
        if details.is_scheduled:
            schedule = f" ({details.cron})" if details.cron else ""
            yield f"{name} follows a schedule of its own{schedule}, so a trigger likely does nothing"


def _fault_of_name(name: str, listed: Sequence[PlanName]) -> str | None:
    number = sum(each.name == name for each in listed)
    if number > 1:
        return f"{number} plans are named {name}, so it is not known which one is meant"
    near = [] if number else get_close_matches(name, [each.name for each in listed], n=2)
    did_you_mean = f"; did you mean {' or '.join(near)}?" if near else ""
    return None if number else f"no plan is named {name}{did_you_mean}"


def _external_faults(client: Asker, external: External, node: str) -> Iterator[str]:
    """What is wrong with the external plan that a node is built for."""
    from dbt_anymetrics.server.plans import plan  # lazy: only where there is a connection

    uuid, granularity = external.plan, external.granularity
    reading = plan(client, uuid)
    if reading.value is None:
        yield f"the external plan {uuid} of {node} cannot be read: {reading.answer.message}"
        return
    kind, theirs = reading.value.materialize_type, reading.value.granularity
    if kind and kind != _EXTERNAL:
        yield f"the plan {uuid} of {node} is not external, but {kind}"
    if theirs and theirs != granularity:
        yield f"the plan {uuid} of {node} has partitions by {theirs}: set anymetrics.granularity to it"


def guessed_plans(server: Server, tables: Mapping[str, Owner]) -> str:
    """Which plans seem to depend on the tables of nodes that name none. It is a guess, and never a warning."""
    nameless = {table: owner for table, owner in tables.items() if not owner.plans and not owner.external}
    if not nameless:
        return "none is needed"
    if len(nameless) > MOST:
        return f"none is made for more than {MOST} tables; -s selects some"
    try:
        metrics = _metrics_of_plans(server)
        found = [line for table, owner in nameless.items() if (line := _guess(server.client, table, owner, metrics))]
    except AnyMetricsError as error:
        return f"none can be made: {error}"
    if not found:
        return "no plan seems to depend on the tables of nodes that name none"
    return f"by their metrics, and not by what AnyMetrics says: {'; '.join(found)}"


def _metrics_of_plans(server: Server) -> Mapping[str, frozenset[str]]:
    """The codes of the metrics of each plan."""
    own = [each for each in server.plans[:MOST] if each.materialize_type != _EXTERNAL]
    return {each.name: frozenset(_details(server.client, each.id).metrics) for each in own}


def _guess(client: Asker, table: str, owner: Owner, metrics: Mapping[str, frozenset[str]]) -> str | None:
    made_of_it = set(_metrics_of_table(client, in_lineage(table)))
    names = [name for name, codes in metrics.items() if codes & made_of_it]
    return f"{owner.unique_id}: {', '.join(names)}" if names else None


_STEPS = 6
"""Steps of lineage within which a metric is looked for: from a table to a dataset, a metric, and metrics made of it."""


def _metrics_of_table(client: Asker, table: str) -> Iterable[str]:
    from dbt_anymetrics.server.lineage import METRIC, lineage_of  # lazy: only where there is a connection

    edges = value_of(lineage_of(client, table, _STEPS), f"lineage of {table}")
    return (edge.dst_vertex.vertex_id for edge in edges if edge.dst_vertex.vertex_type == METRIC)


def _details(client: Asker, uuid: str) -> Plan:
    from dbt_anymetrics.server.plans import plan  # lazy: only where there is a connection

    return value_of(plan(client, uuid), f"the plan {uuid}")
