"""First-order fitting with Optax: Adam, unless the caller brings another optimiser (paper, III-B)."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from gmjax.errors import ArgumentError
from gmjax.gmface import Model, as_wide_as_pixels, on_axes, pixel_axes
from gmjax.losses import statistics_loss
from gmjax.solvers.config import FitConfig
from gmjax.solvers.stages import Solver
from gmjax.solvers.unconstrained import Unconstrained, from_unconstrained, is_valid, to_unconstrained
from gmjax.statistics import ImageStatistics
from gmjax.types import Leaf, Mask, Picture, Scalar

# The rate of each kind of parameter, and Adam's second decay: measured on real faces (docs/choices.md).
WEIGHT_RATE, MEAN_RATE, SHAPE_RATE, B2 = 0.02, 0.01, 0.2, 0.97

Loss = Callable[[Any, Any], Any]


class Data(NamedTuple):
    """``mask`` (H, W): weights of the pixels; ``pictures`` (N, H, W[, C]): where minibatches take theirs from."""

    statistics: ImageStatistics
    mask: Mask | None = None
    pictures: Leaf | None = None


@struct.dataclass
class State:
    free: Unconstrained
    optimizer: optax.OptState
    best: Unconstrained
    best_loss: Leaf


@dataclasses.dataclass(frozen=True)
class Adam(Solver):
    """``config``, resolved: the optimiser, lambda and the grid. ``peak``: the highest multiplier of the default rates.

    ``loss``: the caller's own loss of (picture, image), both (H, W[, C]), in place of MSE + lambda PAE (12).
    """

    config: FitConfig
    peak: float = 1.0
    loss: Loss | None = None

    def init(self, data: Data, model: Model) -> State:
        free = to_unconstrained(model)
        return State(free, self._optimizer().init(free), free, jnp.full((), jnp.inf, free.weights.dtype))

    def step(self, data: Data, state: State, x: Any = None, *, keeps_best: bool = True) -> tuple[State, Scalar]:
        """One step; the loss is the one before it."""
        objective = partial(self.objective, data)
        loss, gradient = jax.value_and_grad(objective)(state.free)
        if keeps_best:
            state = _with_best(state, loss)
        optimizer = optax.with_extra_args_support(self._optimizer())
        # Optax's own Adam does not run under the caller's jax_numpy_dtype_promotion="strict".
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer_state = optimizer.update(
                gradient, state.optimizer, state.free, value=loss, grad=gradient, value_fn=objective
            )
        free = optax.apply_updates(state.free, updates)
        return dataclasses.replace(state, free=free, optimizer=optimizer_state), loss

    def result(self, data: Data, state: State) -> Model:
        """The best model, no narrower than the pixels."""
        best = self.with_best(data, state).best
        return as_wide_as_pixels(from_unconstrained(best, self._offset), *self._axes(data))

    def has_diverged(self, state: State) -> Leaf:
        return ~is_valid(state.free)

    def with_best(self, data: Data, state: State) -> State:
        """``state`` with its current model kept, if that is the best one so far on ``data``."""
        return _with_best(state, self.objective(data, state.free))

    def objective(self, data: Data, free: Unconstrained) -> Scalar:
        """MSE + lambda PAE (12), (13), (14), or the caller's loss."""
        picture = on_axes(from_unconstrained(free), *self._axes(data))
        return picture_loss(picture, data, self.config.pae_weight or 0.0, self.loss)

    @property
    def _offset(self) -> float:
        return 1.0 if self.config.offset is None else self.config.offset

    def _axes(self, data: Data):
        return pixel_axes(data.statistics.shape[:2], self._offset, data.statistics.mean.dtype)

    def _optimizer(self) -> optax.GradientTransformation:
        config = self.config
        if config.optimizer is not None:
            return config.optimizer
        if config.learning_rate is not None:
            return optax.adam(config.learning_rate)
        if config.rate_multiplier is not None:
            return adam_by_kind(config.rate_multiplier)
        return adam_by_kind(lambda count: self.peak * one_cycle(count / (config.steps or 1)))


def picture_loss(picture: Picture, data: Data, pae_weight: float, loss: Loss | None = None) -> Scalar:
    """MSE + ``pae_weight`` PAE of ``picture`` to the pictures of ``data``, or the caller's ``loss``."""
    if loss is None:
        return statistics_loss(picture, data.statistics, pae_weight, data.mask)
    value = loss(picture, data.statistics.mean)
    if jnp.shape(value) != ():
        raise ArgumentError("loss", f"must give a scalar; got the shape {jnp.shape(value)}")
    return value


def one_cycle(done):
    """From 0.04 up to 1 while ``done``, the share of the steps, is below 0.3, then down to 0; each half a cosine."""
    # Optax's own ``cosine_onecycle_schedule`` is NaN for a run of three steps or fewer.
    up = 0.52 - 0.48 * jnp.cos(jnp.pi * done / 0.3)
    down = 0.5 + 0.5 * jnp.cos(jnp.pi * (done - 0.3) / 0.7)
    return jnp.where(done < 0.3, up, down)


def adam_by_kind(multiplier: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adam with a rate for each kind of parameter, times ``multiplier``."""

    def times_rates(updates: Unconstrained, _):
        weights, means, shapes = WEIGHT_RATE * updates.weights, MEAN_RATE * updates.means, SHAPE_RATE * updates.shapes
        parameters = None if updates.parameters is None else SHAPE_RATE * updates.parameters
        return dataclasses.replace(updates, weights=weights, means=means, shapes=shapes, parameters=parameters)

    # ``eps_root`` keeps the derivative of a whole run finite where a gradient is exactly 0.
    return optax.chain(optax.adam(multiplier, b2=B2, eps_root=1e-20), optax.stateless(times_rates))


def _with_best(state: State, loss: Scalar) -> State:
    """``loss`` is that of ``state.free``. A model with a NaN loss or invalid parameters is never kept."""
    better = (loss < state.best_loss) & is_valid(state.free)
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.free, state.best)
    return dataclasses.replace(state, best=best, best_loss=jnp.where(better, loss, state.best_loss))
