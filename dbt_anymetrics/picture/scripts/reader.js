// What the reader does.

const ACTS = {
  "all-causes": () => change({allCauses: true}),
  "all-past": () => change({past: Infinity}),
  "more-latest": () => change({latest: state.latest + 100}),
  close: closeHistory,
};

const CLICKED = "[data-copy], [data-act], [data-statuses], [data-table], [data-column], #pinned, #fold";

function change(more) {
  Object.assign(state, more);
  refresh();
}

// A filter that changes shows its beginning.
function narrow(more) {
  grid.scrollTop = 0;
  change(more);
}

function onClick(event) {
  const target = event.target.closest(CLICKED);
  if (!target) return;
  const {copy, act, statuses, table, day} = target.dataset;
  if (copy !== undefined) copyFrom(target);
  else if (act) ACTS[act]();
  else if (statuses) pick(statuses.split(" "));
  else if (table) choose(table, day || null, !target.closest("#history"));
  else if (target.id === "fold") foldAll();
  else if (target.id === "pinned") foldPinned();
  else onCell(target);
}

function onCell(target) {
  const row = rowOf(target);
  if (row.group) return fold(row.group.key);
  wish = Number(target.dataset.column);
  state.active = {key: row.key, column: wish};
  choose(row.key, picture.days[wish]?.iso ?? null, false);
  activeElement()?.focus({preventScroll: true});
}

async function copyFrom(button) {
  const before = button.textContent;
  const done = (await copyNewWay(button.dataset.copy)) || copyOldWay(button.dataset.copy, button);
  button.textContent = done ? "Copied" : "Not copied";
  say(done ? "Copied" : "The browser did not allow to copy");
  setTimeout(() => {
    button.textContent = before;
  }, 1500);
}

async function copyNewWay(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not allowed, or an old browser
  }
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

function onKey(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape") onEscape(event.target);
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("search").select();
}

function onEscape(target) {
  hideTip();
  if (target.id !== "search") return state.chosen && closeHistory();
  if (state.search) narrow({search: target.value = ""});
  else target.blur();
}

function onToggle({target}) {
  const key = target.dataset?.open;
  if (!key || target.open === state.open.has(key)) return;
  if (target.open) state.open.add(key);
  else state.open.delete(key);
  morph(byId("causes"), causes());
}

function onGridFocus({target}) {
  if (target.dataset.column === undefined) return;
  state.active = {key: rowOf(target).key, column: Number(target.dataset.column)};
  if (target.matches(":focus-visible")) showTip(target);
}

function onGridPointer({target, pointerType}) {
  const cell = target.closest("[data-column]");
  if (cell && pointerType === "mouse") showTip(cell);
  else hideTip();
}

let scheduled = false;

function onScroll() {
  hideTip();
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

function onPrint(begins) {
  printing = begins;
  refresh();
}

function onResize() {
  measure();
  refresh();
}

function listen() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("toggle", onToggle, true);
  grid.addEventListener("keydown", onGridKey);
  grid.addEventListener("scroll", onScroll, {passive: true});
  grid.addEventListener("focusin", onGridFocus);
  grid.addEventListener("focusout", hideTip);
  grid.addEventListener("pointerover", onGridPointer);
  grid.addEventListener("pointerleave", hideTip);
  byId("search").addEventListener("input", ({target}) => narrow({search: target.value.trim()}));
  byId("source").addEventListener("change", ({target}) => narrow({source: target.value}));
  byId("tag").addEventListener("change", ({target}) => narrow({tag: target.value}));
  addEventListener("resize", onResize);
  addEventListener("beforeprint", () => onPrint(true));
  addEventListener("afterprint", () => onPrint(false));
}
