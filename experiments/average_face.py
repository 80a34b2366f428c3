"""Fig. 8: the common face beside the average face of the same photographs, and the error between the two.

From the published common face, m = 80, by gmjax's default (Adam on MSE + 1e-4 PAE) and its best solver.

Command:   python -m experiments.average_face [--also FOLDER]
Cost:      half a minute on 2 cores
Expected:  an MSE below the paper's 2.86e-5 on ORL
"""

import dataclasses

import numpy as np

import gmjax
from experiments import collection, script
from experiments.kept import Kept
from experiments.models import common_face
from experiments.report import Report
from gmjax import plotting

PAPER = 2.86e-5
WAYS = {"adam": "Adam", "lm": "lm"}


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: int = 80
    """Number of components m."""

    steps: int | None = None
    """Steps of the solver; None takes its own number."""


FULL = Config()


def run(config: Config, kept: Kept) -> Report:
    report = Report("Fig. 8: the common face and the average face")
    report.say(
        f"m = {config.components}, from {'the published common face' if config.components == 80 else 'a grid'}. The "
        "halves are every other face: with fewer faces the average is less smooth, and a common face less near to it."
    )
    rows = []
    for name, faces in collection.collections(config).items():
        parts = {name: faces.images}
        if len(faces) > 1:
            parts |= {f"{name}, one half": faces.images[::2], f"{name}, the other": faces.images[1::2]}
        for part, images in parts.items():
            average = np.mean(images, axis=0, dtype=np.float64).astype(images.dtype)
            found = {way: kept(common_face, images, way, config.components, config.steps).params for way in WAYS}
            errors = {way: float(gmjax.mse(gmjax.render(face, average.shape), average)) for way, face in found.items()}
            rows.append((part, len(images), *(f"{errors[way]:.2e}" for way in WAYS)))
            if part == collection.name_of(config):
                figure = plotting.common_figure(found["lm"], average)
            if part == name:
                report.compare(
                    f"MSE between common and average face, {name}",
                    f"{PAPER} (the paper's faces)",
                    f"{errors['lm']:.2e}",
                    errors["lm"] <= PAPER,
                    f"{len(images)} faces give a less smooth average than the paper's 1870",
                )
    report.table(("faces", "number", *(f"MSE, {way}" for way in WAYS.values())), rows)
    report.figure("fig8", figure, f"Fig. 8: common face and average face, {collection.name_of(config)}")
    return report


if __name__ == "__main__":
    script.main("average_face")
