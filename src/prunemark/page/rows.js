// The rows of results.csv and their summaries, as page/packed.py packed them.
const PAGE = JSON.parse(document.getElementById("data").textContent);

const { rows: ROWS, cells: CELLS } = unpackRows(PAGE.rows);
const { groups: GROUPS, numbers: GROUP_NUMBERS } = groupsOf(ROWS, PAGE.rows.columns.group);
const SUMMARIES = new Map();

function unpackRows({ columns, names, kinds, templates, counted, facts, with_facts, cells }) {
  const rows = [];
  const described = kinds.map((kind) => Object.fromEntries(columns.kind.map((name, i) => [name, names[kind[i]]])));
  const numbered = counted.map((values) => [values].flat());
  const factual = new Set(with_facts.map((name) => names[name]));
  const found = cells.map(([path, template, counts, more], number) => {
    const cell = Object.fromEntries(columns.cell.map((name, i) => [name, names[path[i]]]));
    const first = rows.length;
    let fact = 0;
    templates[template].forEach((kind, i) => {
      const row = { ...cell, ...described[kind], line: rows.length + 2, number };
      columns.counted.forEach((name, j) => (row[name] = numbered[counts[i]][j] ?? null));
      if (factual.has(row.metric)) columns.facts.forEach((name, j) => (row[name] = facts[more[fact]][j]));
      fact += Number(factual.has(row.metric));
      rows.push(row);
    });
    return { ...cell, number, path: path.map((name) => names[name]).join("/"), rows: rows.slice(first) };
  });
  return { rows, cells: found };
}

function groupsOf(rows, columns) {
  const numbers = new Map(), groups = [];
  for (const row of rows) {
    const key = columns.map((name) => row[name]).join("\n");
    if (!numbers.has(key)) numbers.set(key, groups.push([]) - 1);
    row.group = numbers.get(key);
    groups[row.group].push(row);
  }
  return { groups, numbers };
}

// The number of a group by its columns, or undefined.
const groupNumber = (place) => GROUP_NUMBERS.get(PAGE.rows.columns.group.map((name) => place[name] ?? "").join("\n"));

function summaryOf(number) {
  if (!SUMMARIES.has(number)) SUMMARIES.set(number, summarised(GROUPS[number], PAGE.summaries.kept[number]));
  return SUMMARIES.get(number);
}

// One metric of one point, over seeds and keys, as prunemark.results.table.Summary has it.
function summarised(members, kept) {
  const first = members[0], { trials, bootstrap_seeds } = PAGE.summaries;
  const seeds = [...new Set(members.map((row) => row.seed))];
  const means = seeds.map((seed) => mean(members.filter((row) => row.seed === seed).map((row) => row.value)));
  const [value, low, high] = kept ?? plain(members, means);
  const [k, n] = members.length === 1 ? [first.k, first.n]
    : trials.includes(first.unit) ? [total(members, "k"), total(members, "n")] : [null, null];
  const kind = means.length >= bootstrap_seeds ? "bootstrap" : means.length > 1 ? "range"
    : low === null ? "none" : k === null ? "newcombe" : "wilson";
  return { ...first, rows: members, value, low, high, k, n, kind, encoders: members.length, seeds: means.length };
}

function plain(members, means) {
  if (members.length === 1) return [members[0].value, members[0].ci_low, members[0].ci_high];
  const isRange = means.length > 1 && means.length < PAGE.summaries.bootstrap_seeds;
  return [rounded(mean(means)), ...(isRange ? [rounded(Math.min(...means)), rounded(Math.max(...means))] : [null, null])];
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const total = (members, name) => members.reduce((sum, row) => sum + row[name], 0);
const rounded = (value) => Number(value.toPrecision(PAGE.summaries.digits));

// A single row as a summary of its own: what one seed and key gave.
const alone = (row) => summarised([row]);
