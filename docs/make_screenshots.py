"""Make the pictures of the sandbox's page and of the report in docs/images: `make screenshots`. Needs Chromium.

The example shop is refreshed in a sandbox for some weeks, with a few failures, over real HTTP. The report is that of a
ledger with the same story, and with what a sandbox does not see: what a failed test held back, and what was not sent.
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
from contextlib import closing, suppress
from datetime import date, datetime, time, timedelta, timezone
from itertools import chain
from pathlib import Path

from dbt_anymetrics.ledger.database import Database
from dbt_anymetrics.ledger.opening import Location, open_ledger
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.planning.plan import Held, Refreshes
from dbt_anymetrics.result import Counts, Refresh, Result, Status, Timing
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
ANSWERS = {
    None: {"http_status": 200, "code": "200"},
    Shape.SYSTEM_ERROR: {"http_status": 200, "code": "SM99002", "message": "System error"},
    Shape.NO_PERMISSION: {"http_status": 200, "code": "SM_02_0038", "message": "No permission"},
    Shape.UNAVAILABLE: {"http_status": 503, "message": "the gateway says 503 Service Unavailable"},
}
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
    """Make all pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed, and the pictures are made with it: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    triggers = list(story())
    sandbox = started(triggers)
    try:
        send(sandbox, triggers)
        pictures(chromium, "sandbox", sandbox.url)
    finally:
        sandbox.stop()
    with tempfile.TemporaryDirectory() as folder:
        pictures(chromium, "report", report(Path(folder)).as_uri())


def pictures(chromium: str, name: str, url: str) -> None:
    """Make the pictures of one page."""
    for scheme in SCHEMES:
        file = IMAGES / f"{name}-{scheme}.png"
        file.write_bytes(smaller(photograph(chromium, url, scheme)))
        print(f"{file}: {file.stat().st_size:,} bytes")


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
    return chain.from_iterable(several for _, several in runs())


def runs() -> Iterator[tuple[date, list[Trigger]]]:
    """Each day, and what its run sent."""
    for back in range(DAYS - 1, -1, -1):
        day = TODAY - timedelta(days=back)
        triggers: list[Trigger] = [(table, day, outcome(table, back)) for table in DAILY]
        if back % 7 == 0:
            triggers += [(f"{MAIN}.weekly_revenue", day - timedelta(days=n), None) for n in range(1, 8)]
        if back == GATEWAY_DOWN:
            triggers += [(f"{MAIN}.{name}", day, None) for name in ("open_orders", "customer_value")]
        if back == SENT_TWICE_MORE:
            triggers += [(f"{MAIN}.fct_order_items", day, None)] * 2
        yield day, triggers


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


def report(folder: Path) -> Path:
    """Enter the story in a ledger, a command each day, and make the report of it."""
    opened = open_ledger(Location(folder / "anymetrics.db", is_named=True), lambda _database: None)
    with closing(opened.database) as database:
        for day, several in runs():
            enter(database, day, several)
    file = folder / "report.html"
    command = [sys.executable, "-m", "dbt_anymetrics", "report", "--state", folder / "anymetrics.db", "--file", file]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603
    return file


def enter(database: Database, day: date, several: list[Trigger]) -> None:
    """Enter what one run sent early on the next morning."""
    start = datetime.combine(day, time(6), timezone.utc) + timedelta(days=1, minutes=day.day % 7)
    recording = Recording(database, "https://anymetrics.example.com", "tn_597771", Command(kind="hook", process=0))
    results = [result(each, start, number) for number, each in enumerate(several)]
    recording.ask([refresh(each) for each in several], held(day))
    recording.add([(each, 10**9) for each in results])
    failed = sum(each.status is Status.ERROR for each in results)
    recording.end(Counts(ok=len(results) - failed, error=failed, skip=len(held(day))), int(failed > 0), 36500)
    then = start.isoformat(), (start + timedelta(seconds=0.4 * len(several))).isoformat()
    command = "UPDATE command SET started_at = ?, ended_at = ? WHERE started_at > '2025'"
    database.write(lambda statements: statements.run(command, *then))
    asked = "UPDATE refresh SET asked_at = ? WHERE asked_at > '2025'"
    database.write(lambda statements: statements.run(asked, then[0]))


def refresh(trigger: Trigger) -> Refresh:
    """Give what was asked for."""
    table, day, _ = trigger
    unique_id = f"model.shop.{table.rpartition('.')[2]}"
    return Refresh(unique_id=unique_id, table_name=table, partition=day, invocation_id="one of dbt")


def result(trigger: Trigger, start: datetime, number: int) -> Result:
    """Give what came of it."""
    begin = start + timedelta(seconds=0.4 * number)
    table, _, shape = trigger
    seconds = (1.1 if "items" in table else 0.2) + number % 5 / 20
    facts = {"attempts": 1, "timing": Timing(begin, begin + timedelta(seconds=seconds))}
    trace = f"{number * 7919 + start.toordinal():x}a1c0f6ba.156.17{start.toordinal()}{number:03d}"
    status = Status.ERROR if shape else Status.SUCCESS
    return refresh(trigger).result(status, trace_id=trace, **facts, **ANSWERS[shape])


def held(day: date) -> list[Held]:
    """Hold back one table on the last two days."""
    if (TODAY - day).days > 1:
        return []
    table = Refreshes("model.shop.stock_levels", f"{MAIN}.stock_levels", [day], "one of dbt")
    return [Held(table, ["test.shop.not_null_stock_levels_product_id"])]


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
