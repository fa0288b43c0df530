"""No output stops the work: whatever the stream, its encoding or its state, and whatever a server says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbt_anymetrics.output import terminal
from tests.artifacts import scenario
from tests.raw_server import RawServer, http
from tests.shop import DAY, Shop

SAID = "数据源不存在 🚫 … \ud83d"
"""What a server may say: Chinese, the vendor's own language, an emoji, and half a character."""

BODY = json.dumps({"success": False, "code": "SM99002", "data": None, "errorMsg": SAID[:-1]}).encode()

ENCODINGS = ["ascii", "latin-1", "cp1252", "gbk", "utf-8"]


class Stream(io.TextIOWrapper):
    """A stream of an encoding that is strict, and no terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")

    def written(self) -> str:
        """What arrived."""
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_an_encoding_lacks_is_escaped_as_json_escapes_it(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stream(encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    terminal.echo(json.dumps(SAID, ensure_ascii=False))
    assert json.loads(stdout.written()) == SAID


@pytest.mark.parametrize("err", [True, False])
def test_a_stream_that_is_closed_or_was_never_there_is_no_reason_to_stop(
    err: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Stream("utf-8")
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr" if err else "stdout", stream)
        terminal.echo("text", err=err)
        assert not terminal.is_terminal(stream)
        assert terminal.columns(stream) == 80


# Whole commands


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_every_refresh_is_sent_and_recorded_whatever_the_server_says(encoding: str, form: str, tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with RawServer(lambda visit: visit.answer_all(http(BODY))) as server:
        environment = {
            "ANYMETRICS_URL": server.url,
            "ANYMETRICS_TENANT_ID": "tn",
            "ANYMETRICS_AUTH_TYPE": "UID",
            "ANYMETRICS_AUTH_VALUE": "a-secret-value",
            "PYTHONIOENCODING": f"{encoding}:strict",
        }
        shop = Shop(tmp_path, environment)
        done = subprocess.run(
            [sys.executable, "-m", "dbt_anymetrics", "refresh", "--run-date", DAY, "--log-format", form],
            cwd=tmp_path,
            env=shop.environment,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 1
    output = (done.stdout + done.stderr).decode(encoding)
    assert "Traceback" not in output
    assert "SM99002" in output
    assert [result["status"] for result in shop.artifact()["results"]].count("error") == 29
    if form == "json":
        assert all(json.loads(line) for line in output.splitlines())


@pytest.mark.parametrize("arguments", [("plan",), ("debug",), ("refresh", "--select", "数据🚫"), ("refresh", "--数据")])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_no_command_fails_for_what_it_has_to_show(encoding: str, arguments: tuple[str, ...], recorded: Shop) -> None:
    manifest = recorded.target / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"anymetrics.on_test_failure"', '"anymetrics.数据🚫"'))
    done = recorded.program(*arguments, PYTHONIOENCODING=f"{encoding}:strict")
    assert "Traceback" not in done.stdout + done.stderr
    assert "UnicodeEncodeError" not in done.stdout + done.stderr


SHOWING = [
    ("backfill", "-s", "*", "--partition", "run_date", "--dry-run"),
    ("plan",),
    ("plan", "--output", "json"),
    ("status",),
    ("status", "--output", "json"),
    ("debug",),
    ("refresh", "--output", "json"),
    ("retry", "--output", "json"),
]
"""Commands whose purpose is what they print."""


def printing_to(stdout: int, arguments: tuple[str, ...], shop: Shop) -> subprocess.CompletedProcess[str]:
    """Run a command whose stdout is this descriptor."""
    command = [sys.executable, "-m", "dbt_anymetrics", *arguments]
    return subprocess.run(
        command, cwd=shop.folder, env=shop.environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_a_command_that_cannot_show_what_it_is_for_fails(arguments: tuple[str, ...], recorded: Shop) -> None:
    recorded.cli("refresh")
    with Path("/dev/full").open("w") as full:
        done = printing_to(full.fileno(), arguments, recorded)
    assert done.returncode == 1
    assert "Error: stdout: cannot be written (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("plan",), ("refresh", "--run-date", DAY), ("--help",)])
def test_a_reader_that_goes_away_changes_neither_the_work_nor_the_exit_code(
    arguments: tuple[str, ...], recorded: Shop
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = printing_to(writer, arguments, recorded)
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.returncode in ((0,) if arguments != ("--help",) else (0, 1))
