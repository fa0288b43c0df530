"""dbt's manifest.json and run_results.json: only the fields this package needs, of dbt 1.5 to 1.13 and 2.x.

Unknown fields are skipped without being built, missing ones have defaults, and whatever a user writes freely
(`meta`, `config.catalog`) is typed loosely here and checked where it is used, so that one odd node stays one odd node.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from contextlib import suppress
from datetime import datetime, timezone, tzinfo
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from dbt_anymetrics.errors import ArtifactError, NodeError
from dbt_anymetrics.files import open_regular
from dbt_anymetrics.lenient import decode

MAX_BYTES = 1 << 30
"""A larger artifact is refused: the largest known dbt projects write about a third of this."""

_STOPPED = "Run dbt again; it may have been stopped while writing"

REFRESHABLE = frozenset({"model", "seed", "snapshot"})
"""The resource types that have a table of their own."""

_NULL = Raw(b"null")


class DependsOn(Struct, gc=False):
    """What a node reads, by unique_id."""

    nodes: list[str] = []


class Config(Struct, gc=False, kw_only=True):
    """The part of a node's config that decides what is refreshed."""

    database: Any = None
    schema: Any = None
    meta: Raw = _NULL
    materialized: str | None = None
    batch_size: Any = None
    incremental_strategy: Any = None
    full_refresh: Any = None
    catalog: Any = None


class Node(Struct, gc=False, kw_only=True):
    """One entry of the manifest's `nodes`: a model, seed, snapshot, test or other.

    The fields are in dbt's own order, which is read faster.
    """

    database: str | None = None
    schema: str | None = None
    name: str
    resource_type: str
    package_name: str = ""
    alias: str | None = None
    config: Config | None = None
    columns: Raw = _NULL
    meta: Raw = _NULL
    patch_path: str | None = None
    unrendered_config: Raw = _NULL
    depends_on: Raw = _NULL
    version: Any = None
    attached_node: str | None = None

    @property
    def materialized(self) -> str:
        """How dbt builds the node: table, view, incremental, ephemeral, seed, snapshot or a custom one."""
        return (self.config and self.config.materialized) or self.resource_type

    def tested_nodes(self) -> list[str]:
        """The nodes that a test is about, by unique_id: the one it is attached to, else every one that it reads."""
        if self.attached_node:
            return [self.attached_node]
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(self.depends_on, type=DependsOn).nodes
        return []

    @property
    def is_microbatch(self) -> bool:
        """Whether dbt builds the node batch by batch."""
        return bool(self.config and self.config.incremental_strategy == "microbatch")

    def detach(self) -> None:
        """Take what is needed out of the bytes of the whole manifest, which would stay in memory with it."""
        # To look for a few letters is much faster than to decode, and most nodes have none of them.
        self.columns = self._kept(self.columns, b"anymetrics")
        self.unrendered_config = self._kept(self.unrendered_config, b"etric")
        if self.resource_type in REFRESHABLE:
            self.meta = self.meta.copy()
            if self.config:
                self.config.meta = self.config.meta.copy()
            self.depends_on = _NULL
        else:
            self.depends_on = _NULL if self.attached_node else self.depends_on.copy()
            self.meta = self._kept(self.meta, b"etric", "test")
            if self.config:
                self.config.meta = self._kept(self.config.meta, b"etric", "test")

    def _kept(self, part: Raw, letters: bytes, *kinds: str) -> Raw:
        """A part of a node of these kinds (of one with a table, when none is named), if it has these letters."""
        return part.copy() if self.resource_type in (kinds or REFRESHABLE) and letters in bytes(part) else _NULL

    def read_meta(self) -> object:
        """`config.meta`, or the node's own `meta` where the config has none. Raises NodeError."""
        own = self.config.meta if self.config else _NULL
        try:
            return msgspec.json.decode(own) or msgspec.json.decode(self.meta)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if b"anymetrics" not in bytes(own) + bytes(self.meta):
                return None
            raise NodeError(f"cannot be read ({error})", where="meta") from None


class ManifestMetadata(Struct, gc=False):
    """The manifest's `metadata`. With partial parsing, dbt 1.x keeps all but the invocation_id from an older run."""

    dbt_schema_version: str
    invocation_id: str | None = None
    invocation_started_at: datetime | None = None
    adapter_type: str | None = None
    project_name: str | None = None


class Manifest(Struct, gc=False):
    """manifest.json: every node of the project."""

    metadata: ManifestMetadata
    nodes: dict[str, Node]


class BatchResults(Struct, gc=False):
    """Which batches of a microbatch model were built, and which were not: [start, end) pairs, UTC."""

    successful: list[tuple[datetime, datetime]] = []
    failed: list[tuple[datetime, datetime]] = []


class NodeResult(Struct, gc=False):
    """What dbt did with one node."""

    status: str
    unique_id: str
    batch_results: BatchResults | None = None


class Args(Struct, gc=False):
    """The part of dbt's own arguments that says whether anything was really built.

    dbt 2.x keeps a place for others in `__other__`; releases up to 2.0.0rc196 put none of these there.
    """

    which: str | None = None
    command: str | None = None
    invocation_command: Any = None
    vars: Any = None
    full_refresh: Any = None
    empty: Any = None
    sample: Any = None
    event_time_start: Any = None
    event_time_end: Any = None
    other: dict[str, Any] = msgspec.field(name="__other__", default_factory=dict)


class RunMetadata(Struct, gc=False):
    """The run results' `metadata`."""

    dbt_schema_version: str
    generated_at: datetime
    dbt_version: str = ""
    invocation_id: str | None = None
    invocation_started_at: datetime | None = None
    env: dict[str, str] = {}


class RunResults(Struct, gc=False):
    """run_results.json: what one dbt invocation did."""

    metadata: RunMetadata
    results: list[NodeResult]
    elapsed_time: float = 0.0
    args: Args = msgspec.field(default_factory=Args)


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC; dbt writes UTC, with or without saying so. Raises ArtifactError."""
    return in_zone(moment.replace(tzinfo=moment.tzinfo or timezone.utc), timezone.utc)


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment in a zone. Raises ArtifactError for one that has no date there: the first or the last of all."""
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        raise ArtifactError(f"the time {moment} in dbt's artifacts is beyond the calendar") from None


def read_manifest(path: Path) -> Manifest:
    """Read manifest.json. Raises ArtifactError."""
    return detached(_read(path, Manifest, "manifest"))


def detached(manifest: Manifest) -> Manifest:
    """A manifest whose nodes no longer hold on to the bytes that it was decoded from."""
    for node in manifest.nodes.values():
        node.detach()
    return manifest


def read_run_results(path: Path) -> RunResults:
    """Read run_results.json. Raises ArtifactError."""
    return _read(path, RunResults, "run-results")


AnyT = TypeVar("AnyT")


def read_as(path: Path, kind: type[AnyT]) -> AnyT:
    """Another part of an artifact that is known to be one. Raises ArtifactError."""
    try:
        return decode(_read_bytes(path), kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"is not readable as JSON ({error})", where=str(path), hint=_STOPPED) from None


class _Header(Struct, gc=False):
    """What every dbt artifact has, whichever it is."""

    metadata: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        """`manifest`, `run-results`, `catalog`...: the name in the address of the artifact's schema."""
        parts = str(self.metadata.get("dbt_schema_version") or "").split("/")
        return parts[-2] if len(parts) > 1 else "none"


ArtifactT = TypeVar("ArtifactT", Manifest, RunResults)


def _read(path: Path, artifact: type[ArtifactT], kind: str) -> ArtifactT:
    try:
        data = _read_bytes(path)
        decoded = decode(data, artifact)
        found = decoded.metadata.dbt_schema_version
    except msgspec.ValidationError as error:
        raise _not_the_artifact(path, data, kind, error) from None
    except MemoryError:
        raise ArtifactError("does not fit into memory", where=str(path)) from None
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise ArtifactError(f"is not readable as JSON ({error})", where=str(path), hint=_STOPPED) from None
    if f"/{kind}/" not in found:
        raise _wrong_kind(path, kind, found)
    return decoded


def _read_bytes(path: Path) -> memoryview:
    try:
        with open_regular(path, MAX_BYTES, links=True) as file:
            size = os.fstat(file.fileno()).st_size
            _check_whole(path, file, size)
            data = _filled(_memory(size), file)
    except FileNotFoundError:
        first = "Run 'dbt parse', or any other dbt command," if path.name == "manifest.json" else "Run dbt"
        raise ArtifactError(
            "there is no such file",
            where=str(path),
            hint=f"{first} first (without --no-write-json), or name its folder with --target-path or --project-dir",
        ) from None
    except OSError as error:
        raise ArtifactError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if re.fullmatch(rb"\s*", data):
        raise ArtifactError("is empty", where=str(path), hint=_STOPPED)
    return data


def _check_whole(path: Path, file: FileIO, size: int) -> None:
    """Refuse a file with holes, which may be much larger than what it holds, before there is memory for it."""
    if size and hasattr(os, "SEEK_HOLE"):
        with suppress(OSError):  # a file system that knows of no holes
            if os.lseek(file.fileno(), 0, os.SEEK_HOLE) < size:
                raise ArtifactError("was not written whole", where=str(path), hint=_STOPPED)
            os.lseek(file.fileno(), 0, os.SEEK_SET)


def _filled(memory: memoryview, file: FileIO) -> memoryview:
    """The file in this memory. A network's file system may give it in parts."""
    end = 0
    while part := file.readinto(memory[end:]):
        end += part
    return memory[:end]


def _memory(size: int) -> memoryview:
    """Memory for a file; on Linux all of it at once, which is faster than a page at a time as the file comes.

    To map the file itself would be faster still, but a dbt that writes it anew meanwhile would kill this process.
    """
    if sys.platform == "linux":
        return memoryview(mmap.mmap(-1, size or 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))
    return memoryview(bytearray(size))


def _not_the_artifact(path: Path, data: memoryview, kind: str, error: msgspec.ValidationError) -> ArtifactError:
    try:
        found = msgspec.json.decode(data, type=_Header).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = "none"
    if found != kind:
        return _wrong_kind(path, kind, found)
    return ArtifactError(
        f"has a form this version does not know ({error})", where=str(path), hint="Upgrade dbt-anymetrics, or report it"
    )


def _wrong_kind(path: Path, kind: str, found: str) -> ArtifactError:
    return ArtifactError(f"is not a dbt {kind} artifact (its schema: {found})", where=str(path))
