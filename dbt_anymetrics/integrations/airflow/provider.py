"""What Airflow reads to know our type of connection. It imports nothing of Airflow, which reads it at its start."""

from __future__ import annotations

from typing import Any

from dbt_anymetrics import __version__
from dbt_anymetrics.defaults import AUTH_TYPES

CONNECTION_TYPE = "anymetrics"
HOOK_NAME = "AnyMetrics"

HIDDEN = ["login", "schema", "extra"]
RELABELING = {"host": "Address", "password": "Credential"}
PLACEHOLDERS = {
    "host": "https://anymetrics.example.com",
    "port": "8083",
    "password": "the auth value",
    "tenant_id": "tn_597771",
    "auth_type": AUTH_TYPES[0],
}
LABELS = {"tenant_id": "Tenant", "auth_type": f"Auth type ({', '.join(AUTH_TYPES)})"}
"""The fields of the form that are kept in `extra`, with their labels."""


def get_provider_info() -> dict[str, Any]:
    """The connection type with its form, for Airflow's provider discovery.

    Airflow 3.2 and later take the form from here, earlier ones from the hook.
    """
    return {
        "package-name": "dbt-anymetrics",
        "name": HOOK_NAME,
        "description": "Refreshes AnyMetrics (Aloudata CAN) after a dbt run",
        "versions": [__version__],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "dbt_anymetrics.airflow.AnyMetricsHook",
                "hook-name": HOOK_NAME,
                "conn-fields": {
                    name: {"label": label, "schema": {"type": ["string", "null"]}} for name, label in LABELS.items()
                },
                "ui-field-behaviour": {
                    "hidden-fields": HIDDEN,
                    "relabeling": RELABELING,
                    "placeholders": PLACEHOLDERS,
                },
            }
        ],
    }
