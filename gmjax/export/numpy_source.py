"""Python code that needs NumPy, but not gmjax."""

from gmjax.export.expressions import in_code
from gmjax.export.formula import Formula, conventions


def write(formula: Formula) -> str:
    kind, channels = formula.kind, formula.channels
    head, *lines = conventions(formula)
    rows = "\n".join(f"        [{', '.join(row)}]," for row in formula.rows())
    names = ", ".join(("mu1", "mu2", "l11", "l21", "l22", *kind.parameters, "*w"))
    stride = channels or 1
    weights = [f"w[{k}]" if channels is None else f"w[{k * stride}:{(k + 1) * stride}]" for k in range(len(kind.terms))]
    product = "{1} * {0}" if channels is None else "np.multiply.outer({0}, {1})"
    added = " + ".join(product.format(name, weight) for name, weight in zip(kind.terms, weights, strict=True))
    body = "\n        ".join(
        [
            "d1, d2 = x[..., 0] - mu1, x[..., 1] - mu2",
            "u, v = l11 * d1 + l21 * d2, l22 * d2",
            *(["q = u * u + v * v"] if kind.needs_q else []),
            *(f"{name} = {in_code(term, 'np.')}" for name, term in kind.terms.items()),
            f"value += {added}",
        ]
    )
    more = "" if channels is None else f", {channels}"
    shape = "x.shape[:-1]" if channels is None else f"(*x.shape[:-1], {channels})"
    comment = "\n".join(lines)
    return f'''"""{head}

{comment}
"""

import numpy as np

# mu (row, column), l11, l21, l22, {"".join(f"{name}, " for name in kind.parameters)}weights
COMPONENTS = np.array(
    [
{rows}
    ]
)
OFFSET = {formula.offset}


def face(x):
    """The values (...{more}) at positions ``x`` (..., 2)."""
    x = np.asarray(x, dtype=float)
    value = np.zeros({shape})
    for {names} in COMPONENTS:
        {body}
    return value


def render(height, width):
    """The picture (height, width{more})."""
    rows, columns = ((np.arange(n) + OFFSET) / n for n in (height, width))
    return face(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
'''
