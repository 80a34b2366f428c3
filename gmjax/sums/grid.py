"""The sum of Gaussians on a pixel grid: value and derivative together, with two exponentials for eight pixels.

In bands of rows: with (u, v) = L^T d on the middle of a band, the row j further has

    g_j = exp(-u^2 - v^2) k^(2 j) exp(-(s l11 j)^2),    k = exp(-s l11 u),    s the distance of two rows.

No array of m x pixels is held. What makes that quick on a CPU is a reduction with several results: XLA computes it in
one pass with all that leads up to it, where it would repeat that for every result of its own.
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
MOST = 1.25
"""What l11 times the distance of two rows may be. From 1.4 on, Gaussians that only begin inside a band are lost."""
FEWEST_TERMS = 2**24
"""From how many terms on tiles are quicker on a CPU (docs/performance.md)."""
# Of k: beyond it the middle of the band is next to 0, and k^7 must not overflow.
_MOST_LOG = 11.5
# How many components, and how many bands, one pass sums: longer loops are not unrolled, and then not vectorised.
_COMPONENTS, _BANDS = (5, 4, 3, 2), (3, 2)


class _Bands(NamedTuple):
    """``row`` (m, bands) and ``column`` (m, w): distances of the middles of the bands, and of the columns, from the
    mean; ``middle`` and ``k`` (m, bands, w); ``fall``: the last factor, (m,) for each of a band's rows, ``steps``."""

    row: Array
    column: Array
    middle: Array
    k: Array
    fall: list[Array]
    steps: list[float]


def sum_of_gaussians(weights, means, chol, rows, columns):
    """``weights`` (m, C), evenly spaced ``rows`` (h,), any ``columns`` (w,): gives (h, w, C).

    Differentiable in the parameters, forwards and backwards, as often as wanted. The axes are constants.
    """
    parts = weights, means, chol, rows, columns
    return _sum(*vary_like(parts, parts))


@jax.custom_jvp
def _sum(weights, means, chol, rows, columns):
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@_sum.defjvp
def _sum_jvp(primals, tangents):
    """Equations (7) to (9); backwards as six moments about each component's own mean, where they lose no digits."""
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
        return linear.of_moments(jnp.concatenate([means, chol, weights], axis=1), means, moments[: len(means)])

    change = jnp.concatenate([d_means, d_chol, d_weights], axis=1)
    return picture, linear.with_transpose(change, picture.shape, push=push, pull=pull, plain=push)


def spacing(axis):
    """The distance of two positions of an evenly spaced axis; where there is only one, next to nothing."""
    return jnp.maximum((axis[-1] - axis[0]) / max(len(axis) - 1, 1), jnp.finfo(axis.dtype).tiny ** 0.5)


def _bands(means, chol, rows, columns) -> _Bands:
    """Of all components, and of some more that fill up the last group of those that are summed together."""
    filling = (0, -len(means) % _together(_COMPONENTS, len(means))), (0, 0)
    means, chol = jnp.pad(means, filling, mode="edge"), jnp.pad(chol, filling, mode="edge")
    height = min(_ROWS, len(rows))
    steps = [float(n) for n in np.arange(height) - (height - 1) / 2]
    count = -(-len(rows) // height)
    count += -count % _together(_BANDS, count)
    s = spacing(rows)
    middles = rows[0] + s * (height * jnp.arange(count, dtype=rows.dtype) - steps[0])

    row, column = middles[None] - means[:, :1], columns[None] - means[:, 1:]
    l11, l21, l22 = chol.T[..., None]
    u, v = (l11 * row)[..., None] + (l21 * column)[:, None], (l22 * column)[:, None]
    middle, k = _kept(jnp.exp(-(u * u + v * v)), jnp.exp(jnp.clip(-s * l11[..., None] * u, -_MOST_LOG, _MOST_LOG)))
    fall = [jnp.exp(-jnp.square(s * j * chol[:, 0])) for j in steps]
    return _Bands(row, column, middle, k, fall, steps)


def _together(sizes: tuple[int, ...], count: int) -> int:
    """Of ``sizes`` the one that leaves least to fill up of ``count``."""
    return min(sizes, key=lambda size: -count % size)


def _picture(weights, bands: _Bands, height: int) -> Float[Array, "{height} w C"]:
    weights = jnp.pad(weights, ((0, len(bands.k) - len(weights)), (0, 0)))
    gaussians = _by_row(bands.middle, bands.k, bands.steps)

    def channel(weights):
        heights = _kept(weights[None] * jnp.stack(bands.fall))[0]
        sums = [g * height[:, None, None] for g, height in zip(gaussians, heights, strict=True)]
        while len(sums[0]) > 1:
            size = _together(_COMPONENTS, len(sums[0]))
            padding = (0, -len(sums[0]) % size), (0, 0), (0, 0)
            sums = _sums([jnp.pad(x, padding).reshape(size, -1, *x.shape[1:]) for x in sums], 0)
        return jnp.stack([x[0] for x in sums], axis=1).reshape(-1, bands.column.shape[1])[:height]

    return jnp.stack([channel(w) for w in weights.T], axis=-1)


def _moments(bands: _Bands, cotangent: Float[Array, "h w"], s) -> Float[Array, "m 6"]:
    """The sums of each g times ``cotangent`` times 1, r, c, r^2, r c, c^2, (r, c) from the component's mean.

    First over the rows of a band and some bands, then over columns, then over the other bands.
    """
    count, size = bands.row.shape[1], _together(_BANDS, bands.row.shape[1])
    padding = count * len(bands.steps) - len(cotangent)
    cotangent = _kept(jnp.pad(cotangent, ((0, padding), (0, 0))))[0]
    of_rows = cotangent.reshape(1, size, -1, len(bands.steps), cotangent.shape[1])

    def grouped(array):
        return array.reshape(len(array), size, -1, *array.shape[2:])

    gaussians = zip(_by_row(grouped(bands.middle), grouped(bands.k), bands.steps), bands.fall, strict=True)
    terms = [g * (fall[:, None, None, None] * of_rows[:, :, :, j]) for j, (g, fall) in enumerate(gaussians)]
    m0, m1, m2 = (s**n * sum(step**n * term for step, term in zip(bands.steps, terms, strict=True)) for n in range(3))
    row = grouped(bands.row)[..., None]
    m0, m1, m2 = _sums((m0, m1 + row * m0, m2 + row * (2.0 * m1 + row * m0)), 1)

    def along_columns(sums, power):
        """(m, bands) A product of a matrix and a vector, also under ``vmap``."""
        return jnp.sum(jnp.einsum("mbw,mw->mb", sums, power, precision="highest"), axis=1)

    ones, column = jnp.ones_like(bands.column), bands.column
    moments = (m0, ones), (m1, ones), (m0, column), (m2, ones), (m1, column), (m0, jnp.square(column))
    return jnp.stack([along_columns(*moment) for moment in moments], axis=-1)


def _by_row(middle, k, steps):
    """``middle`` times k^(2 j) for each of ``steps``, one way and the other from the middle."""
    upper = [j for j in steps if j > 0]

    def beyond(k):
        found, at, value = [], 0.0, middle
        for j in upper:
            value, at = value * (k if j - at == 0.5 else k * k), j
            found.append(value)
        return found

    return [*reversed(beyond(jnp.reciprocal(k))), *([middle] if 0 in steps else []), *beyond(k)]


def _sums(arrays, axis: int) -> list[Array]:
    """The sums of all ``arrays`` over ``axis``, in one pass."""
    zeros = tuple(np.zeros((), array.dtype) for array in arrays)

    def add(a, b):
        return tuple(x + y for x, y in zip(a, b, strict=True))

    return list(jax.lax.reduce(tuple(arrays), zeros, add, (axis,)))


def _kept(*arrays) -> list[Array]:
    """``arrays``, but as results of one reduction, which XLA does not compute again for every component."""
    several = arrays if len(arrays) > 1 else (*arrays, -arrays[0])
    return _sums([jnp.stack([array, jnp.zeros_like(array)]) for array in several], 0)
