// Morphs: straight lines in weights, means and the logarithm of the precision matrix, as gmjax.coordinates has it.

import { copyOf, size } from "./formula.js";
import { isGaussian } from "./profiles.js";

// A = exp [[a + b, c], [c, a - b]].
function logPrecision([l11, l21, l22]) {
  const ratio = l11 / l22,
    y = l21 / l22;
  const x = 0.5 * (ratio - (1 + y * y) / ratio);
  const sinh = Math.hypot(x, y),
    scale = sinh < 1e-4 ? 1 - (sinh * sinh) / 6 : Math.asinh(sinh) / sinh;
  return [Math.log(l11) + Math.log(l22), scale * x, scale * y];
}

function cholOfLogPrecision([a, b, c]) {
  const h = Math.hypot(b, c),
    scale = h < 1e-4 ? 1 + (h * h) / 6 : Math.sinh(h) / h;
  const x = scale * b,
    y = scale * c,
    cosh = Math.sqrt(1 + x * x + y * y);
  // cosh + x without cancellation.
  const ratio = x < 0 ? (1 + y * y) / (cosh - x) : cosh + x;
  const l22 = Math.exp(a / 2) / Math.sqrt(ratio);
  return [Math.exp(a / 2) * Math.sqrt(ratio), y * l22, l22];
}

// The model at t from the first (0) to the second (1).
export function between(first, second, t) {
  const model = copyOf(first),
    line = (a, b) => a + t * (b - a);
  model.weights.forEach((w, n) => {
    model.weights[n] = line(w, second.weights[n]);
  });
  model.means.forEach((x, n) => {
    model.means[n] = line(x, second.means[n]);
  });
  for (let i = 0; i < size(model); i++) {
    const from = logPrecision(first.chol.subarray(3 * i, 3 * i + 3)),
      to = logPrecision(second.chol.subarray(3 * i, 3 * i + 3));
    model.chol.set(cholOfLogPrecision(from.map((x, k) => line(x, to[k]))), 3 * i);
  }
  return model;
}

// Whether component i of all models may be the same part: as many Gaussians of the same kind, on the same grid.
export function correspond(models) {
  const kind = (model) => [model.profile, model.channels, model.offset, size(model)].join();
  return models.length > 1 && models.every((model) => isGaussian(model.profile) && kind(model) === kind(models[0]));
}
