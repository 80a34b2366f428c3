// Saving: the model as a file, the picture as a PNG, the formula in other languages.

import { IDENTITY, size } from "./formula.js";
import { LANGUAGES } from "./code.js";
import { button, download, h, labelled, problemPlace, section, showProblem } from "./dom.js";
import { modelFile } from "./safetensors.js";
import { gridWindow, parts } from "./windows.js";

const TILE = 512,
  MOST = 8192; // pixels of the longer side: what browsers hold and can write

export function savePanel(session, { shape, header, version, floats, say }) {
  const fileName = () =>
    session.name
      .replace(/[^\p{L}\p{N}._-]+/gu, "_")
      .replace(/^_+|_+$/g, "")
      .slice(0, 60) || "model";

  // What the file of the model says beside the text of the format.
  function metadata() {
    const said = { height: String(shape[0]), width: String(shape[1]) },
      rows = ({ matrix, offset }) => JSON.stringify(matrix.map((row, k) => [...row, offset[k]]));
    return rows(session.frame) === rows(IDENTITY) ? said : { ...said, frame: rows(session.frame) };
  }

  function saveModel() {
    download(`${fileName()}.edited.safetensors`, modelFile(session.model, header, metadata()));
    session.markSaved();
    say(`The model was saved, all ${size(session.model)} components`);
  }

  const side = h("input", {
    type: "number",
    min: 1,
    max: MOST,
    step: 1,
    value: Math.min(MOST, Math.max(1024, ...shape)),
    inputmode: "numeric",
  });
  const problem = problemPlace();
  side.addEventListener("input", () => showProblem(side, problem, null));

  async function savePicture() {
    const longer = Number(side.value);
    if (!Number.isInteger(longer) || longer < 1 || longer > MOST) {
      return showProblem(side, problem, `The longer side must be a whole number from 1 to ${MOST}`);
    }
    const scale = longer / Math.max(...shape),
      [height, width] = shape.map((length) => Math.max(1, Math.round(length * scale)));
    const name = `${fileName()}.png`;
    buttons.picture.disabled = true;
    say(`Drawing ${height} by ${width} pixels ...`);
    try {
      download(name, await pictureFile(height, width));
      say(`The picture was saved, ${height} by ${width} pixels`);
    } catch {
      say(`This browser cannot draw ${height} by ${width} pixels: choose a smaller side`);
    }
    buttons.picture.disabled = false;
  }

  // As a PNG. Throws where the browser cannot hold it.
  async function pictureFile(height, width) {
    const canvas = h("canvas", { height, width }),
      context = canvas.getContext("2d", { alpha: false });
    const c = Math.max(1, session.model.channels),
      window = gridWindow(height, width, session.model.offset);
    for (const [top, left, piece] of parts(window, TILE)) {
      const values = floats(piece),
        image = new ImageData(piece.columns.count, piece.rows.count);
      for (let n = 0; n < image.width * image.height; n++) {
        for (let k = 0; k < 3; k++) image.data[4 * n + k] = 255 * values[n * c + Math.min(k, c - 1)];
        image.data[4 * n + 3] = 255;
      }
      context.putImageData(image, left, top);
      // Lets the page live between two tiles.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("no memory");
    return blob;
  }

  const language = h(
    "select",
    {},
    Object.keys(LANGUAGES).map((name) => h("option", {}, name)),
  );
  const code = h("textarea", { readonly: true, rows: 6, spellcheck: "false", "aria-label": "The formula as code" });
  let written = null;
  language.addEventListener("change", write);

  function write() {
    written = session.model;
    const said = new Set((session.source?.about ?? []).map(([name]) => name)),
      fitted = said.has("height") && said.has("width") ? shape : null;
    code.value = LANGUAGES[language.value](session.model, { version, fitted, header, metadata: metadata() });
  }

  async function copy() {
    write();
    try {
      await navigator.clipboard.writeText(code.value);
      say(`Copied as ${language.value}, all ${size(session.model)} components`);
    } catch {
      shown.open = true;
      code.select();
      say("This browser does not let pages copy: the code is selected, copy it with Ctrl+C");
    }
  }

  const buttons = {
    model: button("Save model", "A model file that gmjax.load reads", saveModel, { class: "primary" }),
    picture: button("Save PNG", "The whole picture as a PNG", savePicture),
    code: button("Copy", "Copy the formula", copy),
  };
  const shown = h("details", {}, h("summary", {}, "Show the code"), code);
  shown.addEventListener("toggle", () => update());
  const element = section(
    "Save and copy",
    h("div", { class: "bar" }, buttons.model),
    h(
      "div",
      { class: "bar" },
      labelled("longer side", `Pixels of the longer side, 1 to ${MOST}; the formula is drawn anew at this size`, side),
      buttons.picture,
    ),
    problem,
    h(
      "div",
      { class: "bar" },
      labelled("copy as", "The formula in another language, as gmjax export writes it", language),
      buttons.code,
    ),
    shown,
  );

  function update() {
    const m = size(session.model),
      k = session.active().length,
      all = k < m ? ` (all ${m} components)` : "";
    buttons.model.textContent = `Save model${all}`;
    buttons.picture.textContent = k < m ? `Save PNG (${k} components)` : "Save PNG";
    buttons.code.textContent = `Copy${all}`;
    if (shown.open && written !== session.model) write();
  }
  return { element, update };
}
