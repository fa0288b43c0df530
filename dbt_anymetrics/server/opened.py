"""A client for a connection, of the kind that its credential needs."""

from __future__ import annotations

from collections.abc import Mapping

from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.renewing import RenewingClient


def client_of(connection: Connection, environment: Mapping[str, str]) -> Client | RenewingClient:
    """The client; close it after use."""
    if connection.app_id:
        return RenewingClient(connection, connection.app_id, environment)
    return Client(connection, environment)
