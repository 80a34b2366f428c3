"""Components are exchanged: those that contribute little are removed, and new ones are put where the error is large.

Arrays have a fixed number of slots. A slot that is not in use holds the shape ``UNUSED``, so far away that a Gaussian
is exactly 0 at every pixel.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

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


def exchange(problem: Problem, shapes: Float[AnyArray, "S n"], stays, added, tried, most: int):
    """Frees all but ``stays`` slots, then fills ``added`` <= ``most`` of them at the best places after ``tried``.

    Slots that are not in use are freed first, then one after the other those whose components do least, at most
    ``2 most`` in all. Places are taken cyclically. Returns the best weights (K n, C), the shapes (S, n) with those in
    use in front, and the inverse factor of the weights' normal equations.
    """
    n = shapes.shape[1]
    freed, most_freed = n - stays, min(2 * most, n)
    matrix, right = weight_equations(problem, shapes)
    slots, weights = least_useful(matrix, right, freed, most_freed, problem.terms)
    # vjp, though only the value is used: on_axes is faster where a derivative is taken.
    drawn, _ = jax.vjp(lambda weights: problem.draw(weights, shapes), weights)
    pixels = problem.pixel_weights.size
    places = most_useful(problem, problem.picture - drawn, min(max(_PLACES * most, _MIN_PLACES), pixels))
    places = jnp.roll(places, -jnp.asarray(tried, int), axis=1)

    number = jnp.arange(most_freed)
    first = jnp.asarray(freed - added, int)
    new = places[:, jnp.clip(number - first, 0, places.shape[1] - 1)]
    new = jnp.where(number >= first, new, unused(problem, shapes.dtype))
    new = jnp.where(number < jnp.asarray(freed, int), new, shapes[:, slots])
    shapes = jnp.asarray(shapes).at[:, slots].set(new)
    rows, (new_matrix, new_right) = of_all_terms(slots, n, problem.terms), weight_equations(problem, new, shapes)
    matrix, right = matrix.at[rows].set(new_matrix).at[:, rows].set(new_matrix.T), right.at[rows].set(new_right)

    order = jnp.argsort(shapes[0] == UNUSED[0], stable=True)
    rows = of_all_terms(order, n, problem.terms)
    factor = inverse_factor(matrix[rows][:, rows])
    return cholesky.solve(factor, right[rows]), shapes[:, order], factor


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


def least_useful(matrix: Float[AnyArray, "k k"], right: Float[AnyArray, "k C"], count, most: int, terms: int = 1):
    """The indices of the components to remove, of which ``count`` mean something, and the weights of the others.

    ``matrix`` and ``right``: the normal equations of the weights, of ``terms`` weights a component.
    """
    factor = inverse_factor(matrix)
    inverse, weights = cholesky.product(factor.T, factor), cholesky.solve(factor, right)
    n = len(weights) // terms

    def take_out(carry, number):
        inverse, weights, stays = carry
        cost = jnp.where(stays, growth_without(inverse, weights, terms), jnp.inf)
        i = jnp.argmin(cost)
        left = stays.at[i].set(False)
        inverse_left, weights_left = inverse, weights
        for term in range(terms):
            inverse_left, weights_left = without(inverse_left, weights_left, i + n * term)
        after = inverse_left, jnp.where(jnp.tile(left, terms)[:, None], weights_left, 0.0), left
        return jax.tree.map(lambda a, b: jnp.where(number < count, a, b), after, carry), i

    carry = vary_like((inverse, weights, jnp.ones(n, bool)), inverse, weights, count)
    (_, weights, _), indices = jax.lax.scan(take_out, carry, jnp.arange(most, dtype=weights.dtype))
    return indices, weights


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
