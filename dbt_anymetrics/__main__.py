"""The command line, as the program `dbt-anymetrics` and `python -m dbt_anymetrics` start it."""

from __future__ import annotations

import atexit
import gc

_GARBAGE = 20_000


def main() -> None:
    """Run the command line in a process that is its own."""
    # A start makes many objects and no garbage: to look for some, and once more at the end, takes a tenth of `plan`.
    gc.set_threshold(_GARBAGE)
    atexit.register(gc.freeze)
    from dbt_anymetrics.cli import main as run  # lazy: after gc is set, because importing it makes most of the objects
    from dbt_anymetrics.output import terminal  # lazy: as the line above

    terminal.prepare()
    atexit.register(terminal.finish)
    run(prog_name="dbt-anymetrics")


if __name__ == "__main__":
    main()
