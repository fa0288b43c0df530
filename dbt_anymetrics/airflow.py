"""AnyMetrics in Airflow 2.10 and later: `from dbt_anymetrics.airflow import AnyMetricsRefreshOperator`."""

from __future__ import annotations

from dbt_anymetrics.integrations.airflow.callback import refresh_after
from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
from dbt_anymetrics.integrations.airflow.operators import AnyMetricsRefreshOperator, AnyMetricsRetryOperator

__all__ = ["AnyMetricsHook", "AnyMetricsRefreshOperator", "AnyMetricsRetryOperator", "refresh_after"]
