"""The equations of a Levenberg-Marquardt step: J^T J from a sample of the pixels, damped and made safe to solve.

J has a column for each weight, the function that it multiplies, and for each shape, the derivative of the picture.
The derivative in the shape of a Gaussian is its weight times a function that all channels share; products of those
serve every channel, and still do after the weights have changed. A profile of several terms has no such function.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.solvers import cholesky
from gmjax.solvers.problem import Problem, basis, inverse_factor
from gmjax.types import AnyArray, Leaf

# Added to each curvature, of the mean of its kind; and to the scaled matrix, for what rounding and sampling leave open.
FLOOR, JITTER = 1e-3, 1e-4
# The damping of the shapes where a component is removed, and up to how many weights they are taken into account there.
REMOVAL_DAMPING, _COUPLED = 3e-3, 2000


class Products(NamedTuple):
    """Sums over pixels for a profile, S = 5 + P shapes a component: ``weights`` (K m, K m), ``mixed`` (C, K m, S m) of
    both kinds of columns, and ``shapes`` (S m, S m), summed over channels."""

    weights: Leaf
    mixed: Leaf
    shapes: Leaf


class Equations(NamedTuple):
    """The normal equations of shapes and weights.

    ``factor``: the inverse factor of the weights' own matrix. ``coupling`` (C, K m, S m): of weights and shapes.
    ``matrix`` (S m, S m): J^T J of the shapes with the weights projected out; ``diagonal`` (S m,): the damping to add;
    both after ``scale`` (S m,) on either side, which makes the diagonal of their sum about 1.
    """

    factor: Leaf
    coupling: Leaf
    matrix: Leaf
    diagonal: Leaf
    scale: Leaf


def no_products(problem: Problem, weights: Float[AnyArray, "n C"], shapes: Float[AnyArray, "S m"]):
    """What ``sampled_products`` are added to."""
    n, channels, size = len(weights), weights.shape[1], shapes.size
    if problem.profile is None:
        return jnp.zeros((6 * n, 6 * n), shapes.dtype)
    sizes = (n, n), (channels, n, size), (size, size)
    return Products(*(jnp.zeros(size, shapes.dtype) for size in sizes))


def sampled_products(problem: Problem, weights: Float[AnyArray, "n C"], shapes: Float[AnyArray, "S m"], stride, number):
    """The products of J's columns over one pixel in ``stride x stride``; stride^2 numbers in a row take every pixel.

    For a ``GmFace``: those (6 m, 6 m) of g and its derivatives in the shapes, without weights.
    """
    first_row, first_column = number % stride, (number + number // stride) % stride

    def sampled(array, axis, first):
        padding = [(0, 0)] * array.ndim
        padding[axis] = (0, -array.shape[axis] % stride)
        parts = jnp.pad(array, padding)
        parts = parts.reshape(*array.shape[:axis], -1, stride, *array.shape[axis + 1 :])
        return jax.lax.dynamic_index_in_dim(parts, first, axis + 1, keepdims=False)

    rows, columns = sampled(problem.rows, 0, first_row), sampled(problem.columns, 0, first_column)
    pixel_weights = sampled(sampled(problem.pixel_weights, 0, first_row), 1, first_column)
    root = stride * jnp.sqrt(pixel_weights)
    if problem.profile is None:
        return _products_of_gaussians(shapes, rows, columns, root)
    return _products_of_profile(problem, weights, shapes, rows, columns, root)


def _products_of_gaussians(shapes, rows, columns, root) -> Float[Array, "n n"]:
    mean_row, mean_column, log_l11, log_l22, shear = shapes[:, :, None, None]
    l11, l22 = jnp.exp(log_l11), jnp.exp(log_l22)
    row, column = rows[None, :, None] - mean_row, columns[None, None] - mean_column
    u, v = l11 * (row + shear * column), l22 * column
    g = jnp.exp(-(u * u + v * v)) * root[None]
    along_row = 2.0 * l11 * u
    derivatives = 1.0, along_row, shear * along_row + 2.0 * l22 * v, -2.0 * u * u, -2.0 * v * v, -along_row * column
    jacobian = [(g * d).reshape(len(g), -1) for d in derivatives]
    lower = [[cholesky.product(a, b.T) for b in jacobian[: n + 1]] for n, a in enumerate(jacobian)]
    return jnp.block([[lower[j][i] if i <= j else lower[i][j].T for i in range(6)] for j in range(6)])


def _products_of_profile(problem, weights, shapes, rows, columns, root) -> Products:
    count, m = shapes.shape

    def terms(shapes):
        return basis(problem.profile, shapes, rows[:, None], columns[None]) * root[None]

    def derivative(which):
        """(C, m, pixels): of the picture's channels in one kind of shape."""
        change = jnp.zeros_like(shapes).at[which].set(1.0)
        by_term = jax.jvp(terms, (shapes,), (change,))[1].reshape(-1, m, root.size)
        return jnp.einsum("kmc,kmn->cmn", weights.reshape(-1, m, weights.shape[1]), by_term)

    functions = terms(shapes).reshape(len(weights), -1)
    jacobian = jnp.stack([derivative(which) for which in range(count)], axis=1).reshape(weights.shape[1], count * m, -1)
    mixed = jnp.stack([cholesky.product(functions, channel.T) for channel in jacobian])
    of_shapes = sum(cholesky.product(channel, channel.T) for channel in jacobian)
    return Products(cholesky.product(functions, functions.T), mixed, of_shapes)


def equations(products, seen, weights: Float[AnyArray, "n C"], damping, m: int) -> Equations:
    """The equations of ``products`` that were added ``seen`` times, for ``m`` components."""
    if isinstance(products, Products):
        return _equations_of_profile(products, seen, damping, m)
    factor = inverse_factor(products[:m, :m] / seen)
    mixed = products[:m, m:] / seen
    half = cholesky.product(factor, mixed)
    of_shapes = jnp.tile(weights.T, (1, 5))
    energy = jnp.sum(jnp.square(of_shapes), axis=0)
    plain = jnp.diag(products)[m:] / seen
    damping, scale = _scaled(plain * energy, (plain - jnp.sum(jnp.square(half), axis=0)) * energy, damping, m)
    outer = sum(w[:, None] * w[None] for w in of_shapes * scale[None])
    matrix = (products[m:, m:] / seen - cholesky.product(half.T, half)) * outer
    return Equations(factor, mixed[None] * of_shapes[:, None], matrix, damping * jnp.square(scale) + JITTER, scale)


def coupling_by_shapes(products, seen, weights: Float[AnyArray, "n C"], m: int) -> Float[Array, "k k"]:
    """What the inverse of J^T J has, for the weights of ``m`` components, more than the inverse of their own matrix:
    shapes adjust too when a weight changes.

    (C n, C n), the channels stacked; for more than ``_COUPLED`` weights zeros (n, n), which cost less.
    """
    if weights.size > _COUPLED:
        return jnp.zeros((len(weights), len(weights)), weights.dtype)
    factor, coupling, matrix, diagonal, scale = equations(products, seen, weights, REMOVAL_DAMPING, m)
    following = jnp.concatenate([cholesky.solve(factor, channel) for channel in coupling])
    half = cholesky.product(cholesky.inverse_factor(matrix + jnp.diag(diagonal)), scale[:, None] * following.T)
    return cholesky.product(half.T, half)


def _equations_of_profile(products: Products, seen, damping, m: int) -> Equations:
    of_weights, coupling, of_shapes = (part / seen for part in products)
    factor = inverse_factor(of_weights)
    halves = [cholesky.product(factor, channel) for channel in coupling]
    projected = of_shapes - sum(cholesky.product(half.T, half) for half in halves)
    damping, scale = _scaled(jnp.diag(of_shapes), jnp.diag(projected), damping, m)
    matrix = projected * scale[:, None] * scale[None]
    return Equations(factor, coupling, matrix, damping * jnp.square(scale) + JITTER, scale)


def _scaled(curvature: Float[AnyArray, " n"], projected: Float[AnyArray, " n"], damping, m: int):
    """The damping of each shape, and the scale; ``projected``: the ``curvature`` with the weights projected out."""
    by_kind = curvature.reshape(-1, m)
    damping = damping * (by_kind + FLOOR * jnp.mean(by_kind, axis=1, keepdims=True)).reshape(-1)
    whole = projected + damping
    return damping, 1.0 / jnp.sqrt(jnp.maximum(whole, jnp.finfo(whole.dtype).tiny ** 0.5))
