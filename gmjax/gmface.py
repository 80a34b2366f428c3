"""The formula (paper, III-A): a picture as a sum of two-dimensional Gaussians.

    GmFace(x) = sum_i w_i exp(-(x - mu_i)^T A_i (x - mu_i)),   A_i = L_i L_i^T        (2)-(6)

Positions are (row, column), normalised: pixel (r, c) of an H x W picture lies at (r / H, c / W), counted from
``offset`` (1 on the paper's grid, 0.5 for pixel centres). There is no factor 1/2 in the exponent.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from gmjax.types import AnyArray, Leaf


@struct.dataclass
class GmFace:
    """The parameters of the formula, valid as they stand; ``vmap`` and friends may put batch axes in front.

    ``weights``: ``(m,)`` for a gray picture, ``(m, C)`` for one with ``C`` channels.
    ``means``: ``(m, 2)``, the centres, (row, column), normalised.
    ``precision_chol``: ``(m, 3)``, the factor ``L = [[l11, 0], [l21, l22]]`` of each precision matrix ``A = L L^T``
    as ``(l11, l21, l22)`` with ``l11, l22 > 0``.
    """

    weights: Leaf
    means: Leaf
    precision_chol: Leaf

    @property
    def num_components(self) -> int:
        return self.means.shape[-2]

    @property
    def channels(self) -> int | None:
        """The number of channels ``C``, or None for gray."""
        return None if self.weights.ndim < self.means.ndim else self.weights.shape[-1]

    @property
    def num_parameters(self) -> int:
        """How many numbers write the picture down: 6 m for a gray one (18)."""
        return self.num_components * (5 + (self.channels or 1))


def precision(params: GmFace) -> Float[Array, "*batch m 2 2"]:
    """The precision matrices ``A = L L^T`` (4)."""
    l11, l21, l22 = jnp.moveaxis(params.precision_chol, -1, 0)
    rows = [l11 * l11, l11 * l21], [l11 * l21, l21 * l21 + l22 * l22]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def from_precision(weights, means, precision: Float[AnyArray, "*batch m 2 2"]) -> GmFace:
    """A ``GmFace`` from symmetric positive definite matrices ``A``; the inverse of ``precision``."""
    a11, a21, a22 = precision[..., 0, 0], precision[..., 1, 0], precision[..., 1, 1]
    l11 = jnp.sqrt(a11)
    l21 = a21 / l11
    chol = jnp.stack([l11, l21, jnp.sqrt(a22 - l21 * l21)], axis=-1)
    return GmFace(weights, means, chol)


# 2^f for f in [-0.5, 0.5]: the polynomial through the Chebyshev nodes, to 4e-9.
_EXP2 = tuple(
    np.polynomial.Chebyshev.interpolate(np.exp2, 6, [-0.5, 0.5])
    .convert(kind=np.polynomial.Polynomial)
    .coef.astype(np.float32)
)


@jax.jit
def gmface(params: GmFace, x: Float[AnyArray, "*points 2"]) -> Float[Array, "..."]:
    """The formula at any positions: ``x`` ``(..., 2)`` gives ``(...)``, or ``(..., C)`` with colour weights.

    Differentiable in the parameters and in ``x``, forwards and backwards, by the paper's equations (7) to (9).
    """
    return _formula(params, x[..., 0], x[..., 1], _sum_of_gaussians)


@partial(jax.jit, static_argnames=("shape", "offset"))
def render(params: GmFace, shape: tuple[int, int], *, offset: float = 1.0) -> Float[Array, "{shape[0]} {shape[1]} *c"]:
    """The picture of ``shape`` (H, W), any size: ``(H, W)`` or ``(H, W, C)``, intensities as the formula gives them."""
    if not (isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise ValueError(f"shape must be (H, W), two whole numbers of at least 1; got {shape!r}")
    _require_model(params)
    return on_axes(params, *pixel_axes(shape, offset, params.means.dtype))


def pixel_grid(shape: tuple[int, int], *, offset: float = 1.0) -> Float[Array, "{shape[0]} {shape[1]} 2"]:
    """The positions (row, column) of the pixels of a picture of ``shape`` (H, W)."""
    return jnp.stack(jnp.meshgrid(*pixel_axes(shape, offset), indexing="ij"), axis=-1)


def pixel_axes(shape: tuple[int, ...], offset: float = 1.0, dtype=None):
    """The grid as two axes, the normalised positions of the rows (H,) and of the columns (W,)."""
    return tuple(jnp.asarray((np.arange(n) + offset) / n, dtype) for n in shape)


def on_axes(params: GmFace, rows: Float[AnyArray, " h"], columns: Float[AnyArray, " w"]) -> Float[Array, "h w *c"]:
    """The formula at all pairs of ``rows`` and ``columns``: any part of the pixel grid, a constant to derivatives."""
    return _formula(params, rows, columns, _sum_on_grid)


def _require_model(params) -> None:
    if not isinstance(params, GmFace):
        raise TypeError(f"expected a GmFace, not {type(params).__name__}; of a FitResult take .params")


def _formula(params, rows, columns, sum_of_gaussians):
    _require_model(params)
    if params.means.ndim != 2:
        raise ValueError(
            f"the formula takes one model, means (m, 2); got {params.means.shape}: use jax.vmap over a batch of models"
        )
    weights = params.weights if params.channels else params.weights[:, None]
    picture = sum_of_gaussians(weights, params.means, params.precision_chol, rows, columns)
    # Keeps what a loss does with each pixel, and its derivative, from being done again for each component.
    picture = jax.lax.optimization_barrier(picture)
    return picture if params.channels else picture[..., 0]


@jax.custom_jvp
def _sum_of_gaussians(weights, means, chol, rows, columns):
    """``weights`` (m, C), positions ``rows`` and ``columns`` of equal rank that broadcast to (...): gives (..., C)."""
    g = gaussians(means, chol, rows, columns)
    # A sum over the leading axis is fused with the exponential: the array g (m, ...) is never stored.
    weights = weights.reshape(weights.shape[:1] + (1,) * rows.ndim + weights.shape[1:])
    return jnp.sum(weights * g[..., None], axis=0)


@partial(_sum_of_gaussians.defjvp, symbolic_zeros=True)
def _sum_of_gaussians_jvp(primals, tangents):
    """Equations (7) to (9), with d = x - mu, (u, v) = L^T d and g = exp(-u^2 - v^2), as

    d GmFace = sum_i g_i (dw_i - 2 w_i (u_i du_i + v_i dv_i)),
    du = l11 d(d_r) + l21 d(d_c) + dl11 d_r + dl21 d_c,    dv = l22 d(d_c) + dl22 d_c.
    """
    weights, means, chol, rows, columns = primals
    (u, v), (row, column) = _whitened(means, chol, rows, columns)
    g = jnp.exp(-(u * u + v * v))
    d_weights, d_means, d_chol, d_rows, d_columns = tangents
    l11, l21, l22 = (_per_component(entry, g) for entry in chol.T)
    du, dv = jnp.zeros((), g.dtype), jnp.zeros((), g.dtype)
    if not isinstance(d_chol, SymbolicZero):
        dl11, dl21, dl22 = (_per_component(entry, g) for entry in d_chol.T)
        du, dv = dl11 * row + dl21 * column, dl22 * column
    if not isinstance(d_means, SymbolicZero):
        d_row, d_column = (_per_component(entry, g) for entry in d_means.T)
        du, dv = du - (l11 * d_row + l21 * d_column), dv - l22 * d_column
    if not isinstance(d_rows, SymbolicZero):
        du = du + l11 * d_rows[None]
    if not isinstance(d_columns, SymbolicZero):
        du, dv = du + l21 * d_columns[None], dv + l22 * d_columns[None]
    d_log_g = -2.0 * (u * du + v * dv)

    def channel(w, dw):
        change = _per_component(w, g) * d_log_g
        if dw is not None:
            change = change + _per_component(dw, g)
        return jnp.sum(g * change, axis=0)

    d_weights = [None] * weights.shape[1] if isinstance(d_weights, SymbolicZero) else d_weights.T
    picture = (weights.T @ g.reshape(len(weights), -1)).T.reshape(*g.shape[1:], -1)
    return picture, jnp.stack([channel(w, dw) for w, dw in zip(weights.T, d_weights, strict=True)], axis=-1)


@jax.custom_jvp
def _sum_on_grid(weights, means, chol, rows, columns):
    """``weights`` (m, C), axes ``rows`` (h,) and ``columns`` (w,): gives (h, w, C)."""
    return _sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@_sum_on_grid.defjvp
def _sum_on_grid_jvp(primals, tangents):
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


def gaussians(means: Float[AnyArray, "m 2"], chol: Float[AnyArray, "m 3"], rows, columns) -> Float[Array, "m ..."]:
    """Each Gaussian, of height 1, at positions ``rows`` and ``columns`` of equal rank that broadcast to (...)."""
    (u, v), _ = _whitened(means, chol, rows, columns)
    return jnp.exp(-(u * u + v * v))


def _whitened(means, chol, rows, columns):
    """(u, v) = L^T d and d = x - mu of every component, (m, ...) each."""
    l11, l21, l22 = (_per_component(entry, rows[None]) for entry in chol.T)
    row = rows[None] - _per_component(means[:, 0], rows[None])
    column = columns[None] - _per_component(means[:, 1], columns[None])
    return (l11 * row + l21 * column, l22 * column), (row, column)


def _per_component(values, like):
    """``values`` (m,) with as many axes of length 1 behind as it takes to broadcast against ``like`` (m, ...)."""
    return values.reshape(values.shape + (1,) * (like.ndim - 1))
