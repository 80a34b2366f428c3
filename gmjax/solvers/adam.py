"""First-order fitting with Optax, Adam unless the caller brings another optimiser (paper, III-B).

Everything here is pure and knows neither pictures nor devices: a ``value_and_grad`` gives the loss of an
``Unconstrained`` model and the gradient.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float

from gmjax.solvers.unconstrained import Unconstrained, is_valid
from gmjax.types import Leaf

ValueAndGrad = Callable[..., tuple[Float[Array, ""], Unconstrained]]


@struct.dataclass
class State:
    """Where a run stands; all that it needs to go on."""

    free: Unconstrained
    optimizer: optax.OptState
    best: Unconstrained
    best_loss: Leaf


# The rates of each kind of parameter where the learning rate is 1, and Adam's second decay: measured on real faces
# (docs/choices.md).
WEIGHT_RATE, MEAN_RATE, SHAPE_RATE, B2 = 0.02, 0.01, 0.2, 0.97


def one_cycle(steps: int) -> optax.Schedule:
    """From 0.04 up to 1 over the first 30 % of the steps and down to 0 over the rest, both as half a cosine.

    Optax's own ``cosine_onecycle_schedule`` is not a number for a run of three steps or fewer.
    """

    def schedule(count):
        done = count / steps
        up = 0.52 - 0.48 * jnp.cos(jnp.pi * done / 0.3)
        down = 0.5 + 0.5 * jnp.cos(jnp.pi * (done - 0.3) / 0.7)
        return jnp.where(done < 0.3, up, down)

    return schedule


def adam(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adam with a rate of its own for each kind of parameter.

    ``eps_root`` is far below every squared gradient that matters; it keeps the derivative of a whole run finite where
    a gradient is exactly 0.
    """

    def times_rates(updates: Unconstrained, state, params=None):
        of_shapes = jnp.asarray([MEAN_RATE] * 2 + [SHAPE_RATE] * 3, updates.shapes.dtype)
        return Unconstrained(WEIGHT_RATE * updates.weights, of_shapes[:, None] * updates.shapes), state

    return optax.chain(
        optax.adam(learning_rate, b2=B2, eps_root=1e-20),
        optax.GradientTransformation(lambda params: optax.EmptyState(), times_rates),
    )


def init(free: Unconstrained, optimizer: optax.GradientTransformation) -> State:
    return State(free, optimizer.init(free), free, jnp.full((), jnp.inf, free.weights.dtype))


def keep_best(state: State, loss: Float[Array, ""]) -> State:
    """``loss`` is that of ``state.free``. Without a number for a loss, or not valid, a model is never the best."""
    better = (loss < state.best_loss) & is_valid(state.free)
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.free, state.best)
    return dataclasses.replace(state, best=best, best_loss=jnp.where(better, loss, state.best_loss))


def descend(state: State, gradient: Unconstrained, optimizer: optax.GradientTransformation) -> State:
    updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.free)
    return dataclasses.replace(state, free=optax.apply_updates(state.free, updates), optimizer=optimizer_state)


def run(
    value_and_grad: ValueAndGrad,
    optimizer: optax.GradientTransformation,
    state: State,
    steps: int,
) -> tuple[State, Float[Array, " {steps}"]]:
    """``steps`` steps on one objective, the best kept; the losses are those before each step.

    Differentiable backwards: only the state of each step is kept, and the pictures are computed again.
    """

    @partial(jax.checkpoint, prevent_cse=False)
    def step(state, _):
        loss, gradient = value_and_grad(state.free)
        return descend(keep_best(state, loss), gradient, optimizer), loss

    return jax.lax.scan(step, state, length=steps)


def run_batches(
    value_and_grad: ValueAndGrad, optimizer: optax.GradientTransformation, state: State, batches: Any
) -> tuple[State, Float[Array, " steps"]]:
    """One step ``value_and_grad(free, batch)`` for each of ``batches``, stacked along the leading axis.

    A batch cannot tell which step is best: ``keep_best`` is for the caller, with the loss over all batches.
    """

    @partial(jax.checkpoint, prevent_cse=False)
    def step(state, batch):
        loss, gradient = value_and_grad(state.free, batch)
        return descend(state, gradient, optimizer), loss

    return jax.lax.scan(step, state, batches)
