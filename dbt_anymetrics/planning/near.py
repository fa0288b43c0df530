"""Names of tables that are nearly the same, as a user who mixed them up would want to know."""

from __future__ import annotations

from collections.abc import Iterable


def near_misses(table: str, known: Iterable[str], most: int = 2) -> list[str]:
    """Known tables of nearly the same name, each with what differs: its letter case, its catalog or its schema.

    All names are `catalog.schema.table`.
    """
    catalog, schema, name = _parts(table)
    found: list[tuple[int, str]] = []
    for other in known:
        theirs = _parts(other)
        if theirs[2].casefold() != name.casefold():
            continue
        if other.casefold() == table.casefold():
            found.append((0, f"{other} (in another letter case)"))
        elif theirs[1].casefold() == schema.casefold():
            found.append((1, f"{other} (in another catalog)"))
        elif theirs[0].casefold() == catalog.casefold():
            found.append((2, f"{other} (in another schema)"))
        else:
            found.append((3, f"{other} (in another catalog and schema)"))
    return [text for _, text in sorted(found)[:most]]


def _parts(table: str) -> tuple[str, str, str]:
    catalog, _, rest = table.partition(".")
    schema, _, name = rest.rpartition(".")
    return catalog, schema, name
