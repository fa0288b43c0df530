// Moving in the grid by keys.

let wish = -1; // the date that up and down keep to, across rows that have none

function move(key, column) {
  state.active = {key, column};
  const index = positions.get(key);
  const top = index * size.row;
  const above = rows[index].group ? 0 : size.row; // the pinned group hides one row
  const high = grid.clientHeight - size.head - size.row;
  if (top - above < grid.scrollTop) grid.scrollTop = top - above;
  else if (top > grid.scrollTop + high) grid.scrollTop = top - high;
  if (column >= 0) showColumn(column);
  draw();
  activeElement()?.focus({preventScroll: true});
}

function showColumn(column) {
  const wide = grid.clientWidth - size.name;
  if (edges[column] < grid.scrollLeft) grid.scrollLeft = edges[column] - 4;
  else if (edges[column + 1] > grid.scrollLeft + wide) grid.scrollLeft = edges[column + 1] - wide + 4;
}

function onGridKey(event) {
  const row = rows[positions.get(state.active.key)];
  const control = event.ctrlKey || event.metaKey;
  if (!row || event.altKey || (control && !["Home", "End"].includes(event.key))) return;
  const own = row.group ? groupKeys(row) : tableKeys(row, state.active.column, control);
  const act = own[event.key] ?? rowKeys(control)[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function rowKeys(control) {
  const index = positions.get(state.active.key);
  const page = Math.max(1, Math.floor((grid.clientHeight - size.head) / size.row) - 1);
  const keys = {
    ArrowDown: () => moveTo(index + 1), ArrowUp: () => moveTo(index - 1),
    PageDown: () => moveTo(index + page), PageUp: () => moveTo(index - page),
  };
  return control ? {Home: () => moveTo(0), End: () => moveTo(rows.length - 1)} : keys;
}

function moveTo(index) {
  const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
  move(row.key, row.group ? -1 : wish);
}

function groupKeys({key, folded}) {
  const toggle = () => fold(key);
  return {Enter: toggle, " ": toggle, [folded ? "ArrowRight" : "ArrowLeft"]: toggle};
}

function tableKeys({key, table}, column, control) {
  const last = picture.days.length - 1;
  const sideways = (to) => {
    wish = Math.max(-1, Math.min(last, to));
    move(key, wish);
  };
  const open = () => choose(key, picture.days[column]?.iso ?? null, true);
  const keys = {
    ArrowRight: () => sideways(column + 1),
    ArrowLeft: () => (column < 0 ? move(table.group.key, -1) : sideways(column - 1)),
    Enter: open, " ": open,
  };
  return control ? {} : {...keys, Home: () => sideways(-1), End: () => sideways(last)};
}

function fold(key) {
  if (!state.folded.delete(key)) state.folded.add(key);
  state.active = {key, column: -1};
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

const allFolded = () => picture.groups.every(({key}) => state.folded.has(key));
