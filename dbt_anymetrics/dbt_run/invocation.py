"""What one dbt invocation built, and the date it counts as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import cached_property

from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import Manifest, Node, NodeResult, RunResults, as_utc, in_zone
from dbt_anymetrics.errors import ArtifactError, UsageError
from dbt_anymetrics.planning.partition import days, parse_date
from dbt_anymetrics.text import shown

BUILDING_COMMANDS = frozenset({"run", "build", "seed", "snapshot", "retry"})

RUN_DATE_VARIABLE = "DBT_ENV_CUSTOM_ENV_ANYMETRICS_RUN_DATE"

PARTIAL = "partial success"

NOT_IN_RUN = "not part of this run"

_FAILED_TEST = frozenset({"fail", "error"})


class RunDate(Struct, frozen=True):
    """The date that a run counts as, and where it comes from."""

    day: date
    source: str

    def __str__(self) -> str:
        """As `2024-07-18 (the day the run started, in UTC)`."""
        return f"{self.day} ({self.source})"


class Run:
    """One run_results.json, read as facts."""

    def __init__(self, results: RunResults, manifest: Manifest) -> None:
        self.results = results
        self._manifest = manifest.metadata
        self.by_id = {result.unique_id: result for result in results.results}

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

    def untouched(self, unique_id: str) -> str | None:
        """Why this run had nothing to do with a node, or None when it had."""
        return self.nothing_built or (None if unique_id in self.by_id else NOT_IN_RUN)

    def not_built(self, unique_id: str) -> str | None:
        """Why this run did not build a node, or None when it did."""
        if reason := self.untouched(unique_id):
            return reason
        result = self.by_id[unique_id]
        if not _is_built(result, unique_id):
            return f"dbt did not build it: {result.status}"
        if result.status == PARTIAL and not _built_batches(result):
            return "dbt did not say which of its batches were built"
        return None

    def batches(self, unique_id: str, node: Node) -> list[date] | None:
        """The dates of the microbatch batches that were built, or None where none are known.

        A batch counts as the date it starts at, UTC; month and year batches as their first day. Where dbt records no
        batches, as dbt 2.0, they are those of the range that it was given on its command line.
        """
        starts = {as_utc(start).date() for start, _ in _built_batches(self.by_id[unique_id])}
        if not starts and node.is_microbatch:
            starts = set(self._event_times())
        if not starts:
            return None
        size = node.config.batch_size if node.config else None
        if size in ("month", "year"):
            starts = {start.replace(day=1, month=1 if size == "year" else start.month) for start in starts}
        return sorted(starts)

    def _event_times(self) -> Sequence[date]:
        """Every day from `--event-time-start` to `--event-time-end`, which is not included. Raises UsageError."""
        args = self.results.args
        if not (args.event_time_start and args.event_time_end):
            return []
        start, end = (_event_time(text) for text in (args.event_time_start, args.event_time_end))
        return days(start.date(), (end - timedelta(microseconds=1)).date())

    def full_refresh(self, node: Node) -> bool:
        """Whether the node was built from nothing: its own `full_refresh` config wins over the flag, as in dbt."""
        own = node.config.full_refresh if node.config else None
        return bool(self.results.args.full_refresh if own is None else own)

    def date(self, given: str | None, hooked: str | None, zone: str) -> RunDate:
        """The run's own date: as given, as the hook says, as dbt's environment recorded, else of the run's start.

        Raises UsageError for a text that is no date, and for an unknown time zone.
        """
        recorded = self.results.metadata.env
        for where, text in (
            ("--run-date / ANYMETRICS_RUN_DATE", given),
            ("run_date of the on-run-end hook", hooked),
            (RUN_DATE_VARIABLE, recorded.get("ANYMETRICS_RUN_DATE") or recorded.get(RUN_DATE_VARIABLE)),
        ):
            if text or text == given == "":
                return RunDate(_parse_run_date(text, where), where)
        return RunDate(in_zone(self.started_at, time_zone(zone)).date(), f"the day the run started, in {zone}")


def failed_tests(runs: Sequence[Run], manifest: Manifest) -> dict[str, str]:
    """For each node with a failed test of severity error: the name of one such test.

    Of several runs, in the order of their time, the last outcome of each test counts: a retry that passes clears it.
    """
    outcomes = {result.unique_id: result.status for run in runs for result in run.results.results}
    failed: dict[str, str] = {}
    for unique_id, status in outcomes.items():
        if status in _FAILED_TEST and (test := manifest.nodes.get(unique_id)) and test.resource_type == "test":
            failed.update(dict.fromkeys(test.tested_nodes(), test.name))
    return failed


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name. Raises UsageError."""
    if name.upper() == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo  # only needed away from UTC

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise UsageError(
            f"{name!r} is not a time zone this machine knows",
            where="--timezone / ANYMETRICS_TIMEZONE",
            hint="Give an IANA name such as Asia/Shanghai; where the system has none, 'pip install tzdata'",
        ) from None


def _parse_run_date(text: str, where: str) -> date:
    try:
        return parse_date(text)
    except UsageError as error:
        raise UsageError(error.what, where=where, hint="Give one date, yyyy-MM-dd") from None


def _event_time(value: object) -> datetime:
    """The moment that an option of dbt's gives: a date, or a date and time, in UTC. Raises UsageError."""
    text = str(value).strip().removesuffix("Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{shown(value)} is not a time", where="--event-time-start / --event-time-end") from None
    return as_utc(moment)


def spelled(command: str) -> str:
    """A dbt command as a user types it."""
    return {"generate": "dbt docs generate", "freshness": "dbt source freshness"}.get(command, f"dbt {command}")


def _is_built(result: NodeResult, unique_id: str) -> bool:
    # dbt 2.x gives a model that was built the status `warn`; for a test the word means something else.
    return result.status in ("success", PARTIAL) or (result.status == "warn" and unique_id.startswith("model."))


def _built_batches(result: NodeResult) -> list[tuple[datetime, datetime]]:
    return result.batch_results.successful if result.batch_results else []
