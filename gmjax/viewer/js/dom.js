// Elements. Text always becomes text nodes: what a model file says can never become markup.

const SPACES = { svg: "http://www.w3.org/2000/svg", math: "http://www.w3.org/1998/Math/MathML" };

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null));
  return node;
}

export const h = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);

export const math = (tag, attributes = {}, ...children) =>
  made(document.createElementNS(SPACES.math, tag), attributes, children);

// An icon of 20 x 20 from the data of a path.
export function icon(path) {
  const svg = document.createElementNS(SPACES.svg, "svg"),
    line = document.createElementNS(SPACES.svg, "path");
  return made(svg, { viewBox: "0 0 20 20", "aria-hidden": "true" }, [made(line, { d: path }, [])]);
}

export function button(text, title, onclick, attributes = {}) {
  return h("button", { type: "button", title, onclick, ...attributes }, text);
}

let count = 0;

// A label with a tooltip, beside its control.
export function labelled(text, title, control, value = null) {
  control.id ||= `gmjax-${++count}`;
  return h("div", { class: "field", title }, h("label", { for: control.id }, text), control, value);
}

export function slider(min, max, step, oninput, onchange = () => {}) {
  const input = h("input", { type: "range", min, max, step });
  input.addEventListener("input", () => oninput(Number(input.value)));
  input.addEventListener("change", () => onchange(Number(input.value)));
  return input;
}

export function section(title, ...children) {
  return h(
    "details",
    { open: true, class: "panel" },
    h("summary", {}, h("h2", {}, title)),
    h("div", { class: "inside" }, children),
  );
}

export function resize(canvas, height, width) {
  if (canvas.height !== height) canvas.height = height;
  if (canvas.width !== width) canvas.width = width;
}

// Not while somebody types in it.
export function showValue(input, value) {
  if (input !== input.getRootNode().activeElement || input.type !== "number") input.value = value;
}

// Says what is wrong with what somebody typed, in an element beside the field; null takes that back.
export function showProblem(input, place, problem) {
  input.setAttribute("aria-invalid", String(problem !== null));
  place.textContent = problem ?? "";
  place.hidden = problem === null;
}

export const problemPlace = () => h("p", { class: "problem", role: "alert", hidden: true });

// What a slider stands at, beside it and for screen readers.
export function showText(input, value, text) {
  value.textContent = text;
  input.setAttribute("aria-valuetext", text);
}

export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
