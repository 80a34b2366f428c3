// Ellipses of the components over the picture, and handles to drag the chosen one. An ellipse is where q = 1/2: one
// standard deviation away from the centre of a Gaussian, where it has fallen to 61 %.

import { addingOf, axesOf, channelsOf, size, strengthOf } from "./formula.js";

const HANDLE = 7; // CSS pixels

// places: a view of the stage, {toStage, zoom in CSS pixels, shape}.
export function ellipseOf(model, i, { toStage, zoom, shape: [height, width] }) {
  const { long, short, angle } = axesOf(model.chol.subarray(3 * i, 3 * i + 3), height, width);
  const [y, x] = toStage([model.means[2 * i], model.means[2 * i + 1]]);
  return { x, y, long: long * zoom, short: short * zoom, angle };
}

// Where the handles are, at least so far from the centre: tiny and huge components have theirs off the ends of their
// axes, where they can be grasped.
function handlesOf({ x, y, long, short, angle }, least) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)],
    [a, b] = [long, short].map((length) => Math.min(Math.max(length, least), 150));
  return {
    long: [
      [x + a * c, y - a * s],
      [x - a * c, y + a * s],
    ],
    short: [
      [x - b * s, y - b * c],
      [x + b * s, y + b * c],
    ],
    mean: [[x, y]],
  };
}

// The nearest handle within reach of a point: long, short, mean or null.
export function handleAt(ellipse, x, y, reach, least) {
  let [best, nearest] = [null, reach];
  for (const [name, places] of Object.entries(handlesOf(ellipse, least))) {
    const distance = Math.min(...places.map(([hx, hy]) => Math.hypot(hx - x, hy - y)));
    if (distance <= nearest) [best, nearest] = [name, distance];
  }
  return best;
}

// The smallest ellipse that contains a point, or whose centre is near: a component, or null.
export function componentAt(model, indices, places, x, y) {
  let best = null,
    least = Infinity;
  for (const i of indices) {
    const { x: cx, y: cy, long, short, angle } = ellipseOf(model, i, places);
    const dx = x - cx,
      dy = cy - y,
      c = Math.cos(angle),
      s = Math.sin(angle);
    const inside = ((dx * c + dy * s) / Math.max(long, 6)) ** 2 + ((dy * c - dx * s) / Math.max(short, 6)) ** 2 <= 1;
    if (inside && long * short < least) [best, least] = [i, long * short];
  }
  return best;
}

// The component that contributes most at a position.
export function strongestAt(model, indices, [row, column]) {
  const add = addingOf(model);
  const share = (i) => {
    const sum = new Array(channelsOf(model)).fill(0);
    add(sum, i, row, column);
    return Math.abs(sum.reduce((total, value) => total + value, 0));
  };
  return indices.reduce((best, i) => (share(i) > (best === null ? 0 : share(best)) ? i : best), null);
}

// Onto a canvas that is clear.
export function drawOverlay(context, { width, height, ratio }, session, places, { ellipses, frame, colors, least }) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  veilOutside(context, width, height, frame, colors);
  const { model, chosen, hovered } = session;
  const outline = (i, line, halo) => {
    const { x, y, long, short, angle } = ellipseOf(model, i, places);
    if (x + long < 0 || y + long < 0 || x - long > width || y - long > height || long > 1e5) return;
    context.beginPath();
    context.ellipse(x, y, long, Math.max(short, 0.5), -angle, 0, 2 * Math.PI);
    context.setLineDash([]);
    if (halo) stroke(context, colors.halo, line + 3);
    const isNegative = strengthOf(model, i) < 0;
    context.setLineDash(isNegative ? [5, 3] : []);
    stroke(context, isNegative ? colors["over-minus"] : colors["over-plus"], line);
  };
  const indices = session.active();
  if (ellipses) {
    for (const i of indices) {
      const { long } = ellipseOf(model, i, places);
      context.globalAlpha = (size(model) > 300 ? 0.45 : 0.8) * (long > Math.max(width, height) ? 0.4 : 1);
      outline(i, 1.1, false);
    }
    context.globalAlpha = 1;
  }
  if (hovered !== null && hovered !== chosen && hovered < size(model)) outline(hovered, 2, true);
  if (chosen !== null) {
    outline(chosen, 2.5, true);
    context.setLineDash([]);
    for (const [name, spots] of Object.entries(handlesOf(ellipseOf(model, chosen, places), least))) {
      for (const [x, y] of spots) {
        context.beginPath();
        context.arc(x, y, name === "mean" ? HANDLE - 2 : HANDLE - 1, 0, 2 * Math.PI);
        context.fillStyle = name === "mean" ? colors["over-accent"] : colors.halo;
        context.fill();
        stroke(context, name === "mean" ? colors.halo : colors["over-accent"], 2);
      }
    }
  }
}

function stroke(context, color, line) {
  context.strokeStyle = color;
  context.lineWidth = line;
  context.stroke();
}

// The formula goes on outside the picture, with values that no fit has seen.
function veilOutside(context, width, height, { left, top, right, bottom }, colors) {
  if (left < 1 && top < 1 && right > width - 1 && bottom > height - 1) return;
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(left, top, right - left, bottom - top);
  context.globalAlpha = 0.72;
  context.fillStyle = colors.page;
  context.fill("evenodd");
  context.globalAlpha = 1;
  context.beginPath();
  context.setLineDash([]);
  context.rect(left, top, right - left, bottom - top);
  stroke(context, colors.line, 1);
}
