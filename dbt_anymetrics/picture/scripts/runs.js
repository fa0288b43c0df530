// The last runs, and the slowest tables; the sandbox knows of neither.

function runs() {
  return [runTable(), slowestTable()];
}

function runTable() {
  const rows = picture.runs.map(([name, started, took, refreshed, failed, unsent, note]) => html`<tr>
    <th scope="row"><bdi>${name}</bdi>${note && html` <span class="soft">(${note})</span>`}</th><td>${clock(started)}</td>
    <td class="n">${took >= 0 && duration(took)}</td><td class="n">${number(refreshed)}</td>
    <td class="n ${failed > 0 && "bad"}">${number(failed)}</td><td class="n">${number(unsent)}</td></tr>`);
  const numbers = ["Took", "Refreshed", "Failed", "Not sent"];
  return rows.length > 0 && card("runs-title", "Last runs", ["Run", "Started"], numbers, rows);
}

function slowestTable() {
  const slowest = picture.slowest.filter(({table}) => passing[table.index]).slice(0, 10);
  const rows = slowest.map(({table, median, longest}) => html`<tr>
    <th scope="row"><button type="button" class="link" data-table="${table.key}"><bdi>${table.name}</bdi></button></th>
    <td class="n">${duration(median)}</td><td class="n">${duration(longest)}</td></tr>`);
  return rows.length > 0 && card("slowest-title", "Slowest tables", ["Table"], ["Median", "Longest"], rows);
}

function card(id, title, columns, numbers, rows) {
  return html`<div class="card" data-key="${id}"><h2 id="${id}">${title}</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="${id}"><table><thead><tr>
    ${columns.map((name) => html`<th scope="col">${name}</th>`)}
    ${numbers.map((name) => html`<th scope="col" class="n">${name}</th>`)}
    </tr></thead><tbody>${rows}</tbody></table></div></div>`;
}
