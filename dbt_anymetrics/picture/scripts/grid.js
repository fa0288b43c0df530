// The grid. Only the rows and dates in view are in the document, however many there are.

const grid = byId("grid");
const head = byId("head");
const body = byId("body");
const OVERSCAN = 8; // rows drawn beyond each edge
const CHUNK = 16; // dates that come and go together
const PRINTED_DATES = 31;
const GAP = 7; // as in page.css
const FEW_TABLES = 8; // so many need no sums

const size = {row: 28, column: 24, name: 200, head: 0};
let edges = [0]; // where each date begins, and where the last one ends
let printing = false;
let recent = new Set(); // cells that just changed

function measure() {
  const style = getComputedStyle(grid);
  size.row = parseFloat(style.getPropertyValue("--row"));
  size.column = parseFloat(style.getPropertyValue("--column"));
  edges = [0];
  for (const {gap} of picture.days) {
    if (gap) edges[edges.length - 1] += GAP;
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
  morph(head, html`<div class="months" aria-hidden="true"><span class="corner"></span>${months(days).map(monthHead)}</div>
    <div class="days" role="row" aria-rowindex="1">${corner(days)}${days.map(dayHead)}</div>
    ${shownTables > FEW_TABLES && sums(days)}
    <div id="pinned" class="row group" aria-hidden="true" hidden></div>`);
  for (const month of head.querySelectorAll(".month")) month.style.width = `${month.dataset.width}px`;
  head.style.width = body.style.width = `${size.name + edges[days.length] + 12}px`;
  size.head = head.offsetHeight;
}

function months(days) {
  const found = [];
  days.forEach(({month}, index) => {
    if (found.at(-1)?.month !== month) found.push({month, from: index});
    found.at(-1).to = index;
  });
  return found;
}

function monthHead({month, from, to}) {
  // The gap before a month belongs to it.
  const begin = from && picture.days[from].gap ? edges[from] - GAP : edges[from];
  const dates = to - from + 1;
  // Above one or two dates there is no room for the year.
  const text = dates > 2 ? month : month.slice(0, 3);
  return html`<span class="month ${dates === 1 && "narrow"}" title="${month}"
    data-width="${edges[to + 1] - begin}"><span>${text}</span></span>`;
}

function corner(days) {
  const all = picture.days.length;
  const text = days.length < all ? `${days.length} of ${all} dates` : "Table";
  return html`<span class="corner" role="columnheader" aria-colindex="1">${text}</span>`;
}

function dayHead({long, number, weekend, gap}, index) {
  return html`<span role="columnheader" aria-colindex="${index + 2}" class="date ${weekend && "weekend"} ${gap && "gap"}"
    aria-label="${long}" title="${long}">${number}</span>`;
}

// For each date, how many of the shown tables failed, and what part of them is refreshed.
function sums(days) {
  const good = new Array(days.length).fill(0);
  const bad = new Array(days.length).fill(0);
  for (const {cells} of rows.flatMap(({tables}) => tables ?? [])) {
    for (let index = 0; index < Math.min(cells.length, days.length); index++) {
      const {status} = cellOf(cells, index);
      if (status === "refreshed" || status === "again") good[index]++;
      else if (FAILURES.includes(status)) bad[index]++;
    }
  }
  return html`<div class="sums" role="row" aria-rowindex="2">
    <span class="corner" role="rowheader" aria-colindex="1">${counted(shownTables, "table")}</span>
    ${days.map((day, index) => sum(day, index, good[index], bad[index]))}</div>`;
}

function sum({long, gap}, index, good, bad) {
  const said = `${counted(good, "table")} refreshed${bad ? `, ${number(bad)} failed or refused` : ""}`;
  return html`<span role="gridcell" aria-colindex="${index + 2}" class="sum ${gap && "gap"}" aria-label="${long}: ${said}"
    title="${said}">${bad > 0 && html`<b>${bad > 999 ? "999+" : bad}</b>`}<svg viewBox="0 0 100 3" preserveAspectRatio="none"
    aria-hidden="true"><rect class="track" width="100" height="3"/><rect class="good" width="${
      Math.floor(100 * good / shownTables)}" height="3"/></svg></span>`;
}

function draw() {
  if (!picture.tables.length) return;
  body.style.height = `${rows.length * size.row}px`;
  const held = body.contains(document.activeElement);
  const [first, last, from, to] = view();
  const wanted = new Map();
  for (let index = first; index < last; index++) wanted.set(rows[index].key, index);
  keepActive(wanted, held);
  drawRows(wanted, from, to);
  grid.setAttribute("aria-rowcount", rows.length + 2);
  grid.setAttribute("aria-colcount", picture.days.length + 1);
  pin();
  if (held && !body.contains(document.activeElement)) activeElement()?.focus({preventScroll: true});
}

// The rows and dates to draw: first row, row after the last, first date, date after the last.
function view() {
  const dates = picture.days.length;
  if (printing) return [0, rows.length, 0, Math.min(dates, PRINTED_DATES)];
  const top = Math.floor(grid.scrollTop / size.row);
  const high = Math.ceil(grid.clientHeight / size.row);
  const left = Math.floor(columnAt(grid.scrollLeft) / CHUNK);
  const right = Math.floor(columnAt(grid.scrollLeft + grid.clientWidth - size.name) / CHUNK);
  return [
    Math.max(0, top - OVERSCAN), Math.min(rows.length, top + high + OVERSCAN),
    Math.max(0, (left - 1) * CHUNK), Math.min(dates, (right + 2) * CHUNK),
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

// The group that the first row in view belongs to stays at the top while its rows pass.
function pin() {
  const pinned = byId("pinned");
  let index = Math.floor(grid.scrollTop / size.row);
  while (index > 0 && !rows[index]?.group) index--;
  const row = rows[index];
  pinned.hidden = printing || !row?.group || row.folded || grid.scrollTop <= index * size.row;
  if (pinned.hidden) return;
  const next = index + row.tables.length + 1;
  morph(pinned, html`<div class="name">${groupTitle(row)}</div>`);
  pinned.dataset.group = row.key;
  pinned.style.transform = `translateY(${Math.min(0, next * size.row - grid.scrollTop - size.row)}px)`;
}
