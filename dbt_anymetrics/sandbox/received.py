"""What the sandbox remembers of a request, with every secret taken out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.message import Message

MASK = "***"
SECRET_HEADERS = frozenset({"auth-value", "authorization", "proxy-authorization", "cookie"})
# A shorter value is too likely to be a part of ordinary words to be cut out of all text.
SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Received:
    """One request to the API and how it was answered.

    `number` counts all requests from 0, `time` is UTC in ISO 8601, `path` includes the query. `ok` is the verdict
    a correct client reaches, `status` is None where no status line was sent; `code`, `message` and `detail` are those
    of the answer. The trace id is set even where the answer has no place for it. Every header that can hold a secret
    reads `***`, and so does the value of auth-value wherever else it occurs.
    """

    number: int
    time: str
    method: str
    path: str
    table_name: str | None
    partition: str | None
    ok: bool
    status: int | None
    code: str | None
    message: str | None
    trace_id: str
    headers: Mapping[str, str]
    body: str
    detail: str | None = None


@dataclass(frozen=True)
class Request:
    """One HTTP request as it was read."""

    method: str
    target: str
    headers: Message
    body: bytes = b""

    def without_secrets(self, auth_value: str, tenant_id: str) -> Request:
        """Copy the request with the mask wherever a secret occurs, except in the header auth-value itself."""
        secrets = secrets_in((auth_value, self.headers["auth-value"]), tenant_id)
        headers = Message()
        for name, value in self.headers.items():
            headers[name] = value if name.lower() == "auth-value" else masked(value, secrets)
        body = masked(self.body.decode(errors="surrogateescape"), secrets).encode(errors="surrogateescape")
        return replace(self, target=masked(self.target, secrets), headers=headers, body=body)


def secrets_in(values: Iterable[str | None], tenant_id: str) -> list[str]:
    """Choose, longest first, the values to mask in all text; a part of the tenant's own id is no secret."""
    secrets = {value for value in values if value and len(value) >= SHORTEST_SECRET and value not in tenant_id}
    return sorted(secrets, key=len, reverse=True)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret by the mask."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def masked_headers(headers: Message) -> dict[str, str]:
    """Copy the headers, names in lower case, with the mask for each that holds a secret."""
    lower = ((name.lower(), value) for name, value in headers.items())
    return {name: MASK if name in SECRET_HEADERS else value for name, value in lower}


def named_in(body: bytes) -> tuple[str | None, str | None]:
    """Find the table name and the partition in a body, even when the rest of the body is wrong."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(fields, dict):
        return None, None
    name, partition = fields.get("tableName"), fields.get("tablePartition")
    return name if isinstance(name, str) else None, partition if isinstance(partition, str) else None
