"""Components in a fixed number of slots: added where the error is large, and removed where they do least.

A slot that is not in use holds the shape ``UNUSED``, so far away that a Gaussian is exactly 0 at every pixel.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmjax.solvers import cholesky
from gmjax.solvers.exact_weights import growth_without, without
from gmjax.solvers.problem import Problem, inverse_factor, weight_equations
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import AnyArray

# Candidate widths, and candidate centres along the longer axis.
_WIDTHS, _CENTRES = 8, 120
# Even a single component must have other places to try when the best one did not reduce the error.
_MIN_PLACES = 8
# How many places there are to choose among, as a multiple of those that can be taken at once.
_PLACES = 4
# The shape (mean row, mean column, log l11, log l22, l21 / l11) of a slot that is not in use.
UNUSED = (1e4, 1e4, 3.0, 3.0, 0.0)


def add(problem: Problem, weights: Float[AnyArray, "k C"], shapes: Float[AnyArray, "S n"], m: int, count, tried):
    """Fills ``count`` of the slots after the first ``m`` at the best places after the first ``tried``, cyclically.

    Returns the best weights (K n, C), the shapes (S, n) and the inverse factor of the weights' normal equations.
    """
    # vjp, though only the value is used: on_axes is faster where a derivative is taken.
    drawn, _ = jax.vjp(lambda weights: problem.draw(weights, shapes), weights)
    most = shapes.shape[1] - m
    candidates = min(max(_PLACES * most, _MIN_PLACES), problem.pixel_weights.size)
    places = jnp.roll(most_useful(problem, problem.picture - drawn, candidates), -jnp.asarray(tried, int), axis=1)
    new = jnp.take(places, jnp.arange(most), axis=1, mode="wrap")
    new = jnp.where(jnp.arange(most, dtype=shapes.dtype)[None] < count, new, unused(problem, shapes.dtype))
    shapes = jnp.asarray(shapes).at[:, m:].set(new)
    matrix, right = weight_equations(problem, shapes)
    factor = inverse_factor(matrix)
    return cholesky.solve(factor, right), shapes, factor


def remove(problem: Problem, shapes: Float[AnyArray, "S n"], m: int, coupling: Float[AnyArray, "j j"]):
    """Frees all but ``m`` slots, one after the other, always the one whose component does least.

    ``coupling``: as of ``least_useful``. Returns the same as ``add``, the slots in use in front.
    """
    n = shapes.shape[1]
    matrix, right = weight_equations(problem, shapes)
    stays = least_useful(matrix, right, shapes[0] != UNUSED[0], m, problem.terms, coupling)
    order = jnp.argsort(~stays, stable=True)
    rows = of_all_terms(order, n, problem.terms)
    in_use = jnp.tile(stays[order], problem.terms)
    shapes = jnp.where(stays[order][None], shapes[:, order], unused(problem, shapes.dtype))
    factor = inverse_factor(jnp.where(in_use[:, None] & in_use[None], matrix[rows][:, rows], 0.0))
    return cholesky.solve(factor, jnp.where(in_use[:, None], right[rows], 0.0)), shapes, factor


def of_all_terms(slots, n: int, terms: int):
    """The rows of the weights of all terms for those of ``n`` slots, all of the first term in front."""
    return (n * jnp.arange(terms)[:, None] + slots[None]).reshape(-1)


def unused(problem: Problem, dtype) -> Float[Array, "S 1"]:
    parameters = () if problem.profile is None else (p.start for p in problem.profile.parameters)
    return jnp.asarray([*UNUSED, *parameters], dtype)[:, None]


def with_spare_slots(problem: Problem, weights: Float[AnyArray, "n C"], shapes: Float[AnyArray, "S m"], spare: int):
    """``weights`` of m + ``spare`` slots, and ``shapes`` (S, m + spare); the last ``spare`` slots are not in use."""
    by_term = weights.reshape(problem.terms, -1, weights.shape[1])
    padded = jnp.pad(by_term, ((0, 0), (0, spare), (0, 0))).reshape(-1, weights.shape[1])
    return padded, jnp.concatenate([shapes, jnp.tile(unused(problem, shapes.dtype), (1, spare))], axis=1)


def first_slots(problem: Problem, weights: Float[AnyArray, "k C"], m: int) -> Float[Array, "n C"]:
    """The weights of the first ``m`` slots."""
    by_term = jnp.asarray(weights).reshape(problem.terms, -1, weights.shape[1])
    return by_term[:, :m].reshape(-1, weights.shape[1])


def uses_spare_slots(shapes: Float[AnyArray, "S n"], m: int):
    """Whether a slot beyond the first ``m`` is in use."""
    return jnp.any(shapes[0, m:] != UNUSED[0])


def least_useful(
    matrix: Float[AnyArray, "k k"],
    right: Float[AnyArray, "k C"],
    used: Bool[AnyArray, " n"],
    m: int,
    terms: int,
    coupling: Float[AnyArray, "j j"],
) -> Bool[Array, " n"]:
    """Which of the ``used`` components stay when, one after the other, those are removed that do least, until ``m`` are
    left.

    ``matrix`` and ``right``: the normal equations of the weights, of ``terms`` weights a component.
    ``coupling``: what is added to the inverse of ``matrix`` because the shapes of the others adjust too, as of
    ``curvature.coupling_by_shapes``; of (k,), or with the channels stacked of (C k,).

    A removal costs w^2 / (H^-1)_ww to second order, H being the matrix of all parameters: optimal brain surgeon
    (Hassibi and Stork 1993).
    """
    factor = inverse_factor(matrix)
    inverse, weights = cholesky.product(factor.T, factor), cholesky.solve(factor, right)
    stacked = len(coupling) // len(inverse)
    inverse = jnp.kron(jnp.eye(stacked, dtype=inverse.dtype), inverse) + coupling
    weights = weights if stacked == 1 else weights.T.reshape(-1, 1)
    terms, n = terms * stacked, len(used)

    def take_out(carry, _):
        inverse, weights, stays = carry
        cost = jnp.where(stays, growth_without(inverse, weights, terms), jnp.inf)
        i = jnp.argmin(cost)
        rows = i if terms == 1 else i + n * jnp.arange(terms)
        after = *without(inverse, weights, rows), stays.at[i].set(False)
        return jax.tree.map(lambda a, b: jnp.where(jnp.sum(stays) > m, a, b), after, carry), None

    carry = vary_like((inverse, weights, jnp.asarray(used)), inverse, weights, used)
    (_, _, stays), _ = jax.lax.scan(take_out, carry, length=n - m)
    return stays


def most_useful(problem: Problem, error: Float[AnyArray, "h w C"], most: int) -> Float[Array, "S {most}"]:
    """The shapes of the round Gaussians that would each explain most of ``error``, apart from each other.

    Adding a single Gaussian g with its best weight reduces the squared error by (sum g error)^2 / sum g^2. Candidates
    have up to ``_CENTRES`` centres along the longer axis and ``_WIDTHS`` widths; g is separable, so matrix products
    with the one-dimensional Gaussians of each axis evaluate all of them. For a profile, components as wide as these,
    with the parameters that it starts with.
    """
    shape = problem.pixel_weights.shape
    stride = max(1, min(-(-max(shape) // _CENTRES), math.isqrt(math.prod(shape) // (4 * most))))
    rows, columns = problem.rows[::stride], problem.columns[::stride]
    to_rows, logs_rows = _axis_gaussians(rows, problem.rows, max(shape))
    to_columns, logs_columns = _axis_gaussians(columns, problem.columns, max(shape))

    def overlaps(to_rows, to_columns, picture):
        """The sums (widths, rows, columns) of ``picture`` times each candidate."""
        return cholesky.product(cholesky.product(to_rows, picture), jnp.swapaxes(to_columns, 1, 2))

    weighted = jnp.moveaxis(problem.pixel_weights[..., None] * error, -1, 0)
    explained = sum(jnp.square(overlaps(to_rows, to_columns, channel)) for channel in weighted)
    norm = overlaps(jnp.square(to_rows), jnp.square(to_columns), problem.pixel_weights)
    gain = explained / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny ** 0.5)
    best, which = jnp.max(gain, axis=0), jnp.argmax(gain, axis=0)
    logs = jnp.stack([logs_rows, logs_columns])

    def take(best, _):
        """The best place, and what is left to explain where a component of its width does not reach."""
        place = jnp.argmax(best)
        row, column = place // len(columns), place % len(columns)
        widths = logs[:, which[row, column]]
        u, v = jnp.exp(widths[0]) * (rows - rows[row]), jnp.exp(widths[1]) * (columns - columns[column])
        near = jnp.exp(-0.5 * (jnp.square(u)[:, None] + jnp.square(v)[None]))
        place = jnp.stack([rows[row], columns[column], *(widths + math.log(problem.narrowing)), jnp.zeros_like(u[0])])
        return best * (1.0 - near), place

    _, places = jax.lax.scan(take, best, length=most)
    parameters = () if problem.profile is None else problem.profile.parameters
    return jnp.concatenate([places.T, *(jnp.full((1, most), p.start, error.dtype) for p in parameters)])


def _axis_gaussians(centres, axis, longest: int):
    """One-dimensional Gaussians (widths, centres, axis), from a third of the longer axis wide to 2.5 pixels; log l."""
    logs = jnp.linspace(math.log(3.0), math.log(max(3.0, 0.4 * longest)), _WIDTHS, dtype=axis.dtype)
    logs = logs + math.log(len(axis) / longest)
    return jnp.exp(-jnp.square(jnp.exp(logs)[:, None, None] * (centres[:, None] - axis[None])[None])), logs
