// What is shown of one cell: agreement matrix, classes, layers, images, and curves from raw statistics.
const LISTS = PAGE.cells.lists;
const share = (part, whole) => (whole ? Math.round((100 * part) / whole) : 0);
const link = (cell, text) => make("a", { href: `#c${cell.number}` }, String(text));

function tableOf(label, head, lines, attributes) {
  const titles = head.map((title) => make("th", { scope: "col" }, ...[title].flat()));
  const box = make("div", { class: "box" }, make("table", attributes, make("thead", {}, make("tr", {}, titles)), make("tbody", {}, lines)));
  scrolling(box, label);
  return box;
}

function matrixParts(cell, { matrix, classes }, names) {
  const rows = Array.from({ length: classes }, (_, i) => matrix.slice(i * classes, (i + 1) * classes));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const same = sum(rows.map((row, i) => row[i]));
  const lines = rows.map((row, i) => make("tr", {}, make("th", { scope: "row" }, names(i)), row.map((count, j) => {
    const part = share(count, sum(row));
    const cellClass = [i === j && "same", !count && "zero"].filter(Boolean).join(" ");
    return make("td", { class: cellClass, style: `--h:${part}` }, link(cell, count), make("small", {}, sum(row) ? part : "–"));
  })));
  return [
    make("p", {}, "Rows: the class that the original predicts. Columns: the class that the pruned encoder predicts, both through the frozen head. Counts of test images and, below each, its share of the row in percent. ",
      link(cell, `${same} of ${sum(matrix)}`), " predictions agree."),
    tableOf("Agreement matrix", ["original \\ pruned", ...rows.map((_, j) => names(j))], lines, { class: "heat" }),
  ];
}

function classParts(cell, { right, classes }, names) {
  const heads = [["frozen", "frozen head"], ["refit", "refitted head"]];
  const titles = heads.flatMap(([, title]) => ["original", "pruned", "change"].map((what) => [what, make("small", {}, title)]));
  const lines = Array.from({ length: classes }, (_, i) => {
    const numbers = heads.flatMap(([head]) => {
      const [, original, pruned] = right[head].map((list) => LISTS[list][i]);
      const change = pruned - original;
      return [original, pruned, (change > 0 ? "+" : change < 0 ? MINUS : "") + Math.abs(change)];
    });
    const n = LISTS[right.frozen[0]][i];
    return make("tr", {}, make("th", { scope: "row" }, names(i)), [n, ...numbers].map((number) => make("td", {}, link(cell, number))));
  });
  return [
    make("p", {}, "Of the test images of each class, how many the original and the pruned encoder predict right, and the difference in images."),
    tableOf("Images predicted right, class by class", ["class", "images", ...titles], lines),
  ];
}

function layerParts(cell, { layers }) {
  const [names, totals] = layers.slice(0, 2).map((list) => LISTS[list]);
  const lines = names.map((name, i) => {
    const removed = layers[2][i], percentage = fixed((100 * removed) / totals[i], 1);
    const bar = make("span", { class: "bar", "aria-hidden": "true", style: `--w:${percentage}` });
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, link(cell, totals[i])),
      make("td", {}, link(cell, removed)), make("td", {}, link(cell, percentage), bar));
  });
  return [
    make("p", {}, "How much of each layer went."),
    tableOf("Weights removed, layer by layer", ["layer", "weights", "removed", ["share", make("small", {}, "%")]], lines),
  ];
}

function imageParts(cell, original, predicted) {
  const { classes, images } = PAGE.cells.pictures[cell.probe_dataset];
  const figures = images.map((image, i) => {
    const said = (who, number) => make("span", { class: number === image.label ? "right" : "wrong" },
      `${who}: ${classes[number]}${number === image.label ? "" : " (wrong)"}`);
    const picture = make("img", { src: `data:image/png;base64,${image.data}`, alt: `test image ${image.index}, ${classes[image.label]}`, width: 64, height: 64 });
    const label = make("a", { href: `#c${cell.number}` }, `${image.index}: ${classes[image.label]}`);
    return make("figure", {}, picture, make("figcaption", {}, label,
      original ? said("original", original[i]) : null, said(original ? "pruned" : "predicted", predicted[i])));
  });
  return [
    make("p", {}, `${plural(images.length, "test image")}, evenly spaced in the order of the split and chosen by nothing else: index and class, and what is predicted through the frozen head.`),
    make("div", { class: "pictures" }, figures),
  ];
}

const CURVE_WORDS = [
  { axes: ["intact copies rejected, %", "altered ones noticed, %"], said: "Altered encoders against intact copies of the marked one" },
  { axes: ["unmarked or wrong keys accepted, %", "this encoder accepted, %"], said: "This encoder under its keys against null encoders and wrong keys" },
];

function curveParts(cell, [scheme, head, robust, flat, [falseOnes, trueOnes], under]) {
  const corners = Array.from({ length: flat.length / 2 }, (_, i) => flat.slice(2 * i, 2 * i + 2));
  const [negatives, positives] = corners.at(-1), { axes, said } = CURVE_WORDS[robust];
  const values = corners.map(([x, y], order) => ({ x: (100 * x) / negatives, y: (100 * y) / positives, order }));
  const operating = `${grouped(trueOnes)} of ${grouped(positives)}, ${grouped(falseOnes)} of ${grouped(negatives)} falsely`;
  const at = { x: (100 * falseOnes) / negatives, y: (100 * trueOnes) / positives, card: `c${cell.number}`, said: operating, more: "click: where it comes from" };
  const name = [scheme, head && `${head} head`].filter(Boolean).join(", ");
  return {
    spec: rocChart({ title: `ROC of ${name}`, values, at, axes }),
    words: make("p", {}, `${said}, one threshold sliding over the raw statistics of all keys: area `, link(cell, fixed(under, 4)),
      `. The dot: the thresholds that were frozen, key by key, `, link(cell, operating), "."),
  };
}
