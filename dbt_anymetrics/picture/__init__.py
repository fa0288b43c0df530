"""A picture of tables and dates with their results, and the page that shows it.

It is made of plain data and knows neither the sandbox nor the ledger: both give it their attempts.
"""

from __future__ import annotations

from dbt_anymetrics.picture.causes import Cause
from dbt_anymetrics.picture.data import encode
from dbt_anymetrics.picture.markdown import markdown
from dbt_anymetrics.picture.model import Attempt, Cell, Outcome, Run, Status, Table
from dbt_anymetrics.picture.page import Live, Page, render
from dbt_anymetrics.picture.picture import Picture

__all__ = [
    "Attempt",
    "Cause",
    "Cell",
    "Live",
    "Outcome",
    "Page",
    "Picture",
    "Run",
    "Status",
    "Table",
    "encode",
    "markdown",
    "render",
]
