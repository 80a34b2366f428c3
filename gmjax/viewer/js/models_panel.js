// Several models: one at a time, and those that correspond as a morph from each to the next.

import { between, correspond } from "./coordinates.js";
import { h, labelled, section, showText, showValue, slider } from "./dom.js";

export function modelsPanel(session) {
  const { sources } = session,
    models = sources.map(({ model }) => model);
  const select = h(
    "select",
    {},
    sources.map(({ name }, n) => h("option", { value: n }, name)),
  );
  select.addEventListener("change", () => session.start(Number(select.value)));
  const parts = [labelled("model", "Show one of the models, as it was saved", select)];
  let at = null,
    shown = null;
  const value = h("span", { class: "value" });
  const morph = slider(
    0,
    sources.length - 1,
    0.01,
    (t) => {
      at = t;
      const first = Math.min(Math.floor(t), sources.length - 2);
      session.preview(between(models[first], models[first + 1], t - first));
      shown = session.model;
    },
    () => session.commit(),
  );
  if (correspond(models)) {
    parts.push(
      labelled(
        "morph",
        "Between two models every component goes straight from its place, shape and weight to those in the next",
        morph,
        value,
      ),
    );
  }
  const element = section("Models", parts);

  function update() {
    const t = session.model === shown ? at : session.source,
      first = Math.floor(t);
    showValue(select, session.source);
    showValue(morph, t);
    const part = Math.round(100 * (t - first));
    showText(morph, value, part ? `${100 - part} % + ${part} %` : sources[first].name);
  }
  return { element, update };
}
