"""Fits that several experiments share: common faces, and many faces from one start, by a recipe known by name."""

import dataclasses
import time
from typing import NamedTuple

import jax
import numpy as np

import gmjax
from experiments.progress import progress
from experiments.shares import gathered, share_of
from gmjax import parallel

RECIPES = {
    "paper": gmjax.FitConfig.paper(),
    "adam": gmjax.FitConfig(),
    "lm": gmjax.FitConfig(solver="lm"),
}
"""The paper's recipe (Adam at 1e-3, lambda 0.1, 2000 steps), gmjax's defaults, and gmjax's solver of best quality."""


class Fits(NamedTuple):
    """Fits of K faces: ``params`` with a leading axis K, ``mse`` and ``pae`` (K,).

    seconds: per face, without compilation.
    """

    params: gmjax.GmFace
    mse: np.ndarray
    pae: np.ndarray
    seconds: float


def recipe(name: str, steps: int | None, num_components: int = 80, **changes) -> gmjax.FitConfig:
    changes |= {} if steps is None else {"steps": steps}
    return dataclasses.replace(RECIPES[name], num_components=num_components, **changes)


def common_face(images, recipe_name: str, num_components: int, steps: int | None) -> gmjax.FitResult:
    """The common face of ``images``, from the published one if that has ``num_components``, otherwise from a grid."""
    start = gmjax.published_common_face()
    start = start if start.num_components == num_components else None
    config = recipe(recipe_name, steps, num_components)
    return on_host(parallel.fit_common(parallel.image_statistics(images), start, config=config))


def fits_from(images, start: gmjax.GmFace, recipe_name: str, steps: int | None) -> Fits:
    """One model per face, all from ``start`` and with as many components."""
    m = start.num_components
    return fit_faces(images, start, recipe(recipe_name, steps, m), 0, f"{recipe_name}, m = {m}")


def fit_faces(images, start: gmjax.GmFace | None, config: gmjax.FitConfig, seed: int, label: str) -> Fits:
    """One model per face, all from ``start``; ``seed`` is for random starts. The processes of a run share the faces."""
    key = jax.random.key(seed)
    dict(parallel.fit_many(images[:1], start, config=config, key=key))  # compiles
    began = time.perf_counter()
    mine = share_of(len(images))
    fits = parallel.fit_many(images[mine], start, config=config, key=key, numbers=mine.tolist())
    fits = sorted(progress(fits, label=label, unit="face", total=len(mine)))
    seconds = (time.perf_counter() - began) / len(images)
    results = [on_host(result) for _, result in fits]
    params = jax.tree.map(lambda *leaves: np.stack(leaves), *(result.params for result in results))
    mse, pae = (np.array([getattr(result.info, figure) for result in results]) for figure in ("mse", "pae"))
    return Fits(*gathered((params, mse, pae), len(images)), seconds)


def one_of(params: gmjax.GmFace, number: int) -> gmjax.GmFace:
    """Model ``number`` of models with a leading axis."""
    return jax.tree.map(lambda leaf: leaf[number], params)


def on_host(tree):
    """The pytree with NumPy arrays, for the cache."""
    return jax.tree.map(np.asarray, tree)
