"""Our own command, run in the process of the tests as if it had one of its own."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from dbt_anymetrics.cli import main
from dbt_anymetrics.output import terminal


def run_in_process(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the command in this folder, with these environment variables alone; an unexpected exception is raised."""
    stdout, stderr = _pipe(), _pipe()
    with _working_in(folder), _seeing(environment), redirect_stdout(stdout), redirect_stderr(stderr):
        terminal.prepare()
        code = _exit_code(arguments)
    return subprocess.CompletedProcess(list(arguments), code, _written_to(stdout), _written_to(stderr))


def _exit_code(arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments), prog_name="dbt-anymetrics")
    assert isinstance(end.value.code, int)
    return end.value.code


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _seeing(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _pipe() -> io.TextIOWrapper:
    """A stream of the kind that Python makes for a pipe."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")


def _written_to(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
