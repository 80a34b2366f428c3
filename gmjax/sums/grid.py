"""The sum of Gaussians on a pixel grid: its derivative as matrix products, tile by tile."""

import jax
import jax.numpy as jnp
import numpy as np

from gmjax.sums import points

# 2^f for f in [-0.5, 0.5]: the polynomial through the Chebyshev nodes, to 4e-9.
_EXP2 = tuple(
    np.polynomial.Chebyshev.interpolate(np.exp2, 6, [-0.5, 0.5])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)


@jax.custom_jvp
def sum_of_gaussians(weights, means, chol, rows, columns):
    """``weights`` (m, C), axes ``rows`` (h,) and ``columns`` (w,): gives (h, w, C)."""
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@sum_of_gaussians.defjvp
def _sum_of_gaussians_jvp(primals, tangents):
    """Equations (7) to (9) as matrix products. At (r, c) from the centre of a tile, where L^T d is (u, v),

    log g = -(u + l11 r + l21 c)^2 - (v + l22 c)^2 = sum_k a_k phi_k,    phi = (1, r, c, r^2, r c, c^2),
    d GmFace = sum_k phi_k sum_i g_i (dw_i [k = 0] + w_i da_ik),

    whose transpose takes the moments of g times the cotangent. About one centre for the whole picture these moments
    would lose digits of the narrow components; small tiles keep them.
    """
    weights, means, chol, rows, columns = primals
    d_weights, d_means, d_chol, _, _ = tangents
    r, c = _tiles(rows, columns)
    center = [jnp.mean(x, axis=1, keepdims=True) for x in (r, c)]
    r, c = r - center[0], c - center[1]
    (l11, l21, l22), (dl11, dl21, dl22) = chol.T[:, None], d_chol.T[:, None]
    row, column = center[0] - means[None, :, 0], center[1] - means[None, :, 1]
    d_row, d_column = -d_means.T[:, None]
    u, v = l11 * row + l21 * column, l22 * column
    du, dv = dl11 * row + dl21 * column + l11 * d_row + l21 * d_column, dl22 * column + l22 * d_column

    u_at = u[..., None] + l11[..., None] * r[:, None] + l21[..., None] * c[:, None]
    v_at = v[..., None] + l22[..., None] * c[:, None]
    g = _exp(-(u_at * u_at + v_at * v_at))
    d_linear = u * dl11 + l11 * du, u * dl21 + l21 * du + v * dl22 + l22 * dv
    d_square = l11 * dl11, l11 * dl21 + l21 * dl11, l21 * dl21 + l22 * dl22
    d_terms = jnp.broadcast_arrays(u * du + v * dv, *d_linear, *d_square)
    d_log_g = -2.0 * jnp.stack(d_terms, axis=1)
    powers = jnp.stack([jnp.ones_like(r), r, c, r * r, r * c, c * c], axis=1)

    # The weights of each tile: without them the product over all tiles at once would first copy g in another order.
    weights, d_weights = (jnp.broadcast_to(w.T, (len(g), *w.T.shape)) for w in (weights, d_weights))
    changes = weights[:, :, None] * d_log_g[:, None] + jnp.pad(d_weights[:, :, None], ((0, 0), (0, 0), (0, 5), (0, 0)))
    products = jnp.matmul(changes.reshape(len(g), -1, g.shape[1]), g, precision="highest")
    picture = jnp.matmul(weights, g, precision="highest")
    change = jnp.sum(powers[:, None] * products.reshape(*picture.shape[:2], *powers.shape[1:]), axis=2)
    return _untiled(picture, len(rows), len(columns)), _untiled(change, len(rows), len(columns))


def _tile_shape(height, width):
    """At most 15 x 24 pixels and an eighth of the rows; the columns a multiple of 8, the width of a vector."""
    down = -(-height // min(15, -(-height // 8)))
    return -(-height // down), min(24, -(-width // 40) * 8)


def _tiles(rows, columns):
    """Row and column (tiles, pixels) of each pixel of each tile; the last tiles repeat the picture's edge."""
    down, across = (
        jnp.pad(axis, (0, -len(axis) % size), mode="edge").reshape(-1, size)
        for axis, size in zip((rows, columns), _tile_shape(len(rows), len(columns)), strict=True)
    )
    tiled = jnp.broadcast_arrays(down[:, None, :, None], across[None, :, None, :])
    return tuple(x.reshape(len(down) * len(across), -1) for x in tiled)


def _untiled(values, height, width):
    """The picture (height, width, C) of its tiles (tiles, C, pixels)."""
    shape = _tile_shape(height, width)
    values = values.reshape(-(-height // shape[0]), -(-width // shape[1]), values.shape[1], *shape)
    values = values.transpose(0, 3, 1, 4, 2)
    return values.reshape(-1, values.shape[2] * shape[1], values.shape[4])[:height, :width]


@jax.custom_jvp
def _exp(x):
    """The exponential of ``x`` <= 0 to 3e-7; the one of XLA takes up to three times as long on a CPU.

    2^n 2^f with a whole number n and f in [-0.5, 0.5]: n is added to the exponent bits of a polynomial in f.
    """
    if x.dtype != jnp.float32:
        return jnp.exp(x)
    x = jnp.maximum(x * np.float32(np.log2(np.e)), -126.0)
    f = x - jnp.round(x)
    power = jnp.full_like(f, _EXP2[-1])
    for coefficient in _EXP2[-2::-1]:
        power = power * f + coefficient
    n = jax.lax.bitcast_convert_type(x + np.float32(1.5 * 2**23), jnp.int32)
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(power, jnp.int32) + (n << 23), jnp.float32)


@_exp.defjvp
def _exp_jvp(primals, tangents):
    g = _exp(*primals)
    return g, g * tangents[0]
