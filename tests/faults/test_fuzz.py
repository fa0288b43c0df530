"""Artifacts that nobody has vouched for: a plan or an error of ours, never another exception, never all the memory.

`make test` damages each artifact a few times, `make soak` many times.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from dbt_anymetrics.dbt_run.inputs import read_inputs
from dbt_anymetrics.dbt_run.project import Project
from dbt_anymetrics.errors import AnyMetricsError, ArtifactError
from dbt_anymetrics.ledger.artifact import FILE_NAME as ARTIFACT
from dbt_anymetrics.ledger.artifact import Document, read_earlier
from dbt_anymetrics.ledger.earlier import take_in
from dbt_anymetrics.output.plan_text import plan_lines
from dbt_anymetrics.planning.plan import plan
from dbt_anymetrics.result import Result, Status, count
from dbt_anymetrics.sandbox import Sandbox
from tests.artifacts import SCENARIOS, VERSIONS, scenario
from tests.builders import (
    INVOCATION,
    Json,
    batches,
    data_test_json,
    listed,
    manifest_json,
    node_json,
    orders,
    result_json,
    run_json,
    write_artifacts,
)
from tests.ledgers import opened
from tests.raw_server import RawServer, http
from tests.shop import ROOT, Shop
from tests.tiers import SLOW

MUTATIONS = [10, pytest.param(200, marks=SLOW)]
"""Of each kind, for each recorded version."""

SOON = 30
"""Seconds that nothing here takes, however busy the machine."""

EXTREMES: list[Any] = [
    *(None, True, False, 0, -1, 1 << 63, 1 << 64, -(1 << 63), 1.5, 1e308, "", " ", "\x00", "None", "2024-07-17", "{{"),
    *([], {}, [[]], [None], {"": None}, "é" * 300, "\u202e", "\U0010ffff", "anymetrics", "model.shop.x", "success"),
]


def planned_or_refused(folder: Path) -> list[Result]:
    """What a folder's artifacts lead to, all the way to what is shown and recorded; nothing where we refuse them."""
    try:
        inputs = read_inputs(Project(str(folder), str(folder), {}))
        results = listed(plan(inputs.manifest, inputs.runs, orders(run_date=None)))
    except AnyMetricsError:
        return []
    assert all(line.isprintable() for line in map(click.unstyle, plan_lines(results)))
    counts = count(results)
    assert counts.total + counts.untouched == len(results)
    list(Document.of({}, results, None).pieces())
    return results


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON tree."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def mutate(tree: Any, chance: random.Random) -> None:
    """Replace, remove, rename or move one value."""
    *way, last = chance.choice(list(places(tree)))
    parent = tree
    for key in way:
        parent = parent[key]
    what = chance.randrange(4)
    if what == 0 or isinstance(parent, list):
        parent[last] = copy.deepcopy(chance.choice(EXTREMES))
    elif what == 1:
        del parent[last]
    elif what == 2:
        parent[chance.choice(["", "meta", f"{last}x", "anymetrics.partition"])] = parent.pop(last)
    else:
        parent[last] = [parent[last]] if chance.random() < 0.5 else {"x": parent[last]}


def damage(data: bytes, chance: random.Random) -> bytes:
    """Cut, flip, repeat or insert some bytes."""
    at = chance.randrange(len(data))
    return (
        data[:at],
        data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
        data[:at] + data[at : at + 50] * 3 + data[at + 50 :],
        data[:at] + chance.randbytes(3) + data[at:],
        data[:at] + data[at + chance.randrange(1, 200) :],
    )[chance.randrange(5)]


@pytest.mark.parametrize("mutations", MUTATIONS)
@pytest.mark.parametrize("file", ["manifest.json", "run_results.json"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_artifact_with_another_value_somewhere_is_planned_or_refused(
    version: str, file: str, mutations: int, tmp_path: Path
) -> None:
    chance = random.Random(f"{version} {file}")
    plans = 0
    scenario(version, chance.choice(SCENARIOS[version]), tmp_path)
    tree = json.loads((tmp_path / file).read_bytes())
    for _ in range(mutations):
        mutated = copy.deepcopy(tree)
        for _ in range(chance.choice((1, 1, 5))):
            mutate(mutated, chance)
        (tmp_path / file).write_text(json.dumps(mutated), encoding="utf-8")
        plans += bool(planned_or_refused(tmp_path))
    assert plans, "every mutation was refused: nothing is proved about plans"


@pytest.mark.parametrize("mutations", MUTATIONS)
@pytest.mark.parametrize("file", ["manifest.json", "run_results.json"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_artifact_with_other_bytes_somewhere_is_planned_or_refused(
    version: str, file: str, mutations: int, tmp_path: Path
) -> None:
    chance = random.Random(f"{file} {version}")
    scenario(version, "build", tmp_path)
    whole = (tmp_path / file).read_bytes()
    for _ in range(mutations):
        (tmp_path / file).write_bytes(damage(whole, chance))
        planned_or_refused(tmp_path)


ORDERS = "model.shop.orders"


def with_meta(meta: object) -> tuple[Json, Json]:
    return manifest_json(node_json(meta=meta)), run_json(result_json())


def with_run(**fields: Any) -> tuple[Json, Json]:
    return manifest_json(node_json(meta={"anymetrics.enabled": True})), run_json(result_json(), **fields)


def with_batch(start: str) -> tuple[Json, Json]:
    return with_meta({"anymetrics.enabled": True})[0], run_json(result_json(batch_results=batches(start)))


def nested(depth: int) -> object:
    value: object = "run_date"
    for _ in range(depth):
        value = [value]
    return value


ODD: dict[str, Callable[[], tuple[Json, Json]]] = {
    "a run of a million years": lambda: with_run(elapsed_time=3e13, invocation_started_at=None),
    "a run without end": lambda: with_run(elapsed_time=1e300, invocation_started_at=None),
    "a run before the first year": lambda: with_run(invocation_started_at="0001-01-01T00:00:00+14:00"),
    "a run after the last year": lambda: with_run(invocation_started_at="9999-12-31T23:59:59-14:00"),
    "written before the first year": lambda: with_run(generated_at="0001-01-01T00:00:00+14:00"),
    "a batch before the first year": lambda: with_batch("0001-01-01T00:00:00+14:00"),
    "a batch after the last year": lambda: with_batch("9999-12-31T23:59:59-14:00"),
    "a leap second": lambda: with_run(invocation_started_at="2016-12-31T23:59:60Z"),
    "a number with 5,000 digits": lambda: with_meta({"anymetrics.partition": "@digits"}),
    "a list 900 deep": lambda: with_meta({"anymetrics.partition": nested(900)}),
    "vars 900 deep": lambda: with_run(args={"vars": {"ds": nested(900)}}),
    "a key of a hundred thousand characters": lambda: with_meta({"anymetrics." + "partition" * 11_000: True}),
    "a value of a million characters": lambda: with_meta({"anymetrics.partition": "2024-07-17," * 90_000}),
    "a million dates": lambda: with_meta({"anymetrics.partition": ["0001-01-01..9999-12-31"] * 1000}),
    "a hundred thousand keys": lambda: with_meta({f"anymetrics.{n}": n for n in range(100_000)}),
    "a circle of tests": lambda: (
        manifest_json(data_test_json("t", reads=("orders",)) | {"attached_node": "test.shop.t"}, node_json()),
        run_json(result_json("test.shop.t", "fail")),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_artifact_is_planned_or_refused_soon_and_in_little_memory(name: str, tmp_path: Path) -> None:
    write_artifacts(tmp_path, *ODD[name]())
    manifest = tmp_path / "manifest.json"
    # Python itself does not write such numbers.
    manifest.write_text(manifest.read_text().replace('"@digits"', "9" * 5000))
    begun = time.monotonic()
    tracemalloc.start()
    try:
        planned_or_refused(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_the_first_and_the_last_day_have_a_date_in_a_zone_or_are_refused(
    zone: str, moment: str, tmp_path: Path
) -> None:
    write_artifacts(tmp_path, *with_run(invocation_started_at=moment))
    inputs = read_inputs(Project(str(tmp_path), str(tmp_path), {}))
    try:
        results = listed(plan(inputs.manifest, inputs.runs, orders(run_date=None, timezone=zone)))
    except AnyMetricsError:
        return
    assert len(results) == 1


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"nodes":{"x":{"config":{"meta":', '{"results":[', '{"metadata":'])
@pytest.mark.parametrize("file", ["manifest.json", "run_results.json"])
@pytest.mark.parametrize("depth", [600, 100_000])
def test_json_that_is_nested_deeply_is_refused(opening: str, file: str, depth: int, tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path)
    (tmp_path / file).write_text(opening * depth)
    with pytest.raises(ArtifactError) as refusal:
        read_inputs(Project(str(tmp_path), str(tmp_path), {}))
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("where", ["unknown", "meta", "vars", "NaN"])
def test_a_deep_value_within_a_whole_artifact_is_planned_or_refused(where: str, tmp_path: Path) -> None:
    known, ran = with_meta({"anymetrics.enabled": True, "deep": "@"})
    known["unknown"] = ran["args"]["vars"] = "@"
    texts = {"manifest.json": json.dumps(known), "run_results.json": json.dumps(ran)}
    deep = "[" * 100_000 + "]" * 100_000
    for file, text in texts.items():
        at = {"unknown": '"unknown": "@"', "meta": '"deep": "@"', "vars": '"vars": "@"', "NaN": '"unknown": "@"'}[where]
        filled = text.replace(at, at.replace('"@"', deep))
        (tmp_path / file).write_text(filled.replace('"elapsed_time": 0.0', '"x": NaN') if where == "NaN" else filled)
    planned_or_refused(tmp_path)


# Memory


def limited(shop: Shop, megabytes: int, *arguments: str) -> tuple[int, str]:
    """Run our command with no more memory than this."""
    command = f'ulimit -v {megabytes * 1024}; exec "$0" -m dbt_anymetrics "$@"'
    done = shop.run(["sh", "-c", command, sys.executable, *arguments], {})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("size", [(1 << 30) + 1, 1 << 30], ids=["over", "at the limit"])
@pytest.mark.parametrize("file", ["manifest.json", "run_results.json"])
def test_an_artifact_of_a_gigabyte_is_refused_without_reading_it(file: str, size: int, tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    os.truncate(tmp_path / "target" / file, size)
    code, output = limited(Shop(tmp_path), 800, "plan")
    assert "Traceback" not in output
    assert code == 2
    assert "is larger than" in output


@pytest.mark.parametrize("file", ["anymetrics_results.json", "anymetrics.db"])
def test_a_gigabyte_in_the_place_of_a_file_of_ours_is_not_read_either(file: str, tmp_path: Path) -> None:
    target = scenario("1.11", "build", tmp_path / "target")
    (target / file).touch()
    os.truncate(target / file, (1 << 30) + 1)
    code, output = limited(Shop(tmp_path), 800, "plan")
    assert "Traceback" not in output
    assert code == 0


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    code, output = limited(Shop(tmp_path), 800, "plan", "--manifest", "/dev/zero")
    assert "Traceback" not in output
    assert code == 2


def test_memory_grows_with_the_artifact_by_a_small_factor(tmp_path: Path) -> None:
    nodes = [node_json(f"n{n}", {"anymetrics.enabled": True, "text": "x" * 500}) for n in range(20_000)]
    write_artifacts(tmp_path, manifest_json(*nodes), run_json(*(result_json(f"n{n}") for n in range(20_000))))
    size = sum((tmp_path / file).stat().st_size for file in ("manifest.json", "run_results.json"))
    del nodes
    tracemalloc.start()
    try:
        assert len(planned_or_refused(tmp_path)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * size


# The terminal

EVIL = "\x1b]0;evil\x07\x1b[2J\r\n\x9b31m\u202e\x00\x7f"

CONTROL = re.compile(r"[^\n\x20-\x7e\u00a1-\u2028…]|[\x80-\x9f\u202a-\u202e]")


def evil_artifacts(folder: Path) -> Shop:
    """Names with control characters wherever dbt writes what a user, or whoever made the artifact, chose."""
    meta = {"anymetrics.datasource": "sr"}
    nodes = [
        node_json("good", meta),
        node_json(f"a{EVIL}", meta),
        node_json(f"b{EVIL}", {**meta, f"anymetrics.{EVIL}": 1}),
        node_json("c", {**meta, "anymetrics.partition": f"2024{EVIL}"}),
        node_json("d", {**meta, "anymetrics.partition": "{{ '" + EVIL.replace("\n", "") + "' }}"}),
        node_json("e", {**meta, "anymetrics.schema": f"s{EVIL}"}),
        node_json("f", meta),
        node_json("g", meta),
        data_test_json(f"t{EVIL}", attached_to="g"),
    ]
    results = [result_json(node["unique_id"]) for node in nodes[:6]]
    results += [result_json("f", EVIL), result_json("g"), result_json(nodes[-1]["unique_id"], "fail")]
    ran = run_json(*results, dbt_version=f"1.11.0{EVIL}", args={"which": "build"})
    write_artifacts(folder / "target", manifest_json(*nodes, adapter=f"x{EVIL}"), ran)
    return Shop(folder)


def check_that_nothing_is_raw(output: str) -> None:
    assert "Traceback" not in output
    assert CONTROL.search(output) is None, repr(CONTROL.search(output))


@pytest.mark.parametrize(
    "command", [("plan",), ("refresh",), ("refresh", "--log-format", "json"), ("debug",)], ids=" ".join
)
def test_names_with_control_characters_are_not_printed_raw(command: tuple[str, ...], tmp_path: Path) -> None:
    shop = evil_artifacts(tmp_path)
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        identity = {"ANYMETRICS_TENANT_ID": "tn", "ANYMETRICS_AUTH_TYPE": "UID", "ANYMETRICS_AUTH_VALUE": "value"}
        done = shop.cli(*command, ANYMETRICS_URL=server.url, **identity)
    assert done.stdout
    if "json" in command:
        for line in done.stdout.splitlines():
            check_that_nothing_is_raw(json.loads(line)["info"]["msg"])
    else:
        check_that_nothing_is_raw(done.stdout)
    check_that_nothing_is_raw(done.stderr)


REFUSED: dict[str, Callable[[], tuple[Json, Json]]] = {
    "a node that the manifest does not know": lambda: (
        manifest_json(node_json()),
        run_json(result_json(f"model.{EVIL}"), invocation_id="other"),
    ),
    "a schema of another kind": lambda: (manifest_json(dbt_schema_version=f"https://x/{EVIL}/v1"), run_json()),
    "a form of its own": lambda: (
        manifest_json(node_json()) | {"nodes": {EVIL: {"resource_type": 1, "name": EVIL}}},
        run_json(),
    ),
    "a command that builds nothing": lambda: (
        manifest_json(node_json(meta={"anymetrics.enabled": True})),
        run_json(result_json(), args={"which": EVIL}),
    ),
    "a run date that is none": lambda: with_run(env={"ANYMETRICS_RUN_DATE": EVIL}),
    "an invocation": lambda: with_run(invocation_id=f"{INVOCATION}{EVIL}"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["plan", "debug"])
def test_what_is_refused_is_not_printed_raw(name: str, command: str, tmp_path: Path) -> None:
    write_artifacts(tmp_path / "target", *REFUSED[name]())
    done = Shop(tmp_path).cli(command, "--datasource", "sr")
    assert done.stdout + done.stderr
    check_that_nothing_is_raw(done.stdout)
    check_that_nothing_is_raw(done.stderr)


SERVER_SAYS: dict[str, bytes] = {
    "error text": http(json.dumps({"success": False, "errorMsg": EVIL, "code": EVIL, "traceId": EVIL}).encode()),
    "object": http(json.dumps({"success": False, "errorMsg": {EVIL: [EVIL]}}).encode()),
    "location": http(b"", "302 Found", Location="/\x1b[2J\x07"),
    "no HTTP": b"\x1b[2J\x07\x9b\r\n\r\n",
    "status": b"HTTP/1.1 \x1b[2J\r\n\r\n",
    "reason": http(b"", "500 \x1b[2J"),
}


@pytest.mark.parametrize("name", SERVER_SAYS)
def test_what_a_server_says_is_not_printed_raw(name: str, tmp_path: Path) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with RawServer(lambda visit: visit.answer(SERVER_SAYS[name])) as server:
        identity = {"ANYMETRICS_TENANT_ID": "tn", "ANYMETRICS_AUTH_TYPE": "UID", "ANYMETRICS_AUTH_VALUE": "value"}
        shop = Shop(tmp_path, {**identity, "ANYMETRICS_URL": server.url})
        done = shop.cli("debug", "--run-results", "target/run_results.json")
        assert server.requests
    assert done.returncode == 1
    check_that_nothing_is_raw(done.stdout)
    check_that_nothing_is_raw(done.stderr)


# What an artifact names is not opened

OPENED = """
import sys
opened = []
REACHING = ("open", "os.", "subprocess.", "socket.", "import", "shutil.", "glob.")
sys.addaudithook(lambda event, arguments: opened.append(repr(arguments)) if event.startswith(REACHING) else None)
from dbt_anymetrics.cli import main
main(["plan"], standalone_mode=False)
print([each for each in opened if "canary" in each])
"""


def test_no_path_in_an_artifact_is_opened(tmp_path: Path) -> None:
    canary = str(tmp_path / "canary")
    paths = ("root_path", "path", "original_file_path", "patch_path", "build_path", "compiled_path", "docs")
    meta = {"anymetrics.datasource": "canary", "anymetrics.partition": "{{ var('canary', 'run_date') }}"}
    node = node_json(meta=meta) | dict.fromkeys(paths, canary) | {"relation_name": canary}
    known = manifest_json(node) | {"project_root": canary, "files": {canary: canary}}
    ran = run_json(result_json(), args={"project_dir": canary, "target_path": canary, "profiles_dir": canary})
    write_artifacts(tmp_path / "target", known, ran)
    done = Shop(tmp_path).run([sys.executable, "-c", OPENED], {})
    assert "Plan: 1 to refresh" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


# Templates

GREEDY = [
    "{{ 'a' * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ range(1000000000)|list }}",
    "{{ ('a,' ~ 'a,')" + "|replace('a', '" + "a" * 90 + "')" * 15 + " }}",
    "{{ ['a']" + "|join('" + "b" * 90 + "')" * 15 + " }}",
    "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
    "{{ " + "[" * 900 + "1" + "]" * 900 + " }}",
    "{{ " + "-" * 1900 + "1 }}",
    "{{ " + "~".join(["'a'"] * 400) + " }}",
    "{{ lipsum(n=100000) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ run_started_at.__reduce_ex__(2) }}",
    "{{ modules.datetime.__loader__ }}",
    "{{ modules.datetime.datetime.strptime('x' * 99, '%Y') }}",
    "{{ run_started_at.strftime('%Y' * 49) }}",
    "{{ run_started_at.strftime('%1000000000Y') }}",
    "{{ run_started_at.strftime('%099999999d') }}",
]


@pytest.mark.parametrize("source", GREEDY, ids=lambda source: source[:40])
def test_a_greedy_template_is_refused_soon_and_in_little_memory(source: str, tmp_path: Path) -> None:
    write_artifacts(tmp_path, *with_meta({"anymetrics.partition": source}))
    begun = time.monotonic()
    tracemalloc.start()
    try:
        [result] = planned_or_refused(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.status is Status.ERROR
    assert len(result.message or "") < 1000
    assert peak < 100 << 20
    assert time.monotonic() - begun < SOON


# The ledger and the artifact of an earlier version are data too


@pytest.mark.parametrize("damages", [50, pytest.param(300, marks=SLOW)])
def test_a_damaged_artifact_of_an_earlier_version_is_taken_in_or_left_out(damages: int, tmp_path: Path) -> None:
    chance = random.Random("artifact")
    whole = (ROOT / "tests" / "artifacts" / "earlier_results.json").read_bytes()
    for content in (damage(whole, chance) for _ in range(damages)):
        (tmp_path / ARTIFACT).write_bytes(content)
        if document := read_earlier(tmp_path):
            with opened(tmp_path / "anymetrics.db") as database:
                take_in(database, document, "http://127.0.0.1:8083")


def test_a_damaged_ledger_is_used_or_set_aside_and_always_refreshed_from(tmp_path: Path) -> None:
    chance = random.Random("ledger")
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox() as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        assert shop.cli("refresh").returncode == 0
        ledger = shop.target / "anymetrics.db"
        whole, number = ledger.read_bytes(), len(sandbox.received)
        for _ in range(12):
            at, length = chance.randrange(len(whole)), chance.choice([1, 100, 4096, len(whole)])
            ledger.write_bytes(whole[:at] + chance.randbytes(min(length, len(whole) - at)) + whole[at + length :])
            done = shop.cli("refresh")
            assert "Traceback" not in done.stdout + done.stderr
            assert done.returncode in (0, 1)
            assert "ERROR=0" in done.stdout
            assert (done.returncode == 0) or "cannot be used" in done.stderr or "is damaged" in done.stderr
        assert len(sandbox.received) >= number
