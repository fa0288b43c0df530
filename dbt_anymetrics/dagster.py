"""AnyMetrics in Dagster: `from dbt_anymetrics.dagster import AnyMetricsResource`."""

from __future__ import annotations

from dbt_anymetrics.integrations.dagster import AnyMetricsResource

__all__ = ["AnyMetricsResource"]
