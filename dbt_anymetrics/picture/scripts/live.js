// Newer data, while the server runs.

const {live, lost} = document.body.dataset;
const PAUSE = 2000;
let version = document.body.dataset.version;

function update(content) {
  const before = picture;
  const anchor = before && anchored();
  picture = read(content);
  recent = before ? changed(before) : new Set();
  show();
  if (!before) return;
  hold(anchor);
  announce(before);
  if (recent.size) setTimeout(forget, PAUSE);
}

function forget() {
  recent = new Set();
  draw();
}

// The cells that are not as they were.
function changed(before) {
  const found = new Set();
  const old = new Map(before.tables.map(({key, cells}) => [key, cells]));
  const columns = new Map(before.days.map(({iso}, index) => [iso, index]));
  for (const {key, cells} of picture.tables) {
    const was = old.get(key) ?? "";
    if (was === cells && before.days.length === picture.days.length) continue;
    picture.days.forEach(({iso}, index) => {
      if ((cells[index] ?? ".") !== (was[columns.get(iso)] ?? ".")) found.add(`${key} ${iso}`);
    });
  }
  return found;
}

// What is in view at the upper left stays there, unless it is the very beginning: there the newest is wanted.
function anchored() {
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
  if (column >= 0) grid.scrollLeft = edges[column] + x;
  draw();
}

function announce(before) {
  const told = ({counts}) => {
    const sum = (...statuses) => statuses.reduce((total, status) => total + (counts[status] ?? 0), 0);
    return `${number(sum("refreshed", "again"))} refreshed, ${number(sum(...FAILURES))} failed or refused`;
  };
  if (told(picture) !== told(before)) say(told(picture));
}

async function poll() {
  if (!document.hidden) {
    try {
      await fetchNews();
      connected("Live");
    } catch {
      connected(lost);
    }
  }
  setTimeout(poll, PAUSE);
}

async function fetchNews() {
  const reply = await fetch(`${live}?seen=${encodeURIComponent(version)}`, {cache: "no-store"});
  if (reply.status === 204) return;
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  const content = await reply.json();
  version = reply.headers.get("ETag");
  update(content);
}

function connected(text) {
  document.body.classList.toggle("lost", text === lost);
  setText("live", text);
}
