"""Runs the one DAG of a file with `dag.test()`, and prints what became of the run, its tasks and their XComs."""

from __future__ import annotations

import json
import runpy
import sys
from datetime import datetime, timezone
from typing import Any

import airflow
from airflow import DAG as LEGACY_DAG

try:
    from airflow.sdk import DAG
except ImportError:
    DAG = LEGACY_DAG

IS_2 = airflow.__version__.startswith("2")


def main(path: str, day: str) -> None:
    dags = {id(each): each for each in runpy.run_path(path).values() if isinstance(each, (DAG, LEGACY_DAG))}
    [dag] = dags.values()
    for task in dag.tasks:
        task.retry_delay = task.retry_delay * 0
    moment = datetime.fromisoformat(day).replace(tzinfo=timezone.utc) if day else None
    run = dag.test(**{"execution_date" if IS_2 else "logical_date": moment})
    tasks = {each.task_id: str(getattr(each.state, "value", each.state)) for each in run.get_task_instances()}
    print("\nRESULT " + json.dumps({"run": str(getattr(run.state, "value", run.state)), "tasks": tasks, **xcoms(run)}))


def xcoms(run: Any) -> dict[str, Any]:
    from airflow.utils.session import create_session

    if IS_2:
        from airflow.models.xcom import XCom as Model
    else:
        from airflow.models.xcom import XComModel as Model
    with create_session() as session:
        rows = session.query(Model).filter(Model.dag_id == run.dag_id, Model.run_id == run.run_id).all()
        return {"xcoms": {f"{row.task_id} {row.key}": _value(row.value) for row in rows}}


def _value(value: Any) -> Any:
    is_json = isinstance(value, (str, bytes)) and value[:1] in ("{", b"{")
    return json.loads(value) if is_json else value if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
