// How many components take part, the most important first.

import { size } from "./formula.js";
import { KINDS } from "./kinds.js";
import { h, labelled, section, showText, showValue, slider } from "./dom.js";

export function numberPanel(session) {
  const value = h("span", { class: "value" });
  const count = slider(1, 1, 1, (k) => session.set({ count: k >= size(session.model) ? null : k }));
  const order = h(
    "select",
    {},
    h("option", { value: "weight" }, KINDS[session.model.profile].terms.length > 1 ? "by peak" : "by weight"),
    h("option", { value: "error" }, "by error"),
  );
  order.addEventListener("change", () => session.set({ order: order.value }));
  const element = section(
    "How many",
    labelled("components", "Draw only the most important components", count, value),
    labelled(
      "order",
      "By weight or peak: the largest first. By error: last come those that the picture misses least",
      order,
    ),
  );

  function update() {
    const m = size(session.model),
      k = session.count ?? m;
    count.max = m;
    showValue(count, k);
    showText(count, value, `${k} of ${m}`);
    order.lastChild.disabled = !session.source?.orderByError;
    order.value = order.lastChild.disabled ? "weight" : session.order;
  }
  return { element, update };
}
