// What the page does with a kind of formula: kinds.js, which Python makes, says what it is.

import { KINDS } from "./kinds.js";
import { lowered } from "./numbers.js";

const FAR = 1e8,
  NEAR = 1e-3,
  DIRECTIONS = 16;

// Whether all components are exp(-q), times a weight.
export const isGaussian = (profile) => KINDS[profile].terms.length === 1 && KINDS[profile].terms[0][1] === "exp(-q)";

// What the weights of a component are called; single: the name of one that has no other beside it.
export function weightNames({ profile, channels }, single) {
  const { terms } = KINDS[profile];
  if (terms.length === 1) return channels > 1 ? ["red", "green", "blue"] : [single];
  return terms.flatMap((_, k) =>
    channels > 1 ? ["red", "green", "blue"].map((name) => `${name} ${k + 1}`) : [`w${lowered(k + 1)}`],
  );
}

// The terms at (u, v): the sums of as many channels, each with one of the terms.
function termsAt({ terms, add }, u, v, parameters) {
  const n = terms.length,
    sums = new Array(n).fill(0),
    one = Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0));
  add(sums, n, 1, u, v, 0, 0, one, 0, parameters, 0);
  return sums;
}

const reaches = new Map();

// The q beyond which all terms of a model are below eps.
export function reachOf({ profile, parameters }, eps) {
  if (isGaussian(profile)) return -Math.log(eps);
  const each = KINDS[profile].parameters.length;
  const bounds = KINDS[profile].parameters.map((_, k) => {
    const own = parameters.filter((_, n) => n % each === k);
    return [own.reduce((a, b) => Math.min(a, b)), own.reduce((a, b) => Math.max(a, b))];
  });
  const key = [profile, eps, ...bounds].join();
  if (!reaches.has(key)) reaches.set(key, reachWithin(KINDS[profile], bounds, eps));
  return reaches.get(key);
}

function reachWithin(kind, bounds, eps) {
  const choices = bounds.reduce((all, pair) => all.flatMap((p) => pair.map((bound) => [...p, bound])), [[]]);
  const exceeds = (r) =>
    choices.some((p) =>
      Array.from({ length: DIRECTIONS }, (_, n) => (2 * Math.PI * n) / DIRECTIONS).some((angle) =>
        termsAt(kind, r * Math.cos(angle), r * Math.sin(angle), p).some((term) => !(Math.abs(term) <= eps)),
      ),
    );
  let r = FAR;
  while (r > NEAR && !exceeds(r / 2)) r /= 2;
  let [inside, outside] = [r / 2, r];
  while (outside - inside > 1e-6 * outside) {
    const middle = (inside + outside) / 2;
    if (exceeds(middle)) inside = middle;
    else outside = middle;
  }
  return outside * outside;
}

// {weights, parameters} of the same component in terms of (u', v'), where u = c u' - sign s v', v = s u' + sign c v'.
// weights: so many a term.
export function turned(kind, { weights, parameters }, each, c, s, sign) {
  const { terms, turn } = kind;
  if (turn === "vector") {
    const [first, second, ...others] = parameters;
    return { weights, parameters: [c * first + s * second, sign * (c * second - s * first), ...others] };
  }
  if (turn !== "weights") return { weights, parameters };
  // The weights with which the turned terms have the same sums at as many places.
  const rows = terms.map((_, n) => {
    const r = 0.4 + n / terms.length,
      [u, v] = [r * Math.cos(2.4 * n), r * Math.sin(2.4 * n)];
    const sums = new Array(each).fill(0);
    kind.add(sums, each, 1, c * u - sign * s * v, s * u + sign * c * v, 0, 0, weights, 0, parameters, 0);
    return [...termsAt(kind, u, v, parameters), ...sums];
  });
  return { weights: solved(rows).flat(), parameters };
}

// X of A X = B, for the rows of [A, B].
function solved(rows) {
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows.slice(k).reduce((best, row) => (Math.abs(row[k]) > Math.abs(best[k]) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(k, 0, pivot);
    for (const row of rows) {
      const factor = row === pivot ? 0 : row[k] / pivot[k];
      row.forEach((_, m) => {
        row[m] -= factor * pivot[m];
      });
    }
  }
  return rows.map((row, k) => row.slice(n).map((value) => value / row[k]));
}
