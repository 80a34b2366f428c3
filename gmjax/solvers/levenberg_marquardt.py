"""Second-order fitting: Levenberg-Marquardt on weights and shapes together.

It minimises ``sum(pixel_weights r^2) + RIDGE sum(w^2)`` over the pixels, r being model minus picture. A step
approximates only the matrix J^T J: some steps add the products of one pixel in ``stride x stride`` to a decaying sum,
in turn another one, so that a few of them together have seen all. The weights enter linearly: they are not damped, and
at the new shapes one step of preconditioned descent brings them nearer to their best. The gradient and
the test of acceptance are exact.

A cycle of growth adds components where the error is, takes some steps, removes as many, and takes some steps again. The
components to remove are those that do least after all have settled, if the weights and shapes of the others adjust. A
cycle that does not lower the loss is undone, and the next one adds half as many, at other places. The arrays have spare
slots for the components that a cycle adds.
"""

import dataclasses
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.scipy.sparse.linalg import cg
from jaxtyping import Float

from gmjax.gmface import Model
from gmjax.profiles import Profile
from gmjax.solvers import cholesky, slots
from gmjax.solvers.curvature import coupling_by_shapes, equations, no_products, sampled_products
from gmjax.solvers.problem import RIDGE, Problem, join, split
from gmjax.solvers.stages import Solver, scan
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import AnyArray, Leaf, Scalar

# Steps of each half of a cycle of growth; and in a fit of more than LONG steps.
SETTLING, SETTLING_IN_LONG, LONG = 8, 16, 400
# How the damping starts, follows a step that was better or was not, and where it ends (docs/choices.md).
DAMPING, BETTER, WORSE, LEAST, MOST = 0.1, 1 / 3, 4.0, 1e-3, 1e3
# Damping of the equations behind the derivative of a run: enough in float32 where components outnumber the pixels.
DERIVATIVE_DAMPING = 1e-3
# Steps of conjugate gradients in solving for a step.
MOST_PRODUCTS = 20
# One step in so many samples the products, and the first one after a change of components.
SAMPLED = 2
# The furthest a component moves in one step, in units of its own width.
REACH = 0.3
# The least and the largest share of components that a cycle adds, the largest in a fit of more than LONG steps, and how
# the share follows a cycle that paid or did not.
FEWEST_ADDED, MOST_ADDED, MOST_ADDED_IN_LONG, PAID, FAILED = 0.05, 0.2, 0.4, 2.0, 0.5
# Pixels that one step's products are taken from, at least, and how many times the parameters of a component.
PIXELS, PIXELS_A_COMPONENT = 1600, 10


class Iterate(NamedTuple):
    """``weights`` (K m, C) and ``shapes`` (S, m) as in ``split``, S = 5 + P, and what is minimised."""

    weights: Leaf
    shapes: Leaf
    loss: Leaf


@struct.dataclass
class State:
    """``model``: n slots, for m components and those that a cycle adds. ``to_weights``, ``to_shapes``: half the
    gradient. ``products``, ``seen``: decaying sums of sampled products, and of how many. ``added``: how many components
    the last cycle added, before rounding; ``tried``: at how many places since one last paid. ``kept``: the best model
    of m components that a cycle began with.
    """

    model: Iterate
    to_weights: Leaf
    to_shapes: Leaf
    damping: Leaf
    products: Leaf
    seen: Leaf
    added: Leaf
    tried: Leaf
    kept: Iterate


@dataclasses.dataclass(frozen=True)
class LevenbergMarquardt(Solver):
    """A run of ``steps`` steps; data is a ``Problem``. ``gray``, ``offset``: what the model's arrays do not tell."""

    steps: int
    gray: bool
    offset: float
    profile: Profile | None = None

    @property
    def settling(self) -> int:
        """Steps of each half of a cycle of growth."""
        return SETTLING if self.steps <= LONG else SETTLING_IN_LONG

    @property
    def growing_from(self) -> int:
        """The number of the step that begins the first cycle of growth, at least 1; the last one ends with the run."""
        return self.steps - (self.steps - 1) // (2 * self.settling) * 2 * self.settling

    def init(self, data: Problem, model: Model) -> State:
        return init(data, *split(model), self.steps)

    def step(self, data: Problem, state: State, x) -> tuple[State, Scalar]:
        """Step number ``x``, or where a half of a cycle begins, a change of components. The loss is the MSE after it.

        A model that is not better is refused, and the damping raised.
        """
        place = (x - self.growing_from) % (2 * self.settling)
        change = jnp.where(place == 0, 1, jnp.where(place == self.settling, 2, 0))
        branches = partial(_descended, data, x), partial(_added, data), partial(_removed, data)
        state, weights, shapes, factor = jax.lax.switch(jnp.where(x < self.growing_from, 0, change), branches, state)
        model, to_weights, to_shapes = _evaluate(data, weights, shapes, factor)
        better = model.loss < state.model.loss
        damping = jnp.clip(state.damping * jnp.where(better, BETTER, WORSE), LEAST, MOST)
        damping = jnp.where(jnp.isinf(state.model.loss), DAMPING, damping)
        new = dataclasses.replace(state, model=model, to_weights=to_weights, to_shapes=to_shapes)
        state = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, state)
        state = dataclasses.replace(state, damping=damping)
        weights, _, loss = state.model
        return state, (loss - RIDGE * jnp.sum(jnp.square(weights))) / weights.shape[1]

    def result(self, data: Problem, state: State) -> Model:
        weights, shapes, _ = _better(data, state)
        return self._model(weights, shapes)

    def run(self, data: Problem, model: Model, xs) -> tuple[Model, Leaf, Leaf]:
        weights, shapes, losses = _run(self, data, *split(model), xs)
        return self._model(weights, shapes), losses, jnp.zeros((), bool)

    def _model(self, weights, shapes) -> Model:
        return join(weights[:, 0] if self.gray else weights, shapes, self.offset, self.profile)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _run(solver: LevenbergMarquardt, problem: Problem, weights, shapes, xs):
    """All steps: the best weights (m, C) and shapes (5, m), and the MSE after each step.

    Its derivative is that of the least squares solution in the picture alone; the MSEs are constants.
    """
    state, losses = scan(solver, problem, init(problem, weights, shapes, solver.steps), xs)
    weights, shapes, _ = _better(problem, state)
    return weights, shapes, losses


def init(problem: Problem, weights: Float[AnyArray, "n C"], shapes: Float[AnyArray, "S m"], steps: int) -> State:
    """Before anything is known of the model; the first step only finds its loss and gradient, and better weights."""
    m, zero = shapes.shape[1], jnp.zeros((), shapes.dtype)
    spare = spare_slots(m, steps)
    kept = Iterate(weights, shapes, zero + jnp.inf)
    weights, shapes = slots.with_spare_slots(problem, weights, shapes, spare)
    return _restarted(problem, kept, weights, shapes, zero + spare, zero)


def spare_slots(m: int, steps: int) -> int:
    """How many components may be added to ``m`` at once."""
    return max(1, round((MOST_ADDED if steps <= LONG else MOST_ADDED_IN_LONG) * m))


def _restarted(problem: Problem, kept: Iterate, weights, shapes, added, tried) -> State:
    """The state after components were changed: the first step finds the loss and the gradient."""
    zero = jnp.zeros((), shapes.dtype)
    model, products = Iterate(weights, shapes, zero + jnp.inf), no_products(problem, weights, shapes)
    gradient = jnp.zeros_like(weights), jnp.zeros_like(shapes)
    return vary_like(State(model, *gradient, zero + DAMPING, products, zero, added, tried, kept), weights, shapes)


def _added(problem: Problem, state: State):
    """A cycle of growth begins: components are added to the best model so far."""
    m = state.kept.shapes.shape[1]
    most, paid = state.model.shapes.shape[1] - m, state.model.loss < state.kept.loss
    fewest = min(max(1.0, FEWEST_ADDED * m), most)
    tried = jnp.where(paid, 0.0, state.tried + jnp.round(state.added))
    added = jnp.clip(state.added * jnp.where(paid, PAID, FAILED), fewest, most)
    kept = _better(problem, state)
    weights, shapes = slots.with_spare_slots(problem, kept.weights, kept.shapes, most)
    weights, shapes, factor = slots.add(problem, weights, shapes, m, jnp.round(added), tried)
    return _restarted(problem, kept, weights, shapes, added, tried), weights, shapes, factor


def _removed(problem: Problem, state: State):
    """In the middle of a cycle, as many are removed."""
    weights, shapes, _ = state.model
    coupling = coupling_by_shapes(state.products, state.seen, weights, shapes.shape[1])
    weights, shapes, factor = slots.remove(problem, shapes, state.kept.shapes.shape[1], coupling)
    return _restarted(problem, state.kept, weights, shapes, state.added, state.tried), weights, shapes, factor


def _evaluate(problem: Problem, weights, shapes, factor):
    """The model of ``shapes`` with better weights, and half the gradient; ``factor``: as of ``inverse_factor``."""
    target, pixel_weights = jnp.moveaxis(problem.picture, -1, 0), problem.pixel_weights[None]

    def picture(weights, shapes):
        """(C, h, w): with C = 1 behind, XLA would compute pixel by pixel."""
        return jnp.moveaxis(problem.draw(weights, shapes), -1, 0)

    def product(a, b):
        return jnp.sum(pixel_weights * a * b, axis=(1, 2))

    drawn, pull_back = jax.vjp(picture, weights, shapes)
    (to_weights, _) = pull_back(pixel_weights * (drawn - target))
    direction = -cholesky.solve(factor, to_weights + RIDGE * weights)
    # The picture is linear in the weights; from vjp comes the same one that the gradient belongs to.
    along = jax.vjp(picture, weights + direction, shapes)[0] - drawn
    slope = product(along, target - drawn) - RIDGE * jnp.sum(weights * direction, axis=0)
    curvature = product(along, along) + RIDGE * jnp.sum(jnp.square(direction), axis=0)
    weights = weights + direction * (slope / jnp.maximum(curvature, jnp.finfo(curvature.dtype).tiny ** 0.5))[None]

    drawn, pull_back = jax.vjp(picture, weights, shapes)
    error = drawn - target
    to_weights, to_shapes = pull_back(pixel_weights * error)
    loss = jnp.sum(product(error, error)) + RIDGE * jnp.sum(jnp.square(weights))
    return Iterate(weights, shapes, loss), to_weights + RIDGE * weights, to_shapes


def _descended(problem: Problem, number, state: State):
    """After one damped step, with the products of another sample of pixels where it is their turn.

    Returns the state, the new weights and shapes, and the inverse factor of the weights' part of the matrix.
    """
    weights, old, _ = state.model
    height, width = problem.picture.shape[:2]
    stride = math.isqrt(height * width // max(PIXELS, PIXELS_A_COMPONENT * old.shape[1]))
    stride = max(1, min(stride, height, width))
    decay = 1.0 - 1.0 / (1.5 * stride**2) if stride > 1 else 0.0

    def add(products, seen):
        new = sampled_products(problem, weights, old, stride, number // SAMPLED)
        return jax.tree.map(lambda a, b: decay * a + b, products, new), decay * seen + 1.0

    turn = (state.seen == 0) | (number % SAMPLED == 0)
    products, seen = jax.lax.cond(turn, add, lambda *same: same, state.products, state.seen)
    state = dataclasses.replace(state, products=products, seen=seen)

    factor, coupling, matrix, diagonal, scale = equations(products, seen, weights, state.damping, old.shape[1])
    alone = cholesky.solve(factor, state.to_weights)
    right = scale * (jnp.einsum("cmk,mc->k", coupling, alone) - state.to_shapes.reshape(-1))
    change, _ = cg(lambda x: cholesky.product(matrix, x) + diagonal * x, right, tol=0.0, maxiter=MOST_PRODUCTS)
    change = scale * change
    change = jnp.where(jnp.isfinite(change), change, 0.0).reshape(old.shape)
    shapes = _within(problem, old, old + _capped(problem, old, change))
    following = jnp.einsum("cmk,k->mc", coupling, (shapes - old).reshape(-1))
    return state, weights - alone - cholesky.solve(factor, following), shapes, factor


def _capped(problem: Problem, shapes, change):
    """``change``, each component's shortened to ``REACH`` of its own width, of its logarithms and parameters."""
    row, column, log_l11, log_l22, shear, *parameters = change
    l11, l22 = jnp.exp(shapes[2:4]) / problem.narrowing
    moved = jnp.hypot(l11 * (row + shapes[4] * column), l22 * column)
    turned = jnp.abs(shear) * l11 / l22
    length = jnp.maximum(jnp.maximum(moved, turned), jnp.maximum(jnp.abs(log_l11), jnp.abs(log_l22)))
    for parameter in parameters:
        length = jnp.maximum(length, jnp.abs(parameter))
    return change * jnp.minimum(1.0, REACH / jnp.maximum(length, 1e-12))[None]


def _within(problem: Problem, old, new):
    """``new`` with centres near the picture and widths of 33 pictures to half a pixel, or where ``old`` was."""
    low, high = (math.log(problem.narrowing * bound) for bound in (0.03, 1.25 * max(problem.picture.shape[:2])))
    parameters = () if problem.profile is None else [(p.low, p.high) for p in problem.profile.parameters]
    limits = [(-0.3, 1.3), (-0.3, 1.3), (low, high), (low, high), (-30.0, 30.0), *parameters]
    bounds = jnp.asarray(limits, new.dtype)
    return jnp.clip(new, jnp.minimum(bounds[:, :1], old), jnp.maximum(bounds[:, 1:], old))


def _better(problem: Problem, state: State) -> Iterate:
    """The better one of the current model, unless it has components added, and the one that was kept."""
    weights, shapes, loss = state.model
    m = state.kept.shapes.shape[1]
    better = (loss < state.kept.loss) & ~slots.uses_spare_slots(shapes, m)
    current = Iterate(slots.first_slots(problem, weights, m), shapes[:, :m], loss)
    return jax.tree.map(lambda a, b: jnp.where(better, a, b), current, state.kept)


@_run.defjvp
def _run_jvp(solver, primals, tangents):
    """The Gauss-Newton equations at the solution: (J^T J) d(weights, shapes) = J^T d(picture), a little damped."""
    problem, d_picture = primals[0], tangents[0].picture
    weights, shapes, losses = _run(solver, *primals)
    weights, shapes = jax.lax.stop_gradient((weights, shapes))

    products = sampled_products(problem, weights, shapes, 1, 0)
    factor, coupling, matrix, diagonal, scale = equations(products, 1.0, weights, DERIVATIVE_DAMPING, shapes.shape[1])
    to_weights, to_shapes = jax.vjp(problem.draw, weights, shapes)[1](problem.pixel_weights[..., None] * d_picture)
    alone = cholesky.solve(factor, to_weights)
    right = scale * (to_shapes.reshape(-1) - jnp.einsum("cmk,mc->k", coupling, alone))
    d_shapes = scale * cholesky.solve(cholesky.inverse_factor(matrix + jnp.diag(diagonal)), right)
    d_weights = alone - cholesky.solve(factor, jnp.einsum("cmk,k->mc", coupling, d_shapes))
    return (weights, shapes, losses), (d_weights, d_shapes.reshape(shapes.shape), jnp.zeros_like(losses))
