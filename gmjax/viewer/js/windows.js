// Windows on the plane: evenly spaced rows and columns of pixels, {rows, columns} of {start, step, count}, where start
// is the position of the first pixel.

export function gridWindow(height, width, offset) {
  const axis = (count) => ({ start: offset / count, step: 1 / count, count });
  return { rows: axis(height), columns: axis(width) };
}

function part({ rows, columns }, top, left, height, width) {
  const cut = (axis, first, count) => ({ start: axis.start + first * axis.step, step: axis.step, count });
  return { rows: cut(rows, top, height), columns: cut(columns, left, width) };
}

// Its parts of at most side x side pixels, as [top, left, window].
export function* parts(window, side) {
  for (let top = 0; top < window.rows.count; top += side) {
    for (let left = 0; left < window.columns.count; left += side) {
      const height = Math.min(side, window.rows.count - top),
        width = Math.min(side, window.columns.count - left);
      yield [top, left, part(window, top, left, height, width)];
    }
  }
}

// The middle of a window as a position. Means are passed to the GPU relative to it, so that float32 stays exact when zoomed.
export function middleOf({ rows, columns }) {
  return [rows, columns].map(({ start, step, count }) => start + (step * (count - 1)) / 2);
}

// What a stage of height x width device pixels shows. view: {center: [row, column], zoom}; zoom is in device pixels for
// each pixel of the picture, whose shape is [H, W]. Pixels lie where gmjax.render has them: with the whole picture in view,
// pixel i of n is at (i + offset) / n.
export function viewWindow(view, [H, W], offset, height, width, coarse = 1) {
  const axis = (side, center, pixels) => {
    const step = 1 / (side * view.zoom),
      count = Math.max(1, Math.round(pixels / coarse)),
      factor = pixels / count;
    return { start: center + (0.5 * factor - 0.5 - pixels / 2 + offset) * step, step: step * factor, count };
  };
  return { rows: axis(H, view.center[0], height), columns: axis(W, view.center[1], width) };
}

// A position on the stage in device pixels, from the top left corner, and back.
export function toStage(view, [H, W], offset, height, width, [row, column]) {
  return [
    (row - view.center[0]) * H * view.zoom + height / 2 + 0.5 - offset,
    (column - view.center[1]) * W * view.zoom + width / 2 + 0.5 - offset,
  ];
}

export function fromStage(view, [H, W], offset, height, width, [y, x]) {
  return [
    view.center[0] + (y - height / 2 - 0.5 + offset) / (H * view.zoom),
    view.center[1] + (x - width / 2 - 0.5 + offset) / (W * view.zoom),
  ];
}
