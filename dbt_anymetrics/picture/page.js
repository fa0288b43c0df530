"use strict";

// --- HTML. Every value is escaped, so that no name and no message can become markup.

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};

function escaped(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(escaped).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

const html = (parts, ...values) => new Markup(String.raw({raw: parts}, ...values.map(escaped)));
const byId = (id) => document.getElementById(id);

// Give an element these children and keep every node that is right already: the focus, selected text, scroll positions
// and what is unfolded survive an update.
function morph(parent, markup) {
  const template = document.createElement("template");
  template.innerHTML = escaped(markup);
  morphChildren(parent, template.content);
}

function morphChildren(parent, wanted) {
  const keyOf = (node) => node?.dataset?.key;
  const keyed = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  const stay = new Set([...wanted.children].map(keyOf));
  for (const [key, child] of keyed) if (!stay.has(key)) child.remove();
  let at = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    const old = keyOf(next) ? keyed.get(keyOf(next)) : at;
    if (!old || old.nodeName !== next.nodeName || keyOf(old) !== keyOf(next)) {
      parent.insertBefore(next, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    if (!old.isEqualNode(next)) morphNode(old, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function morphNode(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = next.data;
    return;
  }
  for (const {name} of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of [...next.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, next);
}

// --- Words.

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
];
const CLOCK = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const number = (count) => count.toLocaleString("en-US");
const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

const MARKS = {
  refreshed: ["1", "", "refreshed"],
  again: ["2", "", "refreshed more than once"],
  failed: ["f", "×", "failed"],
  refused: ["x", "!", "refused"],
  pending: ["p", "○", "pending"],
  waiting: ["w", "…", "waiting"],
  skipped: ["s", "–", "skipped"],
};
const LETTERS = {f: "failed", x: "refused", p: "pending", w: "waiting", s: "skipped"};
const FAILURES = ["failed", "refused"];

// What a cell's character says: its status, how often it was refreshed, and whether that was after a failure.
const CELLS = new Map([[".", {status: "none", classes: "k-none", text: "", words: "not asked for"}]]);
for (const [letter, status] of Object.entries(LETTERS)) {
  const [kind, text, words] = MARKS[status];
  CELLS.set(letter, {status, classes: `k-${kind}`, text, words});
}
for (let index = 0; index < 10; index++) {
  const times = index < 9 ? `${index + 1} times` : "10 times or more";
  const words = index ? `refreshed ${times}` : "refreshed";
  const text = index === 0 ? "" : index < 9 ? String(index + 1) : "9+";
  const status = index ? "again" : "refreshed";
  CELLS.set("123456789+"[index], {status, classes: index ? "k-2" : "k-1", text, words});
  CELLS.set("ABCDEFGHIJ"[index], {
    status, classes: index ? "k-2 late" : "k-1 late", text, words: `${words}, after a failure`,
  });
}

const mark = (status) => html`<i class="mark k-${MARKS[status][0]}" aria-hidden="true">${MARKS[status][1]}</i>`;

const isToday = (time) => new Date(time).toDateString() === new Date().toDateString();
const shortMonth = (date) => MONTHS[date.getMonth()].slice(0, 3);
const localDay = (time) => `${new Date(time).getDate()} ${shortMonth(new Date(time))}`;
const moment = (time) => (isToday(time) ? CLOCK.format(time) : `${localDay(time)} ${CLOCK.format(time)}`);

function clock(time, text = moment(time)) {
  const iso = new Date(time).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${text}</time>`;
}

function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// --- The data, taken apart.

let picture = null;

function read(content) {
  const outcomes = content.outcomes.map(([status, http, code, message, detail, by]) => (
    {status, http, code, message, detail, by}
  ));
  const attempt = (table, day, age, outcome, trace, took, what = "") => ({
    table, day, time: age < 0 ? null : content.newest - age, outcome: outcomes[outcome], trace, took, what,
  });
  const tables = [];
  const groups = content.groups.map(([source, catalog, schema, rows]) => {
    const group = {key: JSON.stringify([source, catalog, schema]), source, catalog, schema, tables: []};
    for (const [name, cells, flat, tags] of rows) {
      const full = `${source}.${catalog}.${schema}.${name}`;
      const table = {
        key: JSON.stringify([source, catalog, schema, name]), index: tables.length, group, name, cells, tags, attempts: [],
        text: `${full} ${tags.join(" ")}`.toLowerCase(), full: `${source}.\`${catalog}.${schema}\`.${name}`,
      };
      for (let at = 0; at < flat.length; at += 5) table.attempts.push(attempt(table, ...flat.slice(at, at + 5)));
      tables.push(table);
      group.tables.push(table);
    }
    return group;
  });
  const others = content.others.map(([what, ...rest]) => attempt(null, -1, ...rest, what));
  const causes = content.causes.map(([id, outcome, title, where, count, mended, cells, positions]) => (
    {id, outcome: outcomes[outcome], title, where, count, mended: mended === 1, cells, positions}
  ));
  const attempts = [...tables.flatMap((table) => table.attempts), ...others].filter((each) => each.time !== null);
  attempts.sort((a, b) => b.time - a.time);
  return {...content, days: days(content.days), groups, tables, others, causes, attempts, timed: tables.flatMap(timed).sort((a, b) => b.median - a.median)};
}

function timed(table) {
  const took = table.attempts.map((attempt) => attempt.took).filter((each) => each >= 0).sort((a, b) => a - b);
  return took.length ? {table, median: took[took.length >> 1], longest: took.at(-1)} : [];
}

function days(texts) {
  let previous = null;
  return texts.map((iso) => {
    const date = new Date(`${iso}T00:00:00Z`);
    const gap = previous !== null && previous - date > 86_400_000;
    previous = date;
    const [year, , number] = iso.split("-");
    const month = MONTHS[date.getUTCMonth()];
    const weekday = date.getUTCDay();
    return {
      iso, gap, number, weekend: weekday % 6 === 0, month: `${month.slice(0, 3)} ${year}`,
      short: `${Number(number)} ${month.slice(0, 3)} ${year}`, long: `${WEEKDAYS[weekday]} ${Number(number)} ${month} ${year}`,
    };
  });
}

// --- What the reader chose. Rows are named by keys, never by positions, which change with each update.

const state = {
  search: "", source: "", tag: "", statuses: new Set(), folded: new Set(), open: new Set(), allCauses: false, latest: 50,
  active: {key: null, column: -1}, chosen: null,
};

let passing = []; // whether each table passes search, source and tag
let rows = []; // what the grid shows: groups and their tables
let positions = new Map(); // the row of each key
let shownTables = 0;

function filter() {
  const words = state.search.toLowerCase().replaceAll("`", "").split(/\s+/).filter(Boolean);
  passing = picture.tables.map((table) => (
    (!state.source || table.group.source === state.source)
    && (!state.tag || table.tags.includes(state.tag))
    && words.every((word) => table.text.includes(word))
  ));
  rows = [];
  shownTables = 0;
  for (const group of picture.groups) {
    const tables = group.tables.filter((table) => passing[table.index] && hasStatus(table));
    if (!tables.length) continue;
    // Somebody who searches wants to see what is found.
    const folded = state.folded.has(group.key) && !words.length;
    rows.push({key: group.key, group, tables, folded});
    if (!folded) for (const table of tables) rows.push({key: table.key, table});
    shownTables += tables.length;
  }
  positions = new Map(rows.map((row, index) => [row.key, index]));
}

function hasStatus(table) {
  if (!state.statuses.size) return true;
  for (const letter of new Set(table.cells)) if (state.statuses.has(CELLS.get(letter).status)) return true;
  return false;
}

// --- Tiles: how much stands where. Each is a filter, and explains its mark.

function tiles() {
  const {refreshed = 0, again = 0, failed = 0, refused = 0, pending = 0, waiting = 0, skipped = 0} = picture.counts;
  const failure = failed && refused ? "failed or refused" : refused ? "refused" : "failed";
  const all = [
    [["refreshed", "again"], refreshed + again, "refreshed", "refreshed"],
    [["again"], again, "again", "more than once"],
    [FAILURES, failed + refused, refused && !failed ? "refused" : "failed", failure],
    [["waiting"], waiting, "waiting", "waiting"],
    [["pending"], pending, "pending", "pending"],
    [["skipped"], skipped, "skipped", "skipped"],
  ];
  return all.filter(([statuses, count]) => count || ["refreshed", "failed"].includes(statuses[0])).map(tile);
}

function tile([statuses, count, kind, label]) {
  const pressed = sameStatuses(statuses);
  return html`<button type="button" class="tile ${kind} ${count ? "" : "zero"}" data-key="${kind === "refused" ? "failed" : kind}"
    data-statuses="${statuses.join(" ")}" aria-pressed="${String(pressed)}">${mark(kind)}<b>${number(count)}</b> <span>${label}</span></button>`;
}

const sameStatuses = (statuses) => statuses.length === state.statuses.size && statuses.every((each) => state.statuses.has(each));

// --- Causes.

const FEW_CAUSES = 3;

function causes() {
  const seen = picture.causes.filter(concernsShown);
  const open = seen.filter((cause) => !cause.mended);
  const mended = seen.filter((cause) => cause.mended);
  const first = printing || state.allCauses || open.length <= FEW_CAUSES + 1 ? open : open.slice(0, FEW_CAUSES);
  if (!seen.length) return "";
  return html`<h2 class="hidden">What is not refreshed</h2>${open.length > 0 && html`<div class="card" data-key="open">${first.map(cause)}
    ${first.length < open.length && html`<button type="button" class="more" data-act="all-causes">Show all ${number(open.length)} causes</button>`}</div>`}
    ${mended.length > 0 && html`<details class="mended" data-key="mended" data-open="mended" ${state.open.has("mended") && new Markup("open")}>
      <summary>${counted(mended.length, "earlier cause")}, since then refreshed</summary>
      <div class="card">${state.open.has("mended") && mended.map(cause)}</div></details>`}`;
}

function concernsShown(cause) {
  if (!cause.cells.length) return passing.every(Boolean);
  return cause.cells.some(([table]) => passing[table]);
}

function cause(each) {
  const opened = state.open.has(each.id);
  const {status, code, http} = each.outcome;
  const time = attemptsOf(each)[0]?.time;
  return html`<details class="cause" data-key="${each.id}" data-open="${each.id}" ${opened && new Markup("open")}>
    <summary>${mark(status)}<span class="what"><span class="title" dir="auto">${each.title}</span>${each.count > 1 && html` <b class="times">×\u00a0${number(each.count)}</b>`}<span class="where"><span class="hidden">: </span>${each.where}</span></span>
    <span class="code">${answer(code, http)}</span>${time ? clock(time) : ""}</summary>
    ${opened && causeBody(each)}</details>`;
}

const answer = (code, http) => [http && `HTTP ${http}`, code && code !== String(http) && code].filter(Boolean).join(" · ");

function attemptsOf(each) {
  const found = each.positions.map((position) => picture.others[position]);
  for (const [table, ...ranges] of each.cells) {
    const days = new Set();
    for (const attempt of picture.tables[table].attempts) {
      // The newest of a day that has the status of the cause is the one that the cause counts.
      if (attempt.outcome.status !== each.outcome.status || days.has(attempt.day) || !within(attempt.day, ranges)) continue;
      days.add(attempt.day);
      found.push(attempt);
    }
  }
  return found.sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
}

function within(day, ranges) {
  for (let at = 0; at < ranges.length; at += 2) if (ranges[at] <= day && day <= ranges[at + 1]) return true;
  return false;
}

const MANY = 200; // entries of a list that are drawn at once

function causeBody(each) {
  const attempts = attemptsOf(each);
  const texts = [...new Set(attempts.map((attempt) => wholeText(attempt.outcome)))];
  const traces = attempts.map((attempt) => attempt.trace).filter(Boolean);
  const whats = [...new Set(attempts.map((attempt) => attempt.what).filter(Boolean))];
  const missing = each.count - attempts.length;
  return html`<div class="inside">
    ${texts.slice(0, MANY).map((text) => copied(text, "the whole text"))}
    ${texts.length > MANY && html`<p class="soft">${number(texts.length - MANY)} more texts are in the histories.</p>`}
    ${whats.length > 0 && html`<h3>Requests</h3>${copied(whats.join("\n"), "the requests")}`}
    ${each.cells.length > 0 && html`<h3>${counted(each.cells.length, "table")}</h3><ul class="places">${each.cells.map(place)}</ul>`}
    ${traces.length > 0 && html`<h3>${counted(traces.length, "trace id")}</h3>${copied(traces.join("\n"), counted(traces.length, "trace id"))}`}
    ${missing > 0 && html`<p class="soft">${counted(missing, "more attempt")} of this kind ${missing === 1 ? "has" : "have"} no room in this page. ${everything()}</p>`}
  </div>`;
}

const wholeText = ({status, message, detail}) => (
  [message, detail].filter(Boolean).join("\n") || `No text came with it: ${MARKS[status][2]}.`
);

const copied = (text, what) => html`<div class="copied"><pre tabindex="0" dir="auto" aria-label="${what}">${text}</pre>
  <button type="button" class="copy" data-copy="${text}" aria-label="Copy ${what}">Copy</button></div>`;

function place([index, ...ranges]) {
  const table = picture.tables[index];
  const texts = [];
  for (let at = 0; at < ranges.length; at += 2) {
    // Days stand newest first.
    const [last, first] = [picture.days[ranges[at]], picture.days[ranges[at + 1]]];
    texts.push(first === last ? first.short : `${first.short} to ${last.short}`);
  }
  return html`<li><button type="button" class="link" data-table="${table.key}"><bdi>${table.name}</bdi></button> <span class="soft">${texts.join(", ")}</span></li>`;
}

function everything() {
  const where = document.body.dataset.everything;
  if (!where) return "";
  return where.startsWith("/") ? html`All are in <a href="${where}">${where}</a>.` : html`To see all: <code>${where}</code>`;
}

// --- Latest, and the history of a table.

function latest() {
  const wanted = picture.attempts.filter((attempt) => (
    (attempt.table ? passing[attempt.table.index] : passing.every(Boolean))
    && (!state.statuses.size || state.statuses.has(attempt.outcome.status) || (state.statuses.has("again") && attempt.outcome.status === "refreshed"))
  ));
  const first = wanted.slice(0, state.latest);
  return html`<h2>Latest</h2>
    ${!first.length && html`<p class="soft">Nothing here.</p>`}
    ${byDay(first).map(([day, attempts]) => html`<h3 data-key="${day}">${day}</h3><ol data-key="of ${day}">${attempts.map(latestItem)}</ol>`)}
    ${wanted.length > first.length && html`<button type="button" class="more" data-act="more-latest">Show more</button>`}`;
}

function byDay(attempts) {
  const days = new Map();
  for (const attempt of attempts) {
    const day = isToday(attempt.time) ? "Today" : `${localDay(attempt.time)} ${new Date(attempt.time).getFullYear()}`;
    days.set(day, [...(days.get(day) ?? []), attempt]);
  }
  return [...days];
}

function latestItem(attempt) {
  const {table, day, outcome, trace, time} = attempt;
  const name = table ? table.name : attempt.what;
  const inside = html`${mark(outcome.status)}<span class="name"><bdi>${name}</bdi></span><span class="day">${day < 0 ? "" : picture.days[day].short}</span>
    <span class="hidden">${MARKS[outcome.status][2]}</span>${clock(time, CLOCK.format(time))}${outcome.status !== "refreshed" && html`<span class="why" dir="auto">${outcome.message || outcome.code}</span>`}`;
  return html`<li data-key="${trace || `${name} ${day} ${time}`}">${
    table ? html`<button type="button" data-table="${table.key}" data-day="${day < 0 ? "" : picture.days[day].iso}">${inside}</button>` : html`<div>${inside}</div>`
  }</li>`;
}

function history() {
  const table = picture.tables.find((each) => each.key === state.chosen?.key);
  if (!table) return null;
  const day = picture.days.findIndex((each) => each.iso === state.chosen.day);
  const attempts = day < 0 ? table.attempts : table.attempts.filter((attempt) => attempt.day === day);
  const letter = day < 0 ? "" : table.cells[day] ?? ".";
  const {source, catalog, schema} = table.group;
  return html`<div class="bar"><h2><bdi>${table.name}</bdi></h2>
      <button type="button" class="copy" data-copy="${table.full}" aria-label="Copy the table name">Copy name</button>
      <button type="button" class="close" data-act="close" aria-label="Close the history">×</button></div>
    <p class="soft place"><bdi>${source}</bdi> <bdi>${catalog}.${schema}</bdi>${table.tags.map((tag) => html` <span class="tag">${tag}</span>`)}</p>
    ${day >= 0 && html`<p class="only"><span><b>${picture.days[day].long}</b>: ${CELLS.get(letter).words}</span>
      <button type="button" class="link" data-table="${table.key}">All dates</button></p>`}
    <ol>${attempts.slice(0, MANY).map(historyItem)}</ol>
    ${attempts.length > MANY && html`<p class="soft">The newest ${MANY} of ${number(attempts.length)}.</p>`}
    ${lacksDetails(table, day) && html`<p class="soft">Older refreshes have no room for their time and trace id in this page. ${everything()}</p>`}`;
}

function lacksDetails(table, day) {
  if (!picture.left) return false;
  const known = new Set(table.attempts.map((attempt) => attempt.day));
  const lacks = (index) => index < table.cells.length && table.cells[index] !== "." && !known.has(index);
  return day < 0 ? [...table.cells].some((_, index) => lacks(index)) : lacks(day);
}

function historyItem({day, time, outcome, trace, took}) {
  const {status, message, detail, code, http, by} = outcome;
  return html`<li data-key="${trace || `${day} ${time}`}" class="${status}">${mark(status)}<div>
    <p class="head"><b>${picture.days[day].short}</b> ${MARKS[status][2]}${time !== null && clock(time)}</p>
    ${(message || detail) && html`<p class="why" dir="auto">${[message, detail].filter(Boolean).join("\n")}</p>`}
    <p class="soft">${[answer(code, http), took >= 0 && duration(took), by].filter(Boolean).join(" · ")}</p>
    ${trace === null && html`<p class="soft">Its trace id has no room in this page. ${everything()}</p>`}
    ${trace && html`<p class="trace"><code>${trace}</code><button type="button" class="copy" data-copy="${trace}" aria-label="Copy the trace id">Copy</button></p>`}
  </div></li>`;
}

// --- Runs, and the slowest tables.

function runs() {
  return [picture.runs.length > 0 && runTable(), slowest()];
}

function runTable() {
  return html`<div class="card" data-key="runs"><h2 id="runs-title">Last runs</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="runs-title"><table>
    <thead><tr><th scope="col">Run</th><th scope="col">Started</th><th scope="col" class="n">Took</th><th scope="col" class="n">Refreshed</th><th scope="col" class="n">Failed</th></tr></thead>
    <tbody>${picture.runs.map(([name, started, took, refreshed, failed]) => html`<tr><th scope="row"><bdi>${name}</bdi></th><td>${clock(started)}</td>
      <td class="n">${duration(took)}</td><td class="n">${number(refreshed)}</td><td class="n ${failed && "bad"}">${number(failed)}</td></tr>`)}</tbody></table></div></div>`;
}

function slowest() {
  const timed = picture.timed.filter(({table}) => passing[table.index]);
  if (!timed.length) return "";
  return html`<div class="card" data-key="slowest"><h2 id="slowest-title">Slowest tables</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="slowest-title"><table>
    <thead><tr><th scope="col">Table</th><th scope="col" class="n">Median</th><th scope="col" class="n">Longest</th></tr></thead>
    <tbody>${timed.slice(0, 10).map(({table, median, longest}) => html`<tr><th scope="row"><button type="button" class="link" data-table="${table.key}"><bdi>${table.name}</bdi></button></th>
      <td class="n">${duration(median)}</td><td class="n">${duration(longest)}</td></tr>`)}</tbody></table></div></div>`;
}

// --- The grid. Only the rows and dates in view are in the document, however many there are.

const grid = byId("grid");
const head = byId("head");
const body = byId("body");
const drawn = new Map(); // the rows in the document, by key
const spare = {tables: [], groups: []}; // rows that went out of view, to be used again
const OVERSCAN = 8; // rows drawn beyond each edge
const CHUNK = 16; // dates that come and go together
const PRINTED_DATES = 31;
const GAP = 7; // as in page.css

let size = {row: 28, column: 24, name: 200, head: 0};
let edges = [0]; // where each date begins, and where the last one ends
let printing = false;
let recent = new Set(); // cells that just changed

function measure() {
  const style = getComputedStyle(grid);
  size.row = parseFloat(style.getPropertyValue("--row"));
  size.column = parseFloat(style.getPropertyValue("--column"));
  edges = [0];
  for (const day of picture.days) {
    if (day.gap) edges[edges.length - 1] += GAP;
    edges.push(edges.at(-1) + size.column);
  }
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.font = style.getPropertyValue("--name-font");
  const longest = Math.max(0, ...longNames().map((name) => canvas.measureText(name).width));
  size.name = Math.ceil(Math.max(148, Math.min(longest + 46, 360, grid.clientWidth * 0.42)));
  grid.style.setProperty("--name", `${size.name}px`);
}

// The names that may be the widest, where a Chinese character is as wide as two letters.
function longNames() {
  const width = (name) => name.length + (name.match(/[\u2e80-\uffff]/g)?.length ?? 0);
  return picture.tables.map(({name}) => name.slice(0, 80)).sort((a, b) => width(b) - width(a)).slice(0, 8);
}

function drawHead() {
  const days = printing ? picture.days.slice(0, PRINTED_DATES) : picture.days;
  const months = [];
  days.forEach((day, index) => {
    if (months.at(-1)?.month !== day.month) months.push({month: day.month, from: index, to: index});
    months.at(-1).to = index;
  });
  const sums = shownTables > 8 ? sumCells(days) : null;
  morph(head, html`<div class="months" aria-hidden="true"><span class="corner"></span>${
    months.map(({month, from, to}) => html`<span class="month" data-width="${edges[to + 1] - (from ? edges[from] - (days[from].gap ? GAP : 0) : 0)}"><span>${month}</span></span>`)
  }</div><div class="days" role="row" aria-rowindex="1"><span class="corner" role="columnheader" aria-colindex="1">${days.length < picture.days.length ? `The newest ${days.length} of ${picture.days.length} dates` : "Table"}</span>${
    days.map((day, index) => html`<span role="columnheader" aria-colindex="${index + 2}" class="date ${day.weekend && "weekend"} ${day.gap && "gap"}" aria-label="${day.long}" title="${day.long}">${day.number}</span>`)
  }</div>${sums && html`<div class="sums" role="row" aria-rowindex="2"><span class="corner" role="rowheader" aria-colindex="1">${counted(shownTables, "table")}</span>${sums}</div>`}
  <div id="pinned" class="row group" aria-hidden="true" hidden></div>`);
  for (const month of head.querySelectorAll(".month")) month.style.width = `${month.dataset.width}px`;
  head.style.width = body.style.width = `${size.name + edges[days.length] + 12}px`;
  size.head = head.offsetHeight;
}

// For each date, how many of the shown tables are refreshed and how many are not.
function sumCells(days) {
  const good = new Array(days.length).fill(0);
  const bad = new Array(days.length).fill(0);
  for (const row of rows) for (const table of row.tables ?? []) {
    for (let index = 0; index < Math.min(table.cells.length, days.length); index++) {
      const {status} = CELLS.get(table.cells[index]);
      if (status === "refreshed" || status === "again") good[index]++;
      else if (FAILURES.includes(status)) bad[index]++;
    }
  }
  return days.map((day, index) => {
    const said = [`${counted(good[index], "table")} refreshed`, bad[index] && `${number(bad[index])} failed or refused`].filter(Boolean).join(", ");
    const share = Math.floor(100 * good[index] / shownTables);
    return html`<span role="gridcell" aria-colindex="${index + 2}" class="sum ${day.gap && "gap"}" aria-label="${day.long}: ${said}" title="${said}"
      >${bad[index] > 0 && html`<b>${bad[index] > 999 ? "999+" : bad[index]}</b>`}<svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true"
      ><rect class="track" width="100" height="3"/><rect class="good" width="${share}" height="3"/></svg></span>`;
  });
}

function draw() {
  if (!picture.tables.length) return;
  body.style.height = `${rows.length * size.row}px`;
  const held = body.contains(document.activeElement);
  const [first, last, from, to] = view();
  const wanted = new Map();
  for (let index = first; index < last; index++) wanted.set(rows[index].key, index);
  keepActive(wanted, held);
  for (const [key, row] of drawn) if (!wanted.has(key)) release(key, row);
  for (const [key, index] of wanted) {
    const row = drawn.get(key) ?? take(key, rows[index]);
    row.place(index);
    row.draw(rows[index], from, to);
  }
  for (const row of [...spare.tables, ...spare.groups]) row.element.hidden = true;
  settleSoon();
  grid.setAttribute("aria-rowcount", rows.length + 2);
  grid.setAttribute("aria-colcount", picture.days.length + 1);
  pin();
  if (held && !body.contains(document.activeElement)) activeElement()?.focus({preventScroll: true});
}

// The rows and dates to draw: first row, row after the last, first date, date after the last.
function view() {
  if (printing) return [0, rows.length, 0, Math.min(picture.days.length, PRINTED_DATES)];
  const top = Math.floor(grid.scrollTop / size.row);
  const high = Math.ceil(grid.clientHeight / size.row);
  const left = columnAt(grid.scrollLeft);
  const right = columnAt(grid.scrollLeft + grid.clientWidth - size.name);
  return [
    Math.max(0, top - OVERSCAN), Math.min(rows.length, top + high + OVERSCAN),
    Math.max(0, (Math.floor(left / CHUNK) - 1) * CHUNK), Math.min(picture.days.length, (Math.floor(right / CHUNK) + 2) * CHUNK),
  ];
}

function columnAt(x) {
  let low = 0;
  let high = picture.days.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle + 1] <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

// One cell of the grid is in the tab order. It stays drawn while it has the focus, else it follows what is in view.
function keepActive(wanted, held) {
  const index = positions.get(state.active.key);
  if (index !== undefined && (held || wanted.has(state.active.key))) {
    wanted.set(state.active.key, index);
    return;
  }
  const seen = Math.min(Math.ceil(grid.scrollTop / size.row), rows.length - 1);
  state.active = {key: rows[seen]?.key ?? null, column: -1};
}

const activeElement = () => drawn.get(state.active.key)?.element.querySelector('[tabindex="0"]');

function take(key, {group}) {
  const row = spare[group ? "groups" : "tables"].pop() ?? (group ? new GroupRow() : new TableRow());
  drawn.set(key, row);
  row.element.hidden = false;
  if (!row.element.isConnected) body.append(row.element);
  return row;
}

function release(key, row) {
  drawn.delete(key);
  spare[row instanceof GroupRow ? "groups" : "tables"].push(row);
}

// While the reader scrolls, rows are used again where they stand in the document, which is quick. When all is still,
// they are put into the order in which they are seen. The row that has the focus stays: it would lose it.
let settling = 0;

function settleSoon() {
  clearTimeout(settling);
  settling = setTimeout(settle, 150);
}

function settle() {
  for (const row of [...spare.tables.splice(0), ...spare.groups.splice(0)]) row.element.remove();
  const ordered = [...drawn.values()].sort((a, b) => a.index - b.index).map(({element}) => element);
  const still = Math.max(0, ordered.findIndex((element) => element.contains(document.activeElement)));
  for (let at = still + 1; at < ordered.length; at++) {
    if (ordered[at - 1].nextSibling !== ordered[at]) ordered[at - 1].after(ordered[at]);
  }
  for (let at = still - 1; at >= 0; at--) {
    if (ordered[at + 1].previousSibling !== ordered[at]) ordered[at + 1].before(ordered[at]);
  }
}

class Row {
  constructor() {
    this.element = document.createElement("div");
    this.element.setAttribute("role", "row");
  }

  place(index) {
    this.element.style.transform = printing ? "" : `translateY(${index * size.row}px)`;
    if (this.index === index) return;
    this.index = index;
    this.element.dataset.index = index;
    this.element.setAttribute("aria-rowindex", index + 3);
  }
}

// A group's row has cells only while the group is folded.
class GroupRow extends Row {
  draw(row, from, to) {
    const active = row.key === state.active.key;
    const look = [row.key, row.folded, row.tables.length, failuresIn(row), active, row.folded && [from, to, state.search, version, [...state.statuses]]].join();
    if (this.look === look) return;
    this.look = look;
    this.element.className = "row group";
    this.element.innerHTML = escaped(groupCells(row, active, from, to));
    this.element.querySelector(".spacer")?.style.setProperty("width", `${edges[from] ?? 0}px`);
  }
}

// A table's row keeps its elements when it is used again, and changes those that differ: most cells are alike.
class TableRow extends Row {
  constructor() {
    super();
    this.element.innerHTML = '<div role="rowheader" class="name" data-column="-1" aria-colindex="1"><bdi></bdi></div><span class="spacer"></span>';
    [this.name, this.spacer] = this.element.children;
    this.cells = [];
  }

  draw({key, table}, from, to) {
    const active = key === state.active.key ? state.active.column : null;
    const day = key === state.chosen?.key ? state.chosen.day : undefined;
    this.element.className = day === undefined ? "row" : "row chosen";
    this.drawName(table.name, active === -1);
    this.spacer.style.width = `${edges[from] ?? 0}px`;
    while (this.cells.length > to - from) this.cells.pop().remove();
    while (this.cells.length < to - from) this.cells.push(this.element.appendChild(newCell()));
    this.cells.forEach((cell, index) => drawCell(cell, table, from + index, active === from + index, day));
  }

  drawName(name, active) {
    this.name.tabIndex = active ? 0 : -1;
    const look = `${name}\n${state.search}`;
    if (this.look === look) return;
    this.look = look;
    this.name.firstChild.innerHTML = escaped(highlighted(name));
  }
}

function newCell() {
  const cell = document.createElement("div");
  cell.setAttribute("role", "gridcell");
  return cell;
}

function drawCell(cell, table, column, active, chosenDay) {
  const day = picture.days[column];
  const letter = table.cells[column] ?? ".";
  const isNew = recent.size > 0 && recent.has(`${table.key} ${day.iso}`);
  const look = `${letter} ${column} ${day.iso} ${active} ${chosenDay === day.iso} ${isNew}`;
  if (cell.look === look) return;
  cell.look = look;
  const {classes, text, words} = CELLS.get(letter);
  cell.className = `cell ${classes} ${day.gap ? "gap" : ""} ${chosenDay === day.iso ? "chosen" : ""} ${isNew ? "recent" : ""}`;
  cell.dataset.column = column;
  cell.tabIndex = active ? 0 : -1;
  cell.textContent = text;
  cell.setAttribute("aria-colindex", column + 2);
  cell.setAttribute("aria-label", `${day.long}: ${words}`);
}

const failuresIn = ({tables}) => tables.reduce((sum, {cells}) => sum + (cells.match(/[fx]/g)?.length ?? 0), 0);

function groupCells(row, active, from, to) {
  const {source, catalog, schema} = row.group;
  const failures = failuresIn(row);
  const label = `${source} ${catalog}.${schema}, ${counted(row.tables.length, "table")}${failures ? `, ${counted(failures, "failure")}` : ""}`;
  const title = html`<span class="twist" aria-hidden="true"></span><span class="source"><bdi>${source}</bdi></span><span class="schema"><bdi>${catalog}</bdi>.<b><bdi>${schema}</bdi></b></span><span class="soft">${number(row.tables.length)}</span>${failures > 0 && html`<span class="failures">${number(failures)}<span class="hidden"> failures</span></span>`}`;
  const name = html`<div role="rowheader" class="name" data-column="-1" aria-colindex="1" aria-expanded="${String(!row.folded)}" aria-label="${label}" tabindex="${active ? 0 : -1}">${title}</div>`;
  if (!row.folded) return name;
  const cells = [];
  for (let column = from; column < to; column++) {
    const letter = worst(row.tables, column);
    const {classes, text, words: said} = CELLS.get(letter);
    const day = picture.days[column];
    cells.push(html`<div role="gridcell" class="cell ${classes} ${day.gap && "gap"}" aria-colindex="${column + 2}" aria-label="${day.long}: ${said}">${text}</div>`);
  }
  return html`${name}<span class="spacer"></span>${cells}`;
}

// What a folded group shows of a date: a failure before all else, then what is not done, then what is refreshed.
function worst(tables, column) {
  const letters = tables.map(({cells}) => cells[column] ?? ".");
  const found = ["f", "x", "w", "p", "s"].find((letter) => letters.includes(letter));
  return found ?? (letters.every((letter) => letter === ".") ? "." : "1");
}

function highlighted(name) {
  const word = state.search.trim().toLowerCase();
  const at = word ? name.toLowerCase().indexOf(word) : -1;
  if (at < 0) return name;
  return html`${name.slice(0, at)}<mark>${name.slice(at, at + word.length)}</mark>${name.slice(at + word.length)}`;
}

// The group that the first row in view belongs to stays at the top while its rows pass.
function pin() {
  const pinned = byId("pinned");
  let index = Math.floor(grid.scrollTop / size.row);
  while (index > 0 && !rows[index]?.group) index--;
  const row = rows[index];
  pinned.hidden = printing || !row?.group || row.folded || grid.scrollTop <= index * size.row;
  if (pinned.hidden) return;
  let next = index + 1;
  while (next < rows.length && !rows[next].group) next++;
  morph(pinned, groupCells(row, false, 0, 0));
  pinned.dataset.group = row.key;
  for (const child of pinned.querySelectorAll("[tabindex], [role]")) ["tabindex", "role", "aria-expanded"].forEach((name) => child.removeAttribute(name));
  pinned.style.transform = `translateY(${Math.min(0, next * size.row - grid.scrollTop - size.row)}px)`;
}

// --- Moving in the grid.

function move(key, column, {focus = true} = {}) {
  state.active = {key, column};
  const index = positions.get(key);
  const top = index * size.row;
  const above = rows[index].group ? 0 : size.row; // the pinned group hides one row
  const high = grid.clientHeight - size.head - size.row;
  if (top - above < grid.scrollTop) grid.scrollTop = top - above;
  else if (top > grid.scrollTop + high) grid.scrollTop = top - high;
  if (column >= 0) {
    const wide = grid.clientWidth - size.name;
    if (edges[column] < grid.scrollLeft) grid.scrollLeft = edges[column] - 4;
    else if (edges[column + 1] > grid.scrollLeft + wide) grid.scrollLeft = edges[column + 1] - wide + 4;
  }
  draw();
  if (focus) activeElement()?.focus({preventScroll: true});
}

let wish = -1; // the date that up and down keep to, across rows that have none

function onGridKey(event) {
  const index = positions.get(state.active.key);
  if (index === undefined || event.altKey || event.metaKey) return;
  const row = rows[index];
  const last = picture.days.length - 1;
  const page = Math.max(1, Math.floor((grid.clientHeight - size.head) / size.row) - 1);
  const column = state.active.column;
  const vertical = (to) => {
    const target = rows[Math.max(0, Math.min(rows.length - 1, to))];
    move(target.key, target.group ? -1 : wish);
  };
  const sideways = (to) => {
    wish = Math.max(-1, Math.min(last, to));
    move(row.key, wish);
  };
  const keys = {
    ArrowDown: () => vertical(index + 1),
    ArrowUp: () => vertical(index - 1),
    PageDown: () => vertical(index + page),
    PageUp: () => vertical(index - page),
    ArrowRight: () => (row.group ? row.folded && fold(row.group.key) : sideways(column + 1)),
    ArrowLeft: () => (row.group ? row.folded || fold(row.group.key) : column < 0 ? move(row.table.group.key, -1) : sideways(column - 1)),
    Home: () => (event.ctrlKey ? vertical(0) : row.group || sideways(-1)),
    End: () => (event.ctrlKey ? vertical(rows.length - 1) : row.group || sideways(last)),
    Enter: () => (row.group ? fold(row.group.key) : choose(row.key, picture.days[column]?.iso ?? null, true)),
    " ": () => keys.Enter(),
  };
  if (!Object.hasOwn(keys, event.key) || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
  event.preventDefault();
  keys[event.key]();
}

function fold(key) {
  if (!state.folded.delete(key)) state.folded.add(key);
  state.active = {key, column: -1};
  refresh();
}

// --- Choosing a table, or one date of it.

let opener = null;

function choose(key, day, focus) {
  if (!state.chosen) opener = document.activeElement;
  state.chosen = {key, day};
  byId("history").scrollTop = 0;
  refresh();
  if (focus) byId("history").focus({preventScroll: innerWidth >= 960});
  else say(`History of ${JSON.parse(key)[3]}`);
}

function close() {
  const {key} = state.chosen;
  state.chosen = null;
  const had = byId("history").contains(document.activeElement);
  refresh();
  if (!had) return;
  if (opener?.isConnected && opener !== document.body) opener.focus();
  else if (positions.has(key)) move(key, state.active.key === key ? state.active.column : -1);
}

// --- The small tip beside a cell.

const tip = byId("tip");

function showTip(element) {
  const row = rowOf(element);
  const column = Number(element.dataset.column);
  if (!row || printing) return;
  const content = row.group ? null : tipContent(row.table, column);
  if (!content) return hideTip();
  morph(tip, content);
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, column < 0 ? box.left + 16 : box.left + box.width / 2 - tip.offsetWidth / 2));
  const above = box.top - tip.offsetHeight - 6;
  tip.style.left = `${left}px`;
  tip.style.top = `${above < 8 ? box.bottom + 6 : above}px`;
}

const hideTip = () => {
  tip.hidden = true;
};

const rowOf = (element) => rows[element.closest('[role="row"]')?.dataset.index];

function tipContent(table, column) {
  if (column < 0) return html`<b><bdi>${table.name}</bdi></b><span>${table.group.source} ${table.group.catalog}.${table.group.schema}</span>`;
  const day = picture.days[column];
  const last = table.attempts.find((attempt) => attempt.day === column);
  const why = last && last.outcome.status !== "refreshed" ? last.outcome.message : "";
  return html`<b>${day.long}</b><span><bdi>${table.name}</bdi>: ${CELLS.get(table.cells[column] ?? ".").words}${last?.time && html`, ${clock(last.time)}`}</span>
    ${why && html`<span class="why" dir="auto">${why.length > 240 ? `${why.slice(0, 240)}…` : why}</span>`}`;
}

// --- Drawing all of it.

function refresh() {
  filter();
  const failures = (picture.counts.failed ?? 0) + (picture.counts.refused ?? 0);
  document.title = failures ? `(${number(failures)}) ${title}` : title;
  morph(byId("tiles"), tiles());
  morph(byId("causes"), causes());
  morph(byId("latest"), latest());
  morph(byId("runs"), runs());
  const past = history();
  byId("history").hidden = !past;
  document.body.classList.toggle("has-history", Boolean(past));
  if (past) morph(byId("history"), past);
  options(byId("source"), byId("sources"), [...new Set(picture.groups.map(({source}) => source))], "source", 2);
  options(byId("tag"), byId("tags"), [...new Set(picture.tables.flatMap(({tags}) => tags))].sort(), "tag", 1);
  const foldable = picture.groups.length > 1;
  byId("fold").hidden = !foldable;
  byId("fold").textContent = allFolded() ? "Unfold all" : "Fold all";
  const all = picture.tables.length;
  const some = shownTables < all ? `${number(shownTables)} of ${counted(all, "table")}` : counted(all, "table");
  const text = `${some}, ${counted(picture.days.length, "date")}`;
  if (byId("shown").textContent !== text) byId("shown").textContent = text;
  grid.classList.toggle("none", !rows.length);
  drawHead();
  draw();
  settle();
}

const allFolded = () => picture.groups.every(({key}) => state.folded.has(key));

function options(select, label, values, name, least) {
  label.hidden = values.length < least;
  if (!values.includes(state[name])) state[name] = "";
  morph(select, [html`<option value="">All</option>`, values.map((value) => html`<option value="${value}">${value}</option>`)]);
  select.value = state[name];
}

function say(text) {
  byId("said").textContent = text;
}

// --- What the reader does.

async function copy(button) {
  const text = button.dataset.copy;
  const before = button.textContent;
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false) || copyOldWay(text, button);
  button.textContent = done ? "Copied" : "Not copied";
  say(done ? "Copied" : "The browser did not allow to copy");
  setTimeout(() => {
    if (button.isConnected) button.textContent = before;
  }, 1500);
}

function copyOldWay(text, button) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  button.focus();
  return done;
}

const ACTS = {
  "all-causes": () => {
    state.allCauses = true;
    refresh();
  },
  "more-latest": () => {
    state.latest += 100;
    refresh();
  },
  close,
};

function onClick(event) {
  const target = event.target.closest("[data-copy], [data-act], [data-statuses], [data-table], [data-column], #pinned, #fold");
  if (!target) return;
  if ("copy" in target.dataset) copy(target);
  else if (target.dataset.act) ACTS[target.dataset.act]();
  else if (target.dataset.statuses) pick(target.dataset.statuses.split(" "));
  else if (target.dataset.table) choose(target.dataset.table, target.dataset.day || null, !target.closest("#history"));
  else if (target.id === "fold") foldAll();
  else if (target.id === "pinned" || target.closest("#pinned")) foldPinned();
  else onCell(target);
}

function onCell(target) {
  const row = rowOf(target);
  const column = Number(target.dataset.column);
  if (row.group) return fold(row.group.key);
  state.active = {key: row.key, column};
  wish = column;
  choose(row.key, picture.days[column]?.iso ?? null, false);
  activeElement()?.focus({preventScroll: true});
}

function pick(statuses) {
  state.statuses = new Set(sameStatuses(statuses) ? [] : statuses);
  grid.scrollTop = 0;
  refresh();
}

function foldAll() {
  state.folded = new Set(allFolded() ? [] : picture.groups.map(({key}) => key));
  refresh();
}

function foldPinned() {
  const key = byId("pinned").dataset.group;
  fold(key);
  grid.scrollTop = positions.get(key) * size.row;
  draw();
}

function onKey(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "Escape") {
    if (!tip.hidden) hideTip();
    if (event.target.id === "search" && state.search) searchFor(byId("search").value = "");
    else if (event.target.id === "search") event.target.blur();
    else if (state.chosen) close();
  }
}

function searchFor(text) {
  state.search = text.trim();
  grid.scrollTop = 0;
  refresh();
}

function onToggle(event) {
  const key = event.target.dataset?.open;
  if (!key || event.target.open === state.open.has(key)) return;
  if (event.target.open) state.open.add(key);
  else state.open.delete(key);
  morph(byId("causes"), causes());
}

let scheduled = false;

function soon() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function print(on) {
  printing = on;
  document.body.classList.toggle("printing", on);
  refresh();
}

function listen() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("toggle", onToggle, true);
  grid.addEventListener("keydown", onGridKey);
  grid.addEventListener("scroll", () => {
    hideTip();
    soon();
  }, {passive: true});
  grid.addEventListener("focusin", ({target}) => {
    if (target.dataset.column === undefined) return;
    const row = rowOf(target);
    state.active = {key: row.key, column: Number(target.dataset.column)};
    if (target.matches(":focus-visible")) showTip(target);
  });
  grid.addEventListener("focusout", hideTip);
  grid.addEventListener("pointerover", ({target, pointerType}) => {
    const cell = target.closest("[data-column]");
    if (cell && pointerType === "mouse" && !cell.closest("#pinned")) showTip(cell);
    else hideTip();
  });
  grid.addEventListener("pointerleave", hideTip);
  byId("search").addEventListener("input", ({target}) => searchFor(target.value));
  for (const name of ["source", "tag"]) byId(name).addEventListener("change", ({target}) => {
    state[name] = target.value;
    grid.scrollTop = 0;
    refresh();
  });
  addEventListener("resize", () => {
    measure();
    refresh();
  });
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
}

// --- Newer data, while the server runs.

const {live, lost} = document.body.dataset;
const title = document.title;
const PAUSE = 2000;
let version = document.body.dataset.version;

function update(content) {
  const before = picture;
  const anchor = anchored();
  picture = read(content);
  recent = before ? changed(before, picture) : new Set();
  reveal();
  measure();
  refresh();
  if (before) {
    hold(anchor);
    announce(before);
  }
  if (recent.size) setTimeout(() => {
    recent = new Set();
    draw();
  }, PAUSE);
}

function reveal() {
  byId("app").hidden = !picture.tables.length && !picture.causes.length && !picture.attempts.length;
  byId("app").classList.toggle("bare", !picture.tables.length);
  if (byId("steps")) byId("steps").hidden = picture.tables.length > 0;
}

function changed(before, after) {
  const found = new Set();
  const old = new Map(before.tables.map((table) => [table.key, table.cells]));
  const column = new Map(before.days.map(({iso}, index) => [iso, index]));
  const same = before.days.length === after.days.length;
  for (const {key, cells} of after.tables) {
    const was = old.get(key) ?? "";
    if (same && was === cells) continue;
    after.days.forEach(({iso}, index) => {
      if ((cells[index] ?? ".") !== (was[column.get(iso)] ?? ".")) found.add(`${key} ${iso}`);
    });
  }
  return found;
}

// What is in view at the upper left stays there, unless it is the very beginning: there the newest is wanted.
function anchored() {
  if (!picture) return {};
  const top = Math.floor(grid.scrollTop / size.row);
  const column = columnAt(grid.scrollLeft);
  return {
    key: grid.scrollTop > 0 && rows[top]?.key, y: grid.scrollTop - top * size.row,
    iso: grid.scrollLeft > 0 && picture.days[column]?.iso, x: grid.scrollLeft - edges[column],
  };
}

function hold({key, y, iso, x}) {
  const index = positions.get(key);
  const column = picture.days.findIndex((day) => day.iso === iso);
  if (index !== undefined) grid.scrollTop = index * size.row + y;
  if (iso && column >= 0) grid.scrollLeft = edges[column] + x;
  draw();
}

function announce(before) {
  const sum = ({counts}, ...statuses) => statuses.reduce((total, status) => total + (counts[status] ?? 0), 0);
  const now = [sum(picture, "refreshed", "again"), sum(picture, ...FAILURES)];
  const then = [sum(before, "refreshed", "again"), sum(before, ...FAILURES)];
  if (String(now) !== String(then)) say(`${number(now[0])} refreshed, ${number(now[1])} failed or refused`);
}

async function poll() {
  if (!document.hidden) {
    try {
      const reply = await fetch(`${live}?seen=${encodeURIComponent(version)}`, {cache: "no-store"});
      if (reply.status === 200) {
        const content = await reply.json();
        version = reply.headers.get("ETag");
        update(content);
      } else if (reply.status !== 204) throw new Error(`HTTP ${reply.status}`);
      connected(true);
    } catch {
      connected(false);
    }
  }
  setTimeout(poll, PAUSE);
}

function connected(yes) {
  const text = yes ? "Live" : lost;
  document.body.classList.toggle("lost", !yes);
  if (byId("live").textContent !== text) byId("live").textContent = text;
}

document.body.classList.add("scripted");
listen();
update(JSON.parse(byId("data").textContent));
if (live) setTimeout(poll, PAUSE);
