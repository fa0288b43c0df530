"""Each command of `dbt-anymetrics`, as a function without click."""
