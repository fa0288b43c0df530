"""The tables of the ledger, by version. Moments are texts of UTC in ISO 8601, dates are yyyy-MM-dd."""

from __future__ import annotations

VERSION = 3

APPLICATION_ID = 0x414D4C31
"""The mark in the header of our SQLite files: `AML1`."""

# Each plan that a command's triggers should refresh: how far it was before them (or why that is not known), the dates
# that were triggered, which are null until the command has sent everything, and what was seen of it since.
_AWAITED = """CREATE TABLE awaited (
    id {id},
    service {reference} NOT NULL,
    command {reference} NOT NULL,
    plan TEXT NOT NULL,
    nodes TEXT NOT NULL,
    baseline TEXT,
    unknown TEXT,
    days TEXT,
    status TEXT NOT NULL,
    message TEXT,
    asked_at TEXT NOT NULL
)"""

# Nodes that dbt was to build and did not: what is missing, when the first and the last dbt run that says so started,
# and when that was noted.
_UNBUILT = """CREATE TABLE unbuilt (
    service {reference} NOT NULL,
    project TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    message TEXT NOT NULL,
    since TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    noted_at TEXT NOT NULL,
    PRIMARY KEY (service, project, unique_id)
)"""

TABLES = (
    """CREATE TABLE service (
        id {id},
        address TEXT NOT NULL,
        tenant_id TEXT NOT NULL,
        UNIQUE (address, tenant_id)
    )""",
    # Each command that sends, and the process that it runs in while `ended_at` is null.
    """CREATE TABLE command (
        id {id},
        service {reference} NOT NULL,
        kind TEXT NOT NULL,
        version TEXT NOT NULL,
        invocation_id TEXT,
        run_date TEXT,
        hook_run_date TEXT,
        hook_partition TEXT,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        ended_at TEXT,
        exit_code INTEGER,
        ok INTEGER NOT NULL DEFAULT 0,
        error INTEGER NOT NULL DEFAULT 0,
        skip INTEGER NOT NULL DEFAULT 0,
        not_sent INTEGER NOT NULL DEFAULT 0,
        already INTEGER NOT NULL DEFAULT 0,
        waiting INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX command_invocation ON command (invocation_id)",
    "CREATE INDEX command_running ON command (id) WHERE ended_at IS NULL",
    # Each refresh asked for, and its status: `pending`, `success` or `dropped`.
    # `held_by` are the failed tests that hold it, `external` is the external plan that is told of it.
    """CREATE TABLE refresh (
        id {id},
        service {reference} NOT NULL,
        invocation_id TEXT NOT NULL,
        table_name TEXT NOT NULL,
        partition TEXT NOT NULL,
        unique_id TEXT NOT NULL,
        status TEXT NOT NULL,
        message TEXT,
        held_by TEXT,
        perhaps_sent INTEGER NOT NULL DEFAULT 0,
        asked_at TEXT NOT NULL,
        outcome {reference},
        external TEXT,
        UNIQUE (service, invocation_id, table_name, partition)
    )""",
    "CREATE INDEX refresh_pending ON refresh (service, table_name, partition) WHERE status = 'pending'",
    "CREATE INDEX refresh_held ON refresh (service) WHERE held_by IS NOT NULL",
    # What came of each time that a refresh was sent, or not.
    """CREATE TABLE outcome (
        id {id},
        refresh {reference} NOT NULL,
        command {reference} NOT NULL,
        status TEXT NOT NULL,
        message TEXT,
        http_status INTEGER,
        code TEXT,
        trace_id TEXT,
        attempts INTEGER NOT NULL,
        started_at TEXT,
        completed_at TEXT
    )""",
    # Who sends a table and date at this moment: one command at a time.
    """CREATE TABLE claim (
        service {reference} NOT NULL,
        table_name TEXT NOT NULL,
        partition TEXT NOT NULL,
        command {reference} NOT NULL,
        PRIMARY KEY (service, table_name, partition)
    )""",
    _AWAITED,
    _UNBUILT,
    # Nodes that were built and cannot be refreshed until their settings are corrected.
    """CREATE TABLE mistake (
        service {reference} NOT NULL,
        unique_id TEXT NOT NULL,
        message TEXT NOT NULL,
        invocation_id TEXT NOT NULL,
        asked_at TEXT NOT NULL,
        PRIMARY KEY (service, unique_id)
    )""",
)

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: ("ALTER TABLE refresh ADD COLUMN external TEXT", _AWAITED),
    2: (_UNBUILT, "ALTER TABLE command ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0"),
}
"""For each version, the statements that bring its tables to the next version."""
