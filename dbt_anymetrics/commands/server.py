"""AnyMetrics, as a command asks it several things in turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from dbt_anymetrics.commands.prepare import connection_of
from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.options import Options
from dbt_anymetrics.server.connection import Connection

if TYPE_CHECKING:  # requests is slow to import
    from dbt_anymetrics.server.call import Reading
    from dbt_anymetrics.server.client import Client
    from dbt_anymetrics.server.plans import PlanName
    from dbt_anymetrics.server.renewing import RenewingClient

ValueT = TypeVar("ValueT")


class Server:
    """AnyMetrics, with one client for all that is asked, and so one token; it lists its plans once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._open = ExitStack()

    @cached_property
    def connection(self) -> Connection:
        """The connection. Raises UsageError when it is not complete."""
        return connection_of(self._options)

    @cached_property
    def client(self) -> Client | RenewingClient:
        """The client, made at its first use. Raises UsageError when the connection is not complete."""
        from dbt_anymetrics.server.opened import client_of  # lazy: requests is slow to import

        return self._open.enter_context(closing(client_of(self.connection, os.environ)))

    @property
    def plans(self) -> Sequence[PlanName]:
        """All plans. Raises AnyMetricsError when they cannot be listed."""
        return value_of(self._listed, "the list of plans")

    @cached_property
    def _listed(self) -> Reading[tuple[PlanName, ...]]:
        from dbt_anymetrics.server.plans import plans  # lazy: the same

        return plans(self.client)

    def close(self) -> None:
        """Close the client, if there is one."""
        self._open.close()


def value_of(reading: Reading[ValueT], where: str) -> ValueT:
    """What was read. Raises AnyMetricsError when it could not be."""
    if reading.value is None:
        raise AnyMetricsError(reading.answer.message or "there is no answer", where=where)
    return reading.value
