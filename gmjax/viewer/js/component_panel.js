// The chosen component: its numbers to read and to change, and what it contributes.

import { added, axesOf, channelsOf, componentOf, peakOf, size, withComponent, without } from "./formula.js";
import { button, h, labelled, problemPlace, section, showProblem, showValue, slider } from "./dom.js";
import { KINDS } from "./kinds.js";
import { shaped, weighed, weightOf } from "./moves.js";
import { exact, short, signed } from "./numbers.js";
import { plainFloats } from "./plain.js";
import { isGaussian, weightNames } from "./profiles.js";
import { viewWindow } from "./windows.js";

const SIDE = 112;
const UNITS = { long: "px", short: "px", angle: "°" };

export function componentPanel(session, { shape, view, reveal, palette }) {
  const { profile } = session.model,
    c = channelsOf(session.model),
    { terms, parameters } = KINDS[profile];
  const axis = isGaussian(profile) ? "One standard deviation along its" : "From its centre to q = 1/2 along its";
  const title = h("p", { class: "big" });
  const canvas = h("canvas", {
    width: SIDE,
    height: SIDE,
    class: "contribution",
    role: "img",
    "aria-label": "What this component adds to the picture",
  });
  const one = () => componentOf(session.model, session.shown);
  const put = (component) => session.preview(withComponent(session.model, session.shown, component));

  // [label, tooltip, read, write]
  const set = (name, n) => (component, value) => ({
    ...component,
    [name]: component[name].map((old, k) => (k === n ? value : old)),
  });
  const numbers = [
    ...weightNames(session.model, "weight w").map((name, k) => [
      name,
      "How much light it adds; negative takes light away",
      (one) => one.weights[k],
      set("weights", k),
    ]),
    ["row μ₁", "Its centre, from the top (0) to the bottom (1)", (c) => c.mean[0], set("mean", 0)],
    ["column μ₂", "Its centre, from the left (0) to the right (1)", (c) => c.mean[1], set("mean", 1)],
    [
      "L₁₁",
      "Shape: how fast it falls downwards. L is the factor of the precision matrix A = L Lᵀ",
      (c) => c.chol[0],
      set("chol", 0),
    ],
    ["L₂₁", "Shape: how much it is sheared", (c) => c.chol[1], set("chol", 1)],
    ["L₂₂", "Shape: how fast it falls sideways", (c) => c.chol[2], set("chol", 2)],
    ...parameters.map(([name], k) => [
      name.replace("_", " "),
      "A parameter of the profile",
      (one) => one.parameters[k],
      set("parameters", k),
    ]),
  ];
  const axes = (c) => axesOf(c.chol, ...shape);
  const shapes = [
    [
      "long",
      `${axis} long axis, in pixels of the picture`,
      (c) => axes(c).long,
      (c, value) => shaped(c, { long: value }, shape),
    ],
    [
      "short",
      `${axis} short axis, in pixels of the picture`,
      (c) => axes(c).short,
      (c, value) => shaped(c, { short: value }, shape),
    ],
    [
      "angle",
      "Direction of the long axis in degrees, counter-clockwise from the right",
      (c) => (axes(c).angle * 180) / Math.PI,
      (c, value) => shaped(c, { angle: (value * Math.PI) / 180 }, shape),
    ],
  ];
  const positive = new Set(["L₁₁", "L₂₂", "long", "short"]);
  const problem = problemPlace();
  const fields = [...numbers, ...shapes].map(([name, tip, read, write], n) => {
    const input = h("input", { type: "number", step: "any", inputmode: "decimal" });
    const digits = n < numbers.length ? 5 : 4;
    const show = () => {
      input.value = String(Number(read(one()).toPrecision(digits)));
    };
    input.addEventListener("input", () => showProblem(input, problem, null));
    input.addEventListener("change", () => {
      if (session.shown === null) return;
      session.choose(session.shown);
      const value = Number(input.value),
        isNumber = input.value !== "" && Number.isFinite(value);
      if (isNumber && (value > 0 || !positive.has(name))) {
        put(write(one(), value));
        session.commit();
      } else {
        const wanted = positive.has(name) ? "a number above 0" : "a number";
        showProblem(input, problem, `${name} must be ${wanted}${isNumber ? `, not ${short(value)}` : ""}: it is as before`);
      }
      show();
    });
    return { input, show, element: labelled(UNITS[name] ? `${name} ${UNITS[name]}` : name, tip, input) };
  });

  const weight = slider(
    -1,
    1,
    0.001,
    (value) => {
      if (session.shown === null) return;
      session.choose(session.shown);
      const now = one();
      put(weighed(now, value - weightOf(now)));
    },
    () => session.commit(`weight ${session.chosenId}`),
  );
  const weigh = labelled("weight", "Its first weight, in colour the mean of the three", weight);

  const step = (way) => () => {
    const all = session.active(),
      place = all.indexOf(session.chosen);
    const next = all[(place < 0 && way < 0 ? all.length - 1 : place + way + all.length) % all.length];
    session.choose(next);
    reveal(next);
  };
  const buttons = {
    previous: button("‹", "Previous component ([)", step(-1), { "aria-label": "Previous component" }),
    next: button("›", "Next component (])", step(1), { "aria-label": "Next component" }),
    add: button("Add", "A new component in the middle of the view (A)", add),
    remove: button("Delete", "Delete the chosen component (Delete)", remove),
    close: button("Done", "Choose no component (Escape)", () => session.choose(null)),
  };
  const details = h(
    "div",
    { class: "component" },
    h(
      "div",
      { class: "split" },
      canvas,
      h(
        "div",
        { class: "grow" },
        weigh,
        h(
          "div",
          { class: "grid3" },
          fields.slice(-3).map((field) => field.element),
        ),
      ),
    ),
    h(
      "div",
      { class: "grid3" },
      fields.slice(0, -3).map((field) => field.element),
    ),
    problem,
  );
  const hint = h(
    "p",
    { class: "hint" },
    "Point at the picture to see a component, and click to choose it. Drag its centre to move it, and the ends of its " +
      "axes to stretch and turn it.",
  );
  const element = section(
    "Component",
    h("div", { class: "bar" }, title, buttons.previous, buttons.next),
    h("div", { class: "either" }, hint, details),
    h("div", { class: "bar" }, buttons.add, buttons.remove, buttons.close),
  );

  function add() {
    const spread = 24 / view.zoom; // device pixels
    const part = {
      profile,
      weights: terms.flatMap((_, k) => new Array(c).fill(k === 0 ? 0.3 : 0)),
      mean: [...view.center],
      chol: [1, 0, 1],
      parameters: parameters.map(([, start]) => start),
    };
    session.edit(added(session.model, shaped(part, { long: spread, short: spread, angle: 0 }, shape)));
    session.choose(size(session.model) - 1);
  }

  function remove() {
    const i = session.chosen;
    if (i === null || size(session.model) === 1) return;
    session.edit(without(session.model, i));
    session.choose(null);
  }

  let last = [];

  function drawContribution(i) {
    const context = canvas.getContext("2d"),
      image = context.createImageData(SIDE, SIDE),
      { model } = session;
    const { long } = axesOf(model.chol.subarray(3 * i, 3 * i + 3), ...shape);
    const window = viewWindow(
      { center: model.means.subarray(2 * i, 2 * i + 2), zoom: SIDE / (6.5 * long) },
      shape,
      0.5,
      SIDE,
      SIDE,
    );
    const values = plainFloats(model, [i], window),
      most = Math.max(...peakOf(model, i).map(Math.abs), 1e-12),
      { back, plus, minus } = palette();
    for (let n = 0; n < SIDE * SIDE; n++) {
      for (let k = 0; k < 3; k++) {
        const value = values[n * c + Math.min(k, c - 1)] / most;
        // Colour: what it adds to mid-gray. Gray: from the background to the colour of its sign.
        image.data[4 * n + k] =
          c > 1 ? 128 + 127 * value : back[k] + Math.abs(value) * ((value < 0 ? minus : plus)[k] - back[k]);
      }
      image.data[4 * n + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  function update() {
    const i = session.shown,
      isChosen = session.chosen !== null;
    details.classList.toggle("absent", i === null);
    hint.classList.toggle("absent", i !== null);
    buttons.remove.disabled = !isChosen || size(session.model) === 1;
    buttons.close.disabled = !isChosen;
    title.textContent =
      i === null
        ? `${size(session.model)} ${size(session.model) === 1 ? "component" : "components"}`
        : `No. ${i + 1} of ${size(session.model)}`;
    if (i === null) return;
    const key = [session.model, session.chosenId];
    for (const { input, show } of fields) {
      if (key.some((part, n) => part !== last[n])) showProblem(input, problem, null);
      if (input !== input.getRootNode().activeElement) show();
    }
    last = key;
    const middle = weightOf(one()),
      reach = Math.max(1, 2 ** Math.ceil(Math.log2(Math.abs(middle) + 1e-9)));
    if (!weight.matches(":active")) Object.assign(weight, { min: -reach, max: reach });
    showValue(weight, exact(middle));
    drawContribution(i);
  }

  return { element, update, add, remove, step, spoken };

  // For screen readers.
  function spoken() {
    if (session.chosen === null) return "";
    const { mean } = one(),
      { long, short: narrow } = axes(one()),
      peak = `${terms.length > 1 ? "peak" : "weight"} ${peakOf(session.model, session.chosen).map(signed).join(", ")}`;
    const which = `Component ${session.chosen + 1} of ${size(session.model)}: ${peak}`;
    return `${which}, at row ${short(mean[0])}, column ${short(mean[1])}, ${short(long)} by ${short(narrow)} pixels`;
  }
}
