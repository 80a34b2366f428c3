"""Fig. 9: the common face with only k of its components, and a better choice of which.

k = 2, 5, 20, 40, 60, 80 components of largest |weight|, as in the paper: what they draw, where their centres are, and
their surface (1 - f). Beside it the components by how much the error grows when one is left out and the weights of
the others are solved for again (gmjax.analysis).

Command:   python -m experiments.components
Cost:      seconds
Expected:  the largest weights alone are dark and no face before some 20 to 40 are there; solved for again they come
           several times as near, and in the better order twice as near as that
"""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import collection, script
from experiments.figures import plain_axes
from experiments.kept import Kept
from experiments.models import common_face
from experiments.report import Report
from gmjax import analysis, plotting
from gmjax.solvers import starts

AS_THEY_ARE, SOLVED, BETTER = "largest weights, as they are", "largest weights, solved again", "by error, solved again"


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    counts: tuple[int, ...] = (2, 5, 20, 40, 60, 80)
    """How many components k are drawn."""

    steps: int | None = None
    """Steps of the solver; None takes its own number."""


FULL = Config()


def run(config: Config, kept: Kept) -> Report:
    if not 1 <= min(config.counts) <= max(config.counts) <= 80:
        raise SystemExit("--counts must be from 1 to 80, the components of the common face")
    report = Report("Fig. 9: the face from k of its components")
    images = collection.main_faces(config).images
    face = kept(common_face, images, "lm", 80, config.steps).params
    whole = np.asarray(gmjax.render(face, images.shape[1:]))
    errors_at = sorted({*config.counts, *range(10, 80, 10)})
    models = {way: nested(face, whole, way, errors_at) for way in (AS_THEY_ARE, SOLVED, BETTER)}
    errors = {
        way: {k: float(gmjax.mse(gmjax.render(model, whole.shape), whole)) for k, model in found.items()}
        for way, found in models.items()
    }
    report.say(
        f"The common face of {collection.name_of(config)}, m = 80. The MSE of k components to all 80; ordered by "
        "error, they are left out one by one, each time the one that is missed least."
    )
    fewer = [k for k in errors_at if k < 80]
    report.table(("k", *errors), [(k, *(f"{errors[way][k]:.2e}" for way in errors)) for k in fewer])
    report.figure(
        "fig9",
        draw(config, models, whole.shape),
        "Fig. 9: k components of largest |w| (red: w > 0, blue: w < 0); below, the better order, solved again",
    )
    report.figure("fig9_errors", draw_errors(errors, fewer), "The error by the number of components")
    ratio = float(np.median([errors[SOLVED][k] / errors[BETTER][k] for k in fewer]))
    report.compare(
        "with the same k, the order by error is nearer than that by weight, weights solved in both",
        "nearer",
        f"{ratio:.2g} times (median over k)",
        ratio > 1,
        "see the table",
    )
    return report


def nested(face: gmjax.GmFace, whole, way: str, counts) -> dict[int, gmjax.GmFace]:
    """The first components of an order, for each number of them."""
    order = analysis.order_by_error(face, whole.shape) if way == BETTER else analysis.order_by_weight(face)
    parts = {k: analysis.take(face, order[:k]) for k in counts}
    if way == AS_THEY_ARE:
        return parts
    return {k: starts.solve_weights(part.means, part.precision_chol, whole) for k, part in parts.items()}


def draw(config: Config, models, shape) -> Figure:
    side, counts = 1.35, config.counts
    figure = Figure(figsize=(side * len(counts) + 0.4, 5 * side + 0.6), layout="constrained")
    rows = ("largest |w|", "centres", "1 - f", "by error", "centres")
    for row, name in enumerate(rows):
        for column, k in enumerate(counts):
            model = models[AS_THEY_ARE if row < 3 else BETTER][k]
            drawn = gmjax.render(model, shape)
            surface = name == "1 - f"
            place = len(rows), len(counts), row * len(counts) + column + 1
            axes = figure.add_subplot(*place, projection="3d" if surface else None)
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
    for way, found in errors.items():
        axes.plot(fewer, [found[k] for k in fewer], ".-", label=way)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    script.main("components")
