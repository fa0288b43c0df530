"""Refresh in AnyMetrics exactly the tables and dates that a dbt run rebuilt."""

__version__ = "0.1.0"
