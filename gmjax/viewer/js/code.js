// The formula written down for other programs, with the same text as gmjax.export.

import { componentOf, size } from "./formula.js";
import { asFloat } from "./numbers.js";
import { PROFILES } from "./profiles.js";

const components = (model) => model.ids.map((_, i) => componentOf(model, i));
const list = (values) => values.map(asFloat).join(", ");

// What a reader must know. version: of gmjax; fitted: [H, W] of the picture that the model was fitted to, or null.
function conventions({ channels, offset, ids, profile }, { version, fitted }) {
  const { noun, glsl } = PROFILES[profile],
    colour = { 0: "gray", 3: "red, green, blue" }[channels] ?? `${channels} channels`;
  const lines = [
    `A picture as a sum of ${ids.length} ${noun} (${colour}), written by gmjax ${version}.`,
    `The value at x is the sum of w g over all components, with g = ${glsl},`,
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
  const terms = components(model).map(({ weights, mean: [row, column], chol: [l11, l21, l22] }) => {
    const u = `(${number(l11)}(x_1${minus(row)})${plus(l21)}(x_2${minus(column)}))`,
      v = `(${number(l22)}(x_2${minus(column)}))`;
    const factor = model.channels ? `+(${weights.map(number).join(",\\allowbreak ")})` : plus(weights[0]);
    return `${factor}\\,${PROFILES[model.profile].latex(`[${u}^2+${v}^2]`)}`;
  });
  const sum = terms.join("$\\\\\n${}").replace(/^\+/, ""),
    name = model.channels ? "\\mathbf{f}" : "f";
  return `${comment("%", model, about)}\n\\begin{flushleft}\n$${name}(x_1,x_2)=${sum}$\n\\end{flushleft}\n`;
}

function glsl(model, about) {
  const type = model.channels > 1 ? "vec3" : "float",
    m = size(model),
    all = components(model);
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
${array(
  "FACE_WEIGHT",
  type,
  all.map(({ weights }) => weights),
)}

${type} face(vec2 x) {
    ${type} value = ${type === "vec3" ? "vec3(0.0)" : "0.0"};
    for (int i = 0; i < ${m}; i++) {
        vec2 d = x - FACE_MEAN[i];
        float u = FACE_FACTOR[i].x * d.x + FACE_FACTOR[i].y * d.y, v = FACE_FACTOR[i].z * d.y;
        float q = u * u + v * v;
        float g = ${PROFILES[model.profile].glsl};
        value += FACE_WEIGHT[i] * g;
    }
    return value;
}
`;
}

function numpy(model, about) {
  const [head, ...lines] = conventions(model, about),
    c = model.channels,
    more = c ? `, ${c}` : "";
  const rows = components(model).map(({ mean, chol, weights }) => `        [${list([...mean, ...chol, ...weights])}],`);
  return `"""${head}

${lines.join("\n")}
"""

import numpy as np

# mu (row, column), l11, l21, l22, weights
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
    for mu1, mu2, l11, l21, l22, *w in COMPONENTS:
        d1, d2 = x[..., 0] - mu1, x[..., 1] - mu2
        u, v = l11 * d1 + l21 * d2, l22 * d2
        q = u * u + v * v
        g = ${PROFILES[model.profile].numpy}
        value += ${c ? `np.multiply.outer(g, w[0:${c}])` : "w[0] * g"}
    return value


def render(height, width):
    """The picture (height, width${more})."""
    rows, columns = ((np.arange(n) + OFFSET) / n for n in (height, width))
    return face(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
`;
}

function json(model, { header, metadata }) {
  const all = components(model),
    nested = (rows) => `[\n    ${rows.map((row) => `[${list(row)}]`).join(",\n    ")}\n  ]`;
  const quoted = (texts) =>
    Object.entries(texts).map(([name, text]) => `${JSON.stringify(name)}: ${JSON.stringify(text)}`);
  const { format, format_version, batch, ...conventions } = header,
    own = Object.fromEntries(Object.entries(metadata).sort()),
    weights = all.map((one) => one.weights);
  const lines = [
    ...quoted({ format, format_version }),
    `"conventions": {\n    ${quoted(conventions).join(",\n    ")}\n  }`,
    `"metadata": {\n    ${quoted(own).join(",\n    ")}\n  }`,
    `"offset": ${asFloat(model.offset)}`,
    '"dtype": "float32"',
    `"weights": ${model.channels ? nested(weights) : `[${list(weights.flat())}]`}`,
    `"means": ${nested(all.map(({ mean }) => mean))}`,
    `"precision_chol": ${nested(all.map(({ chol }) => chol))}`,
  ];
  return `{\n  ${lines.join(",\n  ")}\n}\n`;
}

// Each a function of the model and {version, fitted, header, metadata}, of which the last two are the text of model
// files and what the file of this model says.
export const LANGUAGES = { LaTeX: latex, GLSL: glsl, NumPy: numpy, JSON: json };
