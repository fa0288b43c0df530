"""`python -m benchmarks [SUBJECT ...] [--full] [--check]`: measure, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import compileall
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks import planning, reading, sending, starting, whole
from benchmarks.peers import PEERS, ROOT, version
from benchmarks.report import Subject, regressions, table, write_page

SUBJECTS: dict[str, ModuleType] = {
    "starting": starting,
    "reading": reading,
    "sending": sending,
    "planning": planning,
    "whole": whole,
}


def main() -> int:
    """Return the exit code: 1 when `--check` finds a regression."""
    arguments = _arguments()
    _compile()
    subjects = [_measure(name, full=arguments.full) for name in arguments.subjects or SUBJECTS]
    if arguments.check:
        worse = regressions(subjects)
        print("\nNo regression." if not worse else "\nWorse than recorded:\n" + "\n".join(worse))
        return int(bool(worse))
    if not arguments.subjects:
        write_page(subjects, {peer: version(peer) for peer in PEERS}, full=arguments.full)
        print("\nWritten to docs/benchmarks.md.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; without, all")
    parser.add_argument("--full", action="store_true", help="300 MB, and 10,000 and 100,000 refreshes, too")
    parser.add_argument("--check", action="store_true", help="compare with docs/benchmarks.md instead of writing it")
    arguments = parser.parse_args()
    if unknown := set(arguments.subjects) - SUBJECTS.keys():
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    return arguments


def _compile() -> None:
    """Make the bytecode that an installation has: else the first runs would measure the compiler."""
    for folder in (ROOT / "dbt_anymetrics", ROOT / "benchmarks", sysconfig.get_path("purelib")):
        compileall.compile_dir(folder, quiet=2)


def _measure(name: str, *, full: bool) -> Subject:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        subject: Subject = SUBJECTS[name].measure(Path(folder), full=full)
    print(table(subject), flush=True)
    print(f"({time.perf_counter() - started:.0f} s)", file=sys.stderr)
    return subject


if __name__ == "__main__":
    sys.exit(main())
