"""Refreshes that a failed test held back, and when a later run lets them go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node
from dbt_anymetrics.dbt_run.invocation import Run, failed_tests, passed_tests
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.dates import Orders
from dbt_anymetrics.planning.meta import NodeSettings, read_settings
from dbt_anymetrics.planning.plan import Held, Refreshes, is_selected
from dbt_anymetrics.planning.table_name import node_table_name


def released(held: Iterable[Held], manifest: Manifest, runs: Sequence[Run], orders: Orders) -> Iterator[Held]:
    """Those of the refreshes held back earlier that nothing holds any longer.

    A test lets go when it passed in one of these runs, or is no longer in the project. All of them do when the node now
    says `on_test_failure: refresh`. The node must still mean the same table: another target, or another project with
    a ledger in common, has nodes of the same name.
    """
    passed, failed = passed_tests(runs), failed_tests(runs, manifest)
    for each in held:
        unique_id = each.refreshes.unique_id
        node = manifest.nodes.get(unique_id)
        if node and is_selected(orders, unique_id):
            settings = _settings(node)
            if settings and _means(each.refreshes.table_name, manifest, node, settings, orders):
                free = all(test in passed or test not in manifest.nodes for test in each.tests)
                if (free and unique_id not in failed) or settings.on_test_failure == "refresh":
                    yield each


def still_holding(
    held: Iterable[Held], manifest: Manifest, runs: Sequence[Run]
) -> Iterator[tuple[Held, Sequence[str]]]:
    """What other tests hold refreshes from now on: those that passed in these runs no longer do, those that failed do.

    Tests may pass one by one, each in a run of its own.
    """
    passed, failed = passed_tests(runs), failed_tests(runs, manifest)
    for each in held:
        left = [test for test in each.tests if test not in passed]
        left += [test for test in failed.get(each.refreshes.unique_id, []) if test not in left]
        if left and left != list(each.tests):
            yield each, left


def caught(
    waiting: Callable[[str], Iterable[Refreshes]], manifest: Manifest, runs: Sequence[Run], orders: Orders
) -> Iterator[Held]:
    """What earlier runs built and nobody has sent yet, of nodes whose tests failed in these runs.

    `waiting` gives what is pending of a node.
    """
    for unique_id, tests in failed_tests(runs, manifest).items():
        node = manifest.nodes.get(unique_id)
        settings = _settings(node) if node and is_selected(orders, unique_id) else None
        if node and settings and settings.on_test_failure == "skip":
            for each in waiting(unique_id):
                if _means(each.table_name, manifest, node, settings, orders):
                    yield Held(each, tests)


def _settings(node: Node) -> NodeSettings | None:
    """A node's settings, unless they are wrong or switch it off: the plan tells that."""
    with suppress(NodeError):
        settings = read_settings(node.read_meta())
        return settings if settings and settings.enabled is not False else None
    return None


def _means(table_name: str, manifest: Manifest, node: Node, settings: NodeSettings, orders: Orders) -> bool:
    with suppress(NodeError):
        return node_table_name(node, settings, orders.datasource, manifest.metadata.adapter_type) == table_name
    return False
