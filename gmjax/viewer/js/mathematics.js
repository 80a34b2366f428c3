// The formula as MathML, with the term of one component and its numbers.

import { componentOf, size, strengthOf } from "./formula.js";
import { math } from "./dom.js";
import { KINDS } from "./kinds.js";
import { lowered, short, signed } from "./numbers.js";
import { isGaussian } from "./profiles.js";

const mi = (text) => math("mi", {}, text);
// Brackets of one size are calmer than ones that grow with the sum.
const mo = (text) => math("mo", { stretchy: "false" }, text);
const mn = (value) => math("mn", {}, short(value));
const row = (...children) => math("mrow", {}, children);
const sub = (base, index) => math("msub", {}, mi(base), index);
const bold = (text) => math("mi", { class: "bold" }, text);
const squared = (open, inner, close) => row(mo(open), inner, math("msup", {}, mo(close), math("mn", {}, "2")));

// f(x) = sum_i w_i exp(-|L_i^T (x - mu_i)|^2), or sum_i sum_k w_ik psi_k(L_i^T (x - mu_i)).
export function generalFormula(model) {
  const sum = (index, last) =>
    math("munderover", {}, mo("∑"), row(mi(index), mo("="), math("mn", {}, "1")), math("mn", {}, String(last)));
  const count = KINDS[model.profile].terms.length,
    many = count > 1;
  const weight = sub("w", many ? row(mi("i"), mi("k")) : mi("i"));
  const turned = math("msubsup", {}, mi("L"), mi("i"), mi("⊤"));
  const inner = row(turned, mo("("), bold("x"), mo("−"), math("msub", {}, bold("μ"), mi("i")), mo(")"));
  return math(
    "math",
    { display: "block" },
    mi("f"),
    mo("("),
    bold("x"),
    mo(")"),
    mo("="),
    sum("i", size(model)),
    many ? sum("k", count) : [],
    weight,
    math("mspace", { width: "0.2em" }),
    isGaussian(model.profile)
      ? [mi("exp"), mo("("), mo("−"), squared("‖", inner, "‖"), mo(")")]
      : [many ? sub("ψ", mi("k")) : mi("ψ"), mo("("), inner, mo(")")],
  );
}

const psi = (terms, k) => (terms.length > 1 ? `ψ${lowered(k + 1)}` : "ψ");

// What psi is, in words; nothing for Gaussians.
export function definitions({ profile }) {
  if (isGaussian(profile)) return "";
  const { terms } = KINDS[profile],
    names = Object.fromEntries(terms.map(([name], k) => [name, psi(terms, k)]));
  const renamed = (text) => text.replace(/\b[a-z]\w*\b/g, (word) => names[word] ?? word),
    texts = terms.map(([name, text]) => `${names[name]} = ${renamed(text)}`);
  return ` Here ${texts.join(", ")}, with (u, v) = Lᵀ(x − μ) and q = u² + v².`;
}

// ... + w exp(-[(l11 (r - mu_r) + l21 (c - mu_c))^2 + (l22 (c - mu_c))^2]) + ..., the term marked by its sign.
// In pieces, between which a narrow screen may break the line.
export function termOf(model, i) {
  const {
      weights,
      mean: [r, c],
      chol: [l11, l21, l22],
    } = componentOf(model, i),
    { terms } = KINDS[model.profile];
  const minus = (name, value) => row(mo("("), mi(name), mo(value < 0 ? "+" : "−"), mn(Math.abs(value)), mo(")"));
  const u = row(mn(l11), minus("r", r), mo(l21 < 0 ? "−" : "+"), mn(Math.abs(l21)), minus("c", c)),
    v = row(mn(l22), minus("c", c));
  const entry = (w) => math("mtr", {}, math("mtd", {}, math("mn", {}, signed(w)))),
    each = weights.length / terms.length;
  const column = (k) => math("mtable", {}, weights.slice(k * each, (k + 1) * each).map(entry));
  const weight = (k) =>
    each > 1 ? row(math("mo", {}, "("), column(k), math("mo", {}, ")")) : math("mn", {}, signed(weights[k]));
  const lit = { class: strengthOf(model, i) < 0 ? "lit minus" : "lit plus" },
    space = () => math("mspace", { width: "0.2em" });
  const plus = () => math("mo", { form: "infix" }, "+");
  const before = math("math", {}, mo("⋯")),
    after = math("math", {}, plus(), mo("⋯"));
  if (!isGaussian(model.profile)) {
    const at = row(mo("("), mi("u"), mo(","), mi("v"), mo(")"));
    return [
      before,
      ...terms.map((_, k) => math("math", lit, weight(k), space(), mi(psi(terms, k)), at.cloneNode(true))),
      after,
      math("math", lit, mi("u"), mo("="), u, mo(",")),
      math("math", lit, mi("v"), mo("="), v),
    ];
  }
  const start = math("math", lit, weight(0), space(), mi("exp"), mo("("), mo("−"), mo("["));
  const end = math("math", lit, plus(), squared("(", v, ")"), mo("]"), mo(")"));
  return [before, start, math("math", lit, squared("(", u, ")")), end, after];
}
