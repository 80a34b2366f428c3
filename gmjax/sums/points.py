"""The sum of Gaussians at arbitrary positions, without approximation."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from gmjax.types import AnyArray

# Numbers of Gaussians times positions: stored at once, and from which tiles are faster on a CPU (docs/performance.md).
_TERMS, MIN_TERMS_FOR_TILES = 2**18, 2**22


@jax.custom_jvp
def sum_of_gaussians(weights, means, chol, rows, columns):
    """The sum of m Gaussians at positions (``rows``, ``columns``): (..., C).

    ``weights`` (m, C), ``means`` (m, 2), ``chol`` (m, 3); ``rows`` and ``columns`` have equal rank and broadcast to
    (...). Computed in chunks along the first axis, each a matrix-vector product. Differentiable in all arguments.
    """

    def summed(rows, columns):
        g = gaussians(means, chol, rows, columns)
        return jnp.matmul(weights.T, g.reshape(len(means), -1), precision="highest").T

    return in_chunks(summed, len(means), rows, columns)


def in_chunks(summed, m: int, rows, columns):
    """What ``summed(rows, columns)`` (n, C), a sum of ``m`` components, gives for all positions: (..., C)."""
    shape = jnp.broadcast_shapes(rows.shape, columns.shape)
    if not shape:
        return in_chunks(summed, m, rows[None], columns[None])[0]
    length = shape[0]
    most = max(1, min(length, _TERMS // max(1, m * math.prod(shape[1:]))))
    divisor = max(size for size in range(1, most + 1) if length % size == 0)
    size = divisor if 2 * divisor >= most else most
    padding = -length % size

    def chunk(positions, number):
        return jax.lax.dynamic_slice_in_dim(positions, number * size, size) if len(positions) > 1 else positions

    rows, columns = (jnp.pad(x, ((0, padding * (len(x) > 1)),) + ((0, 0),) * (x.ndim - 1)) for x in (rows, columns))
    numbers = jnp.arange((length + padding) // size)
    sums = jax.lax.map(lambda number: summed(chunk(rows, number), chunk(columns, number)), numbers)
    return sums.reshape(length + padding, *shape[1:], sums.shape[-1])[:length]


@partial(sum_of_gaussians.defjvp, symbolic_zeros=True)
def sum_of_gaussians_jvp(primals, tangents):
    """Equations (7) to (9) in forward mode. With d = x - mu, (u, v) = L^T d and g = exp(-u^2 - v^2) they are

    d GmFace = sum_i g_i (dw_i - 2 w_i (u_i du_i + v_i dv_i)),
    du = l11 d(d_r) + l21 d(d_c) + dl11 d_r + dl21 d_c,    dv = l22 d(d_c) + dl22 d_c.
    """
    weights, means, chol, rows, columns = primals
    (u, v), (row, column) = whitened(means, chol, rows, columns)
    g = jnp.exp(-(u * u + v * v))
    d_weights, d_means, d_chol, d_rows, d_columns = tangents
    l11, l21, l22 = (per_component(entry, g) for entry in chol.T)
    du, dv = jnp.zeros((), g.dtype), jnp.zeros((), g.dtype)
    if not isinstance(d_chol, SymbolicZero):
        dl11, dl21, dl22 = (per_component(entry, g) for entry in d_chol.T)
        du, dv = dl11 * row + dl21 * column, dl22 * column
    if not isinstance(d_means, SymbolicZero):
        d_row, d_column = (per_component(entry, g) for entry in d_means.T)
        du, dv = du - (l11 * d_row + l21 * d_column), dv - l22 * d_column
    if not isinstance(d_rows, SymbolicZero):
        du = du + l11 * d_rows[None]
    if not isinstance(d_columns, SymbolicZero):
        du, dv = du + l21 * d_columns[None], dv + l22 * d_columns[None]
    d_log_g = -2.0 * (u * du + v * dv)

    def channel(w, dw):
        change = per_component(w, g) * d_log_g
        if dw is not None:
            change = change + per_component(dw, g)
        return jnp.sum(g * change, axis=0)

    d_weights = [None] * weights.shape[1] if isinstance(d_weights, SymbolicZero) else d_weights.T
    picture = (weights.T @ g.reshape(len(weights), -1)).T.reshape(*g.shape[1:], -1)
    return picture, jnp.stack([channel(w, dw) for w, dw in zip(weights.T, d_weights, strict=True)], axis=-1)


def gaussians(means: Float[AnyArray, "m 2"], chol: Float[AnyArray, "m 3"], rows, columns) -> Float[Array, "m ..."]:
    """The m Gaussians with height 1; ``rows`` and ``columns`` as above."""
    (u, v), _ = whitened(means, chol, rows, columns)
    return jnp.exp(-(u * u + v * v))


def whitened(means, chol, rows, columns):
    """(u, v) = L^T d and d = x - mu, each (m, ...)."""
    l11, l21, l22 = (per_component(entry, rows[None]) for entry in chol.T)
    row = rows[None] - per_component(means[:, 0], rows[None])
    column = columns[None] - per_component(means[:, 1], columns[None])
    return (l11 * row + l21 * column, l22 * column), (row, column)


def per_component(values, like):
    """``values`` (m,), to broadcast against ``like`` (m, ...)."""
    return values.reshape(values.shape + (1,) * (like.ndim - 1))
