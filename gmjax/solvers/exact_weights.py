"""The best weights for given shapes: the formula is linear in them, so they solve linear equations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.sums.points import gaussians
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import AnyArray

# Number of functions times pixels that are stored at once.
_TERMS = 2**22


def normal_equations(
    basis: Callable[[Any, Any, Any], Any],
    shapes: Any,
    picture: Float[AnyArray, "h w *c"],
    pixel_weights: Float[AnyArray, "h w"],
    rows: Float[AnyArray, " h"],
    columns: Float[AnyArray, " w"],
) -> tuple[Float[Array, "m m"], Float[Array, "m *c"]]:
    """(A, b) of A w = b for the weights w that minimise ``sum(pixel_weights (picture - w . basis)^2)``.

    ``basis(shapes, rows, columns)``: the m functions of ``shapes`` at positions that broadcast, (m, ...).
    """
    height, width = picture.shape[:2]
    m = len(jax.eval_shape(basis, shapes, rows[:1], rows[:1]))
    band = min(height, max(1, _TERMS // (m * width)))
    count = -(-height // band)

    def banded(array):
        padded = jnp.pad(array, ((0, count * band - height),) + ((0, 0),) * (array.ndim - 1))
        return padded.reshape(count, band, *array.shape[1:])

    def add_band(sums, part):
        rows, pixels, pixel_weights = part
        root = jnp.sqrt(pixel_weights).reshape(1, -1)
        pixels = pixels.reshape(len(root[0]), -1) * root.T
        g = basis(shapes, rows[:, None], columns[None]).reshape(m, -1) * root
        gram = jnp.matmul(g, g.T, precision="highest")
        projections = jnp.matmul(g, pixels, precision="highest").reshape(sums[1].shape)
        return (sums[0] + gram, sums[1] + projections), None

    zeros = jnp.zeros((m, m), picture.dtype), jnp.zeros((m, *picture.shape[2:]), picture.dtype)
    zeros = vary_like(zeros, shapes, picture, pixel_weights)
    return jax.lax.scan(add_band, zeros, (banded(rows), banded(picture), banded(pixel_weights)))[0]


def gaussian_equations(means, precision_chol, picture, pixel_weights, rows, columns):
    """``normal_equations`` of Gaussians, ``means`` (m, 2) and ``precision_chol`` (m, 3)."""

    def basis(shapes, rows, columns):
        means, precision_chol = shapes
        return gaussians(means, precision_chol, rows, columns)

    return normal_equations(basis, (means, precision_chol), picture, pixel_weights, rows, columns)


def growth_without(inverse, weights, terms: int = 1):
    """The growth (m,) of the squared error without each component, the other weights (m, C) solved for again.

    ``inverse`` (m, m): A^-1 of the normal equations. NumPy or JAX arrays. With several ``terms`` a component, JAX
    arrays for (terms m) weights, all of the first term in front: w^T B^-1 w with the component's block B of A^-1.
    """
    if terms > 1:
        by_term = weights.reshape(terms, -1, weights.shape[1])
        m = by_term.shape[1]
        blocks = jnp.einsum("kili->ikl", inverse.reshape(terms, m, terms, m))
        # A component that is gone has a block of 0.
        tiny = 1e-6 * jnp.trace(blocks, axis1=1, axis2=2)[:, None, None] + jnp.finfo(blocks.dtype).tiny ** 0.5
        by_component = jnp.moveaxis(by_term, 0, 1)
        solved = jnp.linalg.solve(blocks + tiny * jnp.eye(terms, dtype=blocks.dtype)[None], by_component)
        return jnp.sum(by_component * solved, axis=(1, 2))
    return (weights * weights).sum(axis=1) / inverse.diagonal()


def without(inverse, weights, i):
    """``inverse`` and ``weights`` without component ``i``, by a rank-one update that sets its own entries to 0.

    With JAX arrays, ``i`` (terms,) may be the rows of all terms of a component.
    """
    if jnp.ndim(i):
        following = jnp.linalg.solve(inverse[i][:, i], inverse[i]).T
        return tuple(array - jnp.matmul(following, array[i], precision="highest") for array in (inverse, weights))
    column = inverse[:, i] / inverse[i, i]
    return inverse - column[:, None] * inverse[i][None], weights - column[:, None] * weights[i][None]
