"""The calculus of sums of Gaussians, in closed form: convolutions, derivatives, integrals, products.

With C = A^-1 / 2 the covariance of a component w exp(-(x - mu)^T A (x - mu)), its integral is w pi / (l11 l22).
Positions and covariances are normalised, (row, column): sigma pixels of an H x W picture are (sigma / H, sigma / W).
Everything is differentiable in the parameters and takes batches of models (leading axes, equal for two models).
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jaxtyping import Array, Float

from gmjax.errors import ArgumentError
from gmjax.gmface import AnyModel, Atoms, GmFace, Model, checked_shape, gmface, pixel_axes, precision, require_gaussians
from gmjax.profiles import PROFILES, as_polynomial, monomials, substituted
from gmjax.types import AnyArray

# The number of Gaussians held at once.
_TERMS = 2**20
# Nodes of Gauss-Legendre quadrature across a rectangle, across a pixel, and over less than a Gaussian's width.
_NODES, _PIXEL_NODES, _SHORT_NODES = 64, 12, 8
# Beyond so many times its width a Gaussian is below 1e-19.
_REACH = 6.6


class Moments(NamedTuple):
    """Integrals over the plane of f times 1, x and x x^T: ``mass`` (*c), ``first`` (*c, 2), ``second`` (*c, 2, 2)."""

    mass: Array
    first: Array
    second: Array


def blur(params: AnyModel, covariance) -> AnyModel:
    """The model convolved with a normalised Gaussian of ``covariance`` (2, 2), which each component adds to its own.

    For a blur of sigma pixels: ``jnp.diag(jnp.array([sigma / H, sigma / W]) ** 2)``. Also for ``Atoms`` that are
    polynomials times a Gaussian: the profiles gaussian and Hermite keep theirs, a Mexican hat becomes "hermite2".
    Raises ArgumentError for another shape, or another profile.
    """
    if isinstance(params, Atoms) and as_polynomial(params.profile, [0.0] * params.profile.terms) is None:
        problem = f"has the profile {params.profile.name}, whose blur has no closed form here"
        raise ArgumentError("params", f"{problem}; gaussian, mexican_hat and hermite1 to hermite3 have one")
    covariance = jnp.asarray(covariance, params.means.dtype)
    if covariance.shape != (2, 2):
        raise ArgumentError("covariance", f"must have the shape (2, 2); got {covariance.shape}")
    return _blur_of_atoms(params, covariance) if isinstance(params, Atoms) else _blur(params, covariance)


@jax.jit
def _blur(params: GmFace, covariance) -> GmFace:
    chol, _, determinant = _blurred_factor(params, covariance)
    return dataclasses.replace(
        params, weights=params.weights / _per_channel(params, jnp.sqrt(determinant)), precision_chol=chol
    )


@jax.jit
def _blur_of_atoms(params: Atoms, covariance) -> Atoms:
    """P(z) exp(-|z|^2), z = L^T d, becomes det(M)^-1/2 E[P(N z' + e)] exp(-|z'|^2): z' is whitened by the new factor,
    and e is normal with the covariance (1 - N N^T) / 2. P has at most the degree 3."""
    chol, n, determinant = _blurred_factor(params, covariance)
    n11, n21, n22, scale = (_per_channel(params, x) for x in (*n, 1.0 / jnp.sqrt(determinant)))
    c11, c21, c22 = (1.0 - n11 * n11) / 2.0, -n11 * n21 / 2.0, (1.0 - n21 * n21 - n22 * n22) / 2.0
    axis = params.means.ndim - 1
    weights = list(jnp.moveaxis(params.weights, axis, 0))
    polynomial = as_polynomial(params.profile, weights) or {}
    mean = dict(polynomial)
    for (a, b), weight in polynomial.items():
        lower = {(a - 2, b): math.comb(a, 2) * c11, (a - 1, b - 1): a * b * c21, (a, b - 2): math.comb(b, 2) * c22}
        for power, moment in lower.items():
            if min(power) >= 0:
                mean[power] = mean.get(power, 0.0) + moment * weight
    blurred = substituted(mean, n11, jnp.zeros_like(n11), n21, n22)
    profile = PROFILES["hermite2"] if params.profile == PROFILES["mexican_hat"] else params.profile
    terms = [scale * blurred.get(power, jnp.zeros_like(weights[0])) for power in monomials(max(map(sum, blurred)))]
    return dataclasses.replace(params, weights=jnp.stack(terms, axis), precision_chol=chol, profile=profile)


def _blurred_factor(params: Model, covariance):
    """A' = (A^-1 + 2 S)^-1 = L M^-1 L^T with M = 1 + 2 L^T S L: the new factor L N, N where M^-1 = N N^T, and det M."""
    l11, l21, l22 = _factor(params)
    (s11, _), (s21, s22) = 2.0 * covariance
    m11 = 1.0 + s11 * l11 * l11 + 2.0 * s21 * l11 * l21 + s22 * l21 * l21
    m21, m22 = (s21 * l11 + s22 * l21) * l22, 1.0 + s22 * l22 * l22
    determinant = m11 * m22 - m21 * m21
    n11, n22 = jnp.sqrt(m22 / determinant), 1.0 / jnp.sqrt(m22)
    n21 = -m21 / (determinant * n11)
    chol = jnp.stack([l11 * n11, l21 * n11 + l22 * n21, l22 * n22], axis=-1)
    return chol, (n11, n21, n22), determinant


def gradient(params: Model, x: Float[AnyArray, "*points 2"]) -> Float[Array, "..."]:
    """The gradient of the formula at ``x`` (..., 2), per normalised unit: (..., 2), or (..., C, 2) for colour."""
    return _derivative(params, x, 1)


def hessian(params: Model, x: Float[AnyArray, "*points 2"]) -> Float[Array, "..."]:
    """The second derivatives of the formula at ``x`` (..., 2): (..., 2, 2), or (..., C, 2, 2) for colour."""
    return _derivative(params, x, 2)


def laplacian(params: Model, x: Float[AnyArray, "*points 2"]) -> Float[Array, "..."]:
    """The sum of both second derivatives at ``x`` (..., 2), in normalised units: (...), or (..., C) for colour."""
    return jnp.trace(hessian(params, x), axis1=-2, axis2=-1)


@partial(jax.jit, static_argnames="order")
def _derivative(params: Model, x, order: int):
    """With s = A d: grad g = -2 g s and the Hessian of g is g (4 s s^T - 2 A). JAX derives ``Atoms``."""
    if params.means.ndim > 2:
        return jax.vmap(partial(_derivative, order=order), (0, None))(params, x)
    if isinstance(params, Atoms):
        derived: Callable = partial(gmface, params)
        for _ in range(order):
            derived = jax.jacfwd(derived)
        return _at_each(derived, params, x)
    l11, l21, l22 = _factor(params)
    a = precision(params)

    def at(point):
        row, column = jnp.moveaxis(point[None] - params.means, -1, 0)
        u, v = l11 * row + l21 * column, l22 * column
        g, s = jnp.exp(-(u * u + v * v)), jnp.stack([l11 * u, l21 * u + l22 * v], axis=-1)
        terms = -2.0 * s if order == 1 else 4.0 * s[:, :, None] * s[:, None] - 2.0 * a
        terms = terms * g.reshape(-1, *(1,) * order)
        return jnp.tensordot(params.weights.T, terms, axes=1, precision="highest")

    return _at_each(at, params, x)


def _at_each(function, params: Model, x):
    found = jax.lax.map(function, x.reshape(-1, 2), batch_size=max(1, _TERMS // params.num_components))
    return found.reshape(*x.shape[:-1], *found.shape[1:])


def integral(params: Model) -> Float[Array, "..."]:
    """The integral over the whole plane, sum_i w_i pi / (l11 l22): a scalar, or (C,) for colour.

    For ``Atoms`` the integrals of the terms take the place of pi. Raises ArgumentError for a profile without them.
    """
    if isinstance(params, GmFace):
        return _total(params, _areas(params))
    if params.profile.integrals is None:
        problem = f"has the profile {params.profile.name}, whose integral is infinite or has no closed form"
        raise ArgumentError("params", problem)
    l11, _, l22 = _factor(params)
    each = params.profile.integrals(*jnp.moveaxis(jnp.asarray(params.parameters), -1, 0))
    areas = jnp.stack([jnp.broadcast_to(value, l11.shape) for value in each], axis=-1) / (l11 * l22)[..., None]
    subscripts = "...mk,...mk->..." if params.channels is None else "...mkc,...mk->...c"
    return jnp.einsum(subscripts, params.weights, areas, precision="highest")


def moments(params: GmFace) -> Moments:
    """The moments of order 0 to 2 about the origin. Divided by the mass, they are the mean and C + mean mean^T."""
    require_gaussians(params)
    l11, l21, l22 = _factor(params)
    off = -l21 / (l11 * l22 * l22)
    inverse = [[(l21 * l21 + l22 * l22) / (l11 * l22) ** 2, off], [off, 1.0 / (l22 * l22)]]
    areas, x = _areas(params), jnp.moveaxis(params.means, -1, 0)
    first = [_total(params, areas * x[i]) for i in (0, 1)]
    second = [[_total(params, areas * (x[i] * x[j] + inverse[i][j] / 2.0)) for j in (0, 1)] for i in (0, 1)]
    return Moments(
        _total(params, areas), jnp.stack(first, -1), jnp.stack([jnp.stack(row, -1) for row in second], axis=-2)
    )


def integral_over(params: GmFace, lower, upper) -> Float[Array, "..."]:
    """The integral over the rectangle from ``lower`` to ``upper``, each (row, column): a scalar, or (C,) for colour.

    Exact along the rows; along the columns by quadrature, between the places where a component enters or leaves the
    rectangle. Raises ArgumentError for corners of another shape.
    """
    require_gaussians(params)
    corners = [jnp.asarray(corner, params.means.dtype) for corner in (lower, upper)]
    for name, corner in zip(("lower", "upper"), corners, strict=True):
        if corner.shape != (2,):
            raise ArgumentError(name, f"must be (row, column); got the shape {corner.shape}")
    return _integral_over(params, *corners)


@jax.jit
def _integral_over(params: GmFace, lower, upper):
    l11, l21, l22 = _factor(params)
    (top, left), (bottom, right) = (_from_means(params, corner) for corner in (lower, upper))
    start, end = (jnp.clip(l22 * side, -_REACH, _REACH) for side in (left, right))
    slope = jnp.where(l21 == 0, 1.0, l21)
    crossings = (jnp.where(l21 == 0, 0.0, -l11 * side * l22 / slope) for side in (top, bottom))
    inner = jnp.sort(jnp.stack([jnp.clip(crossing, start, end) for crossing in crossings]), axis=0)
    places = [start, *jax.lax.stop_gradient(inner), end]
    return _total(params, sum(_panel(params, top, bottom, *panel, _NODES) for panel in itertools.pairwise(places)))


def pixel_means(params: GmFace, shape: Sequence[int]) -> Float[Array, "..."]:
    """The means of the formula over the pixels of a picture of ``shape`` (H, W): drawn without aliasing.

    A pixel is the rectangle of 1/H x 1/W about the position at which ``render`` takes the formula's value. This takes
    many times as long as ``render``. Gives (H, W) or (H, W, C). Raises ArgumentError for a wrong ``shape``.
    """
    require_gaussians(params)
    return _pixel_means(params, checked_shape(shape))


@partial(jax.jit, static_argnames="shape")
def _pixel_means(params: GmFace, shape: tuple[int, int]):
    if params.means.ndim > 2:
        return jax.vmap(partial(_pixel_means, shape=shape))(params)
    rows, columns = pixel_axes(shape, params.offset, params.means.dtype)
    centres = jnp.stack(jnp.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    half = jnp.asarray([0.5 / side for side in shape], params.means.dtype)
    l22 = params.precision_chol[:, 2]

    def mean(centre):
        (top, left), (bottom, right) = (_from_means(params, centre + sign * half) for sign in (-1, 1))
        values = _panel(params, top, bottom, l22 * left, l22 * right, _PIXEL_NODES)
        return _total(params, values) * (shape[0] * shape[1])

    found = jax.lax.map(
        mean, centres, batch_size=max(1, _TERMS // (params.num_components * _PIXEL_NODES * _SHORT_NODES))
    )
    return found.reshape(*shape, *found.shape[1:])


def inner(a: GmFace, b: GmFace) -> Float[Array, "..."]:
    """The integral over the plane of a times b, summed over the channels: sum_ij w_i w_j pi det(S)^-1/2 exp(-q).

    S = A_i + A_j and q = d^T (A_i^-1 + A_j^-1)^-1 d for the difference d of the two means. Raises ArgumentError for
    models of different channels.
    """
    require_gaussians(a, "a")
    require_gaussians(b, "b")
    if a.channels != b.channels:
        raise ArgumentError("b", f"must have the channels of a, {a.channels}; it has {b.channels}")
    return _inner(a, b)


@jax.jit
def _inner(a: GmFace, b: GmFace):
    determinant, exponent = _overlap(a, b)
    areas = jnp.pi * jnp.exp(-exponent) / jnp.sqrt(determinant)
    subscripts = "...i,...ij,...j->..." if a.channels is None else "...ic,...ij,...jc->..."
    return jnp.einsum(subscripts, a.weights, areas, b.weights, precision="highest")


def squared_distance(a: GmFace, b: GmFace) -> Float[Array, "..."]:
    """The integral over the plane of (a - b)^2, summed over the channels. In float32 to about 1e-6 of ``inner(a, a)``.

    Unlike the MSE it includes what both formulas are outside of the picture.
    """
    difference = add(a, dataclasses.replace(b, weights=-b.weights))
    return jnp.maximum(inner(difference, difference), 0.0)


def add(a: GmFace, b: GmFace) -> GmFace:
    """The formula a(x) + b(x), with the components of both, on the pixel grid of ``a``. Gray adds to each channel."""
    require_gaussians(a, "a")
    require_gaussians(b, "b")
    a, b = _of_equal_channels(a, b)
    axis = a.means.ndim - 2
    b = dataclasses.replace(b, offset=a.offset)
    return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=axis), a, b)


def multiply(a: GmFace, b: GmFace) -> GmFace:
    """The formula a(x) b(x): a component for each pair, on the pixel grid of ``a``. Gray multiplies each channel."""
    require_gaussians(a, "a")
    require_gaussians(b, "b")
    return _multiply(*_of_equal_channels(a, b))


@jax.jit
def _multiply(a: GmFace, b: GmFace) -> GmFace:
    """A' = S, mu' = mu_i - S^-1 A_j d, w' = w_i w_j exp(-q)."""
    (l11, l21, _), (k11, k21, k22), (row, column) = _pairs(a, b)
    determinant, exponent = _overlap(a, b)
    new_l11 = jnp.hypot(l11, k11)
    new_l21 = (l11 * l21 + k11 * k21) / new_l11
    new_l22 = jnp.sqrt(determinant) / new_l11
    u, v = k11 * row + k21 * column, k22 * column
    # S^-1 A_j d by substitution, forwards and backwards.
    x = k11 * u / new_l11
    y = (k21 * u + k22 * v - new_l21 * x) / new_l22**2
    x = (x - new_l21 * y) / new_l11
    weights = jnp.exp(-exponent)
    if a.channels is None:
        weights = weights * a.weights[..., :, None] * b.weights[..., None, :]
    else:
        weights = weights[..., None] * a.weights[..., :, None, :] * b.weights[..., None, :, :]
    means = a.means[..., :, None, :] - jnp.stack([x, y], axis=-1)
    chol = jnp.stack([new_l11, new_l21, new_l22], axis=-1)
    axis, count = a.means.ndim - 2, a.num_components * b.num_components
    pairs = GmFace(weights, means, chol, a.offset)
    return jax.tree.map(lambda part: part.reshape(*part.shape[:axis], count, *part.shape[axis + 2 :]), pairs)


def _pairs(a: GmFace, b: GmFace):
    """The factors of both, (*batch, m, 1) and (*batch, 1, n), and the differences of their means (*batch, m, n)."""
    d = a.means[..., :, None, :] - b.means[..., None, :, :]
    return [x[..., :, None] for x in _factor(a)], [x[..., None, :] for x in _factor(b)], jnp.moveaxis(d, -1, 0)


def _overlap(a: GmFace, b: GmFace) -> tuple[Array, Array]:
    """det S and q (*batch, m, n) as sums of squares, so without cancellation:

    det(A + B) = det A + det B + tr(adj(A) B),    q = (d^T A d det B + d^T B d det A) / det(A + B).
    """
    (l11, l21, l22), (k11, k21, k22), (row, column) = _pairs(a, b)
    det_a, det_b = jnp.square(l11 * l22), jnp.square(k11 * k22)
    mixed = jnp.square(l11 * k21 - l21 * k11) + jnp.square(l22 * k11) + jnp.square(l11 * k22)
    determinant = det_a + det_b + mixed
    at_a = jnp.square(l11 * row + l21 * column) + jnp.square(l22 * column)
    at_b = jnp.square(k11 * row + k21 * column) + jnp.square(k22 * column)
    return determinant, at_a * (det_b / determinant) + at_b * (det_a / determinant)


def _panel(params: GmFace, top, bottom, start, end, nodes: int):
    """The integral of each component without its weight: (*batch, m).

    Over the rows from ``top`` to ``bottom`` relative to the mean, and over v = l22 times the column from ``start`` to
    ``end``, by Gauss-Legendre quadrature.
    """
    l11, l21, l22 = (x[..., None] for x in _factor(params))
    v, weights = _quadrature(start, end, nodes)
    shift = l21 * v / l22
    along_rows = _gaussian_integral(l11 * top[..., None] + shift, l11 * bottom[..., None] + shift)
    return jnp.sum(weights * jnp.exp(-v * v) * along_rows / (l11 * l22), axis=-1)


def _gaussian_integral(lower, upper):
    """The integral of exp(-t^2), without the cancellation of two equal values of erf on a short way."""
    is_short = upper - lower < 1.0
    t, weights = _quadrature(lower, jnp.where(is_short, upper, lower), _SHORT_NODES)
    short = jnp.sum(weights * jnp.exp(-t * t), axis=-1)
    return jnp.where(is_short, short, 0.5 * jnp.sqrt(jnp.pi).astype(t.dtype) * (erf(upper) - erf(lower)))


def _quadrature(start, end, count: int):
    """The nodes and weights of Gauss-Legendre quadrature from ``start`` to ``end``, along a new last axis."""
    nodes, weights = (jnp.asarray(x, start.dtype) for x in np.polynomial.legendre.leggauss(count))
    nodes, weights = (jnp.broadcast_to(x, (*start.shape, count)) for x in (nodes, weights))
    middle, half = (0.5 * (end + sign * start)[..., None] for sign in (1.0, -1.0))
    return middle + half * nodes, half * weights


def _factor(params: Model):
    return jnp.moveaxis(jnp.asarray(params.precision_chol), -1, 0)


def _areas(params: GmFace):
    """The integrals of the components of weight 1."""
    l11, _, l22 = _factor(params)
    return jnp.pi / (l11 * l22)


def _from_means(params: GmFace, place):
    """(row, column) of ``place`` relative to each mean."""
    return jnp.moveaxis(jnp.broadcast_to(place, params.means.shape) - params.means, -1, 0)


def _per_channel(params: Model, values):
    return values if params.channels is None else values[..., None]


def _total(params: GmFace, values):
    """The sum over the components of weight times ``values`` (*batch, m)."""
    subscripts = "...m,...m->..." if params.channels is None else "...mc,...m->...c"
    return jnp.einsum(subscripts, params.weights, values, precision="highest")


def _of_equal_channels(a: GmFace, b: GmFace) -> tuple[GmFace, GmFace]:
    """Both with the channels of the one that has colour."""
    if a.channels and b.channels and a.channels != b.channels:
        raise ArgumentError("b", f"must have the channels of a, {a.channels}, or be gray; it has {b.channels}")
    channels = a.channels or b.channels
    return _with_channels(a, channels), _with_channels(b, channels)


def _with_channels(params: GmFace, channels: int | None) -> GmFace:
    if channels is None or params.channels is not None:
        return params
    weights = jnp.asarray(params.weights)[..., None]
    return dataclasses.replace(params, weights=jnp.broadcast_to(weights, (*weights.shape[:-1], channels)))
