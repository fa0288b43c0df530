// Words, dates and marks.

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
];
const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone;
const CLOCK = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const unique = (values) => [...new Set(values)];
const cut = (name, most = 120) => (name.length > most ? `${name.slice(0, most)}…` : name);
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

const NOT_ASKED = CELLS.get(".");
const cellOf = (cells, column) => CELLS.get(cells[column]) ?? NOT_ASKED;
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
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(milliseconds < 9995 ? 2 : 1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
