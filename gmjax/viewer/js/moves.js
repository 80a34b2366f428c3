// Changes of one component: each takes a component {profile, weights, mean, chol, parameters} and returns another.

import { axesOf, cholOfAxes, mapped } from "./formula.js";
import { KINDS } from "./kinds.js";

const LEAST = 1e-3; // pixels of the picture

export const moved = (one, down, right) => ({ ...one, mean: [one.mean[0] + down, one.mean[1] + right] });

// How many weights a term has.
const each = ({ profile, weights }) => weights.length / KINDS[profile].terms.length;

// The weight of the first term, in colour the mean of its three.
export const weightOf = (one) => one.weights.slice(0, each(one)).reduce((sum, w) => sum + w, 0) / each(one);

export const weighed = (one, change) => ({
  ...one,
  weights: one.weights.map((w, n) => (n < each(one) ? w + change : w)),
});

// axes: any of long, short, angle; lengths in pixels of the picture, whose shape is [H, W]. What is inside of the
// ellipse is stretched and turned with it.
export function shaped(one, axes, [height, width]) {
  const before = axesOf(one.chol, height, width),
    now = { ...before, ...axes };
  now.long = Math.max(now.long, LEAST);
  now.short = Math.max(now.short, LEAST);
  const { turn } = KINDS[one.profile];
  if (turn !== "weights" && turn !== "vector") return { ...one, chol: cholOfAxes(now, height, width) };
  // An ellipse turned by half a circle is the same ellipse.
  const half = Math.round((now.angle - before.angle) / Math.PI) * Math.PI;
  const columns = ({ long, short, angle }) => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return [
      [(-s * long) / height, (-c * short) / height],
      [(c * long) / width, (-s * short) / width],
    ];
  };
  const [[a, b], [c, d]] = columns({ ...now, angle: now.angle - half }),
    det = a * d - b * c;
  const map = columns(before).map(([p, q]) => [(p * d - q * c) / det, (q * a - p * b) / det]);
  return { ...one, ...mapped(one, map) };
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
