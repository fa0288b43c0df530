"""Where AnyMetrics is and who we are there, for a program that keeps its credential out of the environment."""

from __future__ import annotations

from typing import Any

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.server.connection import PRIVATE_MARKS
from dbt_anymetrics.server.secret import STARS, Secret


class Access:
    """The four values of a connection. Nothing of them is then read from the environment, which other tasks share."""

    __slots__ = ("_auth_value", "auth_type", "tenant_id", "url")

    def __init__(self, *, url: str, tenant_id: str, auth_type: str, auth_value: str) -> None:
        given = {"url": url, "tenant_id": tenant_id, "auth_type": auth_type, "auth_value": auth_value}
        for name, value in given.items():
            if not isinstance(value, str) or not value.strip():
                raise UsageError("is not set", where=name, hint="Access takes all four values of a connection")
        self.url, self.tenant_id, self.auth_type = url, tenant_id, auth_type
        self._auth_value = Secret(auth_value)

    def __repr__(self) -> str:
        url = STARS if any(mark in self.url for mark in PRIVATE_MARKS) else self.url
        return f"Access(url={url!r}, tenant_id={self.tenant_id!r}, auth_type={self.auth_type!r}, auth_value={STARS})"

    def options(self) -> dict[str, Any]:
        """The options that it stands for."""
        return {
            "url": self.url,
            "tenant_id": self.tenant_id,
            "auth_type": self.auth_type,
            "auth_value": self._auth_value,
        }
