"""A local stand-in for the AnyMetrics API: strict about every request, able to fail in every known way."""

from __future__ import annotations

from dbt_anymetrics.sandbox.answers import Shape
from dbt_anymetrics.sandbox.received import Received
from dbt_anymetrics.sandbox.server import Sandbox

__all__ = ["Received", "Sandbox", "Shape"]
