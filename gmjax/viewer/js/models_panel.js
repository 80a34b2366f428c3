// Several models: one at a time, and those that correspond as a morph from each to the next.

import { between, correspond } from "./coordinates.js";
import { IDENTITY } from "./formula.js";
import { h, labelled, section, showText, showValue, slider } from "./dom.js";

export function modelsPanel(session, say) {
  const { sources } = session,
    options = sources.map((_, n) => h("option", { value: n }));
  const mixed = h("option", { value: "mixed", hidden: true }),
    select = h("select", {}, options, mixed);
  select.addEventListener("change", () => {
    warnOfEdits();
    session.show(Number(select.value));
    session.commit();
  });
  const parts = [labelled("model", "Show one of the models. Each keeps its edits until the page is closed", select)];
  const value = h("span", { class: "value" });
  const morph = slider(0, sources.length - 1, 0.01, mix, () => session.commit("morph"));
  if (correspond(sources.map(({ model }) => model))) {
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

  function mix(place) {
    warnOfEdits();
    const first = Math.floor(place);
    if (first === place) return session.show(place);
    const [a, b] = [session.kept[first], session.kept[first + 1]];
    const frame = JSON.stringify(a.frame) === JSON.stringify(b.frame) ? a.frame : IDENTITY;
    session.show(place, { model: between(a.model, b.model, place - first), frame });
  }

  // A model keeps its edits, a mixture does not.
  function warnOfEdits() {
    if (session.source || !session.isEdited()) return;
    session.commit();
    say(`What was changed in ${session.name} is no longer on show: Undo brings it back`);
  }

  function update() {
    options.forEach((option, n) => {
      option.textContent = session.hasEdits(n) ? `${sources[n].name} (edited)` : sources[n].name;
    });
    mixed.textContent = session.name;
    showValue(select, session.source ? session.place : "mixed");
    showValue(morph, session.place);
    morph.disabled = !correspond(session.kept.map(({ model }) => model));
    const part = Math.round(100 * (session.place % 1));
    showText(morph, value, part ? `${100 - part} % + ${part} %` : session.name);
  }
  return { element, update };
}
