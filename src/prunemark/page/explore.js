// Filters and a slider: one encoder, watermark and pruner at a time, at one rate.
const ORDER = PAGE.order;
const QUANTITIES = [
  { metric: "accuracy", head: "frozen", title: "accuracy, frozen head" },
  { metric: "accuracy", head: "refit", title: "accuracy, refitted head" },
  { metric: "accuracy", head: "knn", title: "accuracy, kNN" },
  { metric: "agreement", head: "frozen", title: "agreement" },
];
const EXPLORE = document.getElementById("explore-shown");
const CONTROLS = {};
const MEAN = "all (mean)";
const NOTHING = "none";
// The rate that the slider was last moved to: another pruner has other rates, and the nearest of them is shown.
const CHOSEN = { rate: null };

const unique = (values) => [...new Set(values)];
const ordered = (values, order) => unique(values).sort((a, b) => order.indexOf(a) - order.indexOf(b));
const title = (cell) => `${cell.dataset} / ${cell.encoder}${cell.probe_dataset === cell.dataset ? "" : ` on ${cell.probe_dataset}`}`;

function explore() {
  if (!CELLS.some((cell) => cell.pruner !== "original")) return;
  const shown = document.getElementById("explore-controls");
  for (const name of ["encoder", "watermark", "pruner", "beside", "seed and key", "scheme"]) {
    CONTROLS[name] = make("select", {});
    CONTROLS[name].addEventListener("change", update);
    shown.append(make("label", {}, name, CONTROLS[name]));
  }
  CONTROLS.rate = make("input", { type: "range", min: 0, step: 1 });
  CONTROLS.rate.addEventListener("input", update);
  CONTROLS.said = make("output", {});
  shown.append(make("label", { class: "slider" }, "rate", CONTROLS.rate, CONTROLS.said));
  const controls = new Set(ORDER.watermarks);
  offer("encoder", unique(CELLS.filter((cell) => controls.has(cell.watermark)).map(title)));
  update({ first: true });
}

function offer(name, values) {
  const select = CONTROLS[name], before = select.value;
  select.replaceChildren(...values.map((value) => make("option", { value }, value)));
  select.value = values.includes(before) ? before : values[0] ?? "";
  return select.value;
}

function nearest(rates, wanted) {
  const away = rates.map((rate) => Math.abs(rate - wanted));
  return away.indexOf(Math.min(...away));
}

/** @param {{ first?: boolean, target?: EventTarget }} cause what was changed: an event of a control, or the first time */
function update({ first, target }) {
  let cells = CELLS.filter((cell) => title(cell) === CONTROLS.encoder.value);
  const watermark = offer("watermark", ordered(cells.map((cell) => cell.watermark), ORDER.watermarks).filter((name) => ORDER.watermarks.includes(name)));
  cells = cells.filter((cell) => cell.watermark === watermark);
  const ways = ordered(cells.map((cell) => cell.pruner), ORDER.ways).filter((name) => name !== "original");
  const way = offer("pruner", ways), beside = offer("beside", [NOTHING, ...ways.filter((name) => name !== way)]);
  const copies = unique(cells.map((cell) => `seed ${cell.seed}, key ${cell.key}`));
  const copy = offer("seed and key", copies.length > 1 ? [MEAN, ...copies] : copies);
  const isShown = (cell) => ["original", way, beside].includes(cell.pruner);
  const rates = unique(cells.filter(isShown).map((cell) => cell.rate)).sort((a, b) => a - b);
  if (first) CHOSEN.rate = rates[Math.floor(rates.length / 2)];
  else if (target === CONTROLS.rate) CHOSEN.rate = rates[Number(CONTROLS.rate.value)];
  const at = nearest(rates, CHOSEN.rate);
  CONTROLS.rate.max = rates.length - 1;
  CONTROLS.rate.value = at;
  CONTROLS.said.textContent = rates[at];
  CONTROLS.rate.setAttribute("aria-valuetext", `rate ${rates[at]}`);
  const fits = (cell) => copy === MEAN || copy === `seed ${cell.seed}, key ${cell.key}`;
  const state = { cells: cells.filter(fits), way, beside, rates, at, rate: rates[at], isMean: copy === MEAN };
  showCurves(state);
  showNumbers(state);
  showCell(state);
}

// The rows of the quantities at one point, as summaries with the card that each links to.
function quantitiesAt(cells, isMean) {
  const found = [];
  for (const row of cells.flatMap((cell) => cell.rows)) {
    const fixedOne = QUANTITIES.find((q) => row.metric === q.metric && row.head === q.head);
    const name = fixedOne?.title ?? (SUCCESS.includes(row.metric) ? [row.check, row.head && `${row.head} head`, row.metric].filter(Boolean).join(" ") : null);
    if (name && !found.some((one) => one.name === name)) {
      const card = isMean ? `s${row.group}` : `r${row.line}`;
      found.push({ name, card, summary: isMean ? summaryOf(row.group) : alone(row) });
    }
  }
  return found;
}

// Whether nobody would use the encoder of a row any more: page/numbers.py says when, over seeds.
function isBeyond(row) {
  const { dataset, encoder, watermark, pruner, rate, probe_dataset } = row;
  const at = (place) => groupNumber({ dataset, encoder, watermark, probe_dataset, metric: "accuracy", head: "refit", ...place });
  const [before, now] = [at({ pruner: "original", rate: "0" }), at({ pruner, rate })];
  if (before === undefined || now === undefined) return false;
  return summaryOf(before).value - summaryOf(now).value > PAGE.gate.drop + PAGE.gate.slack;
}

const atPoint = (cells, way, rate) => cells.filter((cell) => cell.rate === rate && (cell.pruner === way || cell.pruner === "original"));
const VIEWS = { key: "", views: [] };

function showCurves({ cells, way, beside, rates, at, isMean }) {
  const key = JSON.stringify([cells.map((cell) => cell.number), way, beside]);
  if (VIEWS.key === key) return VIEWS.views.forEach((view) => view.signal("at", at).runAsync());
  Object.assign(VIEWS, { key, views: [] });
  const element = document.getElementById("explore-curves");
  element.replaceChildren();
  for (const name of [way, beside].filter((one) => one !== NOTHING)) {
    const values = rates.flatMap((rate, x) => quantitiesAt(atPoint(cells, name, rate), isMean)
      .map(({ name: line, summary, card }) => pointOf(line, x, rate, summary, card, isBeyond(summary))));
    const lines = unique(values.map((value) => value.line));
    const views = VIEWS.views;
    element.append(lineChoice(lines, lines, (chosen) => views.forEach((view) => view.signal("chosen", chosen).runAsync())));
    const spec = rateChart({ title: name, rates, values, chosen: lines, at, height: 260, level: null });
    draw(chartBox(element, `${name}: accuracy, agreement and success against the rate`), spec, (view) => {
      views.push(view);
      view.signal("at", Number(CONTROLS.rate.value)).runAsync();
    });
  }
}

function showNumbers({ cells, way, beside, rate, isMean }) {
  const ways = [way, beside].filter((name) => name !== NOTHING);
  const found = ways.map((name) => quantitiesAt(atPoint(cells, name, rate), isMean));
  const lines = unique(found.flat().map((one) => one.name)).map((name) => make("tr", {}, make("th", { scope: "row" }, name),
    found.map((each) => shownCell(each.find((one) => one.name === name)))));
  const head = ["quantity", ...ways.map((name) => [`${name} at ${rate}`, make("small", {}, "%")])];
  document.getElementById("explore-numbers").replaceChildren(tableOf("At the rate chosen", head, lines));
}

function shownCell(one) {
  if (!one) return make("td", { class: "none" }, "–");
  const flag = SUCCESS.includes(one.summary.metric) && isBeyond(one.summary) ? "moot" : "";
  return linkedCell(`#${one.card}`, fixed(100 * one.summary.value, 1), counts(one.summary), flag);
}

function showCell({ cells, way, rate }) {
  const cell = cells.find((one) => one.pruner === way && one.rate === rate) ?? cells.find((one) => one.pruner === "original" && one.rate === rate);
  EXPLORE.hidden = !cell;
  document.getElementById("explore-none").hidden = Boolean(cell);
  document.getElementById("explore-none").textContent = cell ? "" : `${way} was not asked for at rate ${rate}.`;
  if (!cell) return;
  const content = PAGE.cells.cells[cell.number], classes = PAGE.cells.pictures[cell.probe_dataset]?.classes;
  const names = (i) => classes?.[i] ?? i;
  document.getElementById("explore-cell").textContent =
    `${title(cell)}, watermark ${cell.watermark}, ${cell.pruner === "original" ? "the original" : `by ${cell.pruner}`} at rate ${cell.rate}, seed ${cell.seed}, key ${cell.key}: 1 seed`;
  const { matrix, right, layers, predicted, curves } = content;
  fill("matrix", matrix && matrixParts(cell, content, names));
  fill("classes", right && classParts(cell, content, names));
  fill("layers", layers && layerParts(cell, content));
  fill("images", predicted && imageParts(cell, originalOf(cell), predicted));
  showCurve(cell, curves ?? []);
}

function originalOf(cell) {
  if (cell.pruner === "original") return null;
  const same = ["dataset", "encoder", "seed", "watermark", "key", "probe_dataset"];
  const original = CELLS.find((one) => one.pruner === "original" && same.every((name) => one[name] === cell[name]));
  return original ? PAGE.cells.cells[original.number].predicted : null;
}

function showCurve(cell, curves) {
  const name = ([scheme, head]) => [scheme, head && `${head} head`].filter(Boolean).join(", ");
  const chosen = offer("scheme", curves.map(name));
  const curve = curves.find((one) => name(one) === chosen);
  if (!curve) return fill("roc", null);
  const { spec, words } = curveParts(cell, curve), box = make("div", { class: "charts" });
  fill("roc", [words, box]);
  draw(chartBox(box, spec.title), spec);
}

function fill(name, parts) {
  const element = document.getElementById(`explore-${name}`);
  element.hidden = !parts;
  element.querySelector(".filled").replaceChildren(...(parts ?? []));
}
