"""Fig. 5: the average face as a surface, and six vertical cross-sections of it.

Drawn as 1 - f, as in the paper, so that dark regions are high. Three sections run along rows (eyes, nostrils, mouth),
three along columns (left eye, middle, right eye). Each is drawn with the same section of the formula with m = 80.

Command:   python -m experiments.surface
Cost:      seconds
Expected:  the sections of the formula coincide with those of the average face
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
from gmjax import plotting

# Normalised positions in the paper's crop.
SECTIONS = {
    "row": {"eyes": 0.058, "nostrils": 0.545, "mouth": 0.8625},
    "column": {"left eye": 0.152, "middle": 0.5, "right eye": 0.855},
}
LARGEST_DIFFERENCE = 0.03


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    steps: int | None = None
    """Steps of the solver; None: its default."""


FULL = Config()


def run(config: Config, cached: Cache) -> Report:
    report = Report("Fig. 5: a face as a surface")
    images = collection.main_faces(config).images
    average = images.mean(axis=0)
    face = cached(common_face, images, "lm", 80, config.steps).params
    rendered = np.asarray(gmjax.render(face, average.shape))
    report.text(f"The average of {len(images)} faces of {collection.name_of(config)}, drawn as 1 - f.")
    report.figure(
        "fig5",
        draw(average, rendered),
        "Fig. 5: the average face and its cross-sections; dashed: those of the formula",
    )
    differences = [
        np.abs(section_of(rendered, kind, at) - section_of(average, kind, at)).max()
        for kind, sections in SECTIONS.items()
        for at in sections.values()
    ]
    report.compare(
        "largest difference between the sections of the formula and of the average face",
        f"at most {LARGEST_DIFFERENCE:g}",
        f"{max(differences):.3f}",
        max(differences) <= LARGEST_DIFFERENCE,
        "the average of few faces has more detail than 80 components can represent",
    )
    return report


def section_of(picture: np.ndarray, kind: str, at: float) -> np.ndarray:
    index = min(max(round(at * len(picture)), 1), len(picture)) - 1
    return picture[index] if kind == "row" else picture[:, index]


def draw(average: np.ndarray, rendered: np.ndarray) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    surface = figure.add_subplot(1, 3, 1, projection="3d")
    plotting.draw_surface(surface, average)
    surface.set(xlabel="column", title="average face, 1 - f")
    surface.set_ylabel("row", labelpad=12)
    positions = (np.arange(len(average)) + 1) / len(average)
    for number, (kind, sections) in enumerate(SECTIONS.items(), start=2):
        across = "column" if kind == "row" else "row"
        axes = plain_axes(
            figure, 1, 3, number, xlabel=f"{across}, normalised", ylabel="1 - f", title=f"along a {kind}", ylim=(0, 1)
        )
        for color, (name, at) in enumerate(sections.items()):
            axes.plot(positions, 1 - section_of(average, kind, at), color=f"C{color}", label=f"{name}, {at:g}")
            label = "formula" if color == len(sections) - 1 else None
            axes.plot(positions, 1 - section_of(rendered, kind, at), "--", color="black", linewidth=0.8, label=label)
        axes.legend(frameon=False, fontsize="small", ncols=2)
    return figure


if __name__ == "__main__":
    script.main("surface")
