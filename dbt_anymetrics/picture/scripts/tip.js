// The small text beside a cell.

const tip = byId("tip");

function showTip(element) {
  const row = rowOf(element);
  if (!row?.table || printing) return hideTip();
  const column = Number(element.dataset.column);
  morph(tip, column < 0 ? nameTip(row.table) : cellTip(row.table, column));
  tip.hidden = false;
  const box = element.getBoundingClientRect();
  const left = column < 0 ? box.left + 16 : box.left + (box.width - tip.offsetWidth) / 2;
  const above = box.top - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(8, Math.min(innerWidth - tip.offsetWidth - 8, left))}px`;
  tip.style.top = `${above < 8 ? box.bottom + 6 : above}px`;
}

function hideTip() {
  tip.hidden = true;
}

function nameTip({name, group: {source, place}}) {
  return html`<b><bdi>${name}</bdi></b><span><bdi>${source}</bdi> <bdi>${place}</bdi></span>`;
}

function cellTip({name, cells, attempts}, column) {
  const last = attempts.find(({day}) => day === column);
  const why = last && last.outcome.status !== "refreshed" ? last.outcome.message : "";
  return html`<b>${picture.days[column].long}</b>
    <span><bdi>${name}</bdi>: ${cellOf(cells, column).words}${last?.time && html`, ${clock(last.time)}`}</span>
    ${why && html`<span class="why" dir="auto">${why.length > 240 ? `${why.slice(0, 240)}…` : why}</span>`}`;
}
