"""A local stand-in for the AnyMetrics API: strict about every request, able to fail in every known way.

It shares no rule of the wire with the client, on purpose: it is a second opinion on what AnyMetrics' API page says. If
both read a name or a date with the same code, a mistake in that code would confirm itself.
"""

from __future__ import annotations

from dbt_anymetrics.sandbox.answers import Shape
from dbt_anymetrics.sandbox.plans import PlanFault
from dbt_anymetrics.sandbox.received import Received
from dbt_anymetrics.sandbox.server import Sandbox

__all__ = ["PlanFault", "Received", "Sandbox", "Shape"]
