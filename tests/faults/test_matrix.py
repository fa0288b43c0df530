"""Every shape of answer, at every position, for one refresh and for many, on one thread and on several.

A fault meets a single request (the first, the middle one, the last) or all of them. What must come of it:

  shape                              a single request           all requests
  a refusal of AnyMetrics itself     that refresh fails         every refresh fails, each tried once
  an answer of something else        that refresh fails         given up after 10 in a row, or twice the threads
  a passing trouble                  tried again, succeeds      tried 5 times while the budget lasts; given up as above
  an odd success                     succeeds                   every refresh succeeds

`make test` tries 7 of the 12 cases of each shape, `make soak` all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from dbt_anymetrics.ledger.claims import Claim
from dbt_anymetrics.ledger.recording import Command, Recording
from dbt_anymetrics.output.console import Console
from dbt_anymetrics.output.text import TextReporter
from dbt_anymetrics.result import Counts, Refresh, Result, Status
from dbt_anymetrics.sandbox import Sandbox, Shape
from dbt_anymetrics.sending.delivery import Delivering, Delivery
from dbt_anymetrics.sending.outcomes import Outcomes
from dbt_anymetrics.sending.queue import Queue
from dbt_anymetrics.sending.retrying import Backoff
from dbt_anymetrics.sending.send import send
from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Call
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import connection
from tests.artifacts import scenario
from tests.disk import room_for
from tests.ledgers import confirmed, opened, pending
from tests.raw_server import RawServer, Visit, http
from tests.shop import Shop
from tests.soak import soak
from tests.tiers import tiered

S = Shape

REFUSALS = {S.NO_PERMISSION, S.SYSTEM_ERROR, S.FAILED_TO_CREATE, S.MESSAGE_FIELD, S.UNCONFIRMED, S.DATA_FALSE}
ELSEWHERE = {S.HTML, S.REDIRECT, S.EMPTY, S.TRUNCATED, S.NOT_JSON, S.UNAUTHORIZED, S.FORBIDDEN, S.NOT_FOUND}
PASSING = {S.SERVER_ERROR, S.UNAVAILABLE, S.TOO_MANY_REQUESTS, S.HANG, S.RESET, S.HALF_BODY}
SUCCESSES = {shape for shape in Shape if shape.value.startswith("success-")}

MANY = 50
TRIES = 5
BUDGET = 20
"""Retries of a run of up to a hundred refreshes."""


class Impatient(Backoff, frozen=True):
    """The product's own patience without its waiting."""

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        return None if super().wait(attempt, None) is None else 0


def planned(number: int) -> list[Refresh]:
    first = date(2024, 1, 1)
    return [
        Refresh(
            unique_id="model.shop.orders",
            table_name="starrocks.`default_catalog.mart`.orders",
            partition=first + timedelta(days=day),
            invocation_id="i",
        )
        for day in range(number)
    ]


def at(url: str) -> dict[str, str]:
    """The environment that points at a server that is no sandbox."""
    identity = {"ANYMETRICS_TENANT_ID": "tn", "ANYMETRICS_AUTH_TYPE": "UID", "ANYMETRICS_AUTH_VALUE": "value"}
    return {"ANYMETRICS_URL": url, **identity}


class Delivered(NamedTuple):
    """What the engine did: every outcome, the counts, and whether the ledger could not be written."""

    results: list[Result]
    counts: Counts
    is_lost: bool

    @property
    def all_well(self) -> bool:
        return self.counts.all_well and not self.is_lost


def delivered(
    refreshes: Sequence[Refresh],
    environment: Mapping[str, str],
    folder: Path,
    threads: int,
    timeout: float = 30,
    backoff: Backoff | None = None,
) -> Delivered:
    """Send these through the engine, as `refresh` does."""
    settings = connection(
        url=environment["ANYMETRICS_URL"],
        tenant_id=environment["ANYMETRICS_TENANT_ID"],
        auth_type=environment["ANYMETRICS_AUTH_TYPE"],
        timeout=timeout,
        environment=environment,
    )
    delivering = Delivering(threads=threads, backoff=backoff or Impatient())
    reporter = TextReporter(Console(quiet=True))
    with opened(folder) as database:
        command = Command(kind="refresh", process=os.getpid())
        outcomes = Outcomes(
            lambda: Recording(database, settings.url, settings.tenant_id, command),
            lambda loss: reporter.error(str(loss)),
        )
        outcomes.ask(refreshes, ())
        with closing(Client(settings, {})) as client:
            assert not send(refreshes, client, delivering, outcomes, reporter)
        outcomes.end(outcomes.counts, 0, 90)
        return Delivered(list(outcomes), outcomes.counts, outcomes.is_lost)


def check_that_each_has_one_outcome(refreshes: Sequence[Refresh], outcome: Delivered, folder: Path) -> None:
    """The first promise: one outcome for each refresh, the counts equal the plan, and the ledger says the same."""
    assert sorted(result.partition or date.min for result in outcome.results) == [each.partition for each in refreshes]
    assert outcome.counts.total == len(refreshes)
    done = [result for result in outcome.results if result.status is Status.SUCCESS]
    assert confirmed(folder) == {(str(result.table_name), str(result.partition)): result.trace_id for result in done}
    assert len(pending(folder)) == len(refreshes) - len(done)
    for result in outcome.results:
        sent = result.timing is not None
        assert sent is (result.attempts > 0) is (result.status in (Status.SUCCESS, Status.ERROR))
        assert bool(result.message) is (result.status is not Status.SUCCESS)


class Expected(NamedTuple):
    """What comes of it; a range where several threads decide it, both ends included."""

    ok: int
    errors: tuple[int, int]
    requests: tuple[int, int]


def expected(shape: Shape, position: str, number: int, threads: int) -> Expected:
    if shape in SUCCESSES:
        return Expected(number, (0, 0), (number, number))
    if position != "all":
        again = shape in PASSING
        return Expected(number - (not again), (int(not again),) * 2, (number + again,) * 2)
    if shape in REFUSALS:
        return Expected(0, (number, number), (number, number))
    # Whoever is under way when the circuit opens still ends.
    limit = max(10, 2 * threads)
    errors = (min(number, limit), min(number, limit + threads - 1))
    if shape in ELSEWHERE:
        return Expected(0, errors, errors)
    retries = min(BUDGET, (TRIES - 1) * number)
    # A retry that was granted is not made when the circuit opens just then.
    return Expected(
        0, errors, (errors[0] + retries - (threads if number > 1 and threads > 1 else 0), errors[1] + retries)
    )


POSITIONS: dict[str, Callable[[int, int], bool]] = {
    "first": lambda request, number: request == 0,
    "middle": lambda request, number: request == number // 2,
    "last": lambda request, number: request == number - 1,
    "all": lambda request, number: True,
}

CASES = [
    *(("first", 1, threads) for threads in (1, 8)),
    *(("all", 1, threads) for threads in (1, 8)),
    *((position, MANY, threads) for position in POSITIONS for threads in (1, 8)),
]

SHORT = {
    *(("first", 1, 1), ("all", 1, 8)),
    *(("first", MANY, 8), ("middle", MANY, 1), ("last", MANY, 8), ("all", MANY, 1), ("all", MANY, 8)),
}
"""Each position and each number of threads, though not each with each."""


def test_every_shape_is_of_one_kind() -> None:
    kinds = (REFUSALS, ELSEWHERE, PASSING, SUCCESSES)
    assert sorted(shape for kind in kinds for shape in kind) == sorted(Shape)


@pytest.mark.parametrize(("position", "number", "threads"), tiered(CASES, lambda _, case: case in SHORT))
@pytest.mark.parametrize("shape", sorted(Shape))
def test_a_fault_has_its_outcome(shape: Shape, position: str, number: int, threads: int, tmp_path: Path) -> None:
    meets = POSITIONS[position]
    results = planned(number)
    # Where every answer is missing, no good one can come late.
    timeout = 0.1 if position == "all" and shape is S.HANG else 2.0 if shape is S.HANG else 30.0
    with Sandbox(answers=lambda request: shape if meets(request, number) else None) as sandbox:
        outcome = delivered(results, sandbox.environment, tmp_path, threads, timeout)
    check_that_each_has_one_outcome(results, outcome, tmp_path)
    counts, right = outcome.counts, expected(shape, position, number, threads)
    assert counts.ok == right.ok
    assert right.errors[0] <= counts.error <= right.errors[1]
    assert counts.not_sent == number - counts.ok - counts.error
    assert outcome.all_well is (counts.ok == number)
    attempts = sum(result.attempts for result in outcome.results)
    assert right.requests[0] - (shape is S.RESET) <= attempts <= right.requests[1]
    # A client in a hurry leaves before the sandbox has read its request, and a new connection in the place of one that
    # the server has closed is no attempt.
    assert attempts <= len(sandbox.received) <= attempts * (1 + (shape is S.RESET)) or timeout < 1
    assert timeout >= 1 or len(sandbox.received) <= attempts
    traces = {received.trace_id for received in sandbox.received if received.ok}
    successes = [result for result in outcome.results if result.status is Status.SUCCESS]
    if shape is not S.SUCCESS_BARE:
        assert {result.trace_id for result in successes} == traces


# The same through the command line, where one can read it

LINES = [
    # shape, position, threads, exit code, requests, what the last line says
    (None, "all", "8", 0, MANY, "AnyMetrics: Done. OK=50 ERROR=0 SKIP=0 TOTAL=50"),
    (S.NO_PERMISSION, "first", "1", 1, MANY, "AnyMetrics: Done. OK=49 ERROR=1 SKIP=0 TOTAL=50"),
    (S.NO_PERMISSION, "all", "8", 1, MANY, "AnyMetrics: Done. OK=0 ERROR=50 SKIP=0 TOTAL=50"),
    (S.HTML, "last", "8", 1, MANY, "AnyMetrics: Done. OK=49 ERROR=1 SKIP=0 TOTAL=50"),
    (S.HTML, "all", "1", 1, 10, "AnyMetrics: Done. OK=0 ERROR=10 SKIP=0 NOT_SENT=40 TOTAL=50"),
    (S.UNAUTHORIZED, "all", "1", 1, 10, "AnyMetrics: Done. OK=0 ERROR=10 SKIP=0 NOT_SENT=40 TOTAL=50"),
    (S.RESET, "middle", "8", 0, MANY + 1, "AnyMetrics: Done. OK=50 ERROR=0 SKIP=0 TOTAL=50"),
    (S.UNAVAILABLE, "first", "1", 0, MANY + 1, "AnyMetrics: Done. OK=50 ERROR=0 SKIP=0 TOTAL=50"),
    (S.TOO_MANY_REQUESTS, "last", "8", 0, MANY + 1, "AnyMetrics: Done. OK=50 ERROR=0 SKIP=0 TOTAL=50"),
    (S.SUCCESS_BARE, "all", "8", 0, MANY, "AnyMetrics: Done. OK=50 ERROR=0 SKIP=0 TOTAL=50"),
]

MONTHS = "2024-01-01..2024-02-19"
"""Fifty days."""


def lines(shape: Shape | None, position: str) -> Callable[[int], Shape | None]:
    meets = POSITIONS[position]
    return lambda request: shape if meets(request, MANY) else None


@pytest.mark.parametrize(("shape", "position", "threads", "code", "requests", "last"), LINES)
def test_a_fault_has_its_line_and_exit_code(
    shape: Shape | None, position: str, threads: str, code: int, requests: int, last: str, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    with Sandbox(answers=lines(shape, position)) as sandbox:
        shop = Shop(tmp_path, sandbox.environment)
        done = shop.cli("refresh", "-m", "dim_customers", "--partition", MONTHS, "--threads", threads)
        assert len(sandbox.received) == requests
    assert (done.returncode, done.stdout.splitlines()[-1].split("  ", 1)[1]) == (code, last)
    assert done.stdout.count("too many refreshes in a row") == last.count("NOT_SENT") * 40


# No harm to the server


@pytest.mark.parametrize("threads", [1, 8, 64])
def test_a_thousand_refreshes_of_a_dead_server_take_few_attempts(threads: int, tmp_path: Path) -> None:
    results = planned(1000)
    with RawServer(Visit.reset) as server:
        outcome = delivered(results, at(server.url), tmp_path, threads)
        check_that_each_has_one_outcome(results, outcome, tmp_path)
        tried = max(10, 2 * threads) + threads - 1
        assert outcome.counts.error <= tried
        assert outcome.counts.not_sent >= 1000 - tried
        assert server.connections <= TRIES * tried
    assert not outcome.all_well


GATEWAYS = [b"{}", b'{"error": "no upstream"}', b'{"code": 1001, "message": "token expired", "data": null}']


@pytest.mark.parametrize("body", GATEWAYS)
def test_a_gateway_that_answers_in_json_of_its_own_is_not_asked_a_thousand_times(body: bytes, tmp_path: Path) -> None:
    results = planned(1000)
    with RawServer(lambda visit: visit.answer_all(http(body))) as server:
        outcome = delivered(results, at(server.url), tmp_path, 4)
        assert len(server.requests) <= 10 + 4
    check_that_each_has_one_outcome(results, outcome, tmp_path)
    assert outcome.counts.ok == 0


def test_trouble_that_comes_and_goes_is_retried_within_the_budget_of_the_run(tmp_path: Path) -> None:
    # Every second request fails, so the circuit never opens: only the budget holds the client back.
    results = planned(1000)
    with Sandbox(answers=lambda request: S.UNAVAILABLE if request % 2 else None) as sandbox:
        outcome = delivered(results, sandbox.environment, tmp_path, 8)
        assert len(sandbox.received) <= 1000 + 1000 // 5
    check_that_each_has_one_outcome(results, outcome, tmp_path)
    assert outcome.counts.not_sent == 0
    assert outcome.counts.ok >= 500


def test_no_more_connections_are_open_than_threads(tmp_path: Path) -> None:
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        assert delivered(planned(200), at(server.url), tmp_path, 3).all_well
        assert len(server.requests) == 200
        assert server.connections <= 3


def test_two_thousand_refreshes_with_faults_are_all_recorded_and_nothing_leaks(tmp_path: Path) -> None:
    soak(4, 500, tmp_path)


@pytest.mark.parametrize(("header", "attempts"), [("0", 2), ("61", 1), ("999999999999", 1), ("-5", 2), ("soon", 2)])
def test_a_retry_after_is_honoured_unless_it_is_too_long(header: str, attempts: int, tmp_path: Path) -> None:
    def act(visit: Visit) -> None:
        visit.answer(http(b"", "429 Too Many Requests", Retry_After=header), http())

    with RawServer(act) as server:
        outcome = delivered(planned(1), at(server.url), tmp_path, 1, backoff=Backoff(wait_initial=0))
        assert len(server.requests) == attempts
    assert outcome.all_well is (attempts > 1)


def test_a_retry_after_of_a_second_is_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Sandbox(answers=lambda request: S.TOO_MANY_REQUESTS if request == 0 else None) as sandbox:
        outcome = delivered(planned(1), sandbox.environment, tmp_path, 1, backoff=Backoff(wait_initial=0))
    assert time.monotonic() - begun >= 1
    assert outcome.all_well


def test_waits_grow_have_jitter_and_a_limit() -> None:
    backoff = Backoff(attempts=10)
    for attempt, longest in enumerate((0.5, 1, 2, 4, 8, 8, 8), start=1):
        waits = [backoff.wait(attempt, None) for _ in range(50)]
        assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1
    assert backoff.wait(10, None) is None


def test_a_disk_that_fills_up_loses_no_outcome_and_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path):
        size = (tmp_path / "anymetrics.db").stat().st_size
    with Sandbox() as sandbox, room_for(size + 40_000):
        outcome = delivered(planned(MANY), sandbox.environment, tmp_path, 8)
    assert (outcome.counts.ok, outcome.is_lost, len(sandbox.received)) == (MANY, True, MANY)
    assert {result.partition for result in outcome.results} == {each.partition for each in planned(MANY)}
    assert {result.status for result in outcome.results} == {Status.SUCCESS}
    assert capsys.readouterr().err.count("cannot be used") == 1


def test_no_more_is_sent_than_is_recorded_and_under_way() -> None:
    sent = count()
    threads, latest = 4, 0

    class Counting:
        call_limit = 60.0

        def trigger(self, _table: str, _day: date) -> Answer:
            nonlocal latest
            latest = next(sent)
            return Answer(http_status=200, from_anymetrics=True)

        def ask(self, _call: Call) -> Answer:
            raise AssertionError

        def overdue(self) -> Answer:
            raise AssertionError

    queue = Queue(planned(2000), lambda wanted: [Claim.OURS] * len(wanted), threads)
    caller = Counting()
    delivering = Delivering(threads=threads)
    delivery = Delivery(
        queue, 2000, caller, delivering, on_retry=lambda _retry: None, on_wait=lambda _seconds, _under_way: None
    )
    recorded = 0
    for ended in delivery:
        assert latest - recorded <= 4 * threads
        recorded += len(ended)
    assert recorded == 2000
    assert next(sent) == 2000
