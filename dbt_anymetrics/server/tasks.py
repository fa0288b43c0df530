"""Tasks that compute a plan's past again."""

from __future__ import annotations

from datetime import date
from typing import Any

from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Asker, Call
from dbt_anymetrics.server.confirmation import is_confirmation, is_name

CREATE = "/accelerate/task/create"


def create_task(client: Asker, plan_name: str, start: date, end: date, days_per_batch: int | None = None) -> Answer:
    """Order a plan's dates from start to end to be computed (API page for backfill tasks of acceleration plans).

    Older servers answer `true`, newer ones with the name of a DAG. A failure comes with success true and code 200, and
    is known by its error text.
    """
    body: dict[str, Any] = {"planName": plan_name, "startTime": start.isoformat(), "endTime": end.isoformat()}
    if days_per_batch is not None:
        body["dateIntervalOfLot"] = days_per_batch
    return client.ask(Call(method="POST", path=CREATE, body=body, confirms=_is_created, effect="the task was created"))


def _is_created(data: object) -> bool:
    """Whether the data are true, or name a DAG: one word, in whatever form the server names them."""
    is_word = isinstance(data, str) and len(data.split()) == 1 and is_name(data)
    return is_word or is_confirmation(data)
