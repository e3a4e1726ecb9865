// Charts by Vega-Lite. Colours are the page's own variables, so that one drawing serves light, dark and print.
const SLOTS = 8;
const COLOURS = Array.from({ length: SLOTS }, (_, i) => `var(--s${i})`);
const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"];
const DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]];
const LOOK = {
  background: null, padding: 2, font: "system-ui, sans-serif", aria: false,
  view: { stroke: null },
  title: { anchor: "start", color: "var(--ink)", fontSize: 13, fontWeight: 600, offset: 8 },
  axis: {
    labelColor: "var(--muted)", titleColor: "var(--muted)", titleFontWeight: 400, labelFontSize: 11, titleFontSize: 11,
    gridColor: "var(--rule)", domainColor: "var(--muted)", tickColor: "var(--muted)",
  },
};
const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";

// Drawn one after another once the library, which comes last, has loaded: tables do not wait for it, and all is there
// when the page is printed.
const WAITING = [];
const LOADED = new Promise((resolve) => addEventListener("load", resolve));
const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work));

function draw(element, spec, listen) {
  WAITING.push(() => drawNow(element, spec, listen));
  if (WAITING.length === 1) LOADED.then(() => whenIdle(drawNext));
}

async function drawNext() {
  await WAITING[0]();
  WAITING.shift();
  if (WAITING.length) whenIdle(drawNext);
  else document.documentElement.dataset.drawn = "all";
}

async function drawNow(element, spec, listen) {
  if (!element.isConnected) return;
  const whole = { $schema: SCHEMA, config: LOOK, width: "container", autosize: { type: "fit-x", contains: "padding" }, ...spec };
  const options = { actions: false, renderer: "svg", ast: true };
  // @ts-expect-error: the library, which comes last, sets it
  const { view } = await window.vegaEmbed(element, whole, options);
  // The box around it has a name, and tables have its numbers as links.
  element.querySelector("svg").setAttribute("aria-hidden", "true");
  view.addEventListener("click", (_, item) => {
    if (item?.datum?.card) location.hash = item.datum.card;
  });
  listen?.(view);
}

// One quantity or pruner: lines over the rates tried; those chosen are drawn in colour, the others faintly.
function rateChart({ title, rates, values, level, chosen, at, height }) {
  const labels = `[${rates.map((rate) => `'${rate}'`).join(",")}][datum.value]`;
  const x = {
    field: "x", type: "quantitative", title: "pruning rate",
    scale: { domain: [-0.35, rates.length - 0.65], nice: false },
    axis: { values: rates.map((_, i) => i), labelExpr: labels, grid: false, labelOverlap: true },
  };
  const y = percent("y", "%");
  const rules = level === null || level === undefined ? [] : [guide({ y: { datum: level } })];
  const slider = { data: { values: [{}] }, mark: { type: "rule", color: "var(--ink)", strokeWidth: 1 }, encoding: { x: { datum: { expr: "at" }, type: "quantitative" } } };
  return {
    title, height: height ?? 190, data: { values },
    params: [{ name: "chosen", value: chosen }, { name: "at", value: at ?? -9 }],
    transform: slots(),
    layer: [...lineLayers(x, y), ...rules, ...(at === undefined ? [] : [slider])],
  };
}

const slots = () => [
  { calculate: "indexof(chosen, datum.line)", as: "place" },
  { calculate: `datum.place % ${SLOTS}`, as: "slot" },
  { calculate: `floor(datum.place / ${SLOTS}) % ${DASHES.length}`, as: "turn" },
];

const percent = (field, title) => ({
  field, type: "quantitative", title, scale: { domain: [-4, 104], nice: false }, axis: { values: [0, 25, 50, 75, 100] },
});

const guide = (encoding) => ({
  data: { values: [{}] }, mark: { type: "rule", color: "var(--muted)", strokeDash: [2, 3], clip: true }, encoding,
});

function lineLayers(x, y) {
  const numbers = Array.from({ length: SLOTS }, (_, i) => i);
  const color = { field: "slot", type: "nominal", scale: { domain: numbers, range: COLOURS }, legend: null };
  const dash = { field: "turn", type: "nominal", scale: { domain: DASHES.map((_, i) => i), range: DASHES }, legend: null };
  const shape = { field: "slot", type: "nominal", scale: { domain: numbers, range: SHAPES }, legend: null };
  const fill = { condition: { test: "datum.beyond", value: "var(--paper)" }, ...color };
  const detail = { field: "line" }, order = { field: "order", type: "quantitative" };
  const tooltip = ["line", "rate", "value", "trials", "more"].map((field) => ({ field, type: "nominal" }));
  const faint = [{ filter: "datum.place < 0" }], strong = [{ filter: "datum.place >= 0" }];
  const point = { type: "point", size: 44, strokeWidth: 1.5, opacity: 1, cursor: "pointer", clip: true };
  return [
    { transform: faint, mark: { type: "line", color: "var(--faint)", strokeWidth: 1, clip: true }, encoding: { x, y, detail, order } },
    { transform: faint, mark: { ...point, size: 60, opacity: 0 }, encoding: { x, y, tooltip } },
    { transform: strong, mark: { type: "line", strokeWidth: 1.7, clip: true }, encoding: { x, y, color, strokeDash: dash, detail, order } },
    { transform: [...strong, { filter: "isValid(datum.low)" }], mark: { type: "rule", opacity: 0.55 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color } },
    { transform: strong, mark: point, encoding: { x, y, color, fill, shape, tooltip } },
  ];
}

// A summary as a point of a chart; shares and their ends in percent.
function pointOf(line, x, rate, summary, card, beyond) {
  const ends = summary.low === null ? {} : { low: 100 * summary.low, high: 100 * summary.high };
  const isMoot = beyond && SUCCESS.includes(summary.metric);
  return {
    line, x, order: x, rate, y: 100 * summary.value, ...ends, card, beyond: Boolean(beyond),
    value: `${fixed(100 * summary.value, 1)} %${isMoot ? ", moot" : ""}`, trials: counts(summary), more: "click: where it comes from",
  };
}

function sizeChart({ title, values, dense, chosen }) {
  const places = values.map((value) => value.x);
  const domain = [0.9 * Math.min(...places), 1.1 * Math.max(...places)];
  const x = { field: "x", type: "quantitative", title: "MB in sparse rows (log)", scale: { type: "log", nice: false, domain }, axis: { grid: false, tickCount: 4, format: "~g" } };
  const mark = dense === null ? [] : [guide({ x: { datum: dense } })];
  return {
    title, height: 240, data: { values }, params: [{ name: "chosen", value: chosen }], transform: slots(),
    layer: [...lineLayers(x, percent("y", "accuracy, %")), ...mark],
  };
}

function rocChart({ title, values, at, axes }) {
  const x = { ...percent("x", axes[0]), axis: { values: [0, 25, 50, 75, 100], grid: true } };
  return {
    title, height: 220, data: { values },
    layer: [
      { data: { values: [{ x: 0, y: 0 }, { x: 100, y: 100 }] }, mark: { type: "line", color: "var(--muted)", strokeDash: [2, 3], strokeWidth: 1 }, encoding: { x, y: percent("y", axes[1]) } },
      { mark: { type: "line", color: "var(--s0)", strokeWidth: 2 }, encoding: { x, y: percent("y", axes[1]), order: { field: "order" } } },
      {
        data: { values: [at] }, mark: { type: "point", filled: true, size: 90, color: "var(--s1)", opacity: 1, cursor: "pointer" },
        encoding: { x, y: percent("y", axes[1]), tooltip: [{ field: "said", title: "frozen thresholds" }, { field: "more" }] },
      },
    ],
  };
}
