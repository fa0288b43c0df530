"""The defaults and limits of the options; nothing is imported here, since --help needs them."""

from __future__ import annotations

AUTH_TYPES = ("UID", "TOKEN", "ACCOUNT", "APIKEY")
"""What the `auth-type` header may say (AnyMetrics API page, common headers)."""

TIMEOUT = 30.0
"""Seconds to connect, and again to wait for each answer."""

THREADS = 8

WAIT_TIMEOUT = 1800.0
"""Seconds to wait for all acceleration plans together."""

MAX_THREADS = 64

MOST_DAYS = 36_500

KEEP_DAYS = 90.0
"""How long the ledger keeps what was refreshed; what is pending is kept without end."""
