"""What one dbt invocation built and tested."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import REFRESHABLE, Manifest, Node, NodeResult, RunResults, as_utc
from dbt_anymetrics.errors import ArtifactError, NodeError
from dbt_anymetrics.text import first_of

BUILDING_COMMANDS = frozenset({"run", "build", "seed", "snapshot", "retry"})

PARTIAL = "partial success"

NOT_IN_RUN = "not part of this run"

_NOT_BUILT = "dbt did not build it: {}"

_UNKNOWN_BATCHES = "dbt did not say which of its batches were built"

_LEFT_AS_IT_IS = frozenset({"no-op", "reused"})
"""The status of a node whose table is as it is meant to be, though dbt did not build it."""

_FAILED_TEST = frozenset({"fail", "error"})

_PASSED_TEST = frozenset({"pass", "success", "warn"})

_TESTING_COMMANDS = frozenset({"build", "test", "retry"})
"""Others, such as `compile`, report a test as a success without running it."""


class Run:
    """One run_results.json, read as facts."""

    def __init__(self, results: RunResults, manifest: Manifest) -> None:
        self.results = results
        self._manifest = manifest.metadata
        self.by_id = {result.unique_id: result for result in results.results}
        self.contradicted: set[str] = set()
        if len(self.by_id) < len(results.results):
            self._find_contradictions()

    def _find_contradictions(self) -> None:
        """Find what stands in the results more than once, and not the same each time. Of a test, a failure counts."""
        for result in [each for each in self.results.results if self.by_id[each.unique_id] != each]:
            self.contradicted.add(result.unique_id)
            if result.status in _FAILED_TEST:
                self.by_id[result.unique_id] = result

    @property
    def invocation_id(self) -> str | None:
        """dbt's id of the run."""
        return self.results.metadata.invocation_id

    @cached_property
    def started_at(self) -> datetime:
        """When the run started, UTC.

        dbt 1.10 and later say so in the run results. dbt 2.x says so in the manifest alone (where dbt 1.x may say it of
        an older run). Before, it is the end of the run less its length.
        """
        metadata = self.results.metadata
        if metadata.invocation_started_at:
            return as_utc(metadata.invocation_started_at)
        same_run = self._manifest.invocation_id == metadata.invocation_id
        if same_run and self._manifest.invocation_started_at and not metadata.dbt_version.startswith("1."):
            return as_utc(self._manifest.invocation_started_at)
        try:
            return as_utc(metadata.generated_at) - timedelta(seconds=self.results.elapsed_time)
        except (OverflowError, ValueError):
            raise ArtifactError(f"a run of {self.results.elapsed_time} s is beyond the calendar") from None

    @property
    def vars(self) -> Mapping[str, object]:
        """The vars of dbt's command line; dbt 2.x does not record them."""
        found = self.results.args.vars
        return found if isinstance(found, dict) else {}

    @cached_property
    def nothing_built(self) -> str | None:
        """Why this run built nothing at all, or None when it may have.

        `compile`, `docs generate`, `show` and `clone` report every node as a success too.
        """
        args = self.results.args
        command = args.which or args.command
        if not command:
            return "run_results.json does not say which dbt command wrote it"
        if command not in BUILDING_COMMANDS:
            return f"the last dbt command was '{spelled(command)}', which builds nothing"
        if args.empty:
            return "dbt ran with --empty, which builds tables without their rows"
        if args.sample:
            return "dbt ran with --sample, which builds tables with a part of their rows"
        return None

    @property
    def is_retry(self) -> bool:
        """Whether `dbt retry` wrote these results, as far as dbt says so: `which` is that of the command before it.

        dbt 1.6 and later record what was typed; dbt 2.x does not.
        """
        return bool(re.search(r"\sretry(\s|$)", str(self.results.args.invocation_command or "")))

    @property
    def tested(self) -> bool:
        """Whether the tests in this run were run, on the rows of real tables."""
        args = self.results.args
        return (args.which or args.command) in _TESTING_COMMANDS and not (args.empty or args.sample)

    def untouched(self, unique_id: str) -> str | None:
        """Why this run had nothing to do with a node, or None when it had."""
        return self.nothing_built or (None if unique_id in self.by_id else NOT_IN_RUN)

    def not_built(self, unique_id: str) -> str | None:
        """Why this run did not build a node, or None when it did. Raises NodeError when its results do not agree."""
        if reason := self.untouched(unique_id):
            return reason
        if unique_id in self.contradicted:
            raise NodeError("has several results that do not agree", where="run_results.json")
        result = self.by_id[unique_id]
        if not _is_built(result, unique_id):
            return _NOT_BUILT.format(result.status)
        if result.batch_results and result.batch_results.successful and not _built_batches(result):
            return "its batches hold no day. Does its 'begin' lie in the future?"
        if result.status == PARTIAL and not _built_batches(result):
            return _UNKNOWN_BATCHES
        return None

    def missing(self, unique_id: str) -> str | None:
        """What this run was to build of a node and did not, or None when it built everything."""
        result = self.by_id[unique_id]
        if not _is_built(result, unique_id):
            return _NOT_BUILT.format(result.status)
        if result.status != PARTIAL:
            return None
        failed = result.batch_results.failed if result.batch_results else []
        days = sorted({str(as_utc(start).date()) for start, _ in failed})
        return f"dbt did not build its batches of {first_of(days)}" if days else _UNKNOWN_BATCHES

    def batches(self, unique_id: str, node: Node) -> list[date]:
        """The dates of the microbatch batches that were built, as far as dbt records them.

        A batch counts as the date it starts at, UTC; month and year batches as their first day.
        """
        return as_batches((as_utc(start).date() for start, _ in _built_batches(self.by_id[unique_id])), node)

    def failed_batches(self, unique_id: str, node: Node) -> list[date]:
        """The dates of the batches that dbt tried to build and could not, in the same form."""
        result = self.by_id.get(unique_id)
        if self.nothing_built or unique_id in self.contradicted or not result or not result.batch_results:
            return []
        return as_batches((as_utc(start).date() for start, _ in result.batch_results.failed), node)

    def full_refresh(self, node: Node) -> bool:
        """Whether the node was built from nothing: its own `full_refresh` config wins over the flag, as in dbt."""
        own = node.config.full_refresh if node.config else None
        return bool(self.results.args.full_refresh if own is None else own)


def failed_tests(runs: Sequence[Run], manifest: Manifest) -> dict[str, list[str]]:
    """For each node with failed tests of severity error: the tests, by unique_id.

    Of several runs, in the order of their time, the last outcome of each test counts: a retry that passes clears it.
    """
    outcomes = {unique_id: result.status for run in runs for unique_id, result in run.by_id.items()}
    failed: dict[str, list[str]] = {}
    for unique_id, status in outcomes.items():
        if status in _FAILED_TEST and (test := manifest.nodes.get(unique_id)) and test.resource_type == "test":
            for tested in test.tested_nodes():
                failed.setdefault(tested, []).append(unique_id)
    return failed


class Build(Struct, frozen=True):
    """What a run made of a node that it was to build: when it started, UTC, and what is missing, None for nothing."""

    at: datetime
    missing: str | None


def builds(runs: Sequence[Run]) -> dict[str, Build]:
    """For each node with a table that one of these runs was to build: what the last of them made of it."""
    return {
        unique_id: Build(run.started_at, run.missing(unique_id))
        for run in runs
        if not run.nothing_built
        for unique_id, result in run.by_id.items()
        if is_refreshable(unique_id) and unique_id not in run.contradicted and result.status not in _LEFT_AS_IT_IS
    }


def passed_tests(runs: Sequence[Run]) -> set[str]:
    """The tests that passed, or only warned, the last time that one of these runs ran them on real rows."""
    outcomes = {unique_id: result.status for run in runs if run.tested for unique_id, result in run.by_id.items()}
    return {unique_id for unique_id, status in outcomes.items() if status in _PASSED_TEST}


def as_batches(starts: Iterable[date], node: Node) -> list[date]:
    """The dates that batches count as, whose first days these are: month and year batches count as their first day."""
    size = node.config.batch_size if node.config else None
    if size in ("month", "year"):
        starts = (start.replace(day=1, month=1 if size == "year" else start.month) for start in starts)
    return sorted(set(starts))


def is_refreshable(unique_id: str) -> bool:
    """Whether a node of this name has a table of its own."""
    return unique_id.partition(".")[0] in REFRESHABLE


def spelled(command: str) -> str:
    """A dbt command as a user types it."""
    return {"generate": "dbt docs generate", "freshness": "dbt source freshness"}.get(command, f"dbt {command}")


def _is_built(result: NodeResult, unique_id: str) -> bool:
    # dbt 2.x gives a model that was built the status `warn`; for a test the word means something else.
    return result.status in ("success", PARTIAL) or (result.status == "warn" and unique_id.startswith("model."))


def _built_batches(result: NodeResult) -> list[tuple[datetime, datetime]]:
    """The batches that hold any time: of a `begin` in the future, dbt makes one that ends before it starts."""
    found = result.batch_results.successful if result.batch_results else []
    return [(start, end) for start, end in found if as_utc(start) < as_utc(end)]
