"""The wait for acceleration plans in Airflow's triggerer, where it takes no worker's place."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from dbt_anymetrics.commands.wait import watched
from dbt_anymetrics.errors import AnyMetricsError
from dbt_anymetrics.integrations.access import Access
from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
from dbt_anymetrics.integrations.log_output import LOG
from dbt_anymetrics.ledger.awaited import Awaited
from dbt_anymetrics.parameters import from_environment


class AnyMetricsFreshTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires when each plan was seen refreshed, or at the moment `until`, in seconds since 1970.

    It is kept in Airflow's database, so it names the connection and holds no secret. It needs no ledger: `awaited` are
    the plans with what was known of them before the trigger. `carried` comes back with the event: what the task knew
    when it left its worker.
    """

    def __init__(self, *, anymetrics_conn_id: str, awaited: list[Any], until: float, carried: dict[str, Any]) -> None:
        super().__init__()
        self.anymetrics_conn_id = anymetrics_conn_id
        self.awaited = awaited
        self.until = until
        self.carried = carried

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What Airflow keeps of it."""
        names = ("anymetrics_conn_id", "awaited", "until", "carried")
        return "dbt_anymetrics.airflow.AnyMetricsFreshTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait in a thread, which ends with the trigger."""
        stopped = threading.Event()
        try:
            access = await sync_to_async(AnyMetricsHook(self.anymetrics_conn_id).get_conn)()
            plans = await asyncio.to_thread(self._watch, access, stopped)
        except AnyMetricsError as error:
            yield TriggerEvent({**self.carried, "error": str(error)})
        else:
            yield TriggerEvent({**self.carried, "plans": plans})
        finally:
            stopped.set()

    def _watch(self, access: Access, stopped: threading.Event) -> Any:
        known = msgspec.convert(self.awaited, list[Awaited])
        left = max(1.0, self.until - time.time())
        options = from_environment(command="wait", wait_timeout=left, **access.options())
        return msgspec.to_builtins(watched(options, known, stopped.wait, LOG.info))
