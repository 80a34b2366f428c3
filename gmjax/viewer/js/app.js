// The viewer: a stage with the picture, a toolbar, the formula, and panels.

import { colorsOf } from "./colors.js";
import { componentPanel } from "./component_panel.js";
import { differencePanel } from "./difference_panel.js";
import { button, h, icon, section } from "./dom.js";
import { IDENTITY, peakOf } from "./formula.js";
import { keyTable } from "./keys.js";
import { definitions, generalFormula, termOf } from "./mathematics.js";
import { modelsPanel } from "./models_panel.js";
import { numberPanel } from "./number_panel.js";
import { signed } from "./numbers.js";
import { savePanel } from "./save_panel.js";
import { createSession, decoded } from "./session.js";
import { createStage } from "./stage.js";
import { tablePanel } from "./table_panel.js";
import { wholePanel } from "./whole_panel.js";

const NOTE = 8000; // milliseconds that a note stays

const ICONS = {
  undo: "M8 4 4 8l4 4M4 8h7a5 5 0 0 1 0 10H8",
  redo: "m12 4 4 4-4 4m4-4H9a5 5 0 0 0 0 10h3",
  whole: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  larger: "M10 4v12M4 10h12",
  smaller: "M4 10h12",
  ellipses: "M2 10a8 5 0 1 0 16 0 8 5 0 1 0-16 0M6 10a4 2 0 1 0 8 0 4 2 0 1 0-8 0",
};

// Builds the viewer inside an element. models: as viewer/pages.py writes them. options: {shape: [H, W], header, picture,
// version, wheelNeedsKey}, where header is the text of model files, picture a data URL to compare with, or null, and
// wheelNeedsKey lets the wheel alone scroll the page.
// Returns what a program may use.
export function createViewer(element, models, options) {
  const { shape, header, version, picture = null, wheelNeedsKey = false } = options;
  const sources = models.map(decoded),
    session = createSession(
      sources,
      models.map(({ frame }) => frame ?? IDENTITY),
    );
  const looks = { look: "formula", ellipses: false, gain: 4 };
  const root = h("div", { class: session.model.channels > 1 ? "gmjax-viewer colour" : "gmjax-viewer" }),
    status = h("p", { class: "spoken", role: "status", "aria-live": "polite" });
  let image = null,
    colors = null;

  const stage = createStage(session, { shape, looks, wheelNeedsKey, colors: () => (colors ??= colorsOf(root)) });
  const hasSurface = stage.painter.surface !== null;
  const note = h("p", { class: "note", hidden: true });
  let noting = null;
  const say = (text) => {
    status.textContent = text;
    note.textContent = text;
    note.hidden = false;
    clearTimeout(noting);
    noting = setTimeout(() => {
      note.hidden = true;
    }, NOTE);
  };

  // ---- toolbar

  const NAMES = {
    formula: "Formula",
    ...(picture && { picture: "Picture", difference: "Difference" }),
    surface: "Surface 1 − f",
  };
  const TIPS = {
    formula: "What the formula draws (F)",
    picture: "The picture to compare with (P)",
    difference: "Formula minus picture (D)",
    surface: hasSurface ? "1 − f as a landscape (3)" : "The surface needs WebGL2, which this browser does not offer",
  };
  const tabs = Object.entries(NAMES).map(([name, text]) =>
    button(text, TIPS[name], () => look(name), { "data-look": name, disabled: name === "surface" && !hasSurface }),
  );
  const tool = (name, title, onclick) =>
    button(icon(ICONS[name]), title, onclick, { class: "icon", "aria-label": title });
  const tools = {
    ellipses: tool("ellipses", "Ellipses of the components: orange adds light, blue dashed takes it away (E)", toggle),
    smaller: tool("smaller", "Zoom out (−)", () => stage.zoom(0.8)),
    larger: tool("larger", "Zoom in (+)", () => stage.zoom(1.25)),
    whole: tool("whole", "The whole picture (0)", () => stage.fit()),
    undo: tool("undo", "Undo (Ctrl+Z)", () => session.undo()),
    redo: tool("redo", "Redo (Ctrl+Shift+Z)", () => session.redo()),
    help: button("?", "Keys (?)", help, { class: "icon" }),
  };
  const toolbar = h(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "View" },
    h("div", { class: "tabs", role: "group", "aria-label": "What is shown" }, tabs),
    h("div", { class: "group" }, tools.ellipses),
    h("div", { class: "group" }, tools.smaller, tools.larger, tools.whole),
    h("div", { class: "group" }, tools.undo, tools.redo),
    h("div", { class: "group" }, tools.help),
  );

  function look(name) {
    if (!(name in NAMES) || (name === "surface" && !hasSurface)) return;
    looks.look = name;
    stage.invalidate();
  }

  function toggle() {
    looks.ellipses = !looks.ellipses;
    session.changed();
  }

  // ---- panels

  const floats = (window) => stage.floatsOf(window);
  const component = componentPanel(session, {
    shape,
    view: stage.view,
    reveal: stage.reveal,
    palette: () => (colors ??= colorsOf(root)),
  });
  const panels = [
    sources.length > 1 ? modelsPanel(session, say) : null,
    component,
    numberPanel(session),
    picture
      ? differencePanel(session, { gain: () => looks.gain, setGain, floats: stage.drawFloats, picture: () => image })
      : null,
    wholePanel(session, { shape }),
    tablePanel(session, stage.reveal),
    savePanel(session, { shape, header, version, floats, say }),
    aboutPanel(session),
  ].filter(Boolean);

  function setGain(gain) {
    looks.gain = gain;
    looks.look = "difference";
    stage.invalidate();
  }

  // ---- keys

  const keys = keyTable(session, stage, component, { shape, look, toggle, help });
  const dialog = h(
    "dialog",
    { class: "keys", "aria-label": "Keys" },
    h("h2", {}, "Keys"),
    h("p", {}, "Everywhere but in fields, sliders and lists:"),
    h(
      "table",
      {},
      keys.map(([names, text]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, names)), h("td", {}, text))),
    ),
    h(
      "p",
      {},
      `Mouse: drag to move, ${wheelNeedsKey ? "Ctrl + wheel" : "wheel"} to zoom, click to choose a component. Touch: one finger moves, two zoom, a tap chooses.`,
    ),
    h(
      "div",
      { class: "bar" },
      button("Close", "Close (Escape)", () => dialog.close(), { class: "primary" }),
    ),
  );

  function help() {
    dialog.showModal();
  }

  // Fields, sliders and lists have keys of their own. Undo works in sliders and lists too, but not where text is typed,
  // which has an undo of its own.
  function press(event) {
    const found = keys.find(([, , matches]) => matches(event)),
      own = event.ctrlKey || event.metaKey ? "input[type=number], textarea" : "input, select, textarea";
    if (!found || dialog.open || event.target.matches(own)) return;
    event.preventDefault();
    event.stopPropagation();
    found[3](event);
  }
  root.addEventListener("keydown", press);

  // ---- the formula

  const general = h("div", { class: "math" }),
    term = h("div", { class: "math term" });
  const positions = "Position x = (r, c): row and column from 0 to 1 across the picture, from the top left corner.";
  const formula = h(
    "section",
    { class: "formula", "aria-label": "The formula" },
    general,
    h("p", { class: "hint" }, positions, definitions(session.model)),
    term,
  );

  function showFormula() {
    general.replaceChildren(generalFormula(session.model));
    const i = session.shown;
    term.classList.toggle("absent", i === null);
    if (i !== null) term.replaceChildren(...termOf(session.model, i).flatMap((piece) => [piece, " "]));
  }

  // ---- together

  const title = h("h1", {}),
    edited = h("p", { class: "hint" }, "edited");
  const warning = hasSurface
    ? null
    : h(
        "p",
        { class: "note" },
        "This browser offers no WebGL2, so the picture is computed without the graphics processor. It is the same " +
          "picture, drawn more slowly, and there is no surface.",
      );
  root.style.setProperty("--aspect", shape[1] / shape[0]);
  root.append(
    h(
      "div",
      { class: "layout" },
      h("div", { class: "main" }, h("header", {}, title, edited), warning, stage.element, toolbar, note, formula, status),
      h(
        "div",
        { class: "side" },
        panels.map((panel) => panel.element),
      ),
    ),
    dialog,
  );
  element.append(root);

  let chosen = null,
    heard = "",
    last = {},
    speaking = null;

  // Once a number rests: it may change with every frame.
  function speakLater(text) {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      status.textContent = text;
    }, 500);
  }

  session.onChange(() => {
    stage.update((i) => `no. ${i + 1}   ${peakOf(session.model, i).map(signed).join("  ")}`);
    title.textContent = session.name;
    edited.hidden = !session.isEdited();
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.look === looks.look));
    tools.ellipses.setAttribute("aria-pressed", String(looks.ellipses));
    tools.undo.disabled = !session.canUndo();
    tools.redo.disabled = !session.canRedo();
    const key = [
      session.model,
      session.shown,
      session.chosen,
      session.count,
      session.order,
      looks.gain,
      image,
      session.place,
      colors,
    ];
    if (!key.some((part, n) => part !== last[n])) return;
    const sameTerm = session.model === last[0] && session.shown === last[1];
    last = key;
    panels.forEach((panel) => panel.update());
    if (!sameTerm) showFormula();
    const spoken = component.spoken();
    if (session.chosenId !== chosen) status.textContent = spoken;
    else if (spoken !== heard) speakLater(spoken);
    [chosen, heard] = [session.chosenId, spoken];
  });

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const recolor = () => {
    colors = null;
    stage.forget();
  };
  dark.addEventListener("change", recolor);

  if (picture)
    decodePicture(picture).then((pixels) => {
      image = pixels;
      stage.painter.setPicture(pixels);
      stage.forget();
    });
  session.changed();

  // Until everything is drawn, with all pixels.
  async function settled() {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    do await frame();
    while (!session.isSettled() || !stage.isSettled() || (picture && !image));
    await frame();
  }

  function destroy() {
    dark.removeEventListener("change", recolor);
    clearTimeout(noting);
    clearTimeout(speaking);
    panels.forEach((panel) => panel.destroy?.());
    stage.destroy();
    root.remove();
  }

  return { element: root, session, stage, models: sources, drawFloats: stage.drawFloats, look, press, settled, destroy };
}

function aboutPanel(session) {
  const list = h("dl", {}),
    element = section("About this model", list);
  element.open = false;
  let shown = null;
  function update() {
    const about = session.source?.about ?? [];
    if (about === shown) return;
    shown = about;
    element.hidden = about.length === 0;
    list.replaceChildren(...about.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
  }
  return { element, update };
}

// The pixels of a picture as {width, height, data}.
async function decodePicture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = h("canvas", { width: image.naturalWidth, height: image.naturalHeight }),
    context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
