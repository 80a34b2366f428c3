"""A small experiment: a minibatch training, a common face from statistics, and three personal faces.

Command:   python -m tests.experiments.tiny, which runs it as ``experiments.tiny``
"""

import dataclasses
import importlib
import sys

import numpy as np

from experiments import collection, script, training
from experiments.cache import Cache
from experiments.models import common_face, fits_from, on_host
from experiments.report import Report
from gmjax import parallel
from gmjax.parallel import processes


@dataclasses.dataclass(frozen=True)
class Config(training.Config):
    components: tuple[int, ...] = (6,)
    epochs: tuple[int, ...] = (1, 2)
    batch_size: int = 4
    save_every: int = 1


FULL = Config()


def run(config: Config, cached: Cache) -> Report:
    report = Report("A tiny experiment")
    images = collection.main_faces(config).images
    start = cached(common_face, images, "adam", 6, 8).params
    statistics = on_host(parallel.image_statistics(images))
    trained = training.train(cached, images, statistics, start, config, 0.1)
    fits = cached(fits_from, images[:3], start, "adam", 8)
    again = cached(fits_from, images[:3], start, "adam", 8)
    assert not processes.is_first() or again.seconds == fits.seconds, "the second call reads the cache"
    numbers = [start, trained.models, trained.errors, trained.losses, again.params, fits.mse, fits.pae]
    with np.printoptions(floatmode="unique", threshold=10_000):
        report.table(("all", "numbers"), [(row, f"{part}") for row, part in enumerate(numbers)])
    return report


if __name__ == "__main__":
    sys.modules["experiments.tiny"] = importlib.import_module("tests.experiments.tiny")
    script.main("tiny")
