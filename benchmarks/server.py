"""Run in a process of its own: a server that confirms every refresh after a given time, whatever is asked at once.

`python -m benchmarks.server SECONDS` prints its port and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measure import ENVIRONMENT
from benchmarks.peers import ROOT

_BODY = b'{"data":true,"success":true,"code":"200","errorMsg":null,"detailErrorMsg":null,"traceId":"0123456789abcdef"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


HEADERS = {"tenant-id": "tn_1", "auth-type": "APIKEY", "auth-value": "0123456789abcdef"}
"""What a request to the server names itself with; any other would do."""


@contextmanager
def serving(latency: float) -> Iterator[str]:
    """A server in a process of its own, whose address is given."""
    command = [sys.executable, "-m", "benchmarks.server", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def connected_to(url: str) -> dict[str, str]:
    """The environment of a command that sends to this address."""
    named = {f"ANYMETRICS_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
    return {**ENVIRONMENT, "ANYMETRICS_URL": url, **named}


async def _serve(latency: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(_length(head))
                if latency:
                    await asyncio.sleep(latency)
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
