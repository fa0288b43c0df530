// The data, taken apart.

let picture = null;

function read(content) {
  const outcomes = content.outcomes.map(([status, http, code, message, detail, by]) => (
    {status, http, code, message, detail, by}
  ));
  const attempt = (table, day, age, outcome, trace, took, what = "") => ({
    table, day, time: age < 0 ? null : content.newest - age, outcome: outcomes[outcome], trace, took, what,
  });
  const tables = [];
  const groups = content.groups.map(([source, catalog, schema, rows]) => {
    const group = {key: JSON.stringify([source, catalog, schema]), source, catalog, schema, tables: []};
    const place = [catalog, schema].filter(Boolean).join(".");
    group.place = place;
    for (const [name, cells, flat, tags] of rows) {
      const full = [source, place, name].filter(Boolean).join(".");
      const table = {
        key: JSON.stringify([source, catalog, schema, name]), index: tables.length, group, name, cells, tags, attempts: [],
        text: `${full} ${tags.join(" ")}`.toLowerCase(), full: place ? `${source}.\`${place}\`.${name}` : name,
      };
      for (let at = 0; at < flat.length; at += 5) table.attempts.push(attempt(table, ...flat.slice(at, at + 5)));
      tables.push(table);
      group.tables.push(table);
    }
    return group;
  });
  const others = content.others.map(([what, ...rest]) => attempt(null, -1, ...rest, what));
  const causes = content.causes.map(([id, outcome, age, title, where, count, resolved, cells, positions]) => ({
    id, outcome: outcomes[outcome], time: age < 0 ? null : content.newest - age, title, where, count,
    resolved: resolved === 1, cells, positions,
  }));
  const attempts = [...tables.flatMap((table) => table.attempts), ...others].filter((each) => each.time !== null);
  attempts.sort((a, b) => b.time - a.time);
  const slowest = tables.flatMap(timed).sort((a, b) => b.median - a.median);
  return {...content, days: days(content.days), groups, tables, others, causes, attempts, slowest};
}

function timed(table) {
  const took = table.attempts.map((attempt) => attempt.took).filter((each) => each >= 0).sort((a, b) => a - b);
  return took.length ? {table, median: took[took.length >> 1], longest: took.at(-1)} : [];
}

function days(texts) {
  let previous = null;
  return texts.map((iso) => {
    const date = new Date(`${iso}T00:00:00Z`);
    const gap = previous !== null && previous - date > 86_400_000;
    previous = date;
    const [year, , number] = iso.split("-");
    const month = MONTHS[date.getUTCMonth()];
    const weekday = date.getUTCDay();
    return {
      iso, gap, number, weekend: weekday % 6 === 0, month: `${month.slice(0, 3)} ${year}`,
      short: `${Number(number)} ${month.slice(0, 3)} ${year}`,
      long: `${WEEKDAYS[weekday]} ${Number(number)} ${month} ${year}`,
    };
  });
}
