// Which components reach which tile of a window: a component is left out where it is below EPS of its weight.

import { reachOf } from "./profiles.js";

const EPS = 2 ** -23;
const SIDE = 32,
  MOST_ENTRIES = 2 ** 22;

// {side, across, down, lists}: lists has two numbers a tile, where its list starts and its length, and then the lists.
// They hold places in the array of indices. Tiles are larger where the lists would be too long.
export function tilesOf(model, indices, window) {
  for (let side = SIDE; ; side *= 2) {
    const across = Math.ceil(window.columns.count / side),
      down = Math.ceil(window.rows.count / side);
    const counts = new Uint32Array(across * down);
    let total = 0;
    eachReached(model, indices, window, side, (_, row, first, last) => {
      for (let column = first; column <= last; column++) counts[row * across + column]++;
      total += last - first + 1;
    });
    if (total > MOST_ENTRIES && across * down > 1) continue;
    const lists = new Uint32Array(2 * counts.length + total),
      next = new Uint32Array(counts.length);
    let start = 2 * counts.length;
    counts.forEach((count, tile) => {
      lists.set([start, count], 2 * tile);
      next[tile] = start;
      start += count;
    });
    eachReached(model, indices, window, side, (place, row, first, last) => {
      for (let column = first; column <= last; column++) lists[next[row * across + column]++] = place;
    });
    return { side, across, down, lists };
  }
}

// Calls reached(place, row of tiles, first tile, last tile) for each row of tiles that a component reaches.
function eachReached(model, indices, { rows, columns }, side, reached) {
  const root = Math.sqrt(reachOf(model, EPS));
  const down = Math.ceil(rows.count / side),
    across = Math.ceil(columns.count / side);
  for (let place = 0; place < indices.length; place++) {
    const i = indices[place];
    const l11 = model.chol[3 * i],
      l21 = model.chol[3 * i + 1],
      l22 = model.chol[3 * i + 2];
    const row = (model.means[2 * i] - rows.start) / rows.step;
    // The ellipse |L^T d| = root: its height, and the row where it is widest to the right.
    const height = (root * Math.hypot(l21, l22)) / (l11 * l22),
      widest = -(l21 / l11) * (root / l22);
    const top = Math.max(0, Math.floor((row - height / rows.step) / side));
    const bottom = Math.min(down - 1, Math.floor((row + height / rows.step) / side));
    for (let tile = top; tile <= bottom; tile++) {
      const from = (tile * side - 1 - row) * rows.step,
        to = ((tile + 1) * side - row) * rows.step;
      const extent = (towards) => {
        const dr = Math.min(Math.max(towards * widest, from), to);
        const b = l11 * l21 * dr,
          a = l21 * l21 + l22 * l22,
          c = l11 * l11 * dr * dr - root * root;
        return (-b + towards * Math.sqrt(Math.max(0, b * b - a * c))) / a;
      };
      const tileColumn = (dc) => (model.means[2 * i + 1] + dc - columns.start) / columns.step;
      const first = Math.max(0, Math.floor((tileColumn(extent(-1)) - 1) / side));
      const last = Math.min(across - 1, Math.floor((tileColumn(extent(1)) + 1) / side));
      if (first <= last) reached(place, tile, first, last);
    }
  }
}
