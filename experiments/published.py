"""Table 3: the parameters that the paper prints, and those of this collection's common face in the same layout.

The published common face is rendered on pixel grids with different offsets (pixels counted from 0, from 1, or at their
centres): where it is most symmetric, the grid is the paper's. The 80 components of this collection's common face are
written as text and as LaTeX, and the error of rounding them to the printed digits is measured.

Command:   python -m experiments.published
Cost:      seconds
Expected:  the published face is most symmetric (0.008 RMS) where pixels are counted from 1
"""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import collection, script
from experiments.cache import Cache
from experiments.figures import plain_axes
from experiments.models import common_face
from experiments.report import Report
from gmjax import analysis, plotting

COLUMNS = 8
OFFSETS = np.linspace(0, 1.5, 31)
# By offset: the RMS difference of the published face to its mirror image at 120 x 120.
KNOWN = {1.0: 0.0080, 0.5: 0.0118, 0.0: 0.0192}


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    steps: int | None = None
    """Steps of the solver for the common face of --data; None: its default."""


FULL = Config()


def run(config: Config, cached: Cache) -> Report:
    report = Report("Table 3: the published parameters, and those of this collection")
    face, shape = gmjax.published_common_face(), (config.size, config.size)
    asymmetry = np.array([asymmetry_of(face, shape, float(offset)) for offset in OFFSETS])
    best = float(OFFSETS[asymmetry.argmin()])
    report.text(
        "The 480 published numbers render as a face that is nearly symmetric, which identifies the pixel grid it was "
        f"fitted on: among offsets in steps of {OFFSETS[1]:.2g}, it is most symmetric at {best:.2g}."
    )
    found = {offset: asymmetry_of(face, shape, offset) for offset in KNOWN}
    report.table(
        ("offset", "RMS difference to the mirror image"),
        [(f"{offset:g}", f"{rms:.4f}") for offset, rms in found.items()],
    )
    report.figure(
        "table3", draw(face, shape, asymmetry), "The published common face, and its asymmetry against the pixel offset"
    )
    report.compare(
        "offset at which the published face is most symmetric",
        "1",
        f"{best:.2g}",
        best == 1.0,
        "the face itself is not exactly symmetric",
    )
    report.compare(
        f"RMS difference to the mirror image at offsets {', '.join(f'{offset:g}' for offset in KNOWN)}",
        ", ".join(f"{rms:.4f}" for rms in KNOWN.values()),
        ", ".join(f"{rms:.4f}" for rms in found.values()),
        bool(np.allclose(list(found.values()), list(KNOWN.values()), atol=1e-4)),
        "the expected values are for 120 x 120",
    )

    images = collection.main_faces(config).images
    own = cached(common_face, images, "lm", 80, config.steps).params
    own = analysis.take(own, analysis.order_by_weight(own))
    exact, rounded = (gmjax.render(model, shape) for model in (own, as_printed(own)))
    average = images.mean(axis=0)
    report.file("common_face_table.txt", text_table(own))
    report.file("common_face_table.tex", latex_table(own))
    report.text(
        f"The 80 components of the common face of {collection.name_of(config)}, largest |weight| first, in the layout "
        "of Table 3: [text](results/common_face_table.txt), [LaTeX](results/common_face_table.tex). Rounded to the "
        f"printed digits, its MSE to the average face is {float(gmjax.mse(rounded, average)):.2e} instead of "
        f"{float(gmjax.mse(exact, average)):.2e}."
    )
    return report


def asymmetry_of(face: gmjax.GmFace, shape: tuple[int, int], offset: float) -> float:
    """The RMS difference of the face to its mirror image."""
    rendered = gmjax.gmface(face, gmjax.pixel_grid(shape, offset=offset))
    return float(gmjax.mse(rendered, rendered[:, ::-1])) ** 0.5


def draw(face: gmjax.GmFace, shape: tuple[int, int], asymmetry: np.ndarray) -> Figure:
    rendered = np.asarray(gmjax.render(face, shape))
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    plotting.draw_picture(figure.add_subplot(1, 3, 1), rendered, "published")
    difference = rendered - rendered[:, ::-1]
    plotting.draw_difference(figure.add_subplot(1, 3, 2), difference, "published \N{MINUS SIGN} mirrored")
    axes = plain_axes(figure, 1, 3, 3, xlabel="offset", ylabel="RMS difference")
    axes.plot(OFFSETS, asymmetry, color=plotting.NEGATIVE)
    return figure


def printed(params: gmjax.GmFace) -> list[dict[str, list[str]]]:
    """The table's cells for each component: weights and means to 4 decimals, matrices to 6 significant digits."""
    matrices = np.asarray(gmjax.precision(params))
    return [
        {"w": [f"{w:.4f}"], "mu": [f"{x:.4f}" for x in mu], "A": [f"{a:.6g}" for a in matrix.ravel()]}
        for w, mu, matrix in zip(params.weights, params.means, matrices, strict=True)
    ]


def as_printed(params: gmjax.GmFace) -> gmjax.GmFace:
    """The model that the printed digits define."""
    cells = printed(params)
    weights, means, matrices = (
        np.array([np.array(cell[name], np.float64) for cell in cells]) for name in ("w", "mu", "A")
    )
    model = gmjax.from_precision(weights[:, 0], means, matrices.reshape(-1, 2, 2))
    return gmjax.GmFace(*(np.asarray(part, np.float32) for part in (model.weights, model.means, model.precision_chol)))


def blocks(params: gmjax.GmFace):
    """Yields (numbers from 1, cells) of ``COLUMNS`` components at a time."""
    cells = printed(params)
    for first in range(0, len(cells), COLUMNS):
        yield range(first + 1, first + 1 + len(cells[first : first + COLUMNS])), cells[first : first + COLUMNS]


def text_table(params: gmjax.GmFace) -> str:
    lines = []
    for numbers, cells in blocks(params):
        lines.append(["i", *(str(number) for number in numbers)])
        lines.append(["w", *(cell["w"][0] for cell in cells)])
        lines += [[name, *(cell["mu"][k] for cell in cells)] for k, name in enumerate(("mu", ""))]
        lines += [
            [name, *("  ".join(f"{a:>11}" for a in cell["A"][2 * k : 2 * k + 2]) for cell in cells)]
            for k, name in enumerate(("A", ""))
        ]
        lines.append([])
    return "\n".join("".join(f"{text:>{4 if not k else 26}}" for k, text in enumerate(line)) for line in lines)


def latex_table(params: gmjax.GmFace) -> str:
    """A tabular for a landscape page; it needs amsmath."""

    def matrix(rows) -> str:
        return r"$\begin{bmatrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{bmatrix}$"

    lines = [r"\begin{tabular}{" + "c" * (COLUMNS + 1) + "}", r"\hline"]
    for numbers, cells in blocks(params):
        lines.append(" & ".join(["$i$", *(str(number) for number in numbers)]) + r" \\")
        lines.append(" & ".join(["$w_i$", *(f"${cell['w'][0]}$" for cell in cells)]) + r" \\")
        lines.append(" & ".join([r"$\mu_i$", *(matrix([[x] for x in cell["mu"]]) for cell in cells)]) + r" \\")
        lines.append(" & ".join(["$A_i$", *(matrix([cell["A"][:2], cell["A"][2:]]) for cell in cells)]) + r" \\ \hline")
    return "\n".join([*lines, r"\end{tabular}", ""])


if __name__ == "__main__":
    script.main("published")
