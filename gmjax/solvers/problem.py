"""The least squares problem of the second-order solver."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.gmface import GmFace
from gmjax.solvers import cholesky
from gmjax.solvers.exact_weights import normal_equations
from gmjax.types import AnyArray, Leaf

# Weight of the squared weights; and where equations are solved: in float32 components that coincide need as much.
RIDGE, SAFE_RIDGE = 1e-6, 1e-5


class Problem(NamedTuple):
    """``picture`` (h, w, C); ``pixel_weights`` (h, w) that sum to 1; the axes ``rows`` (h,) and ``columns`` (w,)."""

    picture: Leaf
    pixel_weights: Leaf
    rows: Leaf
    columns: Leaf


def split(params: GmFace) -> tuple[Float[Array, "m C"], Float[Array, "5 m"]]:
    """Weights, and shapes (mean row, mean column, log l11, log l22, l21 / l11)."""
    l11, l21, l22 = params.precision_chol.T
    shapes = jnp.stack([*params.means.T, jnp.log(l11), jnp.log(l22), l21 / l11])
    return jnp.reshape(params.weights, (params.num_components, -1)), shapes


def join(weights, shapes: Float[AnyArray, "5 m"], offset: float = 1.0) -> GmFace:
    """The model of ``weights`` (m,) or (m, C) and ``shapes``; the inverse of ``split``."""
    l11, l22 = jnp.exp(shapes[2:4])
    return GmFace(weights, shapes[:2].T, jnp.stack([l11, shapes[4] * l11, l22], axis=-1), offset)


def weight_equations(problem: Problem, shapes: Float[AnyArray, "5 m"], against: Float[AnyArray, "5 k"] | None = None):
    """(A, b) of A w = b for the best weights (m, C) of ``shapes``; or those rows of it for the model ``against``."""

    def gaussians(shapes):
        params = join(shapes.T[:, :1], shapes)
        return params.means, params.precision_chol

    means, precision_chol = gaussians(shapes)
    return normal_equations(means, precision_chol, *problem, against=None if against is None else gaussians(against))


def inverse_factor(matrix: Float[AnyArray, "m m"]) -> Float[Array, "m m"]:
    """``cholesky.inverse_factor`` of the ``matrix`` of weights' equations, made safe to solve."""
    return cholesky.inverse_factor(matrix + SAFE_RIDGE * jnp.eye(len(matrix), dtype=matrix.dtype))
