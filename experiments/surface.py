"""Fig. 5: the average face as a surface, and six vertical cross-sections of it.

Drawn as 1 - f, as in the paper: what is dark stands up. Three sections go along rows (eyes, nostrils, mouth) and three
along columns (one eye, the middle, the other eye); over each, that of the formula with m = 80.

Command:   python -m experiments.surface
Cost:      seconds
Expected:  the formula's sections lie on those of the average face
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
from gmjax import plotting

# Normalised, in the paper's crop.
ROWS = {"eyes": 0.058, "nostrils": 0.545, "mouth": 0.8625}
COLUMNS = {"left eye": 0.152, "middle": 0.5, "right eye": 0.855}


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    steps: int | None = None
    """Steps of the solver; None takes its own number."""


FULL = Config()


def run(config: Config, kept: Kept) -> Report:
    report = Report("Fig. 5: a face as a surface")
    images = collection.main_faces(config).images
    average = images.mean(axis=0)
    drawn = np.asarray(gmjax.render(kept(common_face, images, "lm", 80, config.steps).params, average.shape))
    report.say(f"The average of {len(images)} faces of {collection.name_of(config)}, as 1 - f.")
    report.figure(
        "fig5", draw(average, drawn), "Fig. 5: the average face; its sections, and dashed those of the formula"
    )
    furthest = float(gmjax.pae(drawn, average))
    report.compare(
        "the sections of the formula lie on the face's (largest distance)",
        "by eye",
        f"{furthest:.3f}",
        furthest < 0.05,
        "see the picture",
    )
    return report


def draw(average: np.ndarray, drawn: np.ndarray) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    surface = figure.add_subplot(1, 3, 1, projection="3d")
    plotting.draw_surface(surface, average)
    surface.set(xlabel="column", ylabel="row", title="average face, 1 - f")
    positions = (np.arange(len(average)) + 1) / len(average)
    for place, (kind, sections) in enumerate((("row", ROWS), ("column", COLUMNS)), start=2):
        across = "column" if kind == "row" else "row"
        axes = plain_axes(figure, 1, 3, place, xlabel=f"{across}, normalised", title=f"along a {kind}", ylim=(0, 1))
        for color, (name, at) in enumerate(sections.items()):
            index = min(round(at * len(average)), len(average)) - 1
            line, formula = (picture[index] if kind == "row" else picture[:, index] for picture in (average, drawn))
            axes.plot(positions, 1 - line, color=f"C{color}", label=f"{name}, {at:g}")
            axes.plot(positions, 1 - formula, "--", color="black", linewidth=0.8)
        axes.legend(frameon=False, fontsize="small")
    return figure


if __name__ == "__main__":
    script.main(__doc__, Config(), FULL, run, "surface")
