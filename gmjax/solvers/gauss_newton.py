"""Exact second-order descent for models of a few hundred components, in coordinates in which every step is valid.

A component is (row, column, a, b, c), ``shapes`` (m, 5), with lengths in units of the picture's longer side, so that
pixels are square: A = exp [[a + b, c], [c, a - b]] as in ``gmjax.coordinates``; its weights are (m, C). Where ``"lm"``
samples pixels, keeps all shapes fixed and runs under ``jit``, this solver computes all products of derivatives, in
float64 where they are solved, and decides on the host: it serves what changes the model between steps.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float

from gmjax.files.gmf import shapes_of
from gmjax.gmface import GmFace
from gmjax.types import Picture

# The cost of a squared weight. Without it, the weights of overlapping components grow without bound.
RIDGE = 3e-6
# The largest change of a step in (row, column), in widths, and in (a, b, c).
_LONGEST = 0.5, 0.3
# Widths from two longer sides to 0.57 pixels (as the narrowest of a fit), and how far a component may be stretched.
_WIDEST, _NARROWEST, _MOST_STRETCHED = 2.0, 0.8, 2.5
# The largest b and c: with more, the products of derivatives cancel in float32.
_LARGEST_STRETCH = 4.0
# Centres lie in the picture or in this margin.
_MARGIN = 0.149
# Entries of the largest array.
_BAND = 2**24
# Numbers of components are padded to multiples of this, so that few are compiled.
_MULTIPLE = 16
# What float32 cannot tell from 0.
_SINGULAR = 1e-7


@dataclasses.dataclass(frozen=True)
class Target:
    """The picture (H, W, C) to approximate, and the positions of its rows and columns in units of its longer side."""

    picture: Float[Array, "h w c"]
    rows: Float[Array, " h"]
    columns: Float[Array, " w"]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)

    @property
    def channels(self) -> int:
        return self.picture.shape[2]

    @property
    def narrowest(self) -> float:
        """The largest a: that of the narrowest component."""
        return -2 * float(np.log(_NARROWEST / max(self.shape)))


@dataclasses.dataclass(frozen=True)
class Components:
    """``shapes`` (m, 5) and ``weights`` (m, C), in float64."""

    shapes: Float[np.ndarray, "m 5"]
    weights: Float[np.ndarray, "m c"]

    def __len__(self) -> int:
        return len(self.shapes)


def target_of(picture: Picture, offset: float = 1.0) -> Target:
    """``picture`` (H, W) or (H, W, C), on the grid of ``offset``."""
    picture = jnp.asarray(picture, jnp.float32)
    longer = max(picture.shape[:2])
    rows, columns = (jnp.asarray((np.arange(side) + offset) / longer, jnp.float32) for side in picture.shape[:2])
    return Target(picture.reshape(*picture.shape[:2], -1), rows, columns)


def components_of(params: GmFace, shape: tuple[int, int]) -> Components:
    """A model in the units of a picture of ``shape`` (H, W)."""
    shapes = shapes_of(params, shape)
    return Components(shapes, np.asarray(params.weights, float).reshape(len(shapes), -1))


def bounds(m: int, target: Target) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The least and the largest value of each of the ``packed`` variables: of centres, widths and stretches."""
    height, width = np.array(target.shape) / max(target.shape)
    lowest = [-_MARGIN, -_MARGIN, -2 * np.log(_WIDEST), -_LARGEST_STRETCH, -_LARGEST_STRETCH]
    highest = [height + _MARGIN, width + _MARGIN, target.narrowest, _LARGEST_STRETCH, _LARGEST_STRETCH]
    weights = np.full(m * target.channels, np.inf)
    return np.concatenate([-weights, np.repeat(lowest, m)]), np.concatenate([weights, np.repeat(highest, m)])


def limited(components: Components, target: Target) -> Components:
    """``components`` with widths, stretches and centres within bounds."""
    variables = np.clip(packed(components), *bounds(len(components), target))
    shapes = unpacked(variables, components).shapes
    stretch = np.maximum(np.hypot(shapes[:, 3], shapes[:, 4]), 1e-9)
    shapes[:, 3:] *= np.minimum(1.0, _MOST_STRETCHED / stretch)[:, None]
    return Components(shapes, components.weights)


def squared_error(components: Components, target: Target) -> float:
    """The mean over pixels of the squared error, summed over channels."""
    shapes, weights = _padded(components.shapes), _padded(components.weights)
    return float(_squared_error(shapes, weights, target.picture, target.rows, target.columns))


def cost(components: Components, target: Target, ridge: float = RIDGE) -> float:
    """What a descent minimises: the squared error plus ``ridge`` times the sum of the squared weights."""
    return squared_error(components, target) + ridge * float((components.weights**2).sum())


def residual(components: Components, target: Target) -> Float[np.ndarray, "h w c"]:
    """The picture minus the formula."""
    drawn = _draw(_padded(components.shapes), _padded(components.weights), target.rows, target.columns)
    return np.asarray(target.picture, float) - np.asarray(drawn, float)


def gram(shapes, target: Target) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "m c"]]:
    """The means over pixels of the products of all pairs of Gaussians, and of Gaussians and picture."""
    m = len(shapes)
    products, projections = _sums(_values, shapes, target)
    return products[:m, :m], projections[:m]


def with_best_weights(shapes, target: Target, ridge: float = RIDGE) -> Components:
    """The Gaussians ``shapes`` (m, 5) with the weights of least squared error."""
    matrix, right = gram(shapes, target)
    return Components(shapes, solve(matrix + ridge * np.eye(len(matrix)), right))


def solve(matrix, right):
    """The solution of a symmetric system; the one of least norm where the matrix is not positive definite."""
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix, check_finite=False), right, check_finite=False)
    except scipy.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=_SINGULAR)[0]


def normal_equations(components: Components, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """(H, g): H = J^T J and g = J^T r, means over pixels, r being formula minus picture and J its derivative.

    The variables are the weights, channel by channel, then rows, columns, a, b and c of all components:
    C m + 5 m of them. See ``packed``.
    """
    shapes, weights = components.shapes, components.weights
    m, channels = weights.shape
    moments, projections = _sums(_moments, shapes, target)
    change, padded = _derivatives(shapes), len(projections) // 6
    moments = moments.reshape(6, padded, 6, padded)[:, :m, :, :m]
    products = np.einsum("ipk,kilj->pilj", change, moments, optimize=True)
    products = np.einsum("pilj,jql->piqj", products, change, optimize=True)
    projections = projections.reshape(6, padded, channels)[:, :m]
    projections = np.einsum("ipk,kic->pic", change, projections)
    n = channels * m
    matrix = np.zeros((n + 5 * m, n + 5 * m))
    matrix[n:, n:] = (products[1:, :, 1:] * (weights @ weights.T)[:, None, :]).reshape(5 * m, 5 * m)
    for channel in range(channels):
        own = slice(channel * m, (channel + 1) * m)
        matrix[own, own] = products[0, :, 0]
        matrix[own, n:] = (products[0][:, 1:] * weights[:, channel]).reshape(m, 5 * m)
        matrix[n:, own] = matrix[own, n:].T
    errors = np.einsum("pij,jc->pic", products[:, :, 0], weights) - projections
    of_shapes = (errors[1:] * weights).sum(axis=-1)
    return matrix, np.concatenate([errors[0].T.ravel(), of_shapes.ravel()])


def packed(components: Components) -> Float[np.ndarray, " n"]:
    """The variables in the order of ``normal_equations``."""
    return np.concatenate([components.weights.T.ravel(), components.shapes.T.ravel()])


def unpacked(variables, like: Components) -> Components:
    """The inverse of ``packed``."""
    m, channels = like.weights.shape
    shapes = variables[channels * m :].reshape(5, m).T
    return Components(shapes.copy(), variables[: channels * m].reshape(channels, m).T.copy())


def descend(
    components: Components,
    target: Target,
    steps: int,
    *,
    free: Bool[np.ndarray, " n"] | None = None,
    ridge: float = RIDGE,
) -> Components:
    """At most ``steps`` of Levenberg-Marquardt, until one gains less than 2e-4 of the error.

    ``free``: which of the ``packed`` variables may move, None: all. The weights are not damped.
    """
    free = np.ones(packed(components).size, bool) if free is None else free
    index = np.flatnonzero(free)
    count = components.weights.size
    is_weight = index < count
    lowest, highest = bounds(len(components), target)

    lowest_cost, damping = cost(components, target, ridge), 1e-2
    for _ in range(steps):
        matrix, gradient = normal_equations(components, target)
        variables = packed(components)
        matrix = matrix[np.ix_(index, index)] + np.diag(ridge * is_weight)
        gradient = gradient[index] + ridge * is_weight * variables[index]
        diagonal = matrix.diagonal()
        lengths = np.exp(-components.shapes[:, 2] / 2) * _LONGEST[0]
        longest = np.concatenate([np.full(count, np.inf), lengths, lengths, np.full(3 * len(components), _LONGEST[1])])
        for _ in range(5):
            damped = matrix + np.diag(np.where(is_weight, 1e-6 * diagonal, damping * diagonal + 1e-9))
            moved = variables.copy()
            moved[index] -= np.clip(solve(damped, gradient), -longest[index], longest[index])
            moved[index] = np.clip(moved[index], lowest[index], highest[index])
            tried = unpacked(moved, components)
            tried_cost = cost(tried, target, ridge)
            if tried_cost < lowest_cost:
                break
            damping *= 4
        else:
            return components
        gain, components, lowest_cost = 1 - tried_cost / lowest_cost, tried, tried_cost
        damping = max(damping / 3, 1e-4)
        if gain < 2e-4:
            return components
    return components


def _padded(array):
    """``array`` (m, ...) with zeros up to the next multiple of 16, so that few numbers of components are compiled."""
    return jnp.asarray(np.pad(array, ((0, -len(array) % _MULTIPLE), (0, 0))), jnp.float32)


def _gaussians(shapes, rows, columns):
    """The Gaussians (m, h, w), and the offsets from their centres in widths, (m, h, 1) and (m, 1, w)."""
    row, column, a, b, c = (x[:, None, None] for x in shapes.T)
    h = jnp.sqrt(b * b + c * c + 1e-12)
    slope = jnp.sinh(h) / h
    u, v = (rows[None, :, None] - row) * jnp.exp(a / 2), (columns[None, None] - column) * jnp.exp(a / 2)
    q = jnp.cosh(h) * (u * u + v * v) + slope * (b * (u * u - v * v) + 2 * c * u * v)
    return jnp.exp(-q), u, v


def _sums(function, shapes, target: Target) -> tuple[Float[np.ndarray, "k k"], Float[np.ndarray, "k c"]]:
    """The means over pixels of P P^T and P y, P being the moments or the values of ``shapes``, (k, pixels), and y the
    picture. In bands of rows."""
    shapes = _padded(shapes)
    height, width = target.shape
    band = max(1, min(height, _BAND // (6 * len(shapes) * width)))
    parts = [
        function(shapes, target.picture[first : first + band], target.rows[first : first + band], target.columns)
        for first in range(0, height, band)
    ]
    products, projections = (np.sum([np.asarray(part, float) for part in kind], 0) for kind in zip(*parts, strict=True))
    return products / (height * width), projections / (height * width)


@jax.jit
def _moments(shapes, picture, rows, columns):
    """Sums of all products of g, u g, v g, u^2 g, u v g and v^2 g, and of these and the picture."""
    g, u, v = _gaussians(shapes, rows, columns)
    # Where g is 0, u and v may be so large that their squares are not finite.
    u, v = (jnp.where(g > 0, x, 0.0) for x in (u, v))
    return _product_sums(jnp.stack([g, u * g, v * g, u * u * g, u * v * g, v * v * g]), picture)


@jax.jit
def _values(shapes, picture, rows, columns):
    return _product_sums(_gaussians(shapes, rows, columns)[0], picture)


def _product_sums(parts, picture):
    height, width, channels = picture.shape
    parts = parts.reshape(-1, height * width)
    pixels = picture.reshape(-1, channels)
    return jnp.matmul(parts, parts.T, precision="highest"), jnp.matmul(parts, pixels, precision="highest")


@jax.jit
def _draw(shapes, weights, rows, columns):
    def one(_, row):
        g = _gaussians(shapes, row[None], columns)[0][:, 0]
        return None, jnp.matmul(g.T, weights, precision="highest")

    return jax.lax.scan(one, None, rows)[1]


@jax.jit
def _squared_error(shapes, weights, picture, rows, columns):
    return jnp.mean(jnp.sum((_draw(shapes, weights, rows, columns) - picture) ** 2, axis=-1))


def _derivatives(shapes) -> Float[np.ndarray, "m 6 6"]:
    """The value and the derivatives by (row, column, a, b, c) of each Gaussian, as sums of the monomials that
    ``_moments`` multiplies."""
    _, _, a, b, c = shapes.T
    h2 = b * b + c * c
    h = np.sqrt(h2 + 1e-12)
    even, slope, scale = np.cosh(h), np.sinh(h) / h, np.exp(a / 2)
    # The derivatives of even are slope (b, c), those of slope are bend (b, c).
    bend = np.where(h2 < 1e-6, 1 / 3, (even - slope) / np.maximum(h2, 1e-12))
    found = np.zeros((len(shapes), 6, 6))
    found[:, 0, 0] = 1
    found[:, 1, 1] = 2 * scale * (even + slope * b)
    found[:, 1, 2] = found[:, 2, 1] = 2 * scale * slope * c
    found[:, 2, 2] = 2 * scale * (even - slope * b)
    found[:, 3, 3:] = -np.stack([even + slope * b, 2 * slope * c, even - slope * b], axis=-1)
    by_b = slope * b + bend * b * b + slope, 2 * bend * b * c, slope * b - bend * b * b - slope
    by_c = slope * c + bend * b * c, 2 * (bend * c * c + slope), slope * c - bend * b * c
    found[:, 4, 3:] = -np.stack(by_b, axis=-1)
    found[:, 5, 3:] = -np.stack(by_c, axis=-1)
    return found
