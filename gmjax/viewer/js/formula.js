// The formula in float64. A model is {profile, channels, offset, ids, weights, means, chol, parameters}: flat arrays of
// m * K * C, 2 m, 3 m and m * P numbers for K terms and P parameters of the profile, where channels is 0 for gray, and
// ids names each component for as long as it lives. Models are values: functions return new ones.

import { KINDS } from "./kinds.js";
import { turned } from "./profiles.js";

export const size = (model) => model.ids.length;

export const channelsOf = (model) => Math.max(1, model.channels);

const weightsEach = (model) => channelsOf(model) * KINDS[model.profile].terms.length;

const parametersEach = (model) => KINDS[model.profile].parameters.length;

const part = (array, i, each) => Array.from(array.subarray(i * each, (i + 1) * each));

// A function that adds component i to sums, a number a channel, at so many columns from a position on.
export function addingOf(model) {
  const { profile, weights, means, chol, parameters } = model,
    { add } = KINDS[profile];
  const c = channelsOf(model),
    each = weightsEach(model),
    own = parametersEach(model);
  return (sums, i, row, column, step = 0, count = 1) => {
    const [l11, l21, l22] = [chol[3 * i], chol[3 * i + 1], chol[3 * i + 2]],
      [dr, dc] = [row - means[2 * i], column - means[2 * i + 1]];
    add(sums, c, count, l11 * dr + l21 * dc, l22 * dc, l21 * step, l22 * step, weights, each * i, parameters, own * i);
  };
}

const peaks = new WeakMap();

// What a component adds where it adds most, a number a channel: its weight, if it has one term.
export function peakOf(model, i) {
  if (KINDS[model.profile].terms.length === 1) return part(model.weights, i, channelsOf(model));
  if (!peaks.has(model)) peaks.set(model, model.ids.map((_, n) => largest(model, n)));
  return peaks.get(model)[i];
}

function largest(model, i) {
  const { weights, parameters } = componentOf(model, i),
    c = channelsOf(model);
  let best = new Array(c).fill(0);
  for (let n = 0; n < 121; n++) {
    const here = new Array(c).fill(0),
      [u, v] = [0.32 * ((n % 11) - 5), 0.32 * (Math.floor(n / 11) - 5)];
    KINDS[model.profile].add(here, c, 1, u, v, 0, 0, weights, 0, parameters, 0);
    if (Math.hypot(...here) > Math.hypot(...best)) best = here;
  }
  return best;
}

// One number that has the sign of the component: the mean over the channels.
export function strengthOf(model, i) {
  const peak = peakOf(model, i);
  return peak.reduce((sum, w) => sum + w, 0) / peak.length;
}

export function copyOf(model) {
  return {
    ...model,
    ids: [...model.ids],
    weights: model.weights.slice(),
    means: model.means.slice(),
    chol: model.chol.slice(),
    parameters: model.parameters.slice(),
  };
}

export function componentOf(model, i) {
  return {
    profile: model.profile,
    weights: part(model.weights, i, weightsEach(model)),
    mean: part(model.means, i, 2),
    chol: part(model.chol, i, 3),
    parameters: part(model.parameters, i, parametersEach(model)),
  };
}

// A = L L^T as [a11, a21, a22].
const precisionOf = ([l11, l21, l22]) => [l11 * l11, l11 * l21, l21 * l21 + l22 * l22];

// The component's axes on a picture of height x width: lengths of one standard deviation in pixels, the longer first,
// and the direction of the first as an angle from the right, counter-clockwise, in radians.
export function axesOf(chol, height, width) {
  const [a11, a21, a22] = precisionOf(chol),
    root = (chol[0] * chol[2]) / (height * width);
  const r = a11 / height ** 2,
    x = a21 / (height * width),
    c = a22 / width ** 2;
  const middle = (r + c) / 2,
    half = Math.hypot((r - c) / 2, x);
  const large = middle + half,
    small = (root / large) * root;
  // The eigenvector of the smaller eigenvalue, (row, column) = (sin, cos) downwards.
  const angle = half === 0 ? 0 : 0.5 * Math.atan2(-2 * x, r - c);
  return { long: Math.sqrt(0.5 / small), short: Math.sqrt(0.5 / large), angle: -angle };
}

export function cholOfAxes({ long, short, angle }, height, width) {
  const s = -Math.sin(angle),
    c = Math.cos(angle),
    p = 0.5 / long ** 2,
    q = 0.5 / short ** 2;
  const r = p * s * s + q * c * c,
    x = (p - q) * s * c;
  const l11 = Math.sqrt(r) * height;
  return [l11, (x * height * width) / l11, (Math.sqrt(p * q) * height * width) / l11];
}

// The component of a factor L, weights and parameters at B d in place of d = x - mu.
export function mapped({ profile, weights, chol: [l11, l21, l22], parameters }, [[b11, b12], [b21, b22]]) {
  const det = b11 * b22 - b12 * b21;
  const m11 = b11 * l11 + b21 * l21,
    m12 = b21 * l22,
    m21 = b12 * l11 + b22 * l21,
    m22 = b22 * l22;
  const first = Math.hypot(m11, m12),
    chol = [first, (m21 * m11 + m22 * m12) / first, (Math.abs(det) * l11 * l22) / first];
  const kind = KINDS[profile],
    each = weights.length / kind.terms.length;
  return { chol, ...turned(kind, { weights, parameters }, each, m11 / first, m12 / first, Math.sign(det)) };
}

// The formula at B x + t, for a map {matrix: [[b11, b12], [b21, b22]], offset: [t1, t2]}.
export function affine(model, { matrix: [[b11, b12], [b21, b22]], offset: [t1, t2] }) {
  const moved = copyOf(model),
    det = b11 * b22 - b12 * b21;
  for (let i = 0; i < size(model); i++) {
    const row = model.means[2 * i] - t1,
      column = model.means[2 * i + 1] - t2;
    moved.means[2 * i] = (b22 * row - b12 * column) / det;
    moved.means[2 * i + 1] = (b11 * column - b21 * row) / det;
    setShape(moved, i, mapped(componentOf(model, i), [[b11, b12], [b21, b22]]));
  }
  return moved;
}

// The map that enlarges by zoom, turns counter-clockwise by angle and then moves by [down, right], about a centre.
export function similarity({ zoom, angle, down, right }, center, aspect) {
  const c = Math.cos(angle) / zoom,
    s = Math.sin(angle) / zoom;
  const matrix = [
    [c, s * aspect],
    [-s / aspect, c],
  ];
  const at = [center[0] + down, center[1] + right];
  return { matrix, offset: matrix.map((row, k) => center[k] - row[0] * at[0] - row[1] * at[1]) };
}

// The map of a model that was moved by the first and then by the second.
export function compose({ matrix: b, offset: t }, { matrix: d, offset: s }) {
  const at = (row, column) => b[row][0] * d[0][column] + b[row][1] * d[1][column];
  return {
    matrix: [
      [at(0, 0), at(0, 1)],
      [at(1, 0), at(1, 1)],
    ],
    offset: [0, 1].map((k) => b[k][0] * s[0] + b[k][1] * s[1] + t[k]),
  };
}

export const IDENTITY = {
  matrix: [
    [1, 0],
    [0, 1],
  ],
  offset: [0, 0],
};

// Indices by decreasing |peak|, for colour its norm.
export function orderByWeight(model) {
  const strength = model.ids.map((_, i) => Math.hypot(...peakOf(model, i)));
  return model.ids.map((_, i) => i).sort((i, j) => strength[j] - strength[i] || i - j);
}

// Indices in the order of a list of ids; components that the list does not know come first.
export function orderByIds(model, ids) {
  const rank = new Map(ids.map((id, place) => [id, place]));
  const place = (i) => rank.get(model.ids[i]) ?? -1;
  return model.ids.map((_, i) => i).sort((i, j) => place(i) - place(j) || i - j);
}

function setShape(model, i, { weights, chol, parameters }) {
  model.weights.set(weights, i * weightsEach(model));
  model.chol.set(chol, 3 * i);
  model.parameters.set(parameters, i * parametersEach(model));
}

export function withComponent(model, i, component) {
  const changed = copyOf(model);
  changed.means.set(component.mean, 2 * i);
  setShape(changed, i, component);
  return changed;
}

export function added(model, { weights, mean, chol, parameters }) {
  const id = Math.max(-1, ...model.ids) + 1;
  const join = (old, more) => Float64Array.from([...old, ...more]);
  return {
    ...model,
    ids: [...model.ids, id],
    weights: join(model.weights, weights),
    means: join(model.means, mean),
    chol: join(model.chol, chol),
    parameters: join(model.parameters, parameters),
  };
}

export function without(model, i) {
  const cut = (array, each) => array.filter((_, n) => Math.floor(n / each) !== i);
  return {
    ...model,
    ids: cut(model.ids, 1),
    weights: cut(model.weights, weightsEach(model)),
    means: cut(model.means, 2),
    chol: cut(model.chol, 3),
    parameters: cut(model.parameters, parametersEach(model)),
  };
}
