// The formula in float64. A model is {profile, channels, offset, ids, weights, means, chol}: flat arrays of m * C, 2 m
// and 3 m numbers, where channels is 0 for gray, and ids names each component for as long as it lives. Models are
// values: functions return new ones.

export const size = (model) => model.ids.length;

export const weightsEach = (model) => Math.max(1, model.channels);

export function weightOf(model, i) {
  const c = weightsEach(model);
  return Array.from(model.weights.subarray(i * c, (i + 1) * c));
}

// One number that has the sign of the component: the mean over the channels.
export function strengthOf(model, i) {
  const weights = weightOf(model, i);
  return weights.reduce((sum, w) => sum + w, 0) / weights.length;
}

export function copyOf(model) {
  return {
    ...model,
    ids: [...model.ids],
    weights: model.weights.slice(),
    means: model.means.slice(),
    chol: model.chol.slice(),
  };
}

export function componentOf(model, i) {
  return {
    weights: weightOf(model, i),
    mean: Array.from(model.means.subarray(2 * i, 2 * i + 2)),
    chol: Array.from(model.chol.subarray(3 * i, 3 * i + 3)),
  };
}

// q = |L^T d|^2 of component i at a position.
export function exponentAt(model, i, row, column) {
  const { means, chol } = model;
  const dr = row - means[2 * i],
    dc = column - means[2 * i + 1];
  const u = chol[3 * i] * dr + chol[3 * i + 1] * dc,
    v = chol[3 * i + 2] * dc;
  return u * u + v * v;
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

// GmFace(B x + t), for a map {matrix: [[b11, b12], [b21, b22]], offset: [t1, t2]}.
export function affine(model, { matrix: [[b11, b12], [b21, b22]], offset: [t1, t2] }) {
  const moved = copyOf(model),
    det = b11 * b22 - b12 * b21;
  for (let i = 0; i < size(model); i++) {
    const row = model.means[2 * i] - t1,
      column = model.means[2 * i + 1] - t2;
    moved.means[2 * i] = (b22 * row - b12 * column) / det;
    moved.means[2 * i + 1] = (b11 * column - b21 * row) / det;
    const [l11, l21, l22] = model.chol.subarray(3 * i, 3 * i + 3);
    const m11 = b11 * l11 + b21 * l21,
      m12 = b21 * l22,
      m21 = b12 * l11 + b22 * l21,
      m22 = b22 * l22;
    const first = Math.hypot(m11, m12);
    moved.chol.set([first, (m21 * m11 + m22 * m12) / first, (Math.abs(det) * l11 * l22) / first], 3 * i);
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

// Indices by decreasing |weight|, for colour its norm.
export function orderByWeight(model) {
  const strength = model.ids.map((_, i) => Math.hypot(...weightOf(model, i)));
  return model.ids.map((_, i) => i).sort((i, j) => strength[j] - strength[i] || i - j);
}

// Indices in the order of a list of ids; components that the list does not know come first.
export function orderByIds(model, ids) {
  const rank = new Map(ids.map((id, place) => [id, place]));
  const place = (i) => rank.get(model.ids[i]) ?? -1;
  return model.ids.map((_, i) => i).sort((i, j) => place(i) - place(j) || i - j);
}

export function withComponent(model, i, { weights, mean, chol }) {
  const changed = copyOf(model);
  changed.weights.set(weights, i * weightsEach(model));
  changed.means.set(mean, 2 * i);
  changed.chol.set(chol, 3 * i);
  return changed;
}

export function added(model, { weights, mean, chol }) {
  const id = Math.max(-1, ...model.ids) + 1;
  const join = (old, more) => Float64Array.from([...old, ...more]);
  return {
    ...model,
    ids: [...model.ids, id],
    weights: join(model.weights, weights),
    means: join(model.means, mean),
    chol: join(model.chol, chol),
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
  };
}
