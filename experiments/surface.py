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
SECTIONS = {
    "row": {"eyes": 0.058, "nostrils": 0.545, "mouth": 0.8625},
    "column": {"left eye": 0.152, "middle": 0.5, "right eye": 0.855},
}
MOST = 0.03


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
    distances = [
        np.abs(section_of(drawn, kind, at) - section_of(average, kind, at)).max()
        for kind, sections in SECTIONS.items()
        for at in sections.values()
    ]
    report.compare(
        "largest distance of the formula's sections to the face's",
        f"at most {MOST:g}",
        f"{max(distances):.3f}",
        max(distances) <= MOST,
        "the average of few faces has finer detail than 80 components",
    )
    return report


def section_of(picture: np.ndarray, kind: str, at: float) -> np.ndarray:
    index = min(max(round(at * len(picture)), 1), len(picture)) - 1
    return picture[index] if kind == "row" else picture[:, index]


def draw(average: np.ndarray, drawn: np.ndarray) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    surface = figure.add_subplot(1, 3, 1, projection="3d")
    plotting.draw_surface(surface, average)
    surface.set(xlabel="column", title="average face, 1 - f")
    surface.set_ylabel("row", labelpad=12)
    positions = (np.arange(len(average)) + 1) / len(average)
    for place, (kind, sections) in enumerate(SECTIONS.items(), start=2):
        across = "column" if kind == "row" else "row"
        axes = plain_axes(
            figure, 1, 3, place, xlabel=f"{across}, normalised", ylabel="1 - f", title=f"along a {kind}", ylim=(0, 1)
        )
        for color, (name, at) in enumerate(sections.items()):
            axes.plot(positions, 1 - section_of(average, kind, at), color=f"C{color}", label=f"{name}, {at:g}")
            label = "formula" if color == len(sections) - 1 else None
            axes.plot(positions, 1 - section_of(drawn, kind, at), "--", color="black", linewidth=0.8, label=label)
        axes.legend(frameon=False, fontsize="small", ncols=2)
    return figure


if __name__ == "__main__":
    script.main("surface")
