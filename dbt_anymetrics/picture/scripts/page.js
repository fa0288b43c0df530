// The page as a whole.

const title = document.title;

// Draw new data.
function show() {
  const {tables, causes, attempts} = picture;
  byId("app").hidden = !tables.length && !causes.length && !attempts.length;
  byId("app").classList.toggle("bare", !tables.length);
  setText("zone", ` · times below are in ${ZONE}`);
  if (byId("steps")) byId("steps").hidden = tables.length > 0;
  choices("source", picture.groups.map(({source}) => source), 2);
  choices("tag", tables.flatMap(({tags}) => tags).sort(), 1);
  const failures = (picture.counts.failed ?? 0) + (picture.counts.refused ?? 0);
  document.title = failures ? `(${number(failures)}) ${title}` : title;
  measure();
  refresh();
}

// Draw what the reader chose to see.
function refresh() {
  filter();
  morph(byId("tiles"), tiles());
  morph(byId("causes"), causes());
  morph(byId("latest"), latest());
  morph(byId("runs"), runs());
  const past = pastOfChosen();
  byId("history").hidden = !past;
  document.body.classList.toggle("has-history", Boolean(past));
  if (past) morph(byId("history"), past);
  byId("fold").hidden = picture.groups.length < 2;
  setText("fold", allFolded() ? "Unfold all" : "Fold all");
  setText("shown", howMuchIsShown());
  grid.classList.toggle("none", !rows.length);
  drawHead();
  draw();
  settle();
}

function howMuchIsShown() {
  const all = counted(picture.tables.length, "table");
  const tables = shownTables < picture.tables.length ? `${number(shownTables)} of ${all}` : all;
  return `${tables}, ${counted(picture.days.length, "date")}`;
}

// The values that a filter can choose from; with fewer than `least` of them there is nothing to choose.
function choices(name, all, least) {
  const values = unique(all);
  if (!values.includes(state[name])) state[name] = "";
  byId(`${name}s`).hidden = values.length < least;
  const option = (value) => html`<option value="${value}">${value || "All"}</option>`;
  morph(byId(name), ["", ...values].map(option));
  byId(name).value = state[name];
}

// A text that is the same is not set again: a screen reader would say it again.
function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function say(text) {
  byId("said").textContent = text;
}

listen();
update(JSON.parse(byId("data").textContent));
if (live) setTimeout(poll, PAUSE);
