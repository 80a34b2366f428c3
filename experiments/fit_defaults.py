"""Which way of running Adam suits faces: the measurement behind the defaults of ``gmjax.FitConfig``.

Every recipe fits the same faces at the same number of components and steps, all from the published common face, and
the table says how near each comes and how long it takes. Data: every tenth ORL face, or ``--data FOLDER`` with the
pictures of your own and, beside them, their ``eyes.csv``.

Command:   python -m experiments.fit_defaults [--data FOLDER] [--steps 2000]
Cost:      40 faces x 4 recipes, about 8 minutes on 2 cores
Expected:  the defaults at less than a third of the MSE of the paper's recipe, with a smaller PAE
"""

import dataclasses
import time
from pathlib import Path

import numpy as np
import optax
import tyro
from tqdm import tqdm

import gmjax
from gmjax import parallel
from gmjax.data import Faces, load_folder, orl_faces


@dataclasses.dataclass(frozen=True)
class Config:
    data: Path | None = None
    """Folder with pictures of faces; None takes ORL's."""

    every: int = 10
    """Of the ORL faces, take one in so many."""

    steps: int = 2000
    """Steps of Adam a face."""

    size: int = 120
    """Side of the aligned faces in pixels."""


def recipes(steps: int) -> dict[str, gmjax.FitConfig]:
    cosine = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    return {
        "paper: rate 1e-3, lambda 0.1": gmjax.FitConfig.paper(steps=steps),
        "paper with lambda 1e-3": gmjax.FitConfig.paper(steps=steps, pae_weight=1e-3),
        "one rate 1e-2, cosine, lambda 1e-3": gmjax.FitConfig(steps=steps, optimizer=cosine),
        "defaults": gmjax.FitConfig(steps=steps),
    }


def faces_of(config: Config) -> Faces:
    if config.data is not None:
        return load_folder(config.data, size=config.size)
    faces = orl_faces(size=config.size)
    return Faces(faces.images[:: config.every], faces.names[:: config.every])


def run(config: Config) -> dict[str, dict[str, float]]:
    """Mean and highest MSE, mean PAE and seconds a face (compilation left out) of each recipe."""
    faces, start = faces_of(config), gmjax.published_common_face()
    table = {}
    for name, recipe in recipes(config.steps).items():
        dict(parallel.fit_many(faces.images[:1], start, config=recipe))
        begun = time.perf_counter()
        fits = parallel.fit_many(faces.images, start, config=recipe)
        infos = [result.info for _, result in tqdm(fits, desc=name, total=len(faces), disable=None)]
        mse, pae = (np.array([getattr(info, figure) for info in infos]) for figure in ("mse", "pae"))
        seconds = (time.perf_counter() - begun) / len(faces)
        table[name] = {"mse": mse.mean(), "highest mse": mse.max(), "pae": pae.mean(), "seconds": seconds}
    return table


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    for name, row in run(config).items():
        print(f"{name:36}", "  ".join(f"{figure} {value:.3g}" for figure, value in row.items()))


if __name__ == "__main__":
    main()
