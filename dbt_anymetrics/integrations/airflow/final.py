"""The exception that ends a task of Airflow without a retry."""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow 2, and the first ones of Airflow 3
    from airflow.exceptions import AirflowFailException

__all__ = ["AirflowFailException"]
