// Saving: the model as a file, the picture as a PNG, the formula in other languages.

import { IDENTITY } from "./formula.js";
import { LANGUAGES } from "./code.js";
import { button, download, h, labelled, section } from "./dom.js";
import { modelFile } from "./safetensors.js";
import { gridWindow, parts } from "./windows.js";

const TILE = 512,
  MOST = 16384;

export function savePanel(session, { shape, header, floats, say }) {
  const fileName = () =>
    session.sources[session.source].name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 60) || "model";

  function saveModel() {
    const more = { height: String(shape[0]), width: String(shape[1]) },
      { matrix, offset } = session.frame;
    const frame = matrix.map((row, k) => [...row, offset[k]]);
    if (String(frame) !== String(IDENTITY.matrix.map((row, k) => [...row, IDENTITY.offset[k]])))
      more.frame = JSON.stringify(frame);
    download(`${fileName()}.edited.safetensors`, modelFile(session.model, header, more));
    say("The model was saved");
  }

  const side = h("input", {
    type: "number",
    min: 1,
    max: MOST,
    step: 1,
    value: Math.max(1024, ...shape),
    inputmode: "numeric",
  });

  async function savePicture() {
    const longer = Math.min(MOST, Math.max(1, Math.round(Number(side.value)) || 1)),
      scale = longer / Math.max(...shape);
    side.value = longer;
    const [height, width] = shape.map((length) => Math.max(1, Math.round(length * scale)));
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
    if (!blob) return say("This browser cannot hold a picture of that size");
    download(`${fileName()}.png`, blob);
    say(`The picture was saved, ${height} by ${width} pixels`);
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
    code.value = LANGUAGES[language.value](session.model);
  }

  async function copy() {
    write();
    try {
      await navigator.clipboard.writeText(code.value);
      say(`Copied as ${language.value}`);
    } catch {
      shown.open = true;
      code.select();
      say("This browser does not let pages copy: the code is selected, copy it with Ctrl+C");
    }
  }

  const shown = h("details", {}, h("summary", {}, "Show the code"), code);
  shown.addEventListener("toggle", () => update());
  const element = section(
    "Save and copy",
    h(
      "div",
      { class: "bar" },
      button("Save model", "A model file that gmjax.load reads", saveModel, { class: "primary" }),
    ),
    h(
      "div",
      { class: "bar" },
      labelled("longer side", "Pixels of the longer side; the formula is drawn anew at this size", side),
      button("Save PNG", "The whole picture as a PNG", savePicture),
    ),
    h(
      "div",
      { class: "bar" },
      labelled("copy as", "The formula in another language", language),
      button("Copy", "Copy the formula", copy),
    ),
    shown,
  );

  function update() {
    if (shown.open && written !== session.model) write();
  }
  return { element, update };
}
