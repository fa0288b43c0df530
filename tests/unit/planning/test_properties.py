"""What holds for every input: dates, table names, `meta`, plans and the record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from string import ascii_lowercase
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbt_anymetrics.errors import NodeError, UsageError
from dbt_anymetrics.ledger.artifact import Document
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.ledger.sqlite import SqliteDatabase
from dbt_anymetrics.planning import partition
from dbt_anymetrics.planning.meta import KEYS, read_settings
from dbt_anymetrics.planning.partition import MAX_DAYS, days, parse_date, resolve
from dbt_anymetrics.planning.plan import plan
from dbt_anymetrics.planning.table_name import MAX_LENGTH, table_name
from dbt_anymetrics.result import LazyCollection, Refresh, Status, Timing, count, is_external
from dbt_anymetrics.sandbox.validation import parse_partition, parse_table_name
from tests.builders import Json, batches, listed, manifest, node_json, orders, planned, result_json, run

# Not each run tries the same: Hypothesis takes constants from whatever modules of ours a worker has loaded.
SUITE = settings(deadline=None, derandomize=True, max_examples=100)

DATES = st.dates(min_value=date(1000, 1, 1))
RUN_DATES = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1))
OFFSETS = st.integers(0, 1500)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

MENTION = re.compile(r"any[\W_]*metric", re.IGNORECASE)
"""A key of ours, a mistyped one too."""

ValueT = TypeVar("ValueT")


def tried(make: Callable[[], ValueT]) -> tuple[ValueT | None, str]:
    """What a call gives, or what our own error says; any other exception fails the test."""
    try:
        return make(), ""
    except (UsageError, NodeError) as error:
        return None, str(error)


# Partitions and ranges


@SUITE
@given(DATES)
def test_a_date_means_itself_and_the_sandbox_reads_it_the_same(day: date) -> None:
    assert parse_date(day.isoformat()) == day == parse_partition(day.isoformat())


@SUITE
@given(st.text(alphabet="0123456789- T:/.٣", max_size=12))
def test_a_text_is_a_date_here_exactly_when_it_is_one_to_the_sandbox(text: str) -> None:
    def read(reader: Any) -> date | None:
        try:
            return reader(text.strip())  # type: ignore[no-any-return]
        except (UsageError, ValueError):
            return None

    assert read(parse_date) == read(parse_partition)


@SUITE
@given(RUN_DATES, OFFSETS, OFFSETS)
def test_a_range_is_every_day_between_its_ends_once_and_in_order(run_date: date, one: int, other: int) -> None:
    far, near = max(one, other), min(one, other)
    found = list(resolve(f"run_date-{far}..run_date-{near}", run_date))
    assert found == [run_date - timedelta(days=n) for n in range(far, near - 1, -1)]
    assert found == list(resolve(f"{found[0]}..{found[-1]}", run_date)) == list(days(found[0], found[-1]))


@SUITE
@given(st.lists(DATES, min_size=1, max_size=20), RUN_DATES)
def test_a_list_is_the_set_of_its_dates_however_it_is_written(listed: list[date], run_date: date) -> None:
    texts = [day.isoformat() for day in listed]
    assert resolve(texts, run_date) == resolve(", ".join(texts), run_date) == resolve(listed, run_date)
    assert resolve(texts, run_date) == tuple(sorted(set(listed)))


@SUITE
@given(DATES, st.integers(1, 100_000))
def test_a_range_that_runs_backwards_is_refused(day: date, length: int) -> None:
    earlier = max(day.toordinal() - length, 1)
    if earlier == day.toordinal():
        return
    with pytest.raises(UsageError, match="runs backwards"):
        resolve(f"{day}..{date.fromordinal(earlier)}", day)


@SUITE
@given(st.one_of(JSON, st.text(alphabet="rundate_-0123456789.., \n{}", max_size=40)), RUN_DATES)
def test_anything_is_dates_in_order_or_a_usage_error(setting: object, run_date: date) -> None:
    found, refusal = tried(lambda: resolve(setting, run_date))
    assert refusal.isprintable()
    if found is not None:
        assert found == sorted(set(found))
        assert 0 < len(found) <= MAX_DAYS


# Table names

PART = st.text(alphabet=ascii_lowercase + "ABC_-0 é表`.\n\x1b", max_size=12)


@SUITE
@example("sr", "c", "s", "t ")
@example(" sr", "c", "s", "t")
@given(PART, PART, PART, PART)
def test_a_table_name_is_one_that_the_sandbox_takes_apart_into_the_same_parts(
    datasource: str, catalog: str, schema: str, table: str
) -> None:
    name, refusal = tried(lambda: table_name(datasource, catalog, schema, table))
    assert refusal.isprintable()
    if name is not None:
        assert tuple(parse_table_name(name)) == (datasource, catalog, schema, table)


@SUITE
@given(st.lists(st.text(alphabet=ascii_lowercase + "_-0é表", min_size=1, max_size=25), min_size=4, max_size=4))
def test_every_name_that_the_sandbox_takes_is_made(parts: list[str]) -> None:
    assert tuple(parse_table_name(table_name(*parts))) == tuple(parts)


@SUITE
@given(st.integers(1, 300))
def test_a_name_is_refused_exactly_when_it_is_too_long(length: int) -> None:
    name, _ = tried(lambda: table_name("sr", "c", "s", "t" * length))
    assert (name is not None) is (len("sr.`c.s`.") + length <= MAX_LENGTH)


# Meta

META_KEYS = st.sampled_from([*(f"anymetrics.{key}" for key in KEYS), "anymetrics", "anymetrics.", "owner"]) | st.text(
    max_size=20
)
LIKELY = st.sampled_from(
    ["run_date", "run_date-1", "2024-07-01..2024-07-03", "sr", "", True, False, "skip", "{{ 1/0 }}", "{{ var('x') }}"]
)
META = st.dictionaries(META_KEYS, LIKELY | JSON, max_size=5)


@SUITE
@given(JSON | META)
def test_settings_are_read_or_refused_by_a_node_error_that_can_be_printed(meta: object) -> None:
    found, refusal = tried(lambda: read_settings(meta))
    assert not refusal or MENTION.search(refusal)
    if found:
        assert isinstance(meta, dict)
        assert any(str(key).startswith("anymetrics") for key in meta)


# Plans


@st.composite
def projects(draw: st.DrawFn) -> tuple[list[Json], list[Json]]:
    """Nodes with any meta, and what a run says of some of them."""
    nodes, results = [], []
    for number in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["model", "model", "seed", "snapshot", "test", "analysis"]))
        node = node_json(
            f"n{number}",
            draw(META | JSON),
            resource_type=kind,
            schema=draw(st.sampled_from(["mart", "a.b", "", None, "x" * 130])),
            alias=draw(st.sampled_from(["t", "same", None, "a`b", "é\n"])),
            database=draw(st.sampled_from([None, "db", "None"])),
            config={"materialized": draw(st.sampled_from(["table", "view", "ephemeral", None]))},
        )
        nodes.append({**node, "meta": draw(META | st.none())})
        if draw(st.booleans()):
            status = draw(st.sampled_from(["success", "success", "error", "skipped", "partial success", "warn"]))
            built = batches("2024-07-16T00:00:00Z") if draw(st.booleans()) else None
            results.append(result_json(node["unique_id"], status, batch_results=built))
    return nodes, results


EXTERNAL = {**node_json(meta={"anymetrics.external_plan": "run_date"}), "meta": None}


@settings(SUITE, max_examples=200)
@example(([EXTERNAL], [result_json()]), "starrocks", None)
@given(projects(), st.sampled_from(["starrocks", "doris", "duckdb"]), st.sampled_from([None, "sr"]))
def test_a_plan_loses_no_node_sends_nothing_twice_and_is_the_same_each_time(
    project: tuple[list[Json], list[Json]], adapter: str, datasource: str | None
) -> None:
    nodes, results = project
    made = planned(*nodes, runs=(run(*results),), adapter=adapter, datasource=datasource)
    assert made == planned(*nodes, runs=(run(*results),), adapter=adapter, datasource=datasource)
    names = {result.unique_id for result in made}
    for node in nodes:
        mentions = MENTION.search(json.dumps([node["config"]["meta"], node["meta"]]))
        kind = node["resource_type"] in ("model", "seed", "snapshot")
        assert node["unique_id"] not in names or (mentions and (kind or node["resource_type"] == "test"))
        if kind and _has_a_setting(node):
            assert node["unique_id"] in names
    sent = [(result.table_name, result.partition) for result in made if result.status is Status.PLANNED]
    assert len(sent) == len(set(sent))
    for name, day in sent:
        if not is_external(str(name)):
            parse_table_name(str(name))
        parse_partition(str(day))
    assert all(result.message for result in made if result.status in (Status.SKIPPED, Status.ERROR))
    msgspec.json.decode(b"".join(Document.of({}, made, "i").pieces()), type=Document)


def _has_a_setting(node: Json) -> bool:
    meta = node["config"]["meta"] or node["meta"]
    return isinstance(meta, dict) and any(
        value is not None for key, value in meta.items() if key.startswith("anymetrics.")
    )


@SUITE
@given(st.text(max_size=30) | st.sampled_from(["{{ var('x') }}", "run_date..run_date-1", "{% if %}", "{{ 9**9**9 }}"]))
def test_an_order_for_all_nodes_is_dates_for_each_or_a_usage_error(text: str) -> None:
    known = manifest(node_json(meta={"anymetrics.enabled": True}))
    made, refusal = tried(lambda: listed(plan(known, [run(result_json())], orders(partition=text))))
    assert not refusal or refusal.startswith("--partition: ")
    assert made is None or {result.status for result in made} == {Status.PLANNED}


@SUITE
@given(st.lists(st.sampled_from("abc"), max_size=4, unique=True), st.randoms())
def test_the_order_of_nodes_in_the_manifest_changes_nothing(names: list[str], random: Any) -> None:
    nodes = [node_json(name, {"anymetrics.enabled": True}) for name in names]
    ran = run(*(result_json(name) for name in names))
    before = listed(plan(manifest(*nodes), [ran], orders()))
    random.shuffle(nodes)
    assert listed(plan(manifest(*nodes), [ran], orders())) == before


# The ledger

MOMENT = datetime(2024, 7, 18, 6, tzinfo=timezone.utc)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def asked(draw: st.DrawFn) -> list[Refresh]:
    """Refreshes of one dbt run, each table and date once."""
    keys = draw(st.lists(st.tuples(TEXTS.filter(bool), RUN_DATES), max_size=8, unique=True))
    return [Refresh(unique_id=f"model.{name}", table_name=name, partition=day, invocation_id="i") for name, day in keys]


OUTCOMES = st.lists(
    st.builds(
        lambda ok, text, trace: {
            "status": Status.SUCCESS if ok else Status.ERROR,
            "message": None if ok else text,
            "trace_id": trace,
            "attempts": 1,
            "timing": Timing(MOMENT, MOMENT),
        },
        st.booleans(),
        TEXTS,
        st.none() | TEXTS,
    ),
    min_size=8,
    max_size=8,
)


@SUITE
@given(asked(), OUTCOMES, st.integers(0, 8))
def test_what_is_not_confirmed_is_pending_and_what_is_confirmed_is_not_asked_again(
    refreshes: list[Refresh], outcomes: list[dict[str, Any]], added: int
) -> None:
    done = [refresh.result(**outcome) for refresh, outcome in zip(refreshes, outcomes, strict=False)][:added]
    database = SqliteDatabase()
    database.create()
    recording = Recording(database, "http://a", "tn", Command(kind="refresh", process=1))
    recording.ask(refreshes, ())
    horizon = recording.claim(refreshes, force=False).horizon
    for result in done:
        recording.add([(result, horizon)])
    assert list(recording.outcomes()) == done
    successes = {(result.table_name, result.partition) for result in done if result.status is Status.SUCCESS}
    ledger = recording.ledger
    open_ends = {refresh for refresh in refreshes if (refresh.table_name, refresh.partition) not in successes}
    assert set(ledger.pending()) == open_ends
    again = list(ledger.without_confirmed(LazyCollection(lambda: refreshes), ["i"]))
    assert [item for item in again if isinstance(item, Refresh)] == [each for each in refreshes if each in open_ends]
    assert count(again).already == len(successes)
    assert ledger.backlog().refreshes == len(open_ends)
    assert ledger.backlog(["i"]).refreshes == 0
    database.close()


def test_the_limit_of_a_partition_is_that_of_the_documentation() -> None:
    assert partition.MAX_DAYS == 3660
