"""The connection of Airflow that says where AnyMetrics is and who we are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dbt_anymetrics.commands.checks import probe
from dbt_anymetrics.defaults import AUTH_TYPES
from dbt_anymetrics.errors import AnyMetricsError, UsageError
from dbt_anymetrics.integrations.access import Access
from dbt_anymetrics.integrations.airflow import provider
from dbt_anymetrics.parameters import from_environment

try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 2, and 3.0
    from airflow.hooks.base import BaseHook

_SECRET = re.compile(r"auth.?value|secret|password|token|api.?key|credential", re.IGNORECASE)
"""Names of keys in `extra` that hold a secret."""


class AnyMetricsHook(BaseHook):  # type: ignore[misc]
    """A connection of the type `anymetrics`: address, port, tenant, auth type, and the credential as its password."""

    conn_name_attr = "anymetrics_conn_id"
    default_conn_name = "anymetrics_default"
    conn_type = provider.CONNECTION_TYPE
    hook_name = provider.HOOK_NAME

    def __init__(self, anymetrics_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.anymetrics_conn_id = anymetrics_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The fields of the form that are kept in `extra`."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # lazy: only where the form is shown
        from wtforms import StringField  # lazy: the same

        return {name: StringField(label, widget=BS3TextFieldWidget()) for name, label in provider.LABELS.items()}

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What the fields of the form are called, and which of them are not shown."""
        return {
            "hidden_fields": provider.HIDDEN,
            "relabeling": provider.RELABELING,
            "placeholders": provider.PLACEHOLDERS,
        }

    def get_conn(self) -> Access:
        """The connection, to be given to `refresh`, `refresh_after` and `retry`. Raises UsageError."""
        try:
            connection = self.get_connection(self.anymetrics_conn_id)
        except Exception as error:  # its type is another one in each Airflow
            where = f"connection {self.anymetrics_conn_id}"
            hint = f"Add it under Admin > Connections, or set AIRFLOW_CONN_{self.anymetrics_conn_id.upper()}"
            raise UsageError(f"Airflow did not give it ({type(error).__name__})", where=where, hint=hint) from error
        return access_of(connection)

    def test_connection(self) -> tuple[bool, str]:
        """Whether AnyMetrics answers and takes the credential: the *Test* button of the form."""
        try:
            return True, probe(from_environment(**self.get_conn().options()))
        except AnyMetricsError as error:
            return False, str(error)


def access_of(connection: Any) -> Access:
    """What a connection of Airflow says, checked. Raises UsageError."""
    where = f"connection {connection.conn_id}"
    extra = _extra(connection, where)
    needed = {
        "the address (host)": connection.host,
        "the tenant (tenant_id in extra)": extra.get("tenant_id"),
        "the auth type (auth_type in extra)": extra.get("auth_type"),
        "the credential (password)": connection.password,
    }
    for name, value in needed.items():
        if not str(value or "").strip():
            raise UsageError(f"{name} is not set", where=where, hint=_hint(name))
    return Access(
        url=_address(connection),
        tenant_id=str(extra["tenant_id"]),
        auth_type=str(extra["auth_type"]),
        auth_value=connection.password,
    )


def _hint(name: str) -> str | None:
    return f"It is one of {', '.join(AUTH_TYPES)}" if "auth_type" in name else None


def _extra(connection: Any, where: str) -> Mapping[str, Any]:
    """What is in `extra`: the fields of the form, and nothing else."""
    try:
        extra: Mapping[str, Any] = connection.extra_dejson
    except ValueError:
        raise UsageError("extra is no JSON object", where=where) from None
    if not isinstance(extra, Mapping):
        raise UsageError("extra is no JSON object", where=where)
    for name in extra:
        if _SECRET.search(name):
            hint = "The credential belongs into the password: Airflow shows extra to everybody who may see connections"
            raise UsageError(f"{name} in extra looks like a secret, and is not used", where=where, hint=hint)
        if name not in provider.LABELS:
            raise UsageError(f"{name} in extra is not known", where=where, hint=f"Known: {', '.join(provider.LABELS)}")
    return extra


def _address(connection: Any) -> str:
    """The address from host, port and schema; the host may be a whole address already."""
    host = str(connection.host).strip().rstrip("/")
    address = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    scheme, place, path, *_ = urlsplit(address)
    has_port = re.search(r":\d+$", place)
    return f"{scheme}://{place}:{connection.port}{path}" if connection.port and not has_port else address
