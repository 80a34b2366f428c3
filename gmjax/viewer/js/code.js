// The formula written down for other programs, with the same text as gmjax.export.

import { channelsOf, componentOf, size } from "./formula.js";
import { KINDS } from "./kinds.js";
import { asFloat } from "./numbers.js";

const components = (model) => model.ids.map((_, i) => componentOf(model, i));
const list = (values) => values.map(asFloat).join(", ");
const defined = ({ terms }) => terms.map(([name, text]) => `${name} = ${text}`).join(", ");
const needsQ = ({ terms }) => terms.some(([, text]) => /\bq\b/.test(text));

// The weights of a component, an array for each term.
function byTerm({ terms }, { weights }) {
  const each = weights.length / terms.length;
  return terms.map((_, k) => weights.slice(k * each, (k + 1) * each));
}

// What a reader must know. version: of gmjax; fitted: [H, W] of the picture that the model was fitted to, or null.
function conventions({ channels, offset, ids, profile }, { version, fitted }) {
  const kind = KINDS[profile],
    { noun, terms } = kind,
    added = terms.map(([name], k) => `${terms.length > 1 ? `w_${k + 1}` : "w"} ${name}`).join(" + "),
    colour = { 0: "gray", 3: "red, green, blue" }[channels] ?? `${channels} channels`;
  const lines = [
    `A picture as a sum of ${ids.length} ${noun} (${colour}), written by gmjax ${version}.`,
    `The value at x is the sum of ${added} over all components, with ${defined(kind)},`,
    "q = u^2 + v^2, u = l11 d1 + l21 d2, v = l22 d2, (d1, d2) = x - mu; there is no factor 1/2 in q.",
    "Positions are x = (row / H, column / W), row first, from the top left corner of a picture of H x W pixels.",
    `Pixel (r, c), counted from 0, lies at ((r + ${asFloat(offset)}) / H, (c + ${asFloat(offset)}) / W).`,
    "Values are intensities from 0, black, to 1, white; clip what lies beyond.",
  ];
  if (fitted)
    lines.push(`Fitted to ${fitted.join(" x ")} pixels (rows x columns); it can be drawn at any size.`);
  return lines;
}

const comment = (mark, model, about) =>
  conventions(model, about)
    .map((line) => `${mark} ${line}`)
    .join("\n");

function latex(model, about) {
  const number = (value) => {
    const [mantissa, exponent] = asFloat(value).replace(/\.0(?=e|$)/, "").split("e");
    return exponent ? `${mantissa}{\\times}10^{${Number(exponent)}}` : mantissa;
  };
  const plus = (value) => `${value < 0 ? "" : "+"}${number(value)}`,
    minus = (value) => (value < 0 ? `+${number(-value)}` : `-${number(value)}`);
  const kind = KINDS[model.profile];
  const terms = components(model).flatMap((one) => {
    const {
      mean: [row, column],
      chol: [l11, l21, l22],
      parameters,
    } = one;
    const u = `(${number(l11)}(x_1${minus(row)})${plus(l21)}(x_2${minus(column)}))`,
      v = `(${number(l22)}(x_2${minus(column)}))`,
      own = kind.parameters.map(([name], k) => [name, number(parameters[k])]);
    const texts = { u, v, q: `[${u}^2+${v}^2]`, ...Object.fromEntries(own) };
    return byTerm(kind, one).map((weights, k) => {
      const factor = model.channels ? `+(${weights.map(number).join(",\\allowbreak ")})` : plus(weights[0]);
      return `${factor}\\,${kind.latex[k].replace(/«(\w+)»/g, (_, name) => texts[name])}`;
    });
  });
  const sum = terms.join("$\\\\\n${}").replace(/^\+/, ""),
    name = model.channels ? "\\mathbf{f}" : "f";
  return `${comment("%", model, about)}\n\\begin{flushleft}\n$${name}(x_1,x_2)=${sum}$\n\\end{flushleft}\n`;
}

function glsl(model, about) {
  const type = model.channels > 1 ? "vec3" : "float",
    m = size(model),
    all = components(model),
    kind = KINDS[model.profile],
    { parameters, terms } = kind;
  const ofParameter = (name) => `FACE_${name.toUpperCase()}`,
    ofWeight = (k) => (terms.length > 1 ? `FACE_WEIGHT_${k + 1}` : "FACE_WEIGHT");
  const array = (name, kind, rows) => {
    const texts = rows.map((row) => (row.length > 1 ? `${kind}(${list(row)})` : list(row))),
      lines = [];
    while (texts.length) lines.push(`    ${texts.splice(0, 4).join(", ")}`);
    return `const ${kind} ${name}[${m}] = ${kind}[](\n${lines.join(",\n")}\n);`;
  };
  const shift = model.offset - 0.5,
    shifted = shift ? ` ${shift < 0 ? "-" : "+"} ${asFloat(Math.abs(shift))}` : "";
  return `${comment("//", model, about)}
// GLSL ES 3.00 (WebGL2); needs "precision highp float;". For example on shadertoy.com, below this text:
// void mainImage(out vec4 color, in vec2 p) {
//     vec2 x = vec2(iResolution.y - p.y${shifted}, p.x${shifted}) / iResolution.yx;
//     color = vec4(${type === "vec3" ? "face(x)" : "vec3(face(x))"}, 1.0);
// }

${array(
  "FACE_MEAN",
  "vec2",
  all.map(({ mean }) => mean),
)}
${array(
  "FACE_FACTOR",
  "vec3",
  all.map(({ chol }) => chol),
)}
${[
  ...parameters.map(([name], n) =>
    array(
      ofParameter(name),
      "float",
      all.map((one) => [one.parameters[n]]),
    ),
  ),
  ...terms.map((_, k) =>
    array(
      ofWeight(k),
      type,
      all.map((one) => byTerm(kind, one)[k]),
    ),
  ),
].join("\n")}

${type} face(vec2 x) {
    ${type} value = ${type === "vec3" ? "vec3(0.0)" : "0.0"};
    for (int i = 0; i < ${m}; i++) {
        ${[
          ...parameters.map(([name]) => `float ${name} = ${ofParameter(name)}[i];`),
          "vec2 d = x - FACE_MEAN[i];",
          "float u = FACE_FACTOR[i].x * d.x + FACE_FACTOR[i].y * d.y, v = FACE_FACTOR[i].z * d.y;",
          ...(needsQ(kind) ? ["float q = u * u + v * v;"] : []),
          ...terms.map(([name, text]) => `float ${name} = ${text};`),
          `value += ${terms.map(([name], k) => `${ofWeight(k)}[i] * ${name}`).join(" + ")};`,
        ].join("\n        ")}
    }
    return value;
}
`;
}

function numpy(model, about) {
  const [head, ...lines] = conventions(model, about),
    c = model.channels,
    more = c ? `, ${c}` : "",
    kind = KINDS[model.profile],
    each = channelsOf(model),
    own = kind.parameters.map(([name]) => `${name}, `).join("");
  const rows = components(model).map(
    ({ mean, chol, parameters, weights }) => `        [${list([...mean, ...chol, ...parameters, ...weights])}],`,
  );
  const added = kind.terms.map(([name], k) =>
    c ? `np.multiply.outer(${name}, w[${k * each}:${(k + 1) * each}])` : `w[${k}] * ${name}`,
  );
  return `"""${head}

${lines.join("\n")}
"""

import numpy as np

# mu (row, column), l11, l21, l22, ${own}weights
COMPONENTS = np.array(
    [
${rows.join("\n")}
    ]
)
OFFSET = ${asFloat(model.offset)}


def face(x):
    """The values (...${more}) at positions \`\`x\`\` (..., 2)."""
    x = np.asarray(x, dtype=float)
    value = np.zeros(${c ? `(*x.shape[:-1], ${c})` : "x.shape[:-1]"})
    for mu1, mu2, l11, l21, l22, ${own}*w in COMPONENTS:
        ${[
          "d1, d2 = x[..., 0] - mu1, x[..., 1] - mu2",
          "u, v = l11 * d1 + l21 * d2, l22 * d2",
          ...(needsQ(kind) ? ["q = u * u + v * v"] : []),
          ...kind.terms.map(([name, text]) => `${name} = ${text.replace(/\b\w+(?=\()/g, "np.$&")}`),
          `value += ${added.join(" + ")}`,
        ].join("\n        ")}
    return value


def render(height, width):
    """The picture (height, width${more})."""
    rows, columns = ((np.arange(n) + OFFSET) / n for n in (height, width))
    return face(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
`;
}

function json(model, { header, metadata }) {
  const all = components(model),
    kind = KINDS[model.profile],
    inLine = (value) => (Array.isArray(value) ? `[${value.map(inLine).join(", ")}]` : asFloat(value)),
    nested = (rows) => `[\n    ${rows.map(inLine).join(",\n    ")}\n  ]`;
  const quoted = (texts) =>
    Object.entries(texts).map(([name, text]) => `${JSON.stringify(name)}: ${JSON.stringify(text)}`);
  const { format, format_version, profile, batch, ...conventions } = header,
    own = Object.fromEntries(Object.entries(metadata).sort()),
    isAtoms = profile !== undefined;
  const weights = all.map((one) => {
    const each = byTerm(kind, one).map((term) => (model.channels ? term : term[0]));
    return isAtoms ? each : each[0];
  });
  if (isAtoms) {
    const given = kind.parameters.map(([name]) => `, ${name}`).join("");
    conventions.psi = `functions of u, v${given}: ${defined(kind)}, with q = u^2 + v^2`;
  }
  const lines = [
    ...quoted({ format, format_version, ...(isAtoms && { profile }) }),
    `"conventions": {\n    ${quoted(conventions).join(",\n    ")}\n  }`,
    `"metadata": {\n    ${quoted(own).join(",\n    ")}\n  }`,
    `"offset": ${asFloat(model.offset)}`,
    '"dtype": "float32"',
    `"weights": ${Array.isArray(weights[0]) ? nested(weights) : inLine(weights)}`,
    `"means": ${nested(all.map(({ mean }) => mean))}`,
    `"precision_chol": ${nested(all.map(({ chol }) => chol))}`,
    ...(isAtoms ? [`"parameters": ${nested(all.map(({ parameters }) => parameters))}`] : []),
  ];
  return `{\n  ${lines.join(",\n  ")}\n}\n`;
}

// Each a function of the model and {version, fitted, header, metadata}, of which the last two are the text of model
// files and what the file of this model says.
export const LANGUAGES = { LaTeX: latex, GLSL: glsl, NumPy: numpy, JSON: json };
