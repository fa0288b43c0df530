// The tiles: how much stands where. Each is a filter, and explains its mark.

function tiles() {
  const {refreshed = 0, again = 0, failed = 0, refused = 0, pending = 0, waiting = 0, skipped = 0} = picture.counts;
  const failure = failed && refused ? "failed or refused" : refused ? "refused" : "failed";
  const all = [
    [["refreshed", "again"], refreshed + again, "refreshed", "refreshed"],
    [["again"], again, "again", "more than once"],
    [FAILURES, failed + refused, refused && !failed ? "refused" : "failed", failure],
    [["waiting"], waiting, "waiting", "waiting"],
    [["pending"], pending, "pending", "pending"],
    [["skipped"], skipped, "skipped", "skipped"],
  ];
  return all.filter(([statuses, count]) => count || ["refreshed", "failed"].includes(statuses[0])).map(tile);
}

function tile([statuses, count, kind, label]) {
  return html`<button type="button" class="tile ${kind} ${!count && "zero"}" data-key="${statuses[0]}"
    data-statuses="${statuses.join(" ")}" aria-pressed="${String(isPicked(statuses))}"
    >${mark(kind)}<b>${number(count)}</b> <span>${label}</span></button>`;
}

function isPicked(statuses) {
  return statuses.length === state.statuses.size && statuses.every((each) => state.statuses.has(each));
}

function pick(statuses) {
  narrow({statuses: new Set(isPicked(statuses) ? [] : statuses)});
}
