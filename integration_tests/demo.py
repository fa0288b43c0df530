"""`make demo`: build the shop with dbt, refresh it against the sandbox, show what AnyMetrics was told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from dbt_anymetrics.sandbox import Received, Sandbox

PROJECT = Path(__file__).parent
DAY = "2024-07-17"
FLAGS = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(PROJECT)}


def main() -> None:
    """Run the commands a user would type, each one shown before it runs."""
    with Sandbox() as sandbox:
        print(f"== the sandbox stands in for AnyMetrics at {sandbox.url}")
        for name, value in sandbox.environment.items():
            print(f"   export {name}={value}")
        environment = {**os.environ, **FLAGS, **sandbox.environment}
        run(environment, "dbt", "deps", "--quiet")
        run(environment, "dbt", "build", "--vars", f"{{ds: {DAY}}}")
        run(environment, "dbt-anymetrics", "plan", "--run-date", DAY)
        run(environment, "dbt-anymetrics", "refresh", "--run-date", DAY)
        show([request for request in sandbox.received if request.table_name])
    print("\n== the sandbox is stopped; dbt's artifacts and ours are in integration_tests/target")


def run(environment: dict[str, str], program: str, *arguments: str) -> None:
    """Run one of the programs beside this Python, in the project; end here when it fails."""
    print(f"\n$ {program} {' '.join(repr(a) if ' ' in a else a for a in arguments)}", flush=True)
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    status = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode
    if status:
        sys.exit(status)


def show(received: list[Received]) -> None:
    """What AnyMetrics was told: its tables against the dates."""
    dates: dict[str, set[str]] = defaultdict(set)
    for request in received:
        dates[request.table_name or ""].add(request.partition or "")
    columns = sorted(set().union(*dates.values()))
    width = max(map(len, dates), default=0)
    print(f"\n== what AnyMetrics was told to refresh\n\n{'':{width}}  {'  '.join(day[5:] for day in columns)}")
    for table in sorted(dates):
        marks = "  ".join("  x  " if day in dates[table] else "  .  " for day in columns)
        print(f"{table:{width}}  {marks}")


if __name__ == "__main__":
    main()
