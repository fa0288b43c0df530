// Choosing a table, or one date of it, to see its history.

const WIDE = 960; // from here on, as in page.css, the history stands beside the grid
let opener = null;

function choose(key, day, focus) {
  if (!state.chosen) opener = document.activeElement;
  state.chosen = {key, day};
  state.past = MANY;
  byId("history").scrollTop = 0;
  refresh();
  if (focus) byId("history").focus({preventScroll: innerWidth >= WIDE});
  else say(`History of ${JSON.parse(key)[3]}`);
}

function closeHistory() {
  const {key} = state.chosen;
  const had = byId("history").contains(document.activeElement);
  state.chosen = null;
  refresh();
  if (!had) return;
  if (opener?.isConnected && opener !== document.body) opener.focus();
  else if (positions.has(key)) move(key, state.active.key === key ? state.active.column : -1);
}
