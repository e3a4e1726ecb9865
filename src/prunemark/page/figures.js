// The figures of the results: a chart per quantity, and a choice of the lines that are drawn in colour.
const FIRST_CHOSEN = 4;

function drawFigures() {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-figure]"))) {
    const content = PAGE.shelf.figures[element.dataset.figure];
    const lines = [...new Set(content.charts.flatMap((chart) => chart.lines.map(([line]) => line)))];
    const views = [];
    const chosen = lines.slice(0, FIRST_CHOSEN);
    const change = (names) => views.forEach((view) => view.signal("chosen", names).runAsync());
    element.before(lineChoice(lines, chosen, change));
    for (const chart of content.charts) {
      const values = chart.lines.flatMap(([line, points]) => points.map((point) => figurePoint(line, point, content)));
      const spec = content.kind === "sizes"
        ? sizeChart({ ...chart, values, chosen }) : rateChart({ ...chart, rates: content.rates, values, chosen });
      draw(chartBox(element, chart.title), spec, (view) => views.push(view));
    }
  }
}

function figurePoint(line, [rate, number, beyond, size], { rates }) {
  const point = pointOf(line, rate, rates[rate], summaryOf(number), `s${number}`, beyond);
  return size === undefined ? point : { ...point, x: summaryOf(size).value / 1e6 };
}

function chartBox(parent, title) {
  const box = make("div", { class: "chart", role: "img", "aria-label": `Chart: ${title}. The table holds its numbers.` });
  parent.append(box);
  return box;
}

// Boxes to tick, each with the colour that its line has; they are the legend too.
function lineChoice(lines, chosen, change) {
  const names = new Set(chosen);
  const field = make("fieldset", { class: "lines" }, make("legend", {}, "in colour"));
  const paint = () => {
    const shown = [...names];
    for (const label of field.querySelectorAll("label")) {
      const place = shown.indexOf(label.dataset.line);
      label.style.setProperty("--swatch", place < 0 ? "var(--faint)" : COLOURS[place % SLOTS]);
    }
    return shown;
  };
  for (const line of lines) {
    const box = make("input", { type: "checkbox" });
    box.checked = names.has(line);
    box.addEventListener("change", () => {
      if (box.checked) names.add(line);
      else names.delete(line);
      change(paint());
    });
    field.append(make("label", { "data-line": line }, box, make("span", { class: "swatch", "aria-hidden": "true" }), line));
  }
  paint();
  return field;
}
