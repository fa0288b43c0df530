"""AnyMetrics in Airflow 2.10 and later: `from dbt_anymetrics.airflow import AnyMetricsRefreshOperator`."""

from __future__ import annotations

try:
    from dbt_anymetrics.integrations.airflow.callback import refresh_after
    from dbt_anymetrics.integrations.airflow.hook import AnyMetricsHook
    from dbt_anymetrics.integrations.airflow.operators import AnyMetricsRefreshOperator, AnyMetricsRetryOperator
    from dbt_anymetrics.integrations.airflow.trigger import AnyMetricsFreshTrigger
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "airflow":
        raise
    message = "dbt_anymetrics.airflow needs Airflow: pip install 'dbt-anymetrics[airflow]'"
    raise ImportError(message, name=error.name) from None

__all__ = [
    "AnyMetricsFreshTrigger",
    "AnyMetricsHook",
    "AnyMetricsRefreshOperator",
    "AnyMetricsRetryOperator",
    "refresh_after",
]
