"""SVG: the components as ellipses, for figures. A drawing of the components, not of the picture."""

import numpy as np

from gmjax.export.formula import DEFAULT_SHAPE, Formula, conventions
from gmjax.gmface import Atoms, strengths

_POSITIVE, _NEGATIVE = "#c8423b", "#2a6db0"  # as in gmjax.plotting
_DIGITS = 6


def write(formula: Formula) -> str:
    """In units of pixels of the fitted size; each ellipse is where q = 1/2, one standard deviation of a Gaussian."""
    height, width = formula.shape or DEFAULT_SHAPE
    centers = formula.means.astype(np.float64) * (height, width) - formula.offset + 0.5
    radii, angles = _axes(formula.chol, height, width)
    weights = strengths(formula.params)
    strokes = 0.2 + 0.6 * np.sqrt(np.abs(weights) / max(np.abs(weights).max(), np.finfo(float).tiny))
    drawn = []
    for (row, column), (first, second), angle, weight, stroke in zip(
        centers, radii, angles, weights, strokes, strict=True
    ):
        x, y, rx, ry, turn = (
            f"{number:.{formula.digits or _DIGITS}g}" for number in (column, row, first, second, angle)
        )
        color = _POSITIVE if weight >= 0 else _NEGATIVE
        line = f'stroke="{color}" stroke-width="{stroke:.2f}"'
        drawn.append(f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" transform="rotate({turn} {x} {y})" {line}/>')
    comment = "\n".join(conventions(formula))
    what, number = "one standard deviation of a component, q = 1/2", "weight"
    if isinstance(formula.params, Atoms):
        what, number = "where q = 1/2 for a component", "value of largest magnitude"
    ellipses = "\n".join(drawn)
    size = f'viewBox="0 0 {width} {height}" width="{4 * width}" height="{4 * height}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size}>
<title>The components of a formula</title>
<desc>A drawing of the components, not of the picture: each ellipse is {what},
red where its {number} is positive and blue where it is negative. The unit is a pixel; (0, 0) is the picture's corner.
{comment}</desc>
<rect width="{width}" height="{height}" fill="white" stroke="#cccccc" vector-effect="non-scaling-stroke"/>
<g fill="none">
{ellipses}
</g>
</svg>
"""


def _axes(chol: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Both radii (m, 2) in pixels, and the angles (m,) of the first one from the x axis to the y axis, in degrees."""
    l11, l21, l22 = chol.astype(np.float64).T
    zero = np.zeros_like(l11)
    # A point of the ellipse is (row, column) = L^-T (cos, sin) / sqrt(2), and (x, y) is (column, row).
    inverse = np.stack([np.stack([zero, 1 / l22], -1), np.stack([1 / l11, -l21 / (l11 * l22)], -1)], axis=-2)
    directions, radii, _ = np.linalg.svd(inverse * np.array([[width], [height]]) * np.sqrt(0.5))
    return radii, np.degrees(np.arctan2(directions[:, 1, 0], directions[:, 0, 0]))
