// The formula as MathML, with the term of one component and its numbers.

import { componentOf, size, strengthOf } from "./formula.js";
import { math } from "./dom.js";
import { short, signed } from "./numbers.js";
import { PROFILES } from "./profiles.js";

const mi = (text) => math("mi", {}, text);
// Brackets of one size are calmer than ones that grow with the sum.
const mo = (text) => math("mo", { stretchy: "false" }, text);
const mn = (value) => math("mn", {}, short(value));
const row = (...children) => math("mrow", {}, children);
const sub = (base, index) => math("msub", {}, mi(base), index);
const bold = (text) => math("mi", { class: "bold" }, text);
const squared = (open, inner, close) => row(mo(open), inner, math("msup", {}, mo(close), math("mn", {}, "2")));

// f(x) = sum_i w_i exp(-|L_i^T (x - mu_i)|^2).
export function generalFormula(model) {
  const { symbol, sign } = PROFILES[model.profile];
  const last = math("mn", {}, String(size(model)));
  const sum = math("munderover", {}, mo("∑"), row(mi("i"), mo("="), math("mn", {}, "1")), last);
  const weight = sub("w", mi("i"));
  const turned = math("msubsup", {}, mi("L"), mi("i"), mi("⊤"));
  const inner = row(turned, mo("("), bold("x"), mo("−"), math("msub", {}, bold("μ"), mi("i")), mo(")"));
  const q = squared("‖", inner, "‖");
  return math(
    "math",
    { display: "block" },
    mi("f"),
    mo("("),
    bold("x"),
    mo(")"),
    mo("="),
    sum,
    weight,
    math("mspace", { width: "0.2em" }),
    mi(symbol),
    mo("("),
    mo(sign),
    q,
    mo(")"),
  );
}

// ... + w exp(-[(l11 (r - mu_r) + l21 (c - mu_c))^2 + (l22 (c - mu_c))^2]) + ..., the term marked by its sign.
// In pieces, between which a narrow screen may break the line.
export function termOf(model, i) {
  const {
      weights,
      mean: [r, c],
      chol: [l11, l21, l22],
    } = componentOf(model, i),
    { symbol, sign } = PROFILES[model.profile];
  const minus = (name, value) => row(mo("("), mi(name), mo(value < 0 ? "+" : "−"), mn(Math.abs(value)), mo(")"));
  const first = squared(
    "(",
    row(mn(l11), minus("r", r), mo(l21 < 0 ? "−" : "+"), mn(Math.abs(l21)), minus("c", c)),
    ")",
  );
  const second = squared("(", row(mn(l22), minus("c", c)), ")");
  const entry = (w) => math("mtr", {}, math("mtd", {}, math("mn", {}, signed(w))));
  const weight =
    weights.length > 1
      ? row(math("mo", {}, "("), math("mtable", {}, weights.map(entry)), math("mo", {}, ")"))
      : math("mn", {}, signed(weights[0]));
  const lit = { class: strengthOf(model, i) < 0 ? "lit minus" : "lit plus" };
  const start = math("math", lit, weight, math("mspace", { width: "0.2em" }), mi(symbol), mo("("), mo(sign), mo("["));
  const plus = () => math("mo", { form: "infix" }, "+");
  const end = math("math", lit, plus(), second, mo("]"), mo(")"));
  return [math("math", {}, mo("⋯")), start, math("math", lit, first), end, math("math", {}, plus(), mo("⋯"))];
}
