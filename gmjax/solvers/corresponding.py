"""Fits that stay near their start, so that the components of all fits from one model correspond (``FitConfig.stay``).

It minimises MSE + lambda PAE + stay |z|^2, z being the way from the start in ``Coordinates``, in units of how far a
component may be expected to go. Optax's Adam moves z; without the last term components would exchange their parts.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from gmjax.coordinates import Coordinates, from_coordinates, to_coordinates
from gmjax.gmface import GmFace, Model, as_wide_as_pixels, on_axes, pixel_axes
from gmjax.solvers.adam import Data, Loss, picture_loss
from gmjax.solvers.stages import Solver
from gmjax.types import Leaf, Scalar

# The units of z: of the weights, of the means in widths, and of the logarithm of the precision matrix.
WEIGHT, MEAN, LOG_PRECISION = 0.1, 0.3, 0.3
# The first rate, in these units; it falls to 0 along a cosine.
RATE, B2 = 0.06, 0.99


class Anchored(NamedTuple):
    """What a fit is made for, and the model near which it stays."""

    data: Data
    start: GmFace


@struct.dataclass
class State:
    z: Coordinates
    optimizer: optax.OptState
    best: Coordinates
    best_loss: Leaf


@dataclasses.dataclass(frozen=True)
class Corresponding(Solver):
    """A run of ``steps`` steps. ``loss``: the caller's own, in place of MSE + ``pae_weight`` PAE."""

    steps: int
    stay: float
    pae_weight: float
    loss: Loss | None = None

    def init(self, data: Anchored, model: Model) -> State:
        z = jax.tree.map(jnp.zeros_like, to_coordinates(data.start))
        return State(z, self._optimizer().init(z), z, jnp.full((), jnp.inf, z.weights.dtype))

    def step(self, data: Anchored, state: State, x=None) -> tuple[State, Scalar]:
        """One step; the loss is the one before it."""
        loss, gradient = jax.value_and_grad(self.objective, argnums=1)(data, state.z)
        state = _with_best(state, loss)
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self._optimizer().update(gradient, state.optimizer)
        return dataclasses.replace(state, z=optax.apply_updates(state.z, updates), optimizer=optimizer), loss

    def result(self, data: Anchored, state: State) -> GmFace:
        """The best model, no narrower than the pixels."""
        best = _with_best(state, self.objective(data, state.z)).best
        return as_wide_as_pixels(model_at(data.start, best), *_axes(data))

    def has_diverged(self, state: State) -> Leaf:
        return ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state.z)]))

    def objective(self, data: Anchored, z: Coordinates) -> Scalar:
        picture = on_axes(model_at(data.start, z), *_axes(data))
        away = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(z))
        return picture_loss(picture, data.data, self.pae_weight, self.loss) + self.stay * away

    def _optimizer(self) -> optax.GradientTransformation:
        # ``eps_root`` keeps the derivative of a whole run finite where a gradient is exactly 0.
        return optax.adam(optax.cosine_decay_schedule(RATE, self.steps), b2=B2, eps_root=1e-20)


def model_at(start: GmFace, z: Coordinates) -> GmFace:
    """The model that lies ``z`` away from ``start``."""
    origin = to_coordinates(start)
    width = jnp.exp(-0.5 * origin.log_precision[:, :1])
    weights = origin.weights + WEIGHT * z.weights
    means = origin.means + MEAN * width * z.means
    log_precision = origin.log_precision + LOG_PRECISION * z.log_precision
    return from_coordinates(Coordinates(weights, means, log_precision, start.offset))


def _axes(data: Anchored):
    statistics = data.data.statistics
    return pixel_axes(statistics.shape[:2], data.start.offset, statistics.mean.dtype)


def _with_best(state: State, loss: Scalar) -> State:
    """``loss`` is that of ``state.z``; NaN is never kept."""
    better = loss < state.best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.z, state.best)
    return dataclasses.replace(state, best=best, best_loss=jnp.where(better, loss, state.best_loss))
