"""The picture in about thirty lines of Markdown, as the summary of a job shows it on GitHub and GitLab.

Every text in it comes from elsewhere. What Markdown, HTML or a table would take for markup is written as an entity,
which each of them shows as the character that it stands for and none takes for markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone

from dbt_anymetrics.picture.causes import Cause
from dbt_anymetrics.picture.model import Run, Status
from dbt_anymetrics.picture.page import Page
from dbt_anymetrics.picture.picture import Picture
from dbt_anymetrics.text import one_line

_CAUSES, _RUNS, _TABLES = 6, 4, 4
"""Lines of each list."""

_LONGEST = 240
_TIMES = "\N{MULTIPLICATION SIGN}"

# An underscore within a word is none to Markdown, and names are full of them. A colon is one where it could begin a
# link or an emoji.
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$@#!{}]|(?<![^\W_])_|_(?![^\W_])|:(?=[^\s\d])|(?<=www)\.")

_SHOWN = (Status.REFRESHED, Status.FAILED, Status.PENDING, Status.WAITING, Status.SKIPPED)


def markdown(picture: Picture, page: Page) -> str:
    """Give the counts, the causes of what is not refreshed, the last runs and the slowest tables."""
    parts = [
        [f"## {plain(page.title)}"],
        [f"For {plain(page.place)}"] if page.place else [],
        *([_paragraph(note)] for note in page.notes),
        _counts(picture),
        _not_refreshed(picture.causes, page),
        _last_runs(picture.runs),
        _slowest(picture),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def plain(text: str, limit: int = _LONGEST) -> str:
    """A text on one line that stays text in a cell of a table."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", one_line(text, limit))


def _paragraph(text: str) -> str:
    """A text on a line of its own, where a dash or a number could begin a list."""
    line = plain(text, 4 * _LONGEST)
    return line if line[:1].isalpha() or line.startswith("&") else f"&#{ord(line[0])};{line[1:]}" if line else ""


def _counts(picture: Picture) -> list[str]:
    counts = picture.counts
    numbers = {
        **{status.value: counts[status] for status in _SHOWN},
        "refreshed": counts[Status.REFRESHED] + counts[Status.AGAIN],
        "failed": counts[Status.FAILED] + counts[Status.REFUSED],
    }
    head = [*numbers, "tables", "dates"]
    values = [*numbers.values(), len(picture.tables), len(picture.days)]
    return list(_table([*(f"{name}:" for name in head)], [list(map(_number, values))]))


def _not_refreshed(causes: Sequence[Cause], page: Page) -> list[str]:
    unresolved = [cause for cause in causes if not cause.is_resolved]
    if not unresolved:
        return []
    rows = [[plain(cause.status.value), _told(cause), _answer(cause)] for cause in unresolved[:_CAUSES]]
    lines = ["### Not refreshed", "", *_table(["", "why, and which tables and dates", "newest answer"], rows)]
    return [*lines, *_rest(len(unresolved) - _CAUSES, page)]


def _rest(number: int, page: Page) -> list[str]:
    if number <= 0:
        return []
    causes = "1 more cause is" if number == 1 else f"{number:,} more causes are"
    return ["", f"{causes} not shown." + (f" To see all: {plain(page.everything)}" if page.everything else "")]


def _told(cause: Cause) -> str:
    """As `System error x 23: orders, 5 to 25 Nov 2025`."""
    times = f" {_TIMES} {len(cause.attempts):,}" if len(cause.attempts) > 1 else ""
    where = f": {plain(cause.where)}" if cause.where else ""
    return f"**{plain(cause.title) or 'no text came with it'}**{times}{where}"


def _answer(cause: Cause) -> str:
    newest = cause.attempts[0]
    outcome = newest.outcome
    http = f"HTTP {outcome.http_status}" if outcome.http_status else ""
    code = outcome.code if outcome.code != str(outcome.http_status) else ""
    trace = f"trace {newest.trace_id}" if newest.trace_id else ""
    return ", ".join(plain(part) for part in (http, code, trace) if part)


def _last_runs(runs: Sequence[Run]) -> list[str]:
    rows = [[_named(run), _moment(run.started), _taken(run.seconds), *_sums(run)] for run in runs[:_RUNS]]
    columns = ["run", "started", "took:", "refreshed:", "failed:", "not sent:"]
    return ["### Last runs", "", *_table(columns, rows)] if rows else []


def _sums(run: Run) -> list[str]:
    return list(map(_number, (run.refreshed, run.failed, run.not_sent)))


def _named(run: Run) -> str:
    return plain(f"{run.name} ({run.note})" if run.note else run.name)


def _slowest(picture: Picture) -> list[str]:
    rows = [
        [plain(f"{table.schema}.{table.name}"), _taken(median), _taken(longest)]
        for table, median, longest in picture.slowest[:_TABLES]
    ]
    return ["### Slowest tables", "", *_table(["table", "median:", "longest:"], rows)] if rows else []


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; a column whose name ends with a colon holds numbers."""
    yield _row([column.removesuffix(":") for column in columns])
    yield _row(["---:" if column.endswith(":") else "---" for column in columns])
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(number: int) -> str:
    return f"{number:,}"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _taken(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:  # noqa: PLR2004 (a minute)
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
