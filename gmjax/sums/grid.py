"""The sum of Gaussians on a pixel grid: its derivative with two exponentials for eight pixels."""

import jax
import jax.numpy as jnp
import numpy as np

from gmjax.sums import points

_ROWS = 8
MOST = 1.25
"""What l11 times the distance of two rows may be. From 1.4 on, Gaussians that only begin inside a band are lost."""


@jax.custom_jvp
def sum_of_gaussians(weights, means, chol, rows, columns):
    """``weights`` (m, C), evenly spaced ``rows`` (h,), any ``columns`` (w,): gives (h, w, C)."""
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None])


@sum_of_gaussians.defjvp
def _sum_of_gaussians_jvp(primals, tangents):
    """Equations (7) to (9), in bands of rows. With (u, v) = L^T d on the middle of a band, the row j further has

    g_j = exp(-u^2 - v^2) k^(2 j) exp(-(s l11 j)^2),    k = exp(-s l11 u),    s the distance of two rows:

    of exponentials there are two arrays (m, bands, w), the rest is products. Of a change of the parameters

    d GmFace = sum_i g_i (dw_i + w_i (a_r d_r + a_c d_c + a_rr d_r^2 + a_rc d_r d_c + a_cc d_c^2)),    d = x - mu_i,

    so the transpose takes six moments of g times the cotangent about each component's own mean, where they lose no
    digits: first over the rows of a band (by Horner's rule in k^2), then over columns, then over bands.
    """
    weights, means, chol, rows, columns = primals
    d_weights, d_means, d_chol, _, _ = tangents
    count = min(_ROWS, len(rows))
    steps = [float(n) for n in np.arange(count) - (count - 1) / 2]
    s, bands = spacing(rows), -(-len(rows) // count)
    middles = rows[0] + s * (count * jnp.arange(bands, dtype=rows.dtype) - steps[0])

    row, column = middles[None] - means[:, :1], columns[None] - means[:, 1:]
    l11, l21, l22 = chol.T[..., None]
    u, v = (l11 * row)[..., None] + (l21 * column)[:, None], (l22 * column)[:, None]
    middle = jnp.exp(-(u * u + v * v))
    # Clipped again outside: XLA would join exp(a) exp(b) to exp(a + b), one more exponential for each row.
    k = jnp.clip(jnp.exp(jnp.clip(-s * l11[..., None] * u, -50.0, 50.0)), 1e-5, 1e5)
    fall = [jnp.exp(-jnp.square(s * j * l11)) for j in steps]
    g = jnp.stack([g * f[..., None] for g, f in zip(_by_row(middle, k, steps), fall, strict=True)], axis=1)

    def summed(weights):
        """(C, rows of a band, bands, w)"""
        return jnp.matmul(weights.T, g.reshape(len(g), -1), precision="highest").reshape(-1, *g.shape[1:])

    terms = [_by_row(middle * term, k, steps) for term in _quadratic(chol, d_means, d_chol, row, column)]

    def summed_terms(w):
        of_degree = [
            [(f * (s * j) ** n * w[:, None])[..., None] * t for j, f, t in zip(steps, fall, of_rows, strict=True)]
            for n, of_rows in enumerate(terms)
        ]
        return jnp.stack([jnp.sum(sum(of_row), axis=0) for of_row in zip(*of_degree, strict=True)])

    change = jnp.stack([summed_terms(w) for w in weights.T]) + summed(d_weights)

    def picture(array):
        return jax.lax.collapse(array.transpose(2, 1, 3, 0), 0, 2)[: len(rows)]

    return picture(summed(weights)), picture(change)


def spacing(axis):
    """The distance of two positions of an evenly spaced axis; where there is only one, next to nothing."""
    return jnp.maximum((axis[-1] - axis[0]) / max(len(axis) - 1, 1), jnp.finfo(axis.dtype).tiny ** 0.5)


def _by_row(middle, k, steps):
    """``middle`` times k^(2 j) for each of ``steps``, one way and the other from the middle."""
    upper = [j for j in steps if j > 0]

    def beyond(k):
        found, at, value = [], 0.0, middle
        for j in upper:
            value, at = value * (k if j - at == 0.5 else k * k), j
            found.append(value)
        return found

    return [*reversed(beyond(1.0 / k)), *([middle] if 0 in steps else []), *beyond(k)]


def _quadratic(chol, d_means, d_chol, row, column):
    """d(log g) as a quadratic in the distance from the middle of a band: its coefficients, (m, bands, w) each."""
    (l11, l21, l22), (dl11, dl21, dl22), (d_row, d_column) = (x.T[..., None] for x in (chol, d_chol, d_means))
    du = l11 * d_row + l21 * d_column
    a_r, a_c = 2.0 * l11 * du, 2.0 * (l21 * du + l22 * l22 * d_column)
    a_rr, a_rc, a_cc = -2.0 * l11 * dl11, -2.0 * (l11 * dl21 + l21 * dl11), -2.0 * (l21 * dl21 + l22 * dl22)

    def over_columns(constant, linear=None, square=None):
        """The transposes are products of a matrix and a vector, also under ``vmap``."""
        values = jnp.einsum("mb,w->mbw", jnp.broadcast_to(constant, row.shape), jnp.ones_like(column[0]))
        for coefficient, power in ((linear, column), (square, jnp.square(column))):
            if coefficient is not None:
                coefficient = jnp.broadcast_to(coefficient, row.shape)
                values = values + jnp.einsum("mb,mw->mbw", coefficient, power, precision="highest")
        return values

    return (
        over_columns(row * (a_r + row * a_rr), a_c + row * a_rc, a_cc),
        over_columns(a_r + 2.0 * row * a_rr, a_rc),
        over_columns(a_rr),
    )
