// All parameters as a table, some rows at a time.

import { componentOf } from "./formula.js";
import { button, h, section } from "./dom.js";
import { KINDS } from "./kinds.js";
import { exact, short } from "./numbers.js";
import { weightNames } from "./profiles.js";

const ROWS = 8;

// At most four decimals, so that the table is not wider than the panel; the tooltip has all digits.
const narrow = (value) => short(Math.abs(value) < 1e-3 ? value : Number(value.toFixed(4)));

export function tablePanel(session, reveal) {
  const own = KINDS[session.model.profile].parameters.map(([name]) => name.replace("_", " ")),
    heads = ["no.", ...weightNames(session.model, "weight"), "row", "column", "L₁₁", "L₂₁", "L₂₂", ...own];
  const body = h("tbody", { onmouseleave: () => session.hover(null) }),
    where = h("span", { class: "grow" });
  let first = 0,
    chosen = null,
    shown = [];
  const back = button(
    "‹",
    "Earlier rows",
    () => {
      first -= ROWS;
      update();
    },
    { "aria-label": "Earlier rows" },
  );
  const on = button(
    "›",
    "Later rows",
    () => {
      first += ROWS;
      update();
    },
    { "aria-label": "Later rows" },
  );
  const element = section(
    "Parameters",
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((head) => h("th", { scope: "col" }, head)),
          ),
        ),
        body,
      ),
    ),
    h("div", { class: "bar" }, where, back, on),
  );
  element.addEventListener("toggle", () => update());

  function update() {
    if (!element.open) return;
    const all = session.active();
    if (session.chosenId !== chosen) {
      chosen = session.chosenId;
      const place = all.indexOf(session.chosen);
      if (place >= 0) first = place - (place % ROWS);
    }
    first = Math.min(Math.max(0, first), Math.max(0, all.length - 1 - ((all.length - 1) % ROWS)));
    // Rows that only pointing changed stay: a row that is replaced while it is clicked loses the click.
    const key = [session.model, session.chosen, first, ...all.slice(first, first + ROWS)];
    if (key.length === shown.length && key.every((part, n) => part === shown[n])) return;
    shown = key;
    const rows = all.slice(first, first + ROWS).map((i) => {
      const { weights, mean, chol, parameters } = componentOf(session.model, i);
      const choose = () => {
        session.choose(i);
        reveal(i);
      };
      const pick = button(String(i + 1), "Choose this component", choose, {
        "data-component": i,
        onfocus: () => session.hover(i),
      });
      const cells = [...weights, ...mean, ...chol, ...parameters].map((value) => h("td", { title: exact(value) }, narrow(value)));
      const row = { class: i === session.chosen ? "chosen" : null, onmouseenter: () => session.hover(i) };
      return h("tr", row, h("th", { scope: "row" }, pick), cells);
    });
    const focused = body.contains(element.getRootNode().activeElement)
      ? element.getRootNode().activeElement.dataset.component
      : null;
    body.replaceChildren(...rows);
    if (focused !== null) body.querySelector(`[data-component="${Number(focused)}"]`)?.focus();
    where.textContent = all.length ? `${first + 1} to ${first + rows.length} of ${all.length}` : "";
    back.disabled = first === 0;
    on.disabled = first + ROWS >= all.length;
  }
  return { element, update };
}
