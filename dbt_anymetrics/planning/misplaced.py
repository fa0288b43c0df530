"""Settings of ours in a place where nobody looks for them.

dbt 1.x keeps unknown keys of a node's config and of its columns. A user who writes `anymetrics.partition` there means a
setting, and to pass over it in silence would refresh the wrong dates. What dbt does not keep, such as a key directly on
a model in a .yml file, is in no artifact.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from dbt_anymetrics.planning.meta import NEARLY, PREFIX, settings_in

_READ = ("meta", "columns")
"""Where settings are read, or looked for on their own."""


def misplaced(unrendered_config: Raw, columns: Raw) -> str | None:
    """The first place in a node's config or columns that holds a setting of ours, or None.

    dbt repeats in `unrendered_config` what a user wrote in a config, with the keys that it does not know; it is shorter
    than the config itself. Every key of it that resembles ours counts. On columns only the exact settings do: a
    column's meta is the place for whatever else a company may keep under that name.
    """
    return _in_config(unrendered_config) or _in_columns(columns)


def _in_config(config: Raw) -> str | None:
    found = _decoded(config, dict[str, object])
    own = next((f"config: {key}" for key in found if key == PREFIX or NEARLY.match(key)), None)
    deeper = ({key: value} for key, value in found.items() if key not in _READ)
    return own or next((f"config: {place}" for each in deeper for place in settings_in(each)), None)


def _in_columns(columns: Raw) -> str | None:
    return next(
        (
            f"columns: {name}: {place}"
            for name, column in _decoded(columns, dict[str, object]).items()
            for place in settings_in(_own(column))
        ),
        None,
    )


def _own(column: object) -> object:
    """What a user wrote on a column. dbt 2.x copies the node's meta to each column that has none in its config.

    dbt 1.x writes an empty meta into that config then, and dbt 1.9 also where the column itself has one.
    """
    config = column.get("config") if isinstance(column, Mapping) else None
    if isinstance(column, Mapping) and isinstance(config, Mapping) and "meta" not in config:
        return {key: value for key, value in column.items() if key != "meta"}
    return column


def _decoded(raw: Raw, kind: type[dict[str, object]]) -> Mapping[str, object]:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
