"""Dagster: a resource that refreshes what a dbt invocation has built, and tells it of each asset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from dagster import AssetKey, AssetObservation, ConfigurableResource, Failure

from dbt_anymetrics.integrations.access import Access
from dbt_anymetrics.integrations.callback import Attempt, attempt
from dbt_anymetrics.integrations.python import Outcome
from dbt_anymetrics.ledger.opening import FILE_NAME
from dbt_anymetrics.result import Result, Status

_SENT = (Status.SUCCESS, Status.ERROR, Status.PENDING, Status.WAITING)


class AnyMetricsResource(ConfigurableResource):  # type: ignore[misc]
    """Where AnyMetrics is and who we are there; give the credential as `EnvVar("ANYMETRICS_AUTH_VALUE")`.

    `state` is the ledger. By default it is `anymetrics.db` in the project's target folder, or what ANYMETRICS_STATE
    says: each dbt invocation of Dagster has a target folder of its own, which no later run looks into.
    """

    url: str
    tenant_id: str
    auth_type: str
    auth_value: str
    state: str | None = None

    def refresh(self, context: Any, invocation: Any, **options: Any) -> Iterator[Any]:
        """Yield dbt's events, refresh what dbt built, and yield an observation of each asset that was refreshed.

        The date of the run is that of the partition; where one run covers several partitions, all of their days are
        refreshed. `options` are those of `dbt_anymetrics.refresh`. When dbt fails, what it built is refreshed all the
        same, and dbt's error is raised. When a refresh fails, the step fails, and the observations say what it was.
        """
        error = None
        try:
            yield from invocation.stream()
        except Exception as raised:  # noqa: BLE001 (whatever it is, it is raised again below)
            error = raised
        did = self._attempt(context, invocation, options)
        yield from _observations(context, invocation, did.outcome)
        if error:
            did.log()
            raise error
        if did.failure and did.is_fatal:
            raise Failure(did.failure)
        did.log()

    def _attempt(self, context: Any, invocation: Any, options: dict[str, Any]) -> Attempt:
        return attempt(
            invocation.project_dir,
            find_access=self._access,
            **{
                "target_path": invocation.target_path,
                "state": self.state or os.environ.get("ANYMETRICS_STATE") or _ledger(invocation),
                **_dates(context),
                **options,
            },
        )

    def _access(self) -> Access:
        return Access(url=self.url, tenant_id=self.tenant_id, auth_type=self.auth_type, auth_value=self.auth_value)


def _ledger(invocation: Any) -> Path:
    """In the folder above the invocation's own target folder, which is the project's."""
    return Path(invocation.target_path).parent / FILE_NAME


def _dates(context: Any) -> dict[str, Any]:
    """The date of the run, or the days of several partitions. None where the partitions are not of time."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return {}
    try:
        window = context.partition_time_window
    except Exception:  # noqa: BLE001 (Dagster's own errors, for partitions that are no spans of time)
        return {}
    first, last = window.start.date(), (window.end - timedelta(microseconds=1)).date()
    keys = context.partition_key_range
    if keys.start == keys.end:
        return {"run_date": str(first)}
    return {"run_date": str(last), "partition": f"{first}..{last}"}


def _observations(context: Any, invocation: Any, outcome: Outcome | None) -> Iterator[AssetObservation]:
    results: dict[str, list[Result]] = {}
    for result in outcome.document.results if outcome else ():
        if result.table_name and (result.status in _SENT or result.postponed):
            results.setdefault(result.unique_id, []).append(result)
    for unique_id, unsorted in results.items():
        several = sorted(unsorted, key=lambda result: str(result.partition))
        yield AssetObservation(
            asset_key=_asset_key(invocation, unique_id), partition=_partition(context), metadata=_metadata(several)
        )


def _metadata(results: list[Result]) -> dict[str, Any]:
    failed = [result for result in results if result.message]
    found = {
        "anymetrics/table": results[0].table_name,
        "anymetrics/dates": ", ".join(str(result.partition) for result in results),
        "anymetrics/status": ", ".join(dict.fromkeys(result.status.value for result in results)),
        "anymetrics/trace_ids": ", ".join(result.trace_id for result in results if result.trace_id),
        "anymetrics/message": "; ".join(dict.fromkeys(str(result.message) for result in failed)),
    }
    return {name: text for name, text in found.items() if text}


def _asset_key(invocation: Any, unique_id: str) -> AssetKey:
    node = {**invocation.manifest["nodes"], **invocation.manifest["sources"]}[unique_id]
    key: AssetKey = invocation.dagster_dbt_translator.get_asset_key(node)
    return key


def _partition(context: Any) -> str | None:
    """The partition of an observation, which can be of one only."""
    if not context.has_partition_key:
        return None
    key: str = context.partition_key
    return key
