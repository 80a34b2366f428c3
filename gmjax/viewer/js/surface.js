// The surface 1 - f over the picture as a mesh, and the camera that looks at it.

import { gridWindow } from "./windows.js";

const SIDE = 160;
const HEIGHT = 0.45; // of 1 - f = 1, in sides of the picture

export function surfaceWindow([height, width], offset) {
  const scale = SIDE / Math.max(height, width);
  return gridWindow(Math.max(2, Math.round(scale * height)), Math.max(2, Math.round(scale * width)), offset);
}

// values: the formula in the window. x goes right, y up, z towards the viewer.
export function meshOf(values, { rows, columns }, channels) {
  const h = rows.count,
    w = columns.count,
    c = Math.max(1, channels),
    unit = Math.SQRT2 / Math.hypot(h, w);
  const position = new Float32Array(3 * h * w),
    normal = new Float32Array(3 * h * w),
    tint = new Float32Array(3 * h * w);
  const at = (row, column) => {
    const n = (Math.min(h - 1, Math.max(0, row)) * w + Math.min(w - 1, Math.max(0, column))) * c;
    let sum = 0;
    for (let k = 0; k < c; k++) sum += values[n + k];
    return HEIGHT * (1 - sum / c);
  };
  for (let row = 0; row < h; row++) {
    for (let column = 0; column < w; column++) {
      const n = row * w + column;
      position.set([(column - (w - 1) / 2) * unit, at(row, column) - HEIGHT / 2, (row - (h - 1) / 2) * unit], 3 * n);
      normal.set(
        [at(row, column - 1) - at(row, column + 1), 2 * unit, at(row - 1, column) - at(row + 1, column)],
        3 * n,
      );
      for (let k = 0; k < 3; k++) tint[3 * n + k] = Math.min(1, Math.max(0, values[n * c + Math.min(k, c - 1)]));
    }
  }
  const triangles = new Uint32Array(6 * (h - 1) * (w - 1));
  let next = 0;
  for (let row = 0; row + 1 < h; row++) {
    for (let column = 0; column + 1 < w; column++) {
      const n = row * w + column;
      triangles.set([n, n + w, n + 1, n + 1, n + w, n + w + 1], next);
      next += 6;
    }
  }
  return { position, normal, tint, triangles };
}

// A matrix for WebGL, column by column. turn and tilt in radians, zoom 1 shows the whole.
export function cameraOf({ turn, tilt, zoom }, aspect) {
  const [ct, st, cx, sx] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const distance = 2.4,
    near = 0.05,
    far = 20,
    focal = 2.7 * zoom;
  const [fx, fy] = aspect > 1 ? [focal / aspect, focal] : [focal, focal * aspect];
  // Turned about the vertical axis, then tilted towards the viewer, then moved away.
  const rotation = [
    [ct, 0, -st],
    [-st * sx, cx, -ct * sx],
    [st * cx, sx, ct * cx],
  ];
  const [x, y, z] = rotation,
    depth = (near + far) / (near - far),
    shift = (2 * near * far) / (near - far);
  const column = (n) => [fx * x[n], fy * y[n], depth * z[n], -z[n]];
  return Float32Array.from([...column(0), ...column(1), ...column(2), 0, 0, -depth * distance + shift, distance]);
}
