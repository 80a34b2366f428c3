"""The pictures and models that the benchmarks use."""

import math

import numpy as np

from gmjax.data import orl_faces, resize
from gmjax.gmface import GmFace


def one_face() -> np.ndarray:
    """The first ORL face (120, 120), aligned as by ``gmjax common-model``."""
    return orl_faces().images[0]


def large_picture(side: int, *, color: bool) -> np.ndarray:
    """The face enlarged to (side, side[, 3]) with a fine texture, which differs between the channels."""
    face = resize(one_face(), (side, side))
    row, column = np.mgrid[:side, :side] / 8
    planes = [np.clip(face + 0.05 * np.sin(row + k) * np.cos(column - k), 0, 1) for k in range(3 if color else 1)]
    return np.float32(np.stack(planes, axis=-1) if color else planes[0])


def grid_model(num_components: int, *, color: bool) -> GmFace:
    """Round Gaussians on a square grid, as wide as its spacing, with weights in [0.1, 0.3] (cheap for any m)."""
    side = math.ceil(math.sqrt(num_components))
    cells = np.stack(np.divmod(np.arange(num_components), side), axis=-1)
    chol = np.tile([side * math.sqrt(0.5), 0, side * math.sqrt(0.5)], (num_components, 1))
    weights = 0.2 + 0.1 * np.sin(np.arange(num_components))
    weights = np.stack([weights] * 3, axis=-1) if color else weights
    return GmFace(*(np.float32(part) for part in (weights, (cells + 0.5) / side, chol)))
