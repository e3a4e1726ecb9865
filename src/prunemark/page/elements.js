// Elements are made from text alone: nothing from the data is ever read as HTML.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function copied(text, what) {
  const button = make("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, "copy");
  button.addEventListener("click", async () => {
    button.textContent = (await toClipboard(text)) ? "copied" : "not copied";
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  return make("div", { class: "command" }, make("code", { tabindex: 0 }, text), button);
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text);
  }
}

// Where a page that is a file may not use the clipboard.
function copiedBySelection(text) {
  const area = make("textarea", { "aria-hidden": "true", class: "unseen" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

// Fills an element when it is opened for the first time.
function opened(summary, fill, isOpen) {
  const details = make("details", {}, make("summary", {}, summary));
  const once = () => details.open && details.childElementCount === 1 && details.append(...fill());
  details.addEventListener("toggle", once);
  details.open = isOpen ?? false;
  once();
  return details;
}
