"""A PostgreSQL server of the system's packages, started for the tests and stopped after them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "a-password-that-shows-nowhere"

_PROGRAMS = "/usr/lib/postgresql"


def program(name: str) -> str:
    """One of the server's programs, which are seldom on the path."""
    found = shutil.which(name) or max(map(str, Path(_PROGRAMS).glob(f"*/bin/{name}")), default=None)
    assert found, f"{name} is not installed"
    return found


class Server:
    """A server with one database; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        # The server refuses to run as root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            for path in (folder, *folder.parents[:-2]):
                path.chmod(path.stat().st_mode | 0o055)
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-U", "airflow", "-A", "scram-sha-256", "--pwfile", str(secret))
        self.start()

    @property
    def address(self) -> str:
        return f"postgresql://airflow:{PASSWORD}@127.0.0.1:{self._port}/postgres"

    def forget(self) -> None:
        """Remove what a test left behind."""
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS anymetrics CASCADE")

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        log = str(self._folder / "data" / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, program(name), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=60
        )


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()
