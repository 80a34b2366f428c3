"""The common face printed in the paper: 80 components, 480 numbers (Table 3)."""

from importlib import resources

import jax.numpy as jnp
import numpy as np

from gmjax.gmface import GmFace


def published_common_face() -> GmFace:
    """The gray model of the paper's Table 3 (``offset=1.0``), factored in float64, rounded to JAX's default type."""
    with resources.files("gmjax").joinpath("published_common_face.csv").open() as table:
        weights, row, column, a11, a21, a22 = np.loadtxt(table, delimiter=",", skiprows=1).T
    l11 = np.sqrt(a11)
    l21 = a21 / l11
    l22 = np.sqrt(a22 - l21**2)
    parts = weights, np.stack([row, column], -1), np.stack([l11, l21, l22], -1)
    weights, means, chol = (jnp.asarray(part, jnp.result_type(float)) for part in parts)
    return GmFace(weights, means, chol)
