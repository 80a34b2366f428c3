// The keys of the stage: [keys as people read them, what they do, a test of the event, the action].

import { componentOf, withComponent } from "./formula.js";
import { moved, stretched, turned, weighed } from "./moves.js";

const STEP = 40; // CSS pixels
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export function keyTable(session, stage, component, { shape, look, toggle, help }) {
  const change = (how) => {
    const i = session.chosen;
    if (i === null) return component.step(1)();
    session.edit(withComponent(session.model, i, how(componentOf(session.model, i))));
  };
  const key =
    (...names) =>
    (event) =>
      names.includes(event.key) && !event.ctrlKey && !event.metaKey;
  const control = (name, shift) => (event) =>
    (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === name && event.shiftKey === shift;
  const arrow = (shift) => (event) =>
    event.key in ARROWS && event.shiftKey === shift && !event.ctrlKey && !event.metaKey && !event.altKey;
  const moveChosen = (event) => {
    const [down, right] = ARROWS[event.key],
      pixel = 2 / stage.view.zoom;
    change((one) => moved(one, (down * pixel) / shape[0], (right * pixel) / shape[1]));
  };
  const panView = (event) => {
    const [down, right] = ARROWS[event.key];
    stage.pan(-STEP * right, -STEP * down);
  };
  return [
    ["← ↑ → ↓", "move the view, or turn the surface", arrow(false), panView],
    [
      "+ −",
      "zoom",
      key("+", "=", "-", "−"),
      (event) => stage.zoom(event.key === "+" || event.key === "=" ? 1.25 : 0.8),
    ],
    ["0", "the whole picture", key("0"), () => stage.fit()],
    ["[ ]", "previous, next component", key("[", "]"), (event) => component.step(event.key === "[" ? -1 : 1)()],
    ["Esc", "choose none", key("Escape"), () => session.choose(null)],
    ["Shift + arrows", "move the chosen component", arrow(true), moveChosen],
    [
      "R, Shift + R",
      "turn it",
      key("r", "R"),
      (event) => change((one) => turned(one, event.shiftKey ? -0.05 : 0.05, shape)),
    ],
    [
      "S, Shift + S",
      "stretch, shrink it",
      key("s", "S"),
      (event) => change((one) => stretched(one, event.shiftKey ? 1 / 1.05 : 1.05, shape)),
    ],
    [
      "W, Shift + W",
      "more, less weight",
      key("w", "W"),
      (event) => change((one) => weighed(one, event.shiftKey ? -0.02 : 0.02)),
    ],
    [
      "A, Delete",
      "add, delete a component",
      key("a", "A", "Delete", "Backspace"),
      (event) => (event.key.toLowerCase() === "a" ? component.add() : component.remove()),
    ],
    ["Ctrl + Z", "undo", control("z", false), () => session.undo()],
    [
      "Ctrl + Shift + Z",
      "redo",
      (event) => control("z", true)(event) || control("y", false)(event),
      () => session.redo(),
    ],
    ["E", "ellipses", key("e", "E"), toggle],
    [
      "F, P, D, 3",
      "formula, picture, difference, surface",
      key("f", "p", "d", "3"),
      (event) => look({ f: "formula", p: "picture", d: "difference", 3: "surface" }[event.key]),
    ],
    ["?", "this list", key("?"), help],
  ];
}
