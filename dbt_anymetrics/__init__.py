"""Refresh in AnyMetrics exactly the tables and dates that a dbt run rebuilt.

dbt 1.x imports this module at every command, because its name begins with `dbt_`; so nothing but the standard library
is loaded here, and the rest when it is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt_anymetrics.errors import (
        AnyMetricsError,
        ArtifactError,
        NodeError,
        RecordError,
        RefreshError,
        UsageError,
    )
    from dbt_anymetrics.integrations.access import Access
    from dbt_anymetrics.integrations.callback import refresh_after
    from dbt_anymetrics.integrations.python import Outcome, refresh, retry
    from dbt_anymetrics.result import Counts, Result, Status

__all__ = [
    "Access",
    "AnyMetricsError",
    "ArtifactError",
    "Counts",
    "NodeError",
    "Outcome",
    "RecordError",
    "RefreshError",
    "Result",
    "Status",
    "UsageError",
    "__version__",
    "refresh",
    "refresh_after",
    "retry",
]

__version__ = "0.1.0"

_HOMES = {
    "Access": "integrations.access",
    "Counts": "result",
    "Outcome": "integrations.python",
    "Result": "result",
    "Status": "result",
    "refresh": "integrations.python",
    "refresh_after": "integrations.callback",
    "retry": "integrations.python",
}


def __getattr__(name: str) -> Any:
    if name == "plugins":
        return _plugins()
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _plugins() -> list[type]:
    """What dbt 1.x asks each module named `dbt_*` for: our listener, when it is dbt that asks.

    An exception here would make every dbt command fail, so there is none: without the listener, the hook's macro says
    that nothing was sent.
    """
    if "dbt.plugins.manager" not in sys.modules:
        return []
    try:
        from dbt_anymetrics.integrations.dbt_plugin import AnyMetricsPlugin  # lazy: needs dbt
    except Exception:  # noqa: BLE001
        return []
    return [AnyMetricsPlugin]
