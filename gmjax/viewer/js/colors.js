// The colours of the style sheet, for canvases: as CSS and as bytes.

import { h, resize } from "./dom.js";

const NAMES = ["page", "back", "line", "plus", "minus", "accent", "halo", "over-plus", "over-minus", "over-accent"];

export function colorsOf(element) {
  const style = getComputedStyle(element),
    css = {},
    bytes = {};
  const canvas = h("canvas");
  resize(canvas, 1, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (const name of NAMES) {
    css[name] = style.getPropertyValue(`--${name}`).trim();
    context.fillStyle = css[name];
    context.fillRect(0, 0, 1, 1);
    bytes[name] = Array.from(context.getImageData(0, 0, 1, 1).data.subarray(0, 3));
  }
  return { css, ...bytes };
}
