// Numbers as text, as page/numbers.py writes them; a tie is rounded to the even digit.
const MINUS = "\u2212";
const KINDS = { range: "range", bootstrap: "bootstrap", newcombe: "paired" };

function fixed(value, digits) {
  const text = value.toFixed(digits);
  const exact = Math.abs(value).toFixed(Math.min(100, digits + 60));
  const cut = exact.length - Math.min(100, digits + 60) + digits;
  const isTie = exact[cut] === "5" && !/[1-9]/.test(exact.slice(cut + 1));
  const kept = exact.slice(0, cut).replace(/\.$/, "");
  if (!isTie || Number(kept.at(-1)) % 2) return text;
  return (value < 0 ? "-" : "") + kept;
}

const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (n, noun, nouns) => `${grouped(n)} ${n === 1 ? noun : nouns ?? noun + "s"}`;

function formatted(value, form) {
  const digits = Number(form.match(/\.(\d)f$/)[1]);
  return form.startsWith(",") ? grouped(fixed(value, digits)) : fixed(value, digits);
}

function signed(difference) {
  const text = fixed(100 * difference, 1);
  return text.startsWith("-") ? MINUS + text.slice(1) : "+" + text;
}

function seedWords(summary) {
  const copies = summary.encoders > summary.seeds ? plural(summary.encoders, "copy", "copies") : "";
  return [plural(summary.seeds, "seed"), copies, KINDS[summary.kind]].filter(Boolean).join(", ");
}

function counts(summary) {
  const trials = summary.k === null || summary.n === null ? "" : `${grouped(summary.k)} of ${grouped(summary.n)}`;
  const [low, high] = [summary.low, summary.high].map((end) => (end === null ? null : fixed(100 * end, 1)));
  const interval = low === null ? "" : `[${low}, ${high}]`.replaceAll("-", MINUS);
  return [`${trials} ${interval}`.trim(), seedWords(summary)].filter(Boolean).join(", ");
}

function ends(summary, form) {
  const interval = summary.low === null ? "" : `[${formatted(summary.low, form)}, ${formatted(summary.high, form)}], `;
  return interval + seedWords(summary);
}

// Text and detail of a summary in a column of this form.
function written(summary, form) {
  if (form === "%") return [fixed(100 * summary.value, 1), counts(summary)];
  if (form === "+") return [signed(summary.value), counts(summary)];
  return [formatted(summary.value, form), ends(summary, form)];
}
