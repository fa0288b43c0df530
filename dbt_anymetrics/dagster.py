"""AnyMetrics in Dagster: `from dbt_anymetrics.dagster import AnyMetricsResource`."""

from __future__ import annotations

try:
    from dbt_anymetrics.integrations.dagster import AnyMetricsResource
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("dagster", "dagster_dbt"):
        raise
    message = "dbt_anymetrics.dagster needs Dagster: pip install 'dbt-anymetrics[dagster]'"
    raise ImportError(message, name=error.name) from None

__all__ = ["AnyMetricsResource"]
