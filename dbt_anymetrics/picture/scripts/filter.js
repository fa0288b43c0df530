// What the reader chose. Rows are named by keys, never by positions, which change with each update.

const MANY = 200; // entries of a list that are drawn at once

const state = {
  search: "", source: "", tag: "", statuses: new Set(), // the filters
  folded: new Set(), // keys of groups
  open: new Set(), // ids of causes
  allCauses: false, latest: 50, past: MANY, // how much of a list is shown
  active: {key: null, column: -1}, // the cell that the keys move
  chosen: null, // the table, and perhaps the date, whose history is shown
};

let passing = []; // whether each table passes search, source and tag
let rows = []; // what the grid shows: groups and their tables
let positions = new Map(); // the row of each key
let shownTables = 0;
let isFiltered = false; // by search, source or tag: what belongs to no table is left out then

function filter() {
  const words = state.search.toLowerCase().replaceAll("`", "").split(/\s+/).filter(Boolean);
  passing = picture.tables.map((table) => (
    (!state.source || table.group.source === state.source)
    && (!state.tag || table.tags.includes(state.tag))
    && words.every((word) => table.text.includes(word))
  ));
  isFiltered = !passing.every(Boolean);
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

function hasStatus({cells}) {
  return !state.statuses.size || [...new Set(cells)].some((letter) => state.statuses.has(CELLS.get(letter).status));
}
