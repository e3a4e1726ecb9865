// The lineage card of a number: #s12 a summary, #n3 another source, #r47 a line of results.csv, #c5 a cell.
const CARD = /** @type {HTMLDialogElement} */ (document.getElementById("card"));
const CARD_ADDRESS = /^#([snrc])(\d+)$/;
const INTERVAL_WORDS = {
  wilson: "Wilson 95 % interval", newcombe: "Newcombe 95 % interval of a paired difference",
  range: "range over seeds", bootstrap: "95 % bootstrap interval over seeds",
};

const CARDS = {
  s: (number) => number < GROUPS.length && summaryCard(summaryOf(number)),
  r: (line) => ROWS[line - 2] && summaryCard(alone(ROWS[line - 2])),
  n: (number) => PAGE.shelf.sources[number] && sourceCard(PAGE.shelf.sources[number]),
  c: (number) => CELLS[number] && cellCard(CELLS[number]),
};

function showCard() {
  const [, kind, number] = location.hash.match(CARD_ADDRESS) ?? [];
  const card = kind && CARDS[kind](Number(number));
  if (!card) return CARD.open && CARD.close();
  const heading = /** @type {HTMLElement} */ (CARD.querySelector("#card-title"));
  heading.textContent = card.title;
  CARD.querySelector("#card-body").replaceChildren(...card.parts);
  if (!CARD.open) CARD.showModal();
  CARD.scrollTop = 0;
  heading.focus();
}

function listenToCards() {
  addEventListener("hashchange", showCard);
  CARD.addEventListener("close", () => {
    if (CARD_ADDRESS.test(location.hash)) history.replaceState(null, "", location.pathname + location.search);
  });
  CARD.addEventListener("click", (event) => event.target === CARD && CARD.close());
  CARD.querySelector("#card-close").addEventListener("click", () => CARD.close());
  showCard();
}

const named = (summary) => [summary.metric, summary.head && `${summary.head} head`, summary.check].filter(Boolean).join(", ").replace("knn head", "kNN");

function place(summary) {
  const values = (name) => new Set(summary.rows.map((row) => row[name]));
  return PAGE.rows.columns.cell.map((name) => (values(name).size === 1 ? summary[name] : "*")).join("/");
}

function summaryCard(summary) {
  const pairs = [["cell", make("code", {}, place(summary))], ...metricFacts(summary)];
  return {
    title: `${named(summary)}: ${summary.value}`,
    parts: [facts(pairs), ...rowParts([summary]), ...chainParts(cellsOf([summary]))],
  };
}

function metricFacts(summary) {
  const found = PAGE.formulas[summary.metric];
  const over = summary.rows.length > 1 ? ", mean over seeds of the mean over their keys" : "";
  const pairs = [["value", `${summary.value}, unit ${summary.unit}${over}`]];
  if (found) pairs.push(["metric", found.words], ["formula", found.formula]);
  if (summary.k !== null && summary.n !== null) pairs.push(["trials", `${grouped(summary.k)} of ${grouped(summary.n)}`]);
  if (summary.low !== null) pairs.push(["interval", `[${summary.low}, ${summary.high}], ${INTERVAL_WORDS[summary.kind]}`]);
  return [...pairs, ["seeds", seedWords(summary)]];
}

function sourceCard(source) {
  if (source.line) return landmarkCard(source);
  if (source.journals) return journalCard(source);
  if (source.lines) return linesCard(source);
  const summaries = source.groups.map(summaryOf);
  const [said, value] = combined(source, summaries);
  const title = [[...new Set(summaries.map(named))].join("; "), source.column, value].filter((part) => part !== undefined).join(": ");
  const pairs = summaries.flatMap((summary) => [["cell", make("code", {}, place(summary))], ...metricFacts(summary)]);
  if (said) pairs.push(["then", `${said}${value === undefined ? "" : `: ${value}`}`]);
  return { title, parts: [facts(pairs), ...rowParts(summaries), ...chainParts(cellsOf(summaries))] };
}

// What is made of the summaries of a source, in words and, where it is a number of its own, as that.
function combined({ column, how, note }, [first, second]) {
  const found = column ? first.rows.map((row) => row[column]).filter((value) => value !== null && value !== undefined) : [];
  if (column === "fpr") return ["fpr, the largest of the rows below", Math.max(...found)];
  if (column) return [`${column}, mean of the rows below`, rounded(mean(found))];
  if (how === "minus") return ["the first minus the second", rounded(first.value - second.value)];
  if (how === "share") return ["the first as a share of the second", rounded(first.value / second.value)];
  return [note];
}

function landmarkCard(source) {
  const { columns, lines } = PAGE.landmarks;
  const fields = lines[source.line - 2];
  const entry = Object.fromEntries(columns.map((name, i) => [name, fields[i]]));
  const metrics = entry.what === "knee" ? ["accuracy_change"] : SUCCESS;
  const fits = ([first]) => metrics.includes(first.metric) && first.check === entry.check && first.head === entry.head
    && ["dataset", "encoder", "watermark", "probe_dataset"].every((name) => first[name] === entry[name])
    && (first.pruner === entry.pruner || first.pruner === "original");
  const summaries = GROUPS.filter(fits).map(([first]) => summaryOf(first.group));
  const pairs = columns.map((name, i) => [name, fields[i]]).filter(([, value]) => value);
  const said = make("p", {}, `Line ${source.line} of landmarks.csv, found from the rows of results.csv below.`);
  return {
    title: `${entry.what}: ${entry.value || entry.note}`,
    parts: [said, facts(pairs), ...rowParts(summaries), ...chainParts(cellsOf(summaries))],
  };
}

function linesCard({ lines, note }) {
  const summaries = lines.map((line) => alone(ROWS[line - 2]));
  const pairs = unique(summaries.map((one) => one.metric)).flatMap((metric) => [
    ["metric", PAGE.formulas[metric]?.words ?? metric], ["formula", PAGE.formulas[metric]?.formula ?? "none is known"]]);
  const said = make("p", {}, "A figure of a claim, made of these rows of results.csv as the claims section says.");
  return { title: note, parts: [said, facts(pairs), ...rowParts(summaries), ...chainParts(cellsOf(summaries))] };
}

function journalCard(source) {
  const folders = foldersLike(source.journals);
  const said = make("p", {}, "A time, measured when the step ran: it stands in the journal, and no row of results.csv holds it.");
  const files = folders.map((folder) => make("li", {}, make("code", {}, folder.replace("data/", "data/journal/") + ".json")));
  const pairs = [["journals", make("ul", {}, files)], ["then", source.note]];
  return { title: "time measured", parts: [said, facts(pairs), ...chainHead(folders), ...folders.map(chainDetails)] };
}

function cellCard(cell) {
  const pairs = [
    ["cell", make("code", {}, cell.path)],
    ["from", "matrix, classes, layers and curves of a cell are counted from its samples.npz and stand in its scores.json; predictions of images are those of samples.npz"],
  ];
  return { title: `cell ${cell.path}`, parts: [facts(pairs), ...chainParts([cell])] };
}

const cellsOf = (summaries) => [...new Set(summaries.flatMap((summary) => summary.rows.map((row) => CELLS[row.number])))];

function rowParts(summaries) {
  const rows = summaries.flatMap((summary) => summary.rows);
  const wanted = ["line", "pruner", "rate", "seed", "key", "metric", ...PAGE.rows.columns.counted, ...PAGE.rows.columns.facts];
  const columns = wanted.filter((name) => rows.some((row) => row[name] !== null && row[name] !== undefined));
  const head = columns.map((name) => make("th", { scope: "col" }, name));
  const lines = rows.map((row) => make("tr", {}, columns.map((name) => make("td", {}, String(row[name] ?? "")))));
  const box = make("div", { class: "box" }, make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, lines)));
  scrolling(box, "Rows of results.csv");
  return [make("h3", {}, "Rows of results.csv"), box];
}

function chainParts(cells) {
  const folders = cells.map(scoresFolder);
  return [...chainHead(folders), ...folders.map(chainDetails)];
}

function chainHead(folders) {
  const targets = folders.map((folder) => quoted(`${folder}/receipt.json`)).join(" ");
  return [
    make("h3", {}, "Compute it again"), copied(`snakemake --cores 1 --forcerun ${targets}`, "the command that computes it again"),
    make("h3", {}, "Where it comes from"),
    make("p", {}, "Every step from the raw data on, with its receipt. Hashes are SHA-256, paths those of the repository."),
  ];
}

function chainDetails(folder, i, all) {
  const steps = chainOf(folder);
  if (!steps.length) return make("p", {}, `No receipt of ${folder} was found.`);
  return opened(`${plural(steps.length, "step")} up to ${folder}`, () => steps.map(stepDetails), i === 0 && all.length < 3);
}
