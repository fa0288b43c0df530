"""Run in a process of its own: send refreshes in one of several ways, and print the usage.

`python -m benchmarks.senders WAY URL REFRESHES THREADS`
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import requests

from benchmarks.measure import print_usage
from benchmarks.server import HEADERS, connected_to
from dbt_anymetrics.ledger.artifact import Artifact, Document
from dbt_anymetrics.ledger.opening import Location, open_ledger
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.output.console import Console
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.result import LazyCollection, Refresh
from dbt_anymetrics.sending.delivery import Delivering
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.sending.send import send
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import connection

_FIRST = date(2024, 1, 1)

_TRIGGER = "/anymetrics/api/v1/scheduler/task/trigger"


def dbt_anymetrics(url: str, refreshes: int, threads: int) -> object:
    """As the command does: delivered, recorded and reported (to a console that is quiet)."""
    environment = connected_to(url)
    to = connection(url=url, tenant_id=HEADERS["tenant-id"], auth_type=HEADERS["auth-type"], environment=environment)
    planned = LazyCollection(
        lambda: (
            Refresh(unique_id="model.shop.orders", table_name=name, partition=day)
            for name, day in _refreshes(refreshes)
        )
    )
    reporter = TextReporter(Console(quiet=True))
    with tempfile.TemporaryDirectory() as folder:
        opened = open_ledger(Location(Path(folder, "anymetrics.db"), is_named=False), lambda _database: None)
        command = Command(kind="refresh", process=os.getpid())
        outcomes = Outcomes(lambda: Recording(opened.database, to.url, to.tenant_id, command), _fail)
        outcomes.ask(planned, ())
        with closing(Client(to, {})) as client:
            send(planned, client, Delivering(threads=threads), outcomes, reporter)
        outcomes.end(outcomes.counts, 0, 90)
        Artifact(Path(folder)).write(Document.of({}, LazyCollection(lambda: iter(outcomes)), None))
        opened.database.close()
    if outcomes.counts.ok != refreshes:
        raise RuntimeError(str(outcomes.counts))
    return outcomes


def _fail(loss: Exception) -> None:
    raise loss


def post(url: str, refreshes: int, _threads: int) -> object:
    """As the simplest script does."""
    return _loop(requests.post, url, refreshes)


def session(url: str, refreshes: int, _threads: int) -> object:
    """As a script does that keeps its connection."""
    with requests.Session() as kept:
        return _loop(kept.post, url, refreshes)


def _loop(call: Callable[..., requests.Response], url: str, refreshes: int) -> object:
    for name, day in _refreshes(refreshes):
        body = {"tableName": name, "tenantId": HEADERS["tenant-id"], "tablePartition": day.isoformat()}
        answer: Any = call(url + _TRIGGER, json=body, headers=HEADERS, timeout=30).json()
        if not answer["success"]:
            raise RuntimeError(answer)
    return True


def _refreshes(number: int) -> Iterator[tuple[str, date]]:
    tables: Iterable[int] = range(1 + number // 100)
    return ((f"starrocks.`shop.main`.orders_{n}", _FIRST + timedelta(days=d)) for n in tables for d in _days(n, number))


def _days(table: int, number: int) -> range:
    return range(min(100, number - 100 * table))


if __name__ == "__main__":
    way = {"dbt-anymetrics": dbt_anymetrics, "requests.post": post, "session": session}[sys.argv[1]]
    print_usage(lambda: way(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
