// The tables of the page, as page/shelf.py packed them.
const address = (at) => (at > 0 ? `#s${at - 1}` : `#n${-at - 1}`);
const SUCCESS = ["VerSR", "AuthSR"];

// Tables of more lines are higher than their boxes may be on any screen, and are laid out only where they are seen.
const LONG = 60;

function layOutTables() {
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-table]"))) {
    const table = PAGE.shelf.tables[box.dataset.table];
    scrolling(box, table.label);
    box.append(laidOut(table));
    box.classList.toggle("long", box.querySelectorAll("tr").length > LONG);
  }
}

function scrolling(box, label) {
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
}

function laidOut({ first, kind, columns, groups }) {
  const head = columns.map(([title, unit]) => make("th", { scope: "col" }, title, make("small", {}, unit)));
  const bodies = groups.map(([name, notes, lines]) => make("tbody", {},
    name && groupLine(kind, name, notes, columns.length + 1), lines.map((line) => tableLine(line, columns))));
  return make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, first), head)), bodies);
}

function groupLine(kind, name, notes, span) {
  const said = notes.map(([text, at]) => make("small", {}, make("a", { href: address(at) }, text)));
  const head = make("th", { scope: "rowgroup", colspan: span }, make("div", {}, `${kind} ${name}`, said));
  return make("tr", { class: "group" }, head);
}

function tableLine([name, rate, beyond, ...numbers], columns) {
  const flag = beyond ? make("small", {}, make("em", { class: "flag" }, "beyond gate")) : null;
  const head = make("th", { scope: "row" }, name, rate && " ", rate && make("b", {}, rate), flag);
  const cells = numbers.map((number, i) => numberCell(number, columns[i][2], beyond));
  return make("tr", { class: beyond ? "beyond" : null }, head, cells);
}

function numberCell(number, form, beyond) {
  if (number === 0) return make("td", { class: "none" }, "–");
  const [text, at, detail, flag] = Array.isArray(number) ? number : standard(number, form, beyond);
  return linkedCell(address(at), text, detail, flag);
}

function standard(at, form, beyond) {
  const summary = summaryOf(at - 1);
  const [text, detail] = written(summary, form);
  return [text, at, detail, beyond && SUCCESS.includes(summary.metric) ? "moot" : ""];
}

function linkedCell(href, text, detail, flag) {
  const cell = document.createElement("td"), link = document.createElement("a");
  link.href = href;
  link.textContent = text;
  cell.append(link);
  if (flag) cell.append(" ", make("em", { class: "flag" }, flag));
  if (detail) cell.append(make("small", {}, detail));
  return cell;
}
