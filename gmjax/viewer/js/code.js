// The formula written down for other programs.

import { componentOf, size } from "./formula.js";
import { asFloat, exact } from "./numbers.js";
import { PROFILES } from "./profiles.js";

const POSITIONS = "positions are (row, column), normalised: 0 to 1 across the picture";

const components = (model) => model.ids.map((_, i) => componentOf(model, i));

function latex(model) {
  const { latex: profile } = PROFILES[model.profile];
  const minus = (name, value) => `(${name} ${value < 0 ? "+" : "-"} ${exact(Math.abs(value))})`;
  const plus = (value) => `${value < 0 ? "-" : "+"} ${exact(Math.abs(value))}`;
  const terms = components(model).map(({ weights, mean: [row, column], chol: [l11, l21, l22] }, n) => {
    const u = `\\left(${exact(l11)} ${minus("r", row)} ${plus(l21)} ${minus("c", column)}\\right)^2`;
    const q = `\\left(${u} + \\left(${exact(l22)} ${minus("c", column)}\\right)^2\\right)`;
    const weight =
      model.channels > 1
        ? `${n ? "+ " : ""}\\begin{pmatrix}${weights.map(exact).join("\\\\")}\\end{pmatrix}`
        : n
          ? plus(weights[0])
          : exact(weights[0]);
    return `${weight} ${profile(q)}`;
  });
  return `% ${POSITIONS}\n\\begin{aligned}\nf(r, c) ={} & ${terms.join(" \\\\\n& ")}\n\\end{aligned}\n`;
}

function glsl(model) {
  const type = model.channels > 1 ? "vec3" : "float",
    m = size(model);
  const weight = (weights) => (model.channels > 1 ? `vec3(${weights.map(asFloat).join(", ")})` : asFloat(weights[0]));
  const list = (kind, text) => `${kind}[${m}](\n  ${components(model).map(text).join(",\n  ")});`;
  return `// ${POSITIONS}
const ${type} weights[${m}] = ${list(type, ({ weights }) => weight(weights))}
const vec2 means[${m}] = ${list("vec2", ({ mean }) => `vec2(${mean.map(asFloat).join(", ")})`)}
const vec3 precision_chol[${m}] = ${list("vec3", ({ chol }) => `vec3(${chol.map(asFloat).join(", ")})`)}

${PROFILES[model.profile].glsl}

${type} gmface(vec2 x) {
  ${type} sum = ${type}(0.0);
  for (int i = 0; i < ${m}; i++) {
    vec2 d = x - means[i];
    float u = precision_chol[i].x * d.x + precision_chol[i].y * d.y, v = precision_chol[i].z * d.y;
    sum += weights[i] * profile(u * u + v * v);
  }
  return sum;
}
`;
}

function numpy(model) {
  const list = (values) => `[${values.map(exact).join(", ")}]`;
  const rows = (values) => `np.array([\n    ${values.join(",\n    ")},\n])`;
  const all = components(model);
  return `# ${POSITIONS}
import numpy as np

weights = ${rows(all.map(({ weights }) => (model.channels ? list(weights) : exact(weights[0]))))}
means = ${rows(all.map(({ mean }) => list(mean)))}
precision_chol = ${rows(all.map(({ chol }) => list(chol)))}


def gmface(x):
    """x (..., 2): positions; gives (...)${model.channels ? " with the channels last" : ""}."""
    row, column = np.moveaxis(np.asarray(x)[..., None, :] - means, -1, 0)
    l11, l21, l22 = precision_chol.T
    q = (l11 * row + l21 * column) ** 2 + (l22 * column) ** 2
    return ${PROFILES[model.profile].numpy("q")} @ weights


def render(height, width, offset=${exact(model.offset)}):
    rows, columns = (np.arange(height) + offset) / height, (np.arange(width) + offset) / width
    return gmface(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
`;
}

function json(model) {
  const all = components(model),
    numbers = (values) => `[${values.map(exact).join(", ")}]`;
  const weights = all.map((one) => (model.channels ? numbers(one.weights) : exact(one.weights[0])));
  const rows = (lines) => `[\n    ${lines.join(",\n    ")}\n  ]`;
  return `{
  "weights": ${rows(weights)},
  "means": ${rows(all.map(({ mean }) => numbers(mean)))},
  "precision_chol": ${rows(all.map(({ chol }) => numbers(chol)))},
  "offset": ${asFloat(model.offset)}
}
`;
}

export const LANGUAGES = { LaTeX: latex, GLSL: glsl, NumPy: numpy, JSON: json };
