"""The sum of Gaussians on a pixel grid, with its derivative: two exponentials give eight pixels.

The rows are processed in bands of eight. With (u, v) = L^T d at the middle of a band, the row j rows below it has

    g_j = exp(-u^2 - v^2) k^(2 j) exp(-(s l11 j)^2),    k = exp(-s l11 u),    s = distance between two rows.

No array of m x pixels is stored. What makes this fast on a CPU is reductions with several results: XLA computes all of
them in a single pass, and would compute the Gaussians again for each separate reduction.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gmjax.sums import linear, points
from gmjax.sums.shard_map_types import vary_like

_ROWS = 8
# Upper bound of l11 times the distance between two rows. Above 1.4, Gaussians that only touch a band would be lost.
MAX_L11_TIMES_SPACING = 1.25
# Number of Gaussians times pixels from which ``sums/tiles.py`` is faster on a CPU (docs/performance.md).
MIN_TERMS_FOR_TILES = 2**24
# Bound of |log k|. Where it is exceeded the Gaussian is almost 0 at the middle of the band, and k^7 would overflow.
_MAX_LOG = 11.5
# Numbers of components, and of bands, that one pass may sum. LLVM unrolls, and then vectorises, only short loops.
_COMPONENT_GROUPS, _BAND_GROUPS = (5, 4, 3, 2), (3, 2)


class _Bands(NamedTuple):
    """``row`` (m, bands) and ``column`` (m, w): band middles and columns relative to the mean.
    ``middle`` (m, bands, w): the Gaussians at the band middles; ``k`` (m, bands, w).
    ``steps``: the offsets j of a band's rows from its middle; ``fall``: exp(-(s l11 j)^2), an (m,) array for each j.
    """

    row: Array
    column: Array
    middle: Array
    k: Array
    fall: list[Array]
    steps: list[float]


def sum_of_gaussians(weights, means, chol, rows, columns):
    """The sum of m Gaussians at all pairs of ``rows`` and ``columns``: (h, w, C).

    ``weights`` (m, C), ``means`` (m, 2), ``chol`` (m, 3); only ``rows`` (h,) must be evenly spaced. Differentiable in
    the parameters to any order, in forward and reverse mode; the axes are constants.
    """
    parts = weights, means, chol, rows, columns
    return _sum(*vary_like(parts, parts))


@jax.custom_jvp
def _sum(weights, means, chol, rows, columns):
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@_sum.defjvp
def _sum_jvp(primals, tangents):
    """Equations (7) to (9). Reverse mode sums six moments about each component's own mean, to avoid cancellation."""
    weights, means, chol, rows, columns = primals
    d_weights, d_means, d_chol, _, _ = tangents
    bands = _bands(means, chol, rows, columns)
    picture = _picture(weights, bands, len(rows))

    def push(d):
        d_means, d_chol, d_weights = jnp.split(d, (2, 5), axis=1)
        at_points = partial(points.sum_of_gaussians, rows=rows[:, None], columns=columns[None])
        return jax.jvp(at_points, (weights, means, chol), (d_weights, d_means, d_chol))[1]

    def pull(cotangent):
        moments = jnp.stack([_moments(bands, part, spacing(rows)) for part in jnp.moveaxis(cotangent, -1, 0)], axis=1)
        return linear.from_moments(jnp.concatenate([means, chol, weights], axis=1), means, moments[: len(means)])

    change = jnp.concatenate([d_means, d_chol, d_weights], axis=1)
    return picture, linear.with_transpose(change, picture.shape, push=push, pull=pull, plain=push)


def spacing(axis):
    """The distance between two neighbours on an evenly spaced axis; a tiny number if it has a single position."""
    return jnp.maximum((axis[-1] - axis[0]) / max(len(axis) - 1, 1), jnp.finfo(axis.dtype).tiny ** 0.5)


def _bands(means, chol, rows, columns) -> _Bands:
    padding = (0, -len(means) % _group_size(_COMPONENT_GROUPS, len(means))), (0, 0)
    means, chol = jnp.pad(means, padding, mode="edge"), jnp.pad(chol, padding, mode="edge")
    height = min(_ROWS, len(rows))
    steps = [float(n) for n in np.arange(height) - (height - 1) / 2]
    count = -(-len(rows) // height)
    count += -count % _group_size(_BAND_GROUPS, count)
    s = spacing(rows)
    middles = rows[0] + s * (height * jnp.arange(count, dtype=rows.dtype) - steps[0])

    row, column = middles[None] - means[:, :1], columns[None] - means[:, 1:]
    l11, l21, l22 = chol.T[..., None]
    u, v = (l11 * row)[..., None] + (l21 * column)[:, None], (l22 * column)[:, None]
    middle, k = _stored(jnp.exp(-(u * u + v * v)), jnp.exp(jnp.clip(-s * l11[..., None] * u, -_MAX_LOG, _MAX_LOG)))
    fall = [jnp.exp(-jnp.square(s * j * chol[:, 0])) for j in steps]
    return _Bands(row, column, middle, k, fall, steps)


def _group_size(sizes: tuple[int, ...], count: int) -> int:
    """The entry of ``sizes`` that needs the least padding to divide ``count`` into groups."""
    return min(sizes, key=lambda size: -count % size)


def _picture(weights, bands: _Bands, height: int) -> Float[Array, "{height} w C"]:
    weights = jnp.pad(weights, ((0, len(bands.k) - len(weights)), (0, 0)))
    gaussians = _by_row(bands.middle, bands.k, bands.steps)

    def channel(weights):
        heights = _stored(weights[None] * jnp.stack(bands.fall))[0]
        sums = [g * height[:, None, None] for g, height in zip(gaussians, heights, strict=True)]
        while len(sums[0]) > 1:
            size = _group_size(_COMPONENT_GROUPS, len(sums[0]))
            padding = (0, -len(sums[0]) % size), (0, 0), (0, 0)
            sums = _sums([jnp.pad(x, padding).reshape(size, -1, *x.shape[1:]) for x in sums], 0)
        return jnp.stack([x[0] for x in sums], axis=1).reshape(-1, bands.column.shape[1])[:height]

    return jnp.stack([channel(w) for w in weights.T], axis=-1)


def _moments(bands: _Bands, cotangent: Float[Array, "h w"], s) -> Float[Array, "m 6"]:
    """The sums over all pixels of g ``cotangent`` times 1, r, c, r^2, r c, c^2, (r, c) relative to the mean."""
    count, size = bands.row.shape[1], _group_size(_BAND_GROUPS, bands.row.shape[1])
    padding = count * len(bands.steps) - len(cotangent)
    cotangent = _stored(jnp.pad(cotangent, ((0, padding), (0, 0))))[0]
    of_rows = cotangent.reshape(1, size, -1, len(bands.steps), cotangent.shape[1])

    def grouped(array):
        return array.reshape(len(array), size, -1, *array.shape[2:])

    gaussians = zip(_by_row(grouped(bands.middle), grouped(bands.k), bands.steps), bands.fall, strict=True)
    terms = [g * (fall[:, None, None, None] * of_rows[:, :, :, j]) for j, (g, fall) in enumerate(gaussians)]
    m0, m1, m2 = (s**n * sum(step**n * term for step, term in zip(bands.steps, terms, strict=True)) for n in range(3))
    row = grouped(bands.row)[..., None]
    m0, m1, m2 = _sums((m0, m1 + row * m0, m2 + row * (2.0 * m1 + row * m0)), 1)

    def along_columns(sums, power):  # stays a matrix-vector product under ``vmap``
        return jnp.sum(jnp.einsum("mbw,mw->mb", sums, power, precision="highest"), axis=1)

    ones, column = jnp.ones_like(bands.column), bands.column
    moments = (m0, ones), (m1, ones), (m0, column), (m2, ones), (m1, column), (m0, jnp.square(column))
    return jnp.stack([along_columns(*moment) for moment in moments], axis=-1)


def _by_row(middle, k, steps):
    """``middle`` times k^(2 j) for each j in ``steps``, by repeated products outwards from the middle."""
    upper = [j for j in steps if j > 0]

    def outwards(k):
        found, at, value = [], 0.0, middle
        for j in upper:
            value, at = value * (k if j - at == 0.5 else k * k), j
            found.append(value)
        return found

    return [*reversed(outwards(jnp.reciprocal(k))), *([middle] if 0 in steps else []), *outwards(k)]


def _sums(arrays, axis: int) -> list[Array]:
    """The sum of each array over ``axis``, as one reduction with several results."""
    zeros = tuple(np.zeros((), array.dtype) for array in arrays)

    def add(a, b):
        return tuple(x + y for x, y in zip(a, b, strict=True))

    return list(jax.lax.reduce(tuple(arrays), zeros, add, (axis,)))


def _stored(*arrays) -> list[Array]:
    """``arrays`` unchanged, but as results of a reduction with several, which XLA stores.

    It would compute cheap elementwise operations again in each of their users.
    """
    several = arrays if len(arrays) > 1 else (*arrays, -arrays[0])
    return _sums([jnp.stack([array, jnp.zeros_like(array)]) for array in several], 0)
