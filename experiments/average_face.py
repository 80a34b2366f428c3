"""Fig. 8: the common face next to the average face of the same photographs, and the error between the two.

Both gmjax's default solver (Adam on MSE + 1e-4 PAE) and lm start from the published common face, m = 80.

Command:   python -m experiments.average_face [--also FOLDER]
Cost:      half a minute on 2 cores
Expected:  an MSE below the paper's 2.86e-5 on ORL
"""

import dataclasses

import numpy as np

import gmjax
from experiments import collection, script
from experiments.cache import Cache
from experiments.models import common_face
from experiments.report import Report
from gmjax import plotting

PAPER = 2.86e-5
SOLVERS = {"adam": "Adam", "lm": "lm"}


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: int = 80
    """Number of components m."""

    steps: int | None = None
    """Steps of the solver; None: its default."""


FULL = Config()


def run(config: Config, cached: Cache) -> Report:
    report = Report("Fig. 8: the common face and the average face")
    report.text(
        f"m = {config.components}, starting from "
        f"{'the published common face' if config.components == 80 else 'a grid'}. Each half contains every other face: "
        "the average of fewer faces is less smooth, so its common face has a larger error."
    )
    rows = []
    for name, faces in collection.collections(config).items():
        parts = {name: faces.images}
        if len(faces) > 1:
            parts |= {f"{name}, one half": faces.images[::2], f"{name}, the other half": faces.images[1::2]}
        for part, images in parts.items():
            average = np.mean(images, axis=0, dtype=np.float64).astype(images.dtype)
            found = {s: cached(common_face, images, s, config.components, config.steps).params for s in SOLVERS}
            errors = {s: float(gmjax.mse(gmjax.render(face, average.shape), average)) for s, face in found.items()}
            rows.append((part, len(images), *(f"{error:.2e}" for error in errors.values())))
            if part == collection.name_of(config):
                figure = plotting.common_figure(found["lm"], average)
            if part == name:
                report.compare(
                    f"MSE between common and average face, {name}",
                    f"at most {PAPER} (the paper's faces)",
                    f"{errors['lm']:.2e}",
                    errors["lm"] <= PAPER,
                    f"the average of {len(images)} faces is less smooth than that of the paper's 1870",
                )
    report.table(("collection", "faces", *(f"MSE, {label}" for label in SOLVERS.values())), rows)
    report.figure("fig8", figure, f"Fig. 8: common face and average face, {collection.name_of(config)}")
    return report


if __name__ == "__main__":
    script.main("average_face")
