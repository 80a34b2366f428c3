"""Second-order fitting: Levenberg-Marquardt on the shapes, with the best weights at every step (variable projection).

Minimised is ``sum(pixel_weights r^2) + RIDGE sum(w^2)`` over the pixels, r being model minus picture. Of a step only
the matrix J^T J is approximate: each step adds the products of one pixel in ``stride x stride`` to a decaying sum, in
turn another one, so that a few steps together have seen all. Gradient and acceptance are exact.

Every few steps the components that do least are moved to where the error is (``relocation.py``). A round that did not
pay is undone, and the next one moves half as many, to other places. All loops and shapes are fixed, so it runs under
``jit`` and ``vmap``.
"""

import dataclasses
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from gmjax.gmface import on_axes
from gmjax.solvers import cholesky, relocation
from gmjax.solvers.problem import RIDGE, Problem, best_weights, to_gmface
from gmjax.types import AnyArray, Leaf
from gmjax.varying import vary_like

STEPS_A_ROUND = 8
# How the damping starts, follows a step that was better or was not, and where it ends; measured on real faces
# (docs/choices.md).
DAMPING, BETTER, WORSE, LEAST, MOST = 0.1, 1 / 3, 4.0, 0.01, 1e3
# Added to the curvature of each parameter, of the mean curvature of its kind.
FLOOR = 1e-3
# Added to the scaled matrix: what rounding and sampling leave uncertain.
JITTER = 1e-4
# Of the matrix with a vector, in solving for a step by conjugate gradients.
MOST_PRODUCTS = 30
# The furthest a component moves in one step, in units of its own width.
REACH = 0.3
# The share of the components moved first and at most, and how it follows a round that paid or did not.
FIRST_MOVED, MOST_MOVED, PAID, FAILED = 0.1, 0.2, 1.5, 0.5
# Pixels that one step's products are taken from, at least, and how many times the parameters of a component.
PIXELS, PIXELS_A_COMPONENT = 1600, 12


class Kept(NamedTuple):
    """The best model that a round ended with."""

    weights: Leaf
    shapes: Leaf
    loss: Leaf


@struct.dataclass
class State:
    """``weights`` (m, C) and ``shapes`` (5, m), as in ``Problem``; the rest is what a run needs to go on.

    ``moved``: how many components were moved last; ``tried``: to how many places since a round last paid.
    """

    weights: Leaf
    shapes: Leaf
    loss: Leaf
    gradient: Leaf
    damping: Leaf
    products: Leaf
    seen: Leaf
    moved: Leaf
    tried: Leaf
    kept: Kept


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def run(problem: Problem, shapes: Float[AnyArray, "5 m"], steps: int):
    """``steps`` steps from ``shapes``: the best weights (m, C) and shapes (5, m), and the MSE (steps,) after each.

    Its derivative is that of the least squares solution it stands at, in the picture alone: where it starts is
    forgotten.
    """
    state = init(problem, shapes)
    channels = state.weights.shape[1]
    numbers = jnp.arange(steps)
    round_ends = (numbers >= STEPS_A_ROUND) & ((steps - numbers) % STEPS_A_ROUND == 0)

    def one(state, number_and_round_ends):
        state = step(state, problem, *number_and_round_ends)
        return state, (state.loss - RIDGE * jnp.sum(jnp.square(state.weights))) / channels

    state = vary_like(state, problem, shapes)
    state, losses = jax.lax.scan(one, state, (numbers, round_ends))
    best = _better(state)
    return best.weights, best.shapes, losses


def init(problem: Problem, shapes: Float[AnyArray, "5 m"]) -> State:
    """Before anything is known of ``shapes``; the first step only finds their weights, loss and gradient."""
    (_, m), channels, dtype = shapes.shape, problem.picture.shape[2], shapes.dtype
    weights, zero, far = jnp.zeros((m, channels), dtype), jnp.zeros((), dtype), jnp.full((), jnp.inf, dtype)
    kept = Kept(weights, shapes, far)
    products = jnp.zeros((6 * m, 6 * m), dtype)
    moved = zero + FIRST_MOVED / PAID * m
    return State(weights, shapes, far, jnp.zeros_like(shapes), zero + DAMPING, products, zero, moved, zero, kept)


def evaluate(problem: Problem, shapes):
    """The best weights for ``shapes``, what is minimised there, and half its gradient in the shapes."""
    weights = best_weights(problem, shapes)

    def half(shapes):
        error = on_axes(to_gmface(weights, shapes), problem.rows, problem.columns) - problem.picture
        return 0.5 * jnp.sum(problem.pixel_weights[..., None] * jnp.square(error))

    value, gradient = jax.value_and_grad(half)(shapes)
    return weights, 2.0 * value + RIDGE * jnp.sum(jnp.square(weights)), gradient


def step(state: State, problem: Problem, number, round_ends) -> State:
    """One step; a model that is not better is refused, and the damping raised.

    Where ``round_ends``, components are moved instead, in the better one of the models that it began and ended with.
    """

    def descended(state):
        stride = _stride(problem, state.shapes.shape[1])
        decay = 1.0 - 1.0 / (1.5 * stride**2) if stride > 1 else 0.0
        products = decay * state.products + sampled_products(problem, state.shapes, stride, number)
        state = dataclasses.replace(state, products=products, seen=decay * state.seen + 1.0)
        change = _capped(state.shapes, _solve(state, products / state.seen))
        return state, _within(problem, state.shapes, state.shapes + change)

    def relocated(state):
        most = min(max(1, round(MOST_MOVED * state.shapes.shape[1])), problem.pixel_weights.size)
        paid = state.loss < state.kept.loss
        tried = jnp.where(paid, 0.0, state.tried + jnp.round(state.moved))
        moved = jnp.clip(state.moved * jnp.where(paid, PAID, FAILED), 1.0, most)
        kept = _better(state)
        shapes = relocation.relocate(problem, kept.weights, kept.shapes, jnp.round(moved), tried, most)
        return dataclasses.replace(init(problem, shapes), kept=kept, moved=moved, tried=tried), shapes

    state, shapes = jax.lax.cond(round_ends, relocated, descended, state)
    weights, loss, gradient = evaluate(problem, shapes)
    better = loss < state.loss
    damping = jnp.clip(state.damping * jnp.where(better, BETTER, WORSE), LEAST, MOST)
    damping = jnp.where(jnp.isinf(state.loss), DAMPING, damping)
    new = dataclasses.replace(state, weights=weights, shapes=shapes, loss=loss, gradient=gradient)
    state = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, state)
    return dataclasses.replace(state, damping=damping)


def _solve(state: State, products) -> Float[Array, "5 m"]:
    """The damped step of the shapes, the weights following them."""
    curvature, _, _ = _schur_complement(products, state.weights)
    m = len(state.weights)
    plain = jnp.diag(products)[m:].reshape(5, m) * jnp.sum(jnp.square(state.weights), axis=1)[None]
    damping = state.damping * (plain + FLOOR * jnp.mean(plain, axis=1, keepdims=True))
    curvature = curvature + jnp.diag(damping.reshape(-1))
    matrix, scale = _scaled(curvature)
    right = -scale * state.gradient.reshape(-1)
    change = scale * cg(partial(cholesky.product, matrix), right, tol=0.0, maxiter=MOST_PRODUCTS)[0]
    return jnp.where(jnp.isfinite(change), change, 0.0).reshape(5, m)


def _scaled(matrix):
    """``matrix`` with a diagonal of about 1, made safe to solve, and the scale of either side."""
    scale = 1.0 / jnp.sqrt(jnp.maximum(jnp.diag(matrix), jnp.finfo(matrix.dtype).tiny ** 0.5))
    return matrix * scale[:, None] * scale[None] + JITTER * jnp.eye(len(matrix), dtype=matrix.dtype), scale


def _schur_complement(products, weights):
    """J^T J of the shapes (5 m, 5 m) with the weights projected out; the factor of the weights' own matrix; coupling.

    ``products`` are those of [g, dg / dshapes]. A shape moves the picture in proportion to its component's weight, so
    channels enter only here, as the products of weights.
    """
    m = len(weights)
    factor = cholesky.inverse_factor(products[:m, :m] + 10.0 * RIDGE * jnp.eye(m, dtype=products.dtype))
    coupling = products[:m, m:]
    half = cholesky.product(factor, coupling)
    projected = products[m:, m:] - cholesky.product(half.T, half)
    return projected * jnp.tile(cholesky.product(weights, weights.T), (5, 5)), factor, coupling


def sampled_products(problem: Problem, shapes, stride: int, number) -> Float[Array, "n n"]:
    """The products (6 m, 6 m) of g and its derivatives in the shapes, from one pixel in stride x stride.

    With ``number`` the sample moves on; stride^2 numbers in a row take every pixel.
    """
    first_row = number % stride
    first_column = (number + number // stride) % stride

    def sampled(array, axis, first):
        padding = [(0, 0)] * array.ndim
        padding[axis] = (0, -array.shape[axis] % stride)
        parts = jnp.pad(array, padding)
        parts = parts.reshape(*array.shape[:axis], -1, stride, *array.shape[axis + 1 :])
        return jax.lax.dynamic_index_in_dim(parts, first, axis + 1, keepdims=False)

    rows, columns = sampled(problem.rows, 0, first_row), sampled(problem.columns, 0, first_column)
    pixel_weights = sampled(sampled(problem.pixel_weights, 0, first_row), 1, first_column)
    mean_row, mean_column, log_l11, log_l22, shear = shapes[:, :, None, None]
    l11, l22 = jnp.exp(log_l11), jnp.exp(log_l22)
    row, column = rows[None, :, None] - mean_row, columns[None, None] - mean_column
    u, v = l11 * (row + shear * column), l22 * column
    g = jnp.exp(-(u * u + v * v)) * (stride * jnp.sqrt(pixel_weights))[None]
    along_row = 2.0 * l11 * u
    derivatives = 1.0, along_row, shear * along_row + 2.0 * l22 * v, -2.0 * u * u, -2.0 * v * v, -along_row * column
    jacobian = [(g * d).reshape(len(g), -1) for d in derivatives]
    lower = [[cholesky.product(a, b.T) for b in jacobian[: n + 1]] for n, a in enumerate(jacobian)]
    return jnp.block([[lower[j][i] if i <= j else lower[i][j].T for i in range(6)] for j in range(6)])


def _stride(problem: Problem, m: int) -> int:
    height, width = problem.picture.shape[:2]
    stride = math.isqrt(height * width // max(PIXELS, PIXELS_A_COMPONENT * m))
    return max(1, min(stride, height, width))


def _capped(shapes, change):
    """``change``, each component's shortened to ``REACH`` of its own width (and of its logarithms)."""
    row, column, log_l11, log_l22, shear = change
    l11, l22 = jnp.exp(shapes[2:4])
    moved = jnp.hypot(l11 * (row + shapes[4] * column), l22 * column)
    turned = jnp.abs(shear) * l11 / l22
    length = jnp.maximum(jnp.maximum(moved, turned), jnp.maximum(jnp.abs(log_l11), jnp.abs(log_l22)))
    return change * jnp.minimum(1.0, REACH / jnp.maximum(length, 1e-12))[None]


def _within(problem: Problem, old, new):
    """``new`` inside the box, or where ``old`` was outside, no further out.

    Centres stay near the picture; widths between 33 pictures and half a pixel.
    """
    low, high = math.log(0.03), math.log(1.25 * max(problem.picture.shape[:2]))
    bounds = jnp.asarray([(-0.3, 1.3), (-0.3, 1.3), (low, high), (low, high), (-30.0, 30.0)], new.dtype)
    return jnp.clip(new, jnp.minimum(bounds[:, :1], old), jnp.maximum(bounds[:, 1:], old))


def _better(state: State) -> Kept:
    now, kept = Kept(state.weights, state.shapes, state.loss), state.kept
    return jax.tree.map(lambda a, b: jnp.where(now.loss < kept.loss, a, b), now, kept)


@run.defjvp
def _run_jvp(steps, primals, tangents):
    """The normal equations at the solution: (J^T J) d(weights, shapes) = J^T d(picture)."""
    problem, _ = primals
    d_picture = tangents[0].picture
    weights, shapes, losses = run(*primals, steps)
    weights, shapes = jax.lax.stop_gradient((weights, shapes))

    def picture(weights, shapes):
        return on_axes(to_gmface(weights, shapes), problem.rows, problem.columns)

    products = sampled_products(problem, shapes, 1, 0)
    curvature, factor, coupling = _schur_complement(products, weights)
    to_weights, to_shapes = jax.vjp(picture, weights, shapes)[1](problem.pixel_weights[..., None] * d_picture)
    solved = cholesky.solve(factor, to_weights)
    by_channel = coupling[None] * jnp.tile(weights.T, (1, 5))[:, None]  # (C, m, 5 m)
    matrix, scale = _scaled(curvature)
    right = scale * (to_shapes.reshape(-1) - jnp.einsum("cmk,mc->k", by_channel, solved))
    d_shapes = scale * cholesky.solve(cholesky.inverse_factor(matrix), right)
    d_weights = solved - cholesky.solve(factor, jnp.einsum("cmk,k->mc", by_channel, d_shapes))
    d_losses = jnp.zeros_like(losses)
    return (weights, shapes, losses), (d_weights, d_shapes.reshape(shapes.shape), d_losses)
