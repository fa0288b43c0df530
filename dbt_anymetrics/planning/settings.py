"""The settings of one node, and what is wrong with them."""

from __future__ import annotations

from dbt_anymetrics.dbt_run.artifacts import REFRESHABLE, Node
from dbt_anymetrics.errors import NodeError
from dbt_anymetrics.planning.meta import PREFIX, NodeSettings, not_read_at, read_settings
from dbt_anymetrics.planning.misplaced import misplaced


def settings_of(node: Node) -> NodeSettings | None:
    """The settings in a node's meta, or None when it has none, as every node without a table.

    Raises NodeError for a wrong setting, and for one in a place where settings are not read.
    """
    if node.resource_type == "test":
        _check_test(node)
    if node.resource_type not in REFRESHABLE:
        return None
    if place := misplaced(node.unrendered_config, node.columns):
        raise not_read_at(place)
    return read_settings(node.read_meta())


def is_wrong(node: Node) -> bool:
    """Whether `settings_of` has anything against a node."""
    try:
        settings_of(node)
    except NodeError:
        return True
    return False


def _check_test(node: Node) -> None:
    """Make sure that the meta of a test has no settings: what is there, a user has written there.

    From dbt 1.5 to 2.0, a test has nothing of its model's meta. (An analysis has the meta of its folder's models.)
    """
    meta = node.read_meta()
    if read_settings(meta) and isinstance(meta, dict):
        key = next((key for key in meta if key.startswith(PREFIX)), PREFIX)
        raise NodeError(
            "is in the meta of a test, which is not a place where settings are read",
            where=key,
            hint="Write it in the meta of the model that is tested",
        )
