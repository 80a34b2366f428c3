"""The least squares problem of the second-order solver."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.gmface import GmFace
from gmjax.types import AnyArray, Leaf
from gmjax.weights import normal_equations

# Of the squared weights, beside the mean square error: large enough for the equations of the weights in float32.
RIDGE = 1e-6


class Problem(NamedTuple):
    """``picture`` (h, w, C); ``pixel_weights`` (h, w) that sum to 1; the axes ``rows`` (h,) and ``columns`` (w,).

    Beside it, ``shapes`` (5, m) are mean row, mean column, log l11, log l22 and the shear l21 / l11 of each component.
    """

    picture: Leaf
    pixel_weights: Leaf
    rows: Leaf
    columns: Leaf


def to_shapes(params: GmFace) -> Float[Array, "5 m"]:
    l11, l21, l22 = params.precision_chol.T
    return jnp.stack([*params.means.T, jnp.log(l11), jnp.log(l22), l21 / l11])


def to_gmface(weights: Float[AnyArray, "m *C"], shapes: Float[AnyArray, "5 m"]) -> GmFace:
    l11, l22 = jnp.exp(shapes[2:4])
    return GmFace(weights, shapes[:2].T, jnp.stack([l11, shapes[4] * l11, l22], axis=-1))


def weight_equations(problem: Problem, shapes: Float[AnyArray, "5 m"]):
    """(A, b) of A w = b, the ridge included: the best weights (m, C)."""
    params = to_gmface(shapes.T[:, :1], shapes)
    gram, projections = normal_equations(params.means, params.precision_chol, *problem)
    return gram + RIDGE * jnp.eye(len(gram), dtype=gram.dtype), projections


def best_weights(problem: Problem, shapes: Float[AnyArray, "5 m"]) -> Float[Array, "m C"]:
    matrix, right = weight_equations(problem, shapes)
    factor = jax.scipy.linalg.cho_factor(matrix)
    # One channel at a time: many right sides are what LAPACK is slow with (cholesky.py).
    return jnp.stack([jax.scipy.linalg.cho_solve(factor, channel) for channel in right.T], axis=-1)
