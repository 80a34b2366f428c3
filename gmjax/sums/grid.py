"""The sum of Gaussians on a pixel grid: its derivative as one matrix product over tiles."""

import jax
import jax.numpy as jnp

from gmjax.sums import points

_TILE = 8, 40


@jax.custom_jvp
def sum_of_gaussians(weights, means, chol, rows, columns):
    """``weights`` (m, C), evenly spaced axes ``rows`` (h,) and ``columns`` (w,): gives (h, w, C)."""
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@sum_of_gaussians.defjvp
def _sum_of_gaussians_jvp(primals, tangents):
    """Equations (7) to (9) as a matrix product. At (r, c) from the centre of a tile

    log g = -|L^T d|^2 = sum_k a_k phi_k,    phi = (1, r, c, r^2, r c, c^2),
    d GmFace = sum_i (dw_i g_i + w_i g_i sum_k da_ik phi_k).

    (r, c) are the same in all tiles, since the axes are evenly spaced: the coefficients da (m tiles, 6) times phi
    (6, pixels) is one product, and its transpose takes six moments of each g times the cotangent. Far from a tile's
    centre these moments lose digits of the narrow components.
    """
    weights, means, chol, rows, columns = primals
    d_weights, d_means, d_chol, _, _ = tangents
    height, width = _tile_shape(len(rows), len(columns))
    (row, r), (column, c) = _tiles(rows, height), _tiles(columns, width)
    places = jnp.repeat(row, len(column)), jnp.tile(column, len(row)), jnp.repeat(r, len(c)), jnp.tile(c, len(r))
    # Else the loops over all pixels would find the places of each pixel again.
    row, column, r, c = jax.lax.optimization_barrier(places)

    def whitened(means, chol):
        """(u, v) = L^T d at the centres, (m, tiles) each."""
        l11, l21, l22 = chol.T[..., None]
        d_row, d_column = row[None] - means[:, :1], column[None] - means[:, 1:]
        return l11 * d_row + l21 * d_column, l22 * d_column

    def coefficients(means, chol):
        """The coefficients of log g, (m, tiles, 6)."""
        l11, l21, l22 = chol.T[..., None]
        u, v = whitened(means, chol)
        linear = 2.0 * u * l11, 2.0 * (u * l21 + v * l22)
        square = l11 * l11, 2.0 * l11 * l21, l21 * l21 + l22 * l22
        return -jnp.stack(jnp.broadcast_arrays(u * u + v * v, *linear, *square), axis=-1)

    l11, l21, l22 = chol.T[..., None, None]
    u, v = (centre[..., None] for centre in whitened(means, chol))
    powers = jnp.stack([jnp.ones_like(r), r, c, r * r, r * c, c * c])
    r, c = r[None, None], c[None, None]
    g = jnp.exp(-jnp.square(u + (l11 * r + l21 * c)) - jnp.square(v + l22 * c))
    _, d_coefficients = jax.jvp(coefficients, (means, chol), (d_means, d_chol))
    dg = g * jnp.matmul(d_coefficients, powers, precision="highest")

    def summed(weights, g):
        return jnp.matmul(weights.T, g.reshape(len(g), -1), precision="highest")

    change = jax.lax.optimization_barrier(summed(weights, dg) + summed(d_weights, g))
    return tuple(_untiled(values, len(rows), len(columns)) for values in (summed(weights, g), change))


def _tile_shape(height, width):
    """At most 8 rows, an eighth of the picture, and 40 columns; tiles of nearly equal size."""
    down, across = -(-height // min(_TILE[0], -(-height // 8))), -(-width // _TILE[1])
    return -(-height // down), -(-width // across)


def _tiles(axis, size):
    """The centres (tiles,) of an axis cut into parts, and the positions (size,) about each; the last may overhang."""
    step = (axis[-1] - axis[0]) / max(len(axis) - 1, 1)
    about = jnp.arange(size, dtype=axis.dtype) - (size - 1) / 2
    first = jnp.arange(0, len(axis), size, dtype=axis.dtype)
    return axis[0] + step * (first - about[0]), step * about


def _untiled(values, height, width):
    """The picture (height, width, C) of its tiles (C, tiles pixels)."""
    shape = _tile_shape(height, width)
    values = values.reshape(-1, -(-height // shape[0]), -(-width // shape[1]), *shape).transpose(1, 3, 2, 4, 0)
    return jax.lax.collapse(jax.lax.collapse(values, 2, 4), 0, 2)[:height, :width]
