// What is not refreshed, by cause.

const FEW_CAUSES = 3;

function causes() {
  const seen = picture.causes.filter(concernsShown);
  if (!seen.length) return "";
  return html`<h2 class="hidden">What is not refreshed</h2>
    ${openCauses(seen.filter(({resolved}) => !resolved))}${resolvedCauses(seen.filter(({resolved}) => resolved))}`;
}

function concernsShown({cells}) {
  return cells.length ? cells.some(([table]) => passing[table]) : !isFiltered;
}

function openCauses(all) {
  const first = printing || state.allCauses || all.length <= FEW_CAUSES + 1 ? all : all.slice(0, FEW_CAUSES);
  const more = html`<button type="button" class="more" data-act="all-causes">Show all ${number(all.length)} causes</button>`;
  return all.length > 0 && html`<div class="card" data-key="open">
    ${first.map(cause)}${first.length < all.length && more}</div>`;
}

function resolvedCauses(all) {
  const opened = state.open.has("resolved");
  return all.length > 0 && html`<details class="resolved" data-key="resolved" data-open="resolved" ${opened && OPEN}>
    <summary>${counted(all.length, "earlier cause")}, since then refreshed</summary>
    <div class="card">${opened && all.map(cause)}</div></details>`;
}

function cause(each) {
  const opened = state.open.has(each.id);
  const {status, code, http} = each.outcome;
  return html`<details class="cause" data-key="${each.id}" data-open="${each.id}" ${opened && OPEN}>
    <summary>${mark(status)}<span class="what"><span class="title" dir="auto">${each.title}</span>${
      each.count > 1 && html` <b class="times">×\u00a0${number(each.count)}</b>`
    }<span class="hidden">: </span><span class="where" dir="auto">${each.where}</span></span>
    <span class="code">${answer(code, http)}</span>${each.time !== null && clock(each.time)}</summary>
    ${opened && causeBody(each)}</details>`;
}

const answer = (code, http) => [http && `HTTP ${http}`, code !== String(http) && code].filter(Boolean).join(" · ");

function causeBody(each) {
  const attempts = attemptsOf(each);
  const texts = unique(attempts.map(({outcome}) => wholeText(outcome)));
  const requests = unique(attempts.map(({what}) => what).filter(Boolean));
  const traces = attempts.map(({trace}) => trace).filter(Boolean);
  const missing = each.count - attempts.length;
  return html`<div class="inside">
    ${texts.slice(0, MANY).map((text) => copied(text, "the whole text"))}
    ${texts.length > MANY && html`<p class="soft">${number(texts.length - MANY)} more texts are in the histories.</p>`}
    ${requests.length > 0 && html`<h3>Requests</h3>${copied(requests.join("\n"), "the requests")}`}
    ${each.cells.length > 0 && html`<h3>${counted(each.cells.length, "table")}</h3>
      <ul class="places">${each.cells.map(place)}</ul>`}
    ${traces.length > 0 && html`<h3>${counted(traces.length, "trace id")}</h3>
      ${copied(traces.join("\n"), counted(traces.length, "trace id"))}`}
    ${missing > 0 && html`<p class="soft">
      There is no room here for ${counted(missing, "more attempt")}. ${everything()}</p>`}
  </div>`;
}

function attemptsOf({outcome, cells, positions}) {
  const found = positions.map((position) => picture.others[position]);
  for (const [table, ...ranges] of cells) {
    const days = new Set();
    for (const attempt of picture.tables[table].attempts) {
      // The newest of a day that has the status of the cause is the one that the cause counts.
      if (attempt.outcome.status !== outcome.status || days.has(attempt.day) || !within(attempt.day, ranges)) continue;
      days.add(attempt.day);
      found.push(attempt);
    }
  }
  return found.sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
}

function within(day, ranges) {
  for (let at = 0; at < ranges.length; at += 2) if (ranges[at] <= day && day <= ranges[at + 1]) return true;
  return false;
}

function place([index, ...ranges]) {
  const {key, name} = picture.tables[index];
  return html`<li><button type="button" class="link" data-table="${key}"><bdi>${name}</bdi></button>
    <span class="soft">${dates(ranges)}</span></li>`;
}

// 25, 18, 4 to 5 Nov 2025; 30 Sep to 2 Oct 2025
function dates(ranges) {
  const months = [];
  for (let at = 0; at < ranges.length; at += 2) {
    // Days stand newest first.
    const [last, first] = [picture.days[ranges[at]], picture.days[ranges[at + 1]]];
    const begin = first.month === last.month ? Number(first.number) : first.short;
    if (months.at(-1)?.month !== last.month || begin === first.short) months.push({month: last.month, texts: []});
    months.at(-1).texts.push(first === last ? begin : `${begin} to ${Number(last.number)}`);
  }
  return months.map(({month, texts}) => `${texts.join(", ")} ${month}`).join("; ");
}

function wholeText({status, message, detail}) {
  return [message, detail].filter(Boolean).join("\n") || `No text came with it: ${MARKS[status][2]}.`;
}

function copied(text, what) {
  return html`<div class="copied"><pre tabindex="0" dir="auto" aria-label="${what}">${text}</pre>
    ${copyButton(text, what, "Copy")}</div>`;
}

function copyButton(text, what, label) {
  return html`<button type="button" class="copy" data-copy="${text}" aria-label="Copy ${what}">${label}</button>`;
}

// Where to find what the page has no room for.
function everything() {
  const where = document.body.dataset.everything;
  if (!where) return "";
  return where.startsWith("/") ? html`All are in <a href="${where}">${where}</a>.` : html`To see less of it: <code>${where} --since 7d</code>`;
}
