"""Where AnyMetrics is and who we are there: checked, and with the secret kept out of sight."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from dbt_anymetrics.defaults import AUTH_TYPES, TIMEOUT
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.server.secret import Secret
from dbt_anymetrics.text import shown

SECRET_VARIABLES = ("ANYMETRICS_AUTH_VALUE", "DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE")
"""Where the auth value is read from; the second is hidden by dbt in its own log. Never an option."""

API_PATH = "/anymetrics/api/v1"

APP_ID_VARIABLE = "ANYMETRICS_APP_ID"
APP_SECRET_VARIABLES = ("ANYMETRICS_APP_SECRET", "DBT_ENV_SECRET_ANYMETRICS_APP_SECRET")
"""Where an application's id and secret are read from, which a token is made of. Never options."""

_OF_AN_APP = "TOKEN"

PRIVATE_MARKS = "@?#"
"""An address with one of these may hold a password or a token, and is not shown."""

_URL = "--url / ANYMETRICS_URL"
_EXAMPLE = "Give the base address of AnyMetrics, for example https://anymetrics.example.com or http://10.0.0.8:8083"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Connection(Struct, frozen=True, kw_only=True):
    """How to reach AnyMetrics. Make it with `connection()`, which checks it.

    With an `app_id`, the auth value is the application's secret, which a token has to be made of.
    """

    url: str
    tenant_id: str
    auth_type: str
    auth_value: Secret
    timeout: float = TIMEOUT
    ca_bundle: str | None = None
    app_id: str | None = None

    def address(self, path: str) -> str:
        """The full address of an API call."""
        return f"{self.url}{API_PATH}{path}"

    @property
    def is_exposed(self) -> bool:
        """Whether the secret would travel unencrypted over a network."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not re.fullmatch(r"localhost|127(\.\d+){3}|::1", parts.hostname or "")


def connection(
    *,
    url: str | None,
    tenant_id: str | None,
    auth_type: str | None,
    timeout: float = TIMEOUT,
    ca_bundle: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Check the settings of a connection, the secret taken from the environment.

    Raises UsageError for the first wrong one.
    """
    app_id = _app_id(environment)
    value, name = (
        (app_secret(environment), APP_SECRET_VARIABLES[0]) if app_id else (secret(environment), SECRET_VARIABLES[0])
    )
    return Connection(
        url=base_address(url),
        tenant_id=checked_tenant(tenant_id),
        auth_type=_token_type(auth_type) if app_id else _auth_type(auth_type),
        auth_value=Secret(_header(value, name, "It is read from the environment only")),
        app_id=app_id,
        timeout=_timeout(timeout),
        ca_bundle=_ca_bundle(ca_bundle),
    )


def base_address(url: str | None) -> str:
    """The base address of AnyMetrics in its normal form: the same service is the same text, however it is written.

    The scheme and the host are in lower case, without the default port, a trailing slash or the path of the API.
    Raises UsageError, which shows the address unless it may hold a password.
    """
    url = (url or "").strip()
    if not url:
        raise UsageError("is not set", where=_URL, hint=_EXAMPLE)
    if any(mark in url for mark in PRIVATE_MARKS):
        what = "has a user name, password, query or fragment, and is not shown because these may be secret"
        raise UsageError(what, where=_URL, hint=_EXAMPLE)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"{shown(url)} is not an address", where=_URL, hint=_EXAMPLE) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        what = f"{shown(url)} is not an address that begins with http:// or https://"
        raise UsageError(what, where=_URL, hint=_EXAMPLE)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.rstrip(".")
    explicit = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    # The vendor's pages print the address of each call in full, and people paste it.
    return f"{parts.scheme}://{host}{explicit}{parts.path.partition(API_PATH)[0].rstrip('/')}"


def checked_tenant(tenant_id: str | None) -> str:
    """The tenant, which every call names in a header. Raises UsageError."""
    return _header(tenant_id, "--tenant-id / ANYMETRICS_TENANT_ID", "See Metric Applications > API Integration")


def _app_id(environment: Mapping[str, str]) -> str | None:
    """The application's id, where a token is to be made: a credential that is set wins."""
    if secret(environment) or not (environment.get(APP_ID_VARIABLE) or app_secret(environment)):
        return None
    return _header(environment.get(APP_ID_VARIABLE), APP_ID_VARIABLE, "It belongs to ANYMETRICS_APP_SECRET")


def app_secret(environment: Mapping[str, str]) -> str | None:
    """The application's secret in the environment, if there is one."""
    return next((environment[name] for name in APP_SECRET_VARIABLES if environment.get(name)), None)


def _token_type(auth_type: str | None) -> str:
    if auth_type and auth_type.strip() and auth_type.strip().upper() != _OF_AN_APP:
        hint = f"{APP_ID_VARIABLE} gives a token. For another type, set {SECRET_VARIABLES[0]}"
        raise UsageError(f"{auth_type!r} is not {_OF_AN_APP}", where="--auth-type / ANYMETRICS_AUTH_TYPE", hint=hint)
    return _OF_AN_APP


def secret(environment: Mapping[str, str]) -> str | None:
    """The auth value in the environment, if there is one."""
    name = secret_variable(environment)
    return environment[name] if name else None


def secret_variable(environment: Mapping[str, str]) -> str | None:
    """The name of the variable that holds the auth value, if one does."""
    return next((name for name in SECRET_VARIABLES if environment.get(name)), None)


def _header(value: str | None, where: str, hint: str) -> str:
    """A value that can stand in an HTTP header; what it is, is never said."""
    value = (value or "").strip()
    if not value:
        raise UsageError("is not set", where=where, hint=hint)
    if not (value.isascii() and value.isprintable()):
        raise UsageError("has a character that an HTTP header cannot hold", where=where)
    return value


def _auth_type(value: str | None) -> str:
    where = "--auth-type / ANYMETRICS_AUTH_TYPE"
    if not value or not value.strip():
        raise UsageError("is not set", where=where, hint=f"Give one of {', '.join(AUTH_TYPES)}")
    if value.strip().upper() not in AUTH_TYPES:
        raise UsageError(f"{value!r} is not one of {', '.join(AUTH_TYPES)}", where=where)
    return value.strip().upper()


def _timeout(seconds: float) -> float:
    if not 0 < seconds <= 3600:  # noqa: PLR2004 (an hour)
        raise UsageError(f"{seconds!r} is not between 0 and 3600 seconds", where="--timeout / ANYMETRICS_TIMEOUT")
    return seconds


def _ca_bundle(path: str | None) -> str | None:
    if path and not Path(path).exists():
        raise UsageError(f"there is no file {path}", where="--ca-bundle / ANYMETRICS_CA_BUNDLE")
    return path or None
