// The rows of the grid. While the reader scrolls, rows are used again where they stand in the document, which is quick.
// When all is still, they are put into the order in which they are seen.

const drawn = new Map(); // the rows in the document, by key
const spare = {tables: [], groups: []}; // rows that went out of view, to be used again
let settling = 0;

const rowOf = (element) => rows[element.closest('[role="row"]')?.dataset.index];
const activeElement = () => drawn.get(state.active.key)?.element.querySelector('[tabindex="0"]');

function drawRows(wanted, from, to) {
  for (const [key, row] of drawn) if (!wanted.has(key)) release(key, row);
  for (const [key, index] of wanted) {
    const row = drawn.get(key) ?? take(key, rows[index]);
    row.place(index);
    row.draw(rows[index], from, to);
  }
  for (const {element} of [...spare.tables, ...spare.groups]) element.hidden = true;
  clearTimeout(settling);
  settling = setTimeout(settle, 150);
}

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

// The row that has the focus is not moved: it would lose it.
function settle() {
  for (const {element} of [...spare.tables.splice(0), ...spare.groups.splice(0)]) element.remove();
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
    const look = `${active} ${from} ${to}`;
    // Each change of the data or the filters makes new rows.
    if (this.row === row && this.look === look) return;
    [this.row, this.look] = [row, look];
    this.element.className = "row group";
    morph(this.element, html`<div role="rowheader" class="name" data-column="-1" aria-colindex="1"
      aria-expanded="${String(!row.folded)}" tabindex="${active ? 0 : -1}">${groupTitle(row)}</div>
      <span class="spacer"></span>${row.folded && groupCells(row, from, to)}`);
    this.element.querySelector(".spacer").style.width = `${edges[from] ?? 0}px`;
  }
}

function groupTitle({group: {source, catalog, schema}, tables}) {
  const failures = tables.reduce((sum, {cells}) => sum + (cells.match(/[fx]/g)?.length ?? 0), 0);
  return html`<span class="twist" aria-hidden="true"></span><span class="source"><bdi>${source}</bdi></span>
    <span class="schema">${catalog && html`<bdi>${catalog}</bdi>.`}<b><bdi>${schema}</bdi></b></span>
    <span class="soft">${number(tables.length)}<span class="hidden"> tables</span></span>
    ${failures > 0 && html`<span class="failures">${number(failures)}<span class="hidden"> failures</span></span>`}`;
}

function groupCells({tables}, from, to) {
  return picture.days.slice(from, to).map(({long, gap}, index) => {
    const {classes, text, words} = CELLS.get(worst(tables, from + index));
    return html`<div role="gridcell" class="cell ${classes} ${gap && "gap"}" aria-colindex="${from + index + 2}"
      aria-label="${long}: ${words}">${text}</div>`;
  });
}

// What a folded group shows of a date: a failure before all else, then what is not done, then what is refreshed.
function worst(tables, column) {
  const letters = new Set(tables.map(({cells}) => cells[column] ?? "."));
  const open = ["f", "x", "w", "p", "s"].find((letter) => letters.has(letter));
  return open ?? (letters.size === 1 && letters.has(".") ? "." : "1");
}

// A table's row keeps its elements when it is used again, and changes those that differ: most cells are alike.
class TableRow extends Row {
  constructor() {
    super();
    this.element.innerHTML = escaped(html`<div role="rowheader" class="name" data-column="-1" aria-colindex="1"
      ><bdi></bdi></div><span class="spacer"></span>`);
    [this.name, this.spacer] = this.element.children;
    this.cells = [];
  }

  draw({key, table}, from, to) {
    const active = key === state.active.key ? state.active.column : null;
    const day = key === state.chosen?.key ? state.chosen.day : undefined;
    const look = [from, to, active, day, recent.size, state.search].join();
    // New data come with new tables.
    if (this.table === table && this.look === look) return;
    [this.table, this.look] = [table, look];
    this.element.className = day === undefined ? "row" : "row chosen";
    this.drawName(table.name, active === -1);
    this.spacer.style.width = `${edges[from] ?? 0}px`;
    while (this.cells.length > to - from) this.cells.pop().remove();
    while (this.cells.length < to - from) this.cells.push(this.element.appendChild(newCell()));
    this.cells.forEach((cell, index) => drawCell(cell, table, from + index, active === from + index, day));
  }

  drawName(name, active) {
    this.name.tabIndex = active ? 0 : -1;
    const markup = escaped(highlighted(name));
    if (this.markup === markup) return;
    this.markup = markup;
    this.name.firstChild.innerHTML = markup;
  }
}

function newCell() {
  const cell = document.createElement("div");
  cell.setAttribute("role", "gridcell");
  return cell;
}

function drawCell(cell, table, column, active, chosenDay) {
  const {iso, gap, long} = picture.days[column];
  const chosen = chosenDay === iso;
  const isRecent = recent.size > 0 && recent.has(`${table.key} ${iso}`);
  const look = `${table.cells[column]} ${column} ${iso} ${active} ${chosen} ${isRecent}`;
  if (cell.look === look) return;
  cell.look = look;
  const {classes, text, words} = cellOf(table.cells, column);
  cell.className = ["cell", classes, gap && "gap", chosen && "chosen", isRecent && "recent"].filter(Boolean).join(" ");
  cell.dataset.column = column;
  cell.tabIndex = active ? 0 : -1;
  cell.textContent = text;
  cell.setAttribute("aria-colindex", column + 2);
  cell.setAttribute("aria-label", `${long}: ${words}`);
}

// The place that the reader searched for.
function highlighted(name) {
  const word = state.search.toLowerCase();
  const at = word ? name.toLowerCase().indexOf(word) : -1;
  if (at < 0) return name;
  const end = at + word.length;
  return html`${name.slice(0, at)}<mark>${name.slice(at, end)}</mark>${name.slice(end)}`;
}
