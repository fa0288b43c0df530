"""What `--select` may ask of a node: more of the manifest than a plan needs, read only where it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from dbt_anymetrics.dbt_run.artifacts import REFRESHABLE, Manifest, read_as
from dbt_anymetrics.errors import ArtifactError


class Selectable(Struct, kw_only=True):
    """A node as it is selected."""

    name: str
    resource_type: str
    package_name: str = ""
    original_file_path: str = ""
    fqn: list[str] = []
    version: Any = None
    tags: list[str] = []
    config: dict[str, Any] = {}


class _Manifest(Struct):
    nodes: dict[str, msgspec.Raw]


def read_selectable(path: Path) -> dict[str, Selectable]:
    """Every model, seed and snapshot of a manifest. Raises ArtifactError."""
    nodes = read_as(path, _Manifest).nodes
    wanted = {unique_id: node for unique_id, node in nodes.items() if unique_id.partition(".")[0] in REFRESHABLE}
    try:
        return {unique_id: msgspec.json.decode(node, type=Selectable) for unique_id, node in wanted.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"a node cannot be read ({error})", where=str(path)) from None


def by_name(manifest: Manifest) -> dict[str, Selectable]:
    """The same of a manifest that is read already, with no more than the names."""
    return {
        unique_id: Selectable(
            name=node.name, resource_type=node.resource_type, package_name=node.package_name, version=node.version
        )
        for unique_id, node in manifest.nodes.items()
    }


def named_as(unique_id: str) -> Selectable:
    """What the id of a node says of it: `model.shop.dim_products.v2`."""
    kind, package, name, *version = [*unique_id.split("."), "", ""][:4]
    return Selectable(name=name, resource_type=kind, package_name=package, version="".join(version).removeprefix("v"))
