// Receipts and journals, as page/chains.py packed them: a step is one stage run.
const STEPS = unpackSteps(PAGE.chains);
const STEP_AT = new Map(STEPS.map((step) => [step.folder, step]));

function unpackSteps({ steps, words, options, outputs, names, outside, code, sets, surroundings }) {
  const files = [];
  const found = steps.map((step) => {
    const folder = `data/${step.at}`;
    const written = [...outputs[step.w].map((name) => names[name]), "receipt.json"];
    const outs = written.map((name, i) => ({ path: `${folder}/${name}`, sha256: step.h.slice(64 * i, 64 * i + 64), folder }));
    files.push(...outs);
    return { folder, outputs: outs.slice(0, -1), receipt: outs.at(-1), packed: step };
  });
  for (const step of found) unpackStep(step, { found, files, words, options, outside, code, sets, surroundings });
  return found;
}

function unpackStep(step, { found, files, words, options, outside, code, sets, surroundings }) {
  const { is, o, r, c, seed, command, j } = step.packed;
  const values = o.slice(1).map((value) => (value < 0 ? found[~value].folder : words[value]));
  step.stage = words[is];
  step.parameters = options[o[0]].map((name, i) => [name, values[i]]);
  step.command = command ?? ["prunemark", step.stage, ...step.parameters.flatMap(([n, v]) => [`--${n}`, v]).map(quoted)].join(" ");
  step.inputs = r.map((input) => {
    const [number, sha256] = [input].flat();
    if (number < 0) return { path: outside[~number][0], sha256: outside[~number][1] };
    return sha256 ? { ...files[number], sha256, differs: true } : files[number];
  });
  step.code = sets[c].map((number) => ({ path: code[number][0], sha256: code[number][1] }));
  step.seed = seed ?? null;
  step.journal = j ? { ...surroundings[j[0]], started: j[1], seconds: j[2] } : null;
}

// As a POSIX shell needs it, and as Python's shlex.quote writes it.
function quoted(word) {
  return word && !/[^\w@%+=:,./-]/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

// A step with all that it was made from, sources first.
function chainOf(folder, seen = new Set()) {
  const step = STEP_AT.get(folder);
  if (!step || seen.has(step)) return [];
  seen.add(step);
  const before = step.inputs.filter((file) => file.folder && file.folder !== folder).map((file) => file.folder);
  return [...new Set(before)].flatMap((name) => chainOf(name, seen)).concat(step);
}

const scoresFolder = (cell) => `data/scores/${cell.path}`;
const mlflowSearch = (step) => `tags.\`prunemark.receipt_sha256\` = '${step.receipt.sha256}'`;

// Folders that a pattern with * for any part names.
function foldersLike(pattern) {
  const parts = `data/${pattern}`.split("/");
  const fits = (folder) => folder.split("/").length === parts.length
    && folder.split("/").every((part, i) => parts[i] === "*" || parts[i] === part);
  return STEPS.filter((step) => fits(step.folder)).map((step) => step.folder);
}

function stepDetails(step) {
  const title = [make("b", {}, step.stage), ` ${step.folder}`];
  return opened(make("span", {}, title), () => [facts(stepFacts(step))]);
}

function stepFacts(step) {
  const { journal } = step;
  const parameters = make("ul", {}, step.parameters.map(([name, value]) => make("li", {}, `${name} = ${value}`)));
  const found = [
    ["command", copied(step.command, `the command of ${step.folder}`)],
    ["parameters", parameters],
    ["seed", step.seed === null ? "none: nothing is drawn" : String(step.seed)],
    ["inputs", fileList(step.inputs)],
    ["outputs", fileList(step.outputs.concat(step.receipt))],
    ["code", opened(plural(step.code.length, "file"), () => [fileList(step.code)])],
  ];
  if (!journal) found.push(["journal", "none was found"]);
  else {
    const dirty = { true: "its code differs from this commit", false: "its code is that of this commit" };
    found.push(
      ["commit", journal.commit ? `${journal.commit}, ${dirty[journal.code_differs_from_commit]}` : "none: made outside one"],
      ["run", `${journal.started}, ${journal.seconds} s, on ${journal.host}: ${journal.cpu} (${journal.cpu_capability || "capability unknown"}), ${plural(journal.cores, "core")}`],
      ["versions", `Python ${journal.python}, ${journal.versions}`],
    );
  }
  return [...found, ["MLflow: search for", copied(mlflowSearch(step), "the search for its MLflow run")]];
}

const facts = (pairs) => make("dl", {}, pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

const fileList = (files) => make("ul", { class: "files" }, files.map((file) => make("li", {},
  file.path, file.differs ? make("em", { class: "flag" }, " not what its step wrote") : null, make("code", {}, file.sha256))));
