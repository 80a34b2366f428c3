"""JavaScript, an ES module."""

from gmjax.export.expressions import in_code
from gmjax.export.formula import Formula, conventions


def write(formula: Formula) -> str:
    kind, channels = formula.kind, formula.channels
    rows = ",\n".join(f"  [{', '.join(row)}]" for row in formula.rows())
    comment = "\n".join(f"// {line}" for line in conventions(formula))
    names = ", ".join(("mu1", "mu2", "l11", "l21", "l22", *kind.parameters, "...w"))
    body = "\n    ".join(
        [
            "const d1 = row - mu1, d2 = column - mu2;",
            "const u = l11 * d1 + l21 * d2, v = l22 * d2;",
            *(["const q = u * u + v * v;"] if kind.needs_q else []),
            *(f"const {name} = {in_code(term, 'Math.')};" for name, term in kind.terms.items()),
            _addition(formula),
        ]
    )
    start = "0" if channels is None else f"[{', '.join('0' * channels)}]"
    returned = "a number" if channels is None else f"an array of {channels}"
    return f"""{comment}

// mu (row, column), l11, l21, l22, {"".join(f"{name}, " for name in kind.parameters)}weights
const COMPONENTS = [
{rows},
];

/** Where the pixels of a picture are counted from. */
export const OFFSET = {formula.offset};

/** The value at a position, {returned}. */
export function face(row, column) {{
  {"let" if channels is None else "const"} value = {start};
  for (const [{names}] of COMPONENTS) {{
    {body}
  }}
  return value;
}}
"""


def _addition(formula: Formula) -> str:
    terms, channels = formula.kind.terms, formula.channels
    if channels is None:
        return f"value += {' + '.join(f'w[{place}] * {name}' for place, name in enumerate(terms))};"
    places = ("c" if place == 0 else f"c + {place * channels}" for place in range(len(terms)))
    added = " + ".join(f"w[{place}] * {name}" for place, name in zip(places, terms, strict=True))
    return f"for (let c = 0; c < {channels}; c++) value[c] += {added};"
