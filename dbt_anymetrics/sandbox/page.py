"""The front page: what was refreshed, at a glance."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from html import escape
from itertools import groupby

from dbt_anymetrics.sandbox.grid import Cell, Grid, arrange
from dbt_anymetrics.sandbox.received import Received
from dbt_anymetrics.sandbox.validation import TableName

LAST_REFUSALS = 20


def render(received: Sequence[Received], environment: Mapping[str, str | None]) -> str:
    """Render the whole page; a variable whose value is None is shown without it."""
    grid = arrange(received)
    refusals = [each for each in received if not each.ok]
    body = [_tiles(grid, len(refusals)), _table(grid)] if grid.tables else [_welcome(environment)]
    return _PAGE.format(
        style=_STYLE,
        script=_SCRIPT,
        url=escape(environment["ANYMETRICS_URL"] or ""),
        tenant=escape(environment["ANYMETRICS_TENANT_ID"] or ""),
        body="\n".join([*body, _refusals(refusals)]),
    )


def _welcome(environment: Mapping[str, str | None]) -> str:
    exports = "\n".join(_export(name, value) for name, value in environment.items())
    return f"""<section class="welcome">
<h2>Nothing refreshed yet</h2>
<p>This page fills itself as refreshes arrive. Two steps, in your dbt project, after a <code>dbt build</code>:</p>
<ol>
<li><p>Point dbt-anymetrics at this sandbox</p><pre>{exports}</pre></li>
<li><p>Refresh what dbt built</p><pre>dbt-anymetrics refresh</pre></li>
</ol>
</section>"""


def _export(name: str, value: str | None) -> str:
    if value is None:
        return f"<b>export</b> {name}=<i>the value this sandbox was started with</i>"
    return f"<b>export</b> {name}={escape(shlex.quote(value))}"


def _tiles(grid: Grid, refused: int) -> str:
    cells = grid.cells
    tiles = [
        ("", len(grid.tables), "table", "tables"),
        ("", len(grid.dates), "date", "dates"),
        ("ok", sum(cell.ok for cell in cells), "refreshed", "refreshed"),
        ("again", sum(cell.refreshed > 1 for cell in cells), "more than once", "more than once"),
        ("no" if refused else "", refused, "refused", "refused"),
    ]
    items = (
        f'<li class="{kind}"><b>{count:,}</b> {one if count == 1 else many}</li>' for kind, count, one, many in tiles
    )
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _table(grid: Grid) -> str:
    groups = groupby(grid.tables.items(), key=lambda item: item[0][:3])
    body = "\n".join(_group(name, list(rows), grid.dates) for name, rows in groups)
    return f"""<div class="grid" tabindex="0" role="region" aria-label="Tables against dates"><table>
<thead>{_months(grid.dates)}
{_days(grid.dates)}</thead>
{body}
</table></div>
{_LEGEND}"""


def _months(dates: Iterable[date]) -> str:
    months = ((month, len(list(days))) for month, days in groupby(dates, key=lambda day: day.isoformat()[:7]))
    heads = (f'<th class="month" colspan="{width}"><span>{month}</span></th>' for month, width in months)
    return f'<tr><th class="name" rowspan="2">Table</th>{"".join(heads)}<th class="rest" rowspan="2"></th></tr>'


def _days(dates: Iterable[date]) -> str:
    days = (
        f'<th class="day{" weekend" if day.isoweekday() > 5 else ""}" title="{day:%A}, {day}">{day:%d}</th>'  # noqa: PLR2004
        for day in dates
    )
    return f"<tr>{''.join(days)}</tr>"


def _group(name: tuple[str, ...], rows: Sequence[tuple[TableName, Mapping[date, Cell]]], dates: Sequence[date]) -> str:
    source, catalog, schema = map(escape, name)
    head = f"<span><small>{source}</small> {catalog}.<b>{schema}</b></span>"
    lines = "\n".join(_row(table.table, cells, dates) for table, cells in rows)
    return f'<tbody><tr class="group"><th colspan="{len(dates) + 2}">{head}</th></tr>\n{lines}</tbody>'


def _row(table: str, cells: Mapping[date, Cell], dates: Sequence[date]) -> str:
    marks = "".join(f"<td>{_mark(day, cells.get(day))}</td>" for day in dates)
    return f'<tr><th class="name"><div>{escape(table)}</div></th>{marks}<td class="rest"></td></tr>'


def _mark(day: date, cell: Cell | None) -> str:
    if cell is None:
        return "<i></i>"
    kind = "no" if not cell.ok else "again" if cell.refreshed > 1 else "ok"
    late = " late" if cell.ok and cell.refused else ""
    text = "&times;" if not cell.ok else str(cell.refreshed) if cell.refreshed > 1 else ""
    said = f"{day}: refreshed {_times(cell.refreshed)}, refused {_times(cell.refused)}"
    return f'<i class="{kind}{late}" title="{said}" aria-label="{said}" role="img">{text}</i>'


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def _refusals(refusals: Sequence[Received]) -> str:
    if not refusals:
        return ""
    last = list(reversed(refusals[-LAST_REFUSALS:]))
    count = f"<small>{len(last)} of {len(refusals):,}</small>" if len(last) < len(refusals) else ""
    return f'<section class="refusals"><h2>Last refusals {count}</h2><ol>{"".join(map(_refusal, last))}</ol></section>'


def _refusal(received: Received) -> str:
    table = escape(received.table_name or f"{received.method} {received.path}")
    partition = escape(received.partition or "")
    return f"""<li>
<time datetime="{received.time}">{received.time[11:19]}</time>
<div><p class="what"><code>{table} <b>{partition}</b></code></p>
<p class="why">{escape(received.message or "")}</p></div>
<p class="trace">{"<br>".join(_marks(received))}</p></li>"""


def _marks(received: Received) -> Iterator[str]:
    code = f" &middot; code {escape(received.code)}" if received.code else ""
    yield f"HTTP {received.status}{code}" if received.status else "no HTTP answer"
    yield received.trace_id


_LEGEND = """<ul class="legend">
<li><i class="ok"></i> refreshed</li>
<li><i class="again">2</i> refreshed more than once</li>
<li><i class="ok late"></i> refreshed after a refusal</li>
<li><i class="no">&times;</i> refused</li>
<li><i></i> not asked for</li>
</ul>"""

_STYLE = """
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --line: #e3e6eb; --text: #1b2230; --soft: #667085; --none: #edeff3;
  --ok: #35b27a; --again: #13704a; --no: #d9363e; --no-back: #fdf0f0; --on: #fff; --accent: #3f63dd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #10141b; --card: #171c25; --line: #2a313d; --text: #e7eaf0; --soft: #98a2b3; --none: #212834;
    --ok: #2f9e6b; --again: #7fe0b3; --no: #f0555c; --no-back: #2b1a1e; --on: #10141b; --accent: #8aa4ff;
  }
}
* { box-sizing: border-box; margin: 0; padding: 0; }
body {
  background: var(--back); color: var(--text); padding: 28px clamp(16px, 3vw, 48px) 48px;
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
code, pre, .name, .group b, .group span, .month, .day, .trace, .where, time {
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono", "DejaVu Sans Mono", monospace;
}
ul, ol { list-style: none; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
header { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; margin-bottom: 20px; }
h1 { font-size: 22px; font-weight: 650; letter-spacing: -.01em; }
.where { color: var(--soft); font-size: 12.5px; flex: 1; }
.live { color: var(--soft); font-size: 12.5px; }
.live::before {
  content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--ok);
  margin-right: 7px;
}
.lost .live::before { background: var(--no); }
.live::after { content: "live"; }
.lost .live::after { content: "the sandbox has stopped"; }
h2 { font-size: 15px; font-weight: 650; }
h2 small { color: var(--soft); font-weight: 400; margin-left: 6px; }

.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px; }
.tiles li {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 18px 11px;
  min-width: 116px; color: var(--soft); font-size: 13px;
}
.tiles b {
  display: block; color: var(--text); font-size: 24px; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums;
}
.tiles .ok b { color: var(--ok); }
.tiles .no b { color: var(--no); }

.grid {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: auto;
  max-height: max(320px, calc(100vh - 230px)); outline-offset: 2px;
}
table { border-collapse: separate; border-spacing: 0; min-width: 100%; font-size: 13px; }
th { font-weight: 400; text-align: left; background: var(--card); }
thead th { position: sticky; z-index: 3; color: var(--soft); font-size: 12px; height: 28px; }
thead tr:first-child th { top: 0; }
thead tr:last-child th { top: 28px; }
.day, thead .name, thead .rest { border-bottom: 1px solid var(--line); }
.month { border-left: 1px solid var(--line); padding: 0 8px; color: var(--text); white-space: nowrap; }
.name + .month { border-left: 0; }
.month span { position: sticky; left: calc(var(--names, 0px) + 8px); }
.day { text-align: center; padding: 0 2px; min-width: 27px; font-variant-numeric: tabular-nums; color: var(--text); }
.weekend { color: var(--soft); }
.name {
  position: sticky; left: 0; z-index: 1; border-right: 1px solid var(--line); padding: 3px 16px;
  min-width: 180px;
}
.name div {
  width: max-content; max-width: min(420px, 36vw); overflow-wrap: anywhere; line-height: 1.35; font-size: 12.5px;
}
thead .name { z-index: 4; vertical-align: bottom; padding-bottom: 5px; font-family: inherit; }
.rest { width: 100%; }
.group th { position: sticky; top: 56px; z-index: 2; padding: 0; height: 32px; border-bottom: 1px solid var(--line); }
.group th { background: var(--back); border-top: 1px solid var(--line); }
tbody:first-of-type .group th { border-top: 0; }
.group span { position: sticky; left: 16px; font-size: 12.5px; padding-right: 16px; white-space: nowrap; }
.group b { font-weight: 650; }
.group small {
  font-size: 11px; color: var(--soft); border: 1px solid var(--line); background: var(--card); border-radius: 5px;
  padding: 1px 6px; margin-right: 6px;
}
td { text-align: center; padding: 2px; }
tbody tr:nth-child(2) > * { padding-top: 6px; }
tbody tr:last-child > * { padding-bottom: 6px; }
tbody tr:hover .name { color: var(--accent); }
i {
  display: inline-block; width: 21px; height: 21px; border-radius: 5px; background: var(--none); position: relative;
  vertical-align: middle; text-align: center; color: var(--on);
  font: 650 11.5px/21px system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
i.ok { background: var(--ok); }
i.again { background: var(--again); }
i.no { background: var(--no); font-size: 15px; }
i.late::after {
  content: ""; position: absolute; top: -4px; right: -4px; width: 9px; height: 9px; border-radius: 50%;
  background: var(--no); border: 1.5px solid var(--card);
}
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; margin: 12px 2px 0; color: var(--soft); font-size: 12.5px; }
.legend i { transform: scale(.8); margin-right: 3px; }

.refusals { margin-top: 32px; }
.refusals ol {
  margin-top: 10px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden;
}
.refusals li { display: flex; gap: 18px; padding: 11px 18px; border-left: 3px solid var(--no); }
.refusals li + li { border-top: 1px solid var(--line); }
.refusals time { color: var(--soft); font-size: 12.5px; line-height: 21px; }
.refusals div { min-width: 0; flex: 1; overflow-wrap: anywhere; }
.what { font-size: 13px; }
.what b { font-weight: 600; }
.why { color: var(--no); }
.trace { color: var(--soft); font-size: 11.5px; line-height: 21px; text-align: right; }
@media (max-width: 900px) {
  .refusals li { flex-wrap: wrap; }
  .trace { flex-basis: 100%; text-align: left; overflow-wrap: anywhere; }
}

.welcome {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  max-width: 720px; padding: 34px 40px 38px; margin: 7vh auto 0;
}
.welcome h2 { font-size: 20px; letter-spacing: -.01em; margin-bottom: 4px; }
.welcome > p { color: var(--soft); }
.welcome ol { counter-reset: step; }
.welcome li { counter-increment: step; position: relative; padding-left: 40px; margin-top: 24px; }
.welcome li::before {
  content: counter(step); position: absolute; left: 0; top: -2px; width: 26px; height: 26px; border-radius: 50%;
  background: var(--accent); color: var(--card); text-align: center; font-weight: 650;
  font-size: 13px; line-height: 26px;
}
.welcome pre {
  margin-top: 8px; padding: 14px 16px; background: var(--back); border: 1px solid var(--line); border-radius: 8px;
  font-size: 13px; line-height: 1.65; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all;
}
pre b { color: var(--soft); font-weight: 400; }
pre i { all: unset; color: var(--soft); font-style: italic; }
"""

# Swaps in the new content only when there is some, so that a selection survives, and keeps the grid's scroll.
_SCRIPT = """
const measure = () => {
  const name = document.querySelector("thead .name");
  if (name) document.querySelector(".grid").style.setProperty("--names", name.offsetWidth + "px");
};
const update = async () => {
  if (!document.hidden) {
    try {
      const text = await (await fetch("/")).text();
      const next = new DOMParser().parseFromString(text, "text/html").querySelector("main");
      if (next.innerHTML !== shown) {
        const {scrollLeft, scrollTop} = document.querySelector(".grid") || {scrollLeft: 0, scrollTop: 0};
        shown = next.innerHTML;
        document.querySelector("main").replaceWith(next);
        measure();
        document.querySelector(".grid")?.scrollTo(scrollLeft, scrollTop);
      }
      document.body.classList.remove("lost");
    } catch {
      document.body.classList.add("lost");
    }
  }
  setTimeout(update, 2000);
};
let shown = document.querySelector("main").innerHTML;
measure();
setTimeout(update, 2000);
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AnyMetrics sandbox</title>
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="2"></noscript>
<style>{style}</style>
</head>
<body>
<header><h1>AnyMetrics sandbox</h1><p class="where">{url} &middot; tenant {tenant}</p>
<p><a href="/received">all requests as JSON</a></p><p class="live"></p></header>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
