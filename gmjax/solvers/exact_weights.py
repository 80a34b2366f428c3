"""The best weights for given Gaussians: the formula is linear in them, so they solve m linear equations."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.sums.points import gaussians
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import AnyArray

# Number of Gaussians times pixels that are stored at once.
_TERMS = 2**22


def normal_equations(
    means: Float[AnyArray, "m 2"],
    precision_chol: Float[AnyArray, "m 3"],
    picture: Float[AnyArray, "h w *c"],
    pixel_weights: Float[AnyArray, "h w"],
    rows: Float[AnyArray, " h"],
    columns: Float[AnyArray, " w"],
    against: tuple[Float[AnyArray, "k 2"], Float[AnyArray, "k 3"]] | None = None,
) -> tuple[Float[Array, "m k"], Float[Array, "m *c"]]:
    """(A, b) of A w = b for the weights w that minimise ``sum(pixel_weights (picture - w . gaussians)^2)``.

    With ``against``, A holds the products of these Gaussians with those others.
    """
    m, (height, width) = len(means), picture.shape[:2]
    k = m if against is None else len(against[0])
    band = min(height, max(1, _TERMS // (max(m, k) * width)))
    count = -(-height // band)

    def banded(array):
        padded = jnp.pad(array, ((0, count * band - height),) + ((0, 0),) * (array.ndim - 1))
        return padded.reshape(count, band, *array.shape[1:])

    def add_band(sums, part):
        rows, pixels, pixel_weights = part
        root = jnp.sqrt(pixel_weights).reshape(1, -1)
        pixels = pixels.reshape(len(root[0]), -1) * root.T
        g = gaussians(means, precision_chol, rows[:, None], columns[None]).reshape(m, -1) * root
        others = g if against is None else gaussians(*against, rows[:, None], columns[None]).reshape(k, -1) * root
        gram = jnp.matmul(g, others.T, precision="highest")
        projections = jnp.matmul(g, pixels, precision="highest").reshape(sums[1].shape)
        return (sums[0] + gram, sums[1] + projections), None

    zeros = jnp.zeros((m, k), picture.dtype), jnp.zeros((m, *picture.shape[2:]), picture.dtype)
    zeros = vary_like(zeros, means, precision_chol, picture, pixel_weights, against)
    return jax.lax.scan(add_band, zeros, (banded(rows), banded(picture), banded(pixel_weights)))[0]


def growth_without(inverse, weights):
    """The growth (m,) of the squared error without each component, the other weights (m, C) solved for again.

    ``inverse`` (m, m): A^-1 of the normal equations. NumPy or JAX arrays.
    """
    return (weights * weights).sum(axis=1) / inverse.diagonal()


def without(inverse, weights, i):
    """``inverse`` and ``weights`` without component ``i``, by a rank-one update that sets its own entries to 0."""
    column = inverse[:, i] / inverse[i, i]
    return inverse - column[:, None] * inverse[i][None], weights - column[:, None] * weights[i][None]
