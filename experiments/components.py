"""Fig. 9: the common face from k of its components only, and a better order to choose them in.

The k = 2, 5, 20, 40, 60, 80 components of largest |weight|, as in the paper: the picture, the centres, and the surface
(1 - f). For comparison, the order by error: by how much the error grows when a component is removed and the weights of
the others are solved for again (gmjax.analysis).

Command:   python -m experiments.components
Cost:      seconds
Expected:  the components of largest weight give a dark picture, and no face below 20 to 40 of them; solving for the
           weights again divides the error by several, and the order by error by a further 2
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
from gmjax.errors import ArgumentError
from gmjax.solvers import starts

UNCHANGED, BY_WEIGHT, BY_ERROR = "by weight, weights unchanged", "by weight, weights solved", "by error, weights solved"


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    counts: tuple[int, ...] = (2, 5, 20, 40, 60, 80)
    """The numbers of components k to draw."""

    steps: int | None = None
    """Steps of the solver; None: its default."""


FULL = Config()


def run(config: Config, cached: Cache) -> Report:
    if not 1 <= min(config.counts) <= max(config.counts) <= 80:
        raise ArgumentError("counts", "must be from 1 to 80, the number of components of the common face")
    report = Report("Fig. 9: the face from k of its components")
    images = collection.main_faces(config).images
    face = cached(common_face, images, "lm", 80, config.steps).params
    whole = np.asarray(gmjax.render(face, images.shape[1:]))
    errors_at = sorted({*config.counts, *range(10, 80, 10)})
    models = {method: first_components(face, whole, method, errors_at) for method in (UNCHANGED, BY_WEIGHT, BY_ERROR)}
    errors = {
        method: {k: float(gmjax.mse(gmjax.render(model, whole.shape), whole)) for k, model in found.items()}
        for method, found in models.items()
    }
    report.text(
        f"The common face of {collection.name_of(config)}, m = 80: MSE between its first k components and all 80. For "
        "the order by error, components are removed one at a time, always the one whose removal increases the error "
        "least."
    )
    fewer = [k for k in errors_at if k < 80]
    report.table(("k", *errors), [(k, *(f"{found[k]:.2e}" for found in errors.values())) for k in fewer])
    report.figure(
        "fig9",
        draw(config, models, whole.shape),
        "Fig. 9: the k components of largest |w| (centres red: w > 0, blue: w < 0); bottom: ordered by error, weights "
        "solved",
    )
    report.figure("fig9_errors", draw_errors(errors, fewer), "The error against the number of components")
    ratio = float(np.median([errors[BY_WEIGHT][k] / errors[BY_ERROR][k] for k in fewer]))
    report.compare(
        "MSE of the order by weight over that of the order by error, weights solved in both (median over k)",
        "above 1",
        f"{ratio:.2g}",
        ratio > 1,
        "see the table",
    )
    return report


def first_components(face: gmjax.GmFace, whole, method: str, counts) -> dict[int, gmjax.GmFace]:
    """For each k in ``counts``, the model of the first k components in the order of ``method``."""
    order = analysis.order_by_error(face, whole.shape) if method == BY_ERROR else analysis.order_by_weight(face)
    parts = {k: analysis.take(face, order[:k]) for k in counts}
    if method == UNCHANGED:
        return parts
    return {k: starts.solve_weights(part.means, part.precision_chol, whole) for k, part in parts.items()}


def draw(config: Config, models, shape) -> Figure:
    side, counts = 1.35, config.counts
    figure = Figure(figsize=(side * len(counts) + 0.4, 5 * side + 0.6), layout="constrained")
    rows = ("largest |w|", "centres", "1 - f", "by error", "centres")
    for row, name in enumerate(rows):
        for column, k in enumerate(counts):
            model = models[UNCHANGED if row < 3 else BY_ERROR][k]
            drawn = gmjax.render(model, shape)
            surface = name == "1 - f"
            position = len(rows), len(counts), row * len(counts) + column + 1
            axes = figure.add_subplot(*position, projection="3d" if surface else None)
            if surface:
                plotting.draw_surface(axes, np.clip(drawn, -0.2, 1.2))
                axes.set(xticks=[], yticks=[], zticks=[])
            else:
                plotting.draw_picture(
                    axes, drawn, f"k = {k}" if row == 0 else "", alpha=0.35 if name == "centres" else 1
                )
            if name == "centres":
                draw_centres(axes, model, shape)
            if column == 0:
                text = axes.text2D if surface else axes.text
                text(-0.12, 0.5, name, rotation=90, va="center", ha="right", fontsize="small", transform=axes.transAxes)
    return figure


def draw_centres(axes, model: gmjax.GmFace, shape) -> None:
    row, column = (np.asarray(model.means) * shape - 1).T
    colors = [plotting.POSITIVE if w >= 0 else plotting.NEGATIVE for w in np.asarray(model.weights)]
    axes.scatter(column, row, s=6, c=colors, clip_on=True)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))


def draw_errors(errors, fewer) -> Figure:
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = plain_axes(figure, xlabel="components k", ylabel="MSE to all 80", yscale="log")
    for method, found in errors.items():
        axes.plot(fewer, [found[k] for k in fewer], ".-", label=method)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    script.main("components")
