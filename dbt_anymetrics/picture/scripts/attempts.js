// The latest attempts, and the history of a table.

function latest() {
  const wanted = picture.attempts.filter(isWanted);
  const first = wanted.slice(0, state.latest);
  return html`<h2>Latest</h2>
    ${!first.length && html`<p class="soft">Nothing here.</p>`}
    ${byDay(first).map(([day, attempts]) => html`<h3 data-key="${day}">${day}</h3>
      <ol data-key="of ${day}">${attempts.map(latestItem)}</ol>`)}
    ${wanted.length > first.length && html`<button type="button" class="more" data-act="more-latest">Show more</button>`}`;
}

function isWanted({table, outcome}) {
  if (table ? !passing[table.index] : isFiltered) return false;
  const statuses = state.statuses;
  // No single attempt has the status of a cell that was refreshed more than once.
  return !statuses.size || statuses.has(outcome.status) || (outcome.status === "refreshed" && statuses.has("again"));
}

function byDay(attempts) {
  const days = new Map();
  for (const attempt of attempts) {
    const day = isToday(attempt.time) ? "Today" : `${localDay(attempt.time)} ${new Date(attempt.time).getFullYear()}`;
    if (!days.has(day)) days.set(day, []);
    days.get(day).push(attempt);
  }
  return [...days];
}

function latestItem({table, day, outcome, trace, time, what}) {
  const name = table ? table.name : what;
  const date = picture.days[day];
  const inside = html`${mark(outcome.status)}<span class="name"><bdi>${name}</bdi></span>
    <span class="day">${date?.short}</span><span class="hidden">${MARKS[outcome.status][2]}</span>${clock(time, CLOCK.format(time))}
    ${outcome.status !== "refreshed" && html`<span class="why" dir="auto">${outcome.message || outcome.code}</span>`}`;
  return html`<li data-key="${trace || `${name} ${day} ${time}`}">${table
    ? html`<button type="button" data-table="${table.key}" data-day="${date?.iso}">${inside}</button>`
    : html`<div>${inside}</div>`}</li>`;
}

function pastOfChosen() {
  const table = picture.tables.find(({key}) => key === state.chosen?.key);
  if (!table) return null;
  const day = picture.days.findIndex(({iso}) => iso === state.chosen.day);
  const attempts = day < 0 ? table.attempts : table.attempts.filter((attempt) => attempt.day === day);
  const rest = html`<button type="button" class="more" data-act="all-past">Show all ${number(attempts.length)}</button>`;
  return html`${pastHead(table)}${day >= 0 && chosenDay(table, day)}
    <ol>${attempts.slice(0, state.past).map(pastItem)}</ol>
    ${attempts.length > state.past && rest}
    ${lacksAttempts(table, day) && html`<p class="soft">There is no room here for older refreshes. ${everything()}</p>`}`;
}

function pastHead({name, full, tags, group: {source, place}}) {
  return html`<div class="bar"><h2><bdi>${name}</bdi></h2>${copyButton(full, "the table name", "Copy name")}
      <button type="button" class="close" data-act="close" aria-label="Close the history">×</button></div>
    <p class="soft place"><bdi>${source}</bdi> <bdi>${place}</bdi>${
      tags.map((tag) => html` <span class="tag">${tag}</span>`)}</p>`;
}

function chosenDay({key, cells}, day) {
  return html`<p class="only"><span><b>${picture.days[day].long}</b>: ${cellOf(cells, day).words}</span>
    <button type="button" class="link" data-table="${key}">All dates</button></p>`;
}

function lacksAttempts({attempts, cells}, day) {
  if (!picture.left) return false;
  const known = new Set(attempts.map((attempt) => attempt.day));
  const lacks = (index) => cellOf(cells, index).status !== "none" && !known.has(index);
  return day < 0 ? [...cells].some((_, index) => lacks(index)) : lacks(day);
}

function pastItem({day, time, outcome, trace, took}) {
  const {status, message, detail, code, http, by} = outcome;
  const text = [message, detail].filter(Boolean).join("\n");
  return html`<li data-key="${trace || `${day} ${time}`}" class="${status}">${mark(status)}<div>
    <p class="head"><b>${picture.days[day].short}</b> ${MARKS[status][2]}${time !== null && clock(time)}</p>
    ${text && html`<p class="why" dir="auto">${text}</p>`}
    <p class="soft">${[answer(code, http), took >= 0 && duration(took), by].filter(Boolean).join(" · ")}</p>
    ${trace && html`<p class="trace"><code>${trace}</code>${copyButton(trace, "the trace id", "Copy")}</p>`}
    ${trace === null && html`<p class="soft">There is no room here for its trace id. ${everything()}</p>`}
  </div></li>`;
}
