"""Runs the one DAG of a file with `dag.test()`, and prints the states of its tasks and their XComs as JSON."""

from __future__ import annotations

import json
import runpy
import sys
from datetime import datetime, timezone
from typing import Any


def found(path: str) -> Any:
    try:
        from airflow.sdk import DAG
    except ImportError:
        from airflow import DAG
    [dag] = {id(each): each for each in runpy.run_path(path).values() if isinstance(each, DAG)}.values()
    return dag


def main(path: str, day: str | None) -> None:
    dag = found(path)
    moment = datetime.fromisoformat(day).replace(tzinfo=timezone.utc) if day else None
    run = dag.test(**{_name_of_date(): moment})

    states = {
        instance.task_id: str(
            instance.state and instance.state.value if hasattr(instance.state, "value") else instance.state
        )
        for instance in run.get_task_instances()
    }
    print("RESULT " + json.dumps({"run": str(getattr(run.state, "value", run.state)), "tasks": states}))


def _name_of_date() -> str:
    import airflow

    return "execution_date" if airflow.__version__.startswith("2") else "logical_date"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
