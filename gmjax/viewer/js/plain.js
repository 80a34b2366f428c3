// Draws without WebGL2: the same sums in float64 on a 2D canvas, in slices of time so that the page stays alive.

import { addingOf, channelsOf } from "./formula.js";
import { resize } from "./dom.js";
import { tilesOf } from "./tiles.js";

const SLICE = 25; // milliseconds

export function plainPainter(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  let picture = null,
    waiting = null,
    drawn = [];

  function show(model, indices, window, look, { gain, shape } = {}) {
    destroy();
    const { rows, columns } = window;
    const image = new ImageData(columns.count, rows.count),
      c = channelsOf(model);
    const sums = summing(model, look === "picture" ? [] : indices, window);
    const paint = (row, left, count, values) => {
      for (let n = 0; n < count; n++) {
        const wanted = look === "formula" ? null : pixelOf(row, left + n);
        const color = [0, 1, 2].map((k) => {
          const value = values[n * c + Math.min(k, c - 1)];
          if (look === "formula") return value;
          if (!wanted) return 0.5;
          return look === "picture" ? wanted[k] : 0.5 + gain * (value - wanted[k]);
        });
        // ImageData rounds to the nearest and clips.
        image.data.set([...color.map((value) => 255 * value), 255], 4 * (row * columns.count + left + n));
      }
    };
    const pixelOf = (row, column) => {
      const r = Math.floor((rows.start + row * rows.step) * shape[0] - model.offset + 0.5);
      const x = Math.floor((columns.start + column * columns.step) * shape[1] - model.offset + 0.5);
      if (!picture || r < 0 || x < 0 || r >= picture.height || x >= picture.width) return null;
      return Array.from(
        picture.data.subarray(4 * (r * picture.width + x), 4 * (r * picture.width + x) + 3),
        (byte) => byte / 255,
      );
    };
    const go = () => {
      const until = performance.now() + SLICE;
      while (performance.now() < until) {
        if (sums.next(paint)) {
          resize(canvas, rows.count, columns.count);
          context.putImageData(image, 0, 0);
          waiting = null;
          drawn.splice(0).forEach((done) => done());
          return;
        }
      }
      waiting = setTimeout(go, 0);
    };
    go();
  }

  // Calls done once the picture is complete; not if another one is drawn before.
  function whenDrawn(done) {
    if (waiting === null) done();
    else drawn.push(done);
  }

  function destroy() {
    clearTimeout(waiting);
    drawn = [];
  }
  return {
    name: "plain",
    show,
    floats: plainFloats,
    surface: null,
    setPicture: (image) => {
      picture = image;
    },
    whenDrawn,
    isBusy: () => waiting !== null,
    destroy,
  };
}

// The values of the formula in a window: rows * columns * channels numbers.
export function plainFloats(model, indices, window) {
  const c = channelsOf(model),
    values = new Float32Array(window.rows.count * window.columns.count * c);
  const sums = summing(model, indices, window);
  const paint = (row, left, count, sum) =>
    values.set(sum.subarray(0, count * c), (row * window.columns.count + left) * c);
  while (!sums.next(paint));
  return values;
}

// next(paint) sums one row of one tile, calls paint(row, left, count, sums), and says whether it was the last.
function summing(model, indices, { rows, columns }) {
  const { side, across, down, lists } = tilesOf(model, indices, { rows, columns });
  const add = addingOf(model),
    sums = new Float64Array(side * channelsOf(model));
  let tile = 0,
    line = 0;
  return {
    next(paint) {
      const top = Math.floor(tile / across) * side,
        left = (tile % across) * side,
        row = top + line;
      const from = lists[2 * tile],
        end = from + lists[2 * tile + 1];
      const count = Math.min(side, columns.count - left),
        position = [rows.start + row * rows.step, columns.start + left * columns.step];
      sums.fill(0);
      for (let n = from; n < end; n++) add(sums, indices[lists[n]], ...position, columns.step, count);
      paint(row, left, count, sums);
      line++;
      if (line === side || top + line === rows.count) {
        line = 0;
        tile++;
      }
      return tile === across * down;
    },
  };
}
