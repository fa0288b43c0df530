"""Real dbt without its start: a process imports dbt once, and forks a child for each command.

Importing dbt takes half of the time of a short run. The child is a process with the folder, the environment and the
streams of its command, like any other; only what is imported is there already.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_PROGRAM = """
import atexit, json, os, signal, sys
sys.path[0] = sys.argv[1]  # as for the program dbt itself
import dbt.adapters.duckdb
from dbt.cli.main import cli

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm(120)
        for number, file in enumerate((os.devnull, *request["streams"])):
            os.dup2(os.open(file, os.O_RDWR), number)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["dbt", *request["arguments"]]
        try:
            code = cli()
        except SystemExit as exit:
            code = exit.code
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)  # old releases of DuckDB abort when a forked process ends them
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class StartedDbt:
    """A dbt that has been imported, ready to be given commands one after the other."""

    def __init__(self, python: Path) -> None:
        pipe = subprocess.PIPE
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        command = [str(python), "-c", _PROGRAM, str(python.parent)]
        self._process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        atexit.register(self._end)

    @classmethod
    def of(cls, dbt: str, environment: Mapping[str, str]) -> StartedDbt | None:
        """The one of this dbt; none of dbt 2.x, which is no Python, nor for a command that sets Python's variables."""
        python = Path(dbt).with_name("python")
        is_python = any(python.parent.parent.glob("lib/python*/site-packages/dbt/cli/main.py"))
        if not is_python or any(name.startswith("PYTHON") for name in environment):
            return None
        return _started(python)

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
            request = {
                "arguments": list(arguments),
                "folder": str(folder),
                "environment": dict(environment),
                "streams": [stdout.name, stderr.name],
            }
            code = self._ask(json.dumps(request))
            return subprocess.CompletedProcess(
                ["dbt", *arguments], code, stdout.read().decode(), stderr.read().decode()
            )

    def _ask(self, request: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def _end(self) -> None:
        self._process.communicate()


_started = cache(StartedDbt)
