// The whole picture moved, enlarged and turned, exactly, by its parameters.

import { affine, compose, similarity } from "./formula.js";
import { KINDS } from "./kinds.js";
import { button, h, labelled, section, showText, showValue, slider } from "./dom.js";
import { short } from "./numbers.js";

const NONE = { down: 0, right: 0, zoom: 0, angle: 0 };

export function wholePanel(session, { shape }) {
  const controls = [
    ["down", "down", "Move down, in heights of the picture", -1, 1, 0.005, (x) => short(x)],
    ["right", "right", "Move right, in widths of the picture", -1, 1, 0.005, (x) => short(x)],
    ["zoom", "size", "Enlarge or shrink about the middle", -2, 2, 0.01, (x) => `× ${short(2 ** x)}`],
    ["angle", "turn", "Turn counter-clockwise about the middle, in degrees", -180, 180, 1, (x) => `${short(x)}°`],
  ].map(([name, label, tip, min, max, step, text]) => {
    const value = h("span", { class: "value" });
    const input = slider(
      min,
      max,
      step,
      (x) => move(name, x),
      () => session.commit(`whole ${name}`),
    );
    // Not every profile can turn.
    input.disabled = name === "angle" && KINDS[session.model.profile].turn === null;
    return { name, input, value, text, element: labelled(label, tip, input, value) };
  });
  const undo = button("As it was", "Take these four back", restore);
  const element = section(
    "Whole picture",
    controls.map((control) => control.element),
    h("div", { class: "bar" }, undo),
  );

  // All four act on the model as it was when the first of them was touched.
  function move(name, x) {
    const { values, before } = session.whole ?? { values: NONE, before: session },
      now = { ...values, [name]: x };
    const map = similarity(
      { ...now, zoom: 2 ** now.zoom, angle: (now.angle * Math.PI) / 180 },
      [0.5, 0.5],
      shape[1] / shape[0],
    );
    const { model, frame } = before;
    session.preview(affine(model, map), compose(frame, map), { values: now, before: { model, frame } });
  }

  function restore() {
    const { model, frame } = session.whole.before;
    session.preview(model, frame);
    session.commit();
  }

  function update() {
    const values = session.whole?.values ?? NONE;
    undo.disabled = !session.whole;
    for (const { name, input, value, text } of controls) {
      showValue(input, values[name]);
      showText(input, value, text(values[name]));
    }
  }
  return { element, update };
}
