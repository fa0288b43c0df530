"""Make the pictures of the sandbox's page in docs/images: `make screenshots`. Needs Chromium.

The example shop is refreshed in a sandbox for some weeks, with a few failures, over real HTTP.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from dbt_anymetrics.sandbox import Sandbox, Shape

IMAGES = Path(__file__).with_name("images")
SCHEMES = {"dark": 0, "light": 1}
"""What Chromium calls them."""

WIDTH, HEIGHT, SCALE = 1280, 800, 1.5
TODAY = date(2024, 7, 17)
DAYS = 38
GATEWAY_DOWN, SENT_TWICE_MORE, SYSTEM_ERRORS = 15, 6, 9
"""So many days before today."""

MAIN, LAKE, SNAPSHOTS = "duckdb.`shop.main`", "duckdb.`lake.main`", "duckdb.`shop.snapshots`"
DAILY = (
    *(f"{MAIN}.{name}" for name in ("raw_customers", "raw_orders", "raw_order_items", "raw_products")),
    *(f"{MAIN}.{name}" for name in ("dim_customers", "dim_products_v1", "dim_products_v2", "fct_orders")),
    *(f"{MAIN}.{name}" for name in ("fct_order_items", "orders_by_region", "customer_value", "open_orders")),
    *(f"{MAIN}.{name}" for name in ("daily_orders", "returned_orders")),
    f"{LAKE}.product_sales_daily",
    f"{SNAPSHOTS}.customers_snapshot",
)

Trigger = tuple[str, date, "Shape | None"]


def main() -> None:
    """Make both pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed, and the pictures are made with it: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    triggers = list(story())
    sandbox = started(triggers)
    try:
        send(sandbox, triggers)
        for scheme in SCHEMES:
            file = IMAGES / f"sandbox-{scheme}.png"
            file.write_bytes(smaller(photograph(chromium, sandbox.url, scheme)))
            print(f"{file}: {file.stat().st_size:,} bytes")
    finally:
        sandbox.stop()


def started(triggers: list[Trigger]) -> Sandbox:
    """Start a sandbox on the port that the command takes, so that the pictures show it, or on any other."""
    for port in (8083, 0):
        sandbox = Sandbox(port=port, answers=lambda number: triggers[number][2])
        with suppress(OSError):
            sandbox.start()
            return sandbox
    sys.exit("no port is free")


def story() -> Iterator[Trigger]:
    """What happened to the shop: every table every day, some of it twice, some of it not at all."""
    for back in range(DAYS - 1, -1, -1):
        day = TODAY - timedelta(days=back)
        for table in DAILY:
            yield table, day, outcome(table, back)
        if back % 7 == 0:
            yield from ((f"{MAIN}.weekly_revenue", day - timedelta(days=n), None) for n in range(1, 8))
        if back == GATEWAY_DOWN:
            yield from ((f"{MAIN}.{name}", day, None) for name in ("open_orders", "customer_value"))
        if back == SENT_TWICE_MORE:
            yield from ((f"{MAIN}.fct_order_items", day, None),) * 2


def outcome(table: str, back: int) -> Shape | None:
    """Answer one refresh of the story."""
    name = table.rpartition(".")[2]
    if name == "fct_orders" and back < SYSTEM_ERRORS:
        return Shape.SYSTEM_ERROR
    if name == "product_sales_daily" and back in (0, 1, 2, 20):
        return Shape.NO_PERMISSION
    if back == GATEWAY_DOWN and name in ("open_orders", "customer_value", "daily_orders"):
        return Shape.UNAVAILABLE
    return None


def send(sandbox: Sandbox, triggers: list[Trigger]) -> None:
    """Refresh as a client does."""
    environment = sandbox.environment
    headers = {
        "tenant-id": environment["ANYMETRICS_TENANT_ID"],
        "auth-type": environment["ANYMETRICS_AUTH_TYPE"],
        "auth-value": environment["ANYMETRICS_AUTH_VALUE"],
        "Content-Type": "application/json",
    }
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"))
    for table, day, _ in triggers:
        body = {"tableName": table, "tenantId": headers["tenant-id"], "tablePartition": day.isoformat()}
        connection.request("POST", "/anymetrics/api/v1/scheduler/task/trigger", json.dumps(body), headers)
        connection.getresponse().read()
    connection.close()


def photograph(chromium: str, url: str, scheme: str) -> bytes:
    """Let Chromium take a picture of an address, and give the PNG."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        command = [chromium, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-sync", f"--user-data-dir={folder}/profile"]
        command += ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        command += [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}"]
        command += [f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--screenshot={file}", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
        if not file.exists():
            sys.exit(f"Chromium made no picture:\n{done.stderr}")
        return file.read_bytes()


# A PNG of 256 colours is a third as large, and this page has few more.

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smaller(png: bytes) -> bytes:
    """Give a PNG with the 256 colours that are used most, and the nearest of them for every other."""
    width, rows = pixels(png)
    counted = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in counted.most_common(256)]
    index = {colour: palette.index(min(palette, key=lambda known: distance(known, colour))) for colour in counted}
    lines = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)
    parts = {b"IHDR": head, b"PLTE": b"".join(palette), b"IDAT": zlib.compress(lines, 9), b"IEND": b""}
    return SIGNATURE + b"".join(chunk(kind, content) for kind, content in parts.items())


def pixels(png: bytes) -> tuple[int, list[list[bytes]]]:
    """Take a PNG of 8-bit red, green and blue apart, with or without alpha; give its width and its rows."""
    content: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind = png[at + 4 : at + 8]
        content[kind] = content.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, _, colours = struct.unpack(">IIBB", content[b"IHDR"][:10])
    size = {2: 3, 6: 4}[colours]
    rows = unfiltered(zlib.decompress(content[b"IDAT"]), height, width * size, size)
    return width, [[bytes(row[x : x + 3]) for x in range(0, len(row), size)] for row in rows]


def unfiltered(data: bytes, height: int, length: int, size: int) -> Iterator[bytearray]:
    """Undo the filters of PNG, by which a row says how it differs from its neighbours."""
    above = bytearray(length)
    for y in range(height):
        start = y * (length + 1)
        row = bytearray(data[start + 1 : start + 1 + length])
        for x in range(length):
            left, corner = (row[x - size], above[x - size]) if x >= size else (0, 0)
            row[x] = (row[x] + predicted(data[start], left, above[x], corner)) & 255
        yield row
        above = row


def predicted(method: int, left: int, above: int, corner: int) -> int:
    """Guess a byte as the PNG standard does."""
    if method == 4:  # noqa: PLR2004 (Paeth)
        guess = left + above - corner
        return min((left, above, corner), key=lambda value: abs(guess - value))
    return (0, left, above, (left + above) // 2)[method]


def chunk(kind: bytes, content: bytes) -> bytes:
    """Make a part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def distance(one: bytes, other: bytes) -> int:
    """Give how different two colours are."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
