// Changes of one component: each takes a component {weights, mean, chol} and returns another.

import { axesOf, cholOfAxes } from "./formula.js";

const LEAST = 1e-3; // pixels of the picture

export const moved = (one, down, right) => ({ ...one, mean: [one.mean[0] + down, one.mean[1] + right] });

export const weighed = (one, change) => ({ ...one, weights: one.weights.map((w) => w + change) });

// axes: any of long, short, angle; lengths in pixels of the picture, whose shape is [H, W].
export function shaped(one, axes, [height, width]) {
  const now = { ...axesOf(one.chol, height, width), ...axes };
  now.long = Math.max(now.long, LEAST);
  now.short = Math.max(now.short, LEAST);
  return { ...one, chol: cholOfAxes(now, height, width) };
}

export function stretched(one, factor, [height, width]) {
  const { long, short } = axesOf(one.chol, height, width);
  return shaped(one, { long: long * factor, short: short * factor }, [height, width]);
}

export function turned(one, angle, shape) {
  return shaped(one, { angle: axesOf(one.chol, ...shape).angle + angle }, shape);
}

// With one axis (long or short) towards [down, right] pixels of the picture from the centre, and stretched by a factor.
export function pulled(one, axis, [down, right], factor, shape) {
  const angle = Math.atan2(-down, right) - (axis === "short" ? Math.PI / 2 : 0);
  return shaped(one, { [axis]: factor * axesOf(one.chol, ...shape)[axis], angle }, shape);
}
