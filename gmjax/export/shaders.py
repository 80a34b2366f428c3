"""GLSL (ES 3.00) and WGSL: a function of a position, to paste into a fragment shader."""

from collections.abc import Mapping, Sequence

import numpy as np

from gmjax.errors import ArgumentError
from gmjax.export.expressions import in_code
from gmjax.export.formula import Formula, conventions
from gmjax.files.decimals import shortest

_GLSL_TYPES = {1: "float", 2: "vec2", 3: "vec3", 4: "vec4"}
_WGSL_TYPES = {1: "f32", 2: "vec2f", 3: "vec3f", 4: "vec4f"}


def write_glsl(formula: Formula) -> str:
    count, kind = len(formula), formula.kind
    arrays = _constants(formula, _GLSL_TYPES, "const {kind} {name}[{count}] = {kind}[](\n{elements}\n);")
    value = _GLSL_TYPES[formula.channels or 1]
    body = "\n        ".join(
        [
            *(f"float {name} = {_array(name)}[i];" for name in kind.parameters),
            "vec2 d = x - FACE_MEAN[i];",
            "float u = FACE_FACTOR[i].x * d.x + FACE_FACTOR[i].y * d.y, v = FACE_FACTOR[i].z * d.y;",
            *(["float q = u * u + v * v;"] if kind.needs_q else []),
            *(f"float {name} = {in_code(term)};" for name, term in kind.terms.items()),
            f"value += {_sum(formula)};",
        ]
    )
    shift = formula.offset - 0.5
    shifted = f" {'-' if shift < 0 else '+'} {abs(shift)}" if shift else ""
    drawn = "face(x)" if formula.channels == 3 else "vec3(face(x))"
    return f"""{_comment(formula)}
// GLSL ES 3.00 (WebGL2); needs "precision highp float;". For example on shadertoy.com, below this text:
// void mainImage(out vec4 color, in vec2 p) {{
//     vec2 x = vec2(iResolution.y - p.y{shifted}, p.x{shifted}) / iResolution.yx;
//     color = vec4({drawn}, 1.0);
// }}

{arrays}

{value} face(vec2 x) {{
    {value} value = {_zero(value)};
    for (int i = 0; i < {count}; i++) {{
        {body}
    }}
    return value;
}}
"""


def write_wgsl(formula: Formula) -> str:
    count, kind = len(formula), formula.kind
    arrays = _constants(formula, _WGSL_TYPES, "const {name} = array<{kind}, {count}>(\n{elements}\n);")
    value = _WGSL_TYPES[formula.channels or 1]
    body = "\n        ".join(
        [
            *(f"let {name} = {_array(name)}[i];" for name in kind.parameters),
            "let d = x - FACE_MEAN[i];",
            "let l = FACE_FACTOR[i];",
            "let u = l.x * d.x + l.y * d.y;",
            "let v = l.z * d.y;",
            *(["let q = u * u + v * v;"] if kind.needs_q else []),
            *(f"let {name} = {in_code(term)};" for name, term in kind.terms.items()),
            f"value += {_sum(formula)};",
        ]
    )
    return f"""{_comment(formula)}

{arrays}

fn face(x: vec2f) -> {value} {{
    var value = {_zero(value)};
    for (var i = 0u; i < {count}u; i++) {{
        {body}
    }}
    return value;
}}
"""


def _constants(formula: Formula, types: Mapping[int, str], declaration: str) -> str:
    """The arrays of numbers, each as ``declaration`` says; ``types``: the name of a vector by its length."""
    lines = []
    for name, values in _arrays(formula).items():
        kind = types[values.shape[1]]
        elements = _elements(values, kind)
        lines.append(declaration.format(kind=kind, name=name, count=len(formula), elements=elements))
    return "\n".join(lines)


def _arrays(formula: Formula) -> dict[str, np.ndarray]:
    """The constants of a shader by name, each (m, n)."""
    if (formula.channels or 1) > 4:
        raise ArgumentError("params", f"has {formula.channels} channels, and a vector of a shader at most 4")
    parameters = {_array(name): formula.extra[:, place, None] for place, name in enumerate(formula.kind.parameters)}
    weights = {_weights(formula, k): formula.weights[:, k] for k in range(len(formula.kind.terms))}
    return {"FACE_MEAN": formula.means, "FACE_FACTOR": formula.chol} | parameters | weights


def _array(parameter: str) -> str:
    return f"FACE_{parameter.upper()}"


def _weights(formula: Formula, term: int) -> str:
    return "FACE_WEIGHT" if len(formula.kind.terms) == 1 else f"FACE_WEIGHT_{term + 1}"


def _sum(formula: Formula) -> str:
    return " + ".join(f"{_weights(formula, k)}[i] * {name}" for k, name in enumerate(formula.kind.terms))


def _zero(kind: str) -> str:
    return f"{kind}(0.0)" if kind.startswith("vec") else "0.0"


def _elements(values: np.ndarray, kind: str) -> str:
    rows = [", ".join(map(shortest, row)) for row in values]
    texts = rows if values.shape[1] == 1 else [f"{kind}({row})" for row in rows]
    return ",\n".join(f"    {', '.join(line)}" for line in _in_lines(texts))


def _in_lines(texts: Sequence[str], per_line: int = 4) -> list[Sequence[str]]:
    return [texts[start : start + per_line] for start in range(0, len(texts), per_line)]


def _comment(formula: Formula) -> str:
    return "\n".join(f"// {line}" for line in conventions(formula))
