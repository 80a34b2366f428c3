"""Adam on minibatches of a collection, the paper's way (III-C).

A step needs no more of a batch than its statistics. Their sums are exact, so a step has the same bits on any number of
devices, each of which sums its part of the batch.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from gmjax.solvers.adam import Adam, Data, State
from gmjax.solvers.config import FitConfig
from gmjax.statistics import device_statistics, device_sums, over_axis
from gmjax.types import Leaf, Scalar


class Batch(NamedTuple):
    """``images`` (n, H, W[, C]), or their numbers (n,) in the data's pictures; ``valid`` (n,), 0 for padding."""

    images: Leaf
    valid: Leaf
    ends_epoch: Leaf


@dataclasses.dataclass(frozen=True)
class MinibatchAdam(Adam):
    """Adam with the gradients of minibatches. ``axis_name``: the devices that share each batch.

    The model is kept at the end of an epoch if it is the best so far for all pictures: a batch alone cannot tell.
    """

    axis_name: str | None = None

    def step(self, data: Data, state: State, x: Any = None, *, keeps_best: bool = False) -> tuple[State, Scalar]:
        images = x.images if data.pictures is None else data.pictures[x.images]
        sums = device_sums(images, x.valid)
        if self.axis_name is not None:
            sums = over_axis(sums, self.axis_name)
        # The barriers keep what follows from being compiled together with the sums, which have other shapes on
        # another number of devices: their last bits would differ.
        statistics = jax.lax.optimization_barrier(device_statistics(jax.lax.optimization_barrier(sums)))
        state, loss = super().step(Data(statistics), state, keeps_best=keeps_best)
        return jax.lax.cond(x.ends_epoch, lambda state: self.with_best(data, state), lambda state: state, state), loss


def batches_by_number(key: Array, count: int, config: FitConfig, first: int, steps: int) -> Batch:
    """``steps`` minibatches from number ``first`` on: (steps, batch_size) numbers; an epoch is a permutation of all."""
    size, batches = config.batch_size or count, batches_of(config, count)
    padding = batches * size - count
    first_epoch, last_epoch = first // batches, (first + steps - 1) // batches

    def epoch(number):
        order = jax.random.permutation(jax.random.fold_in(key, number), count)
        return jnp.pad(order, (0, padding)).reshape(batches, size)

    epochs = jax.vmap(epoch)(jnp.arange(first_epoch, last_epoch + 1)).reshape(-1, size)
    valid = jnp.pad(jnp.ones(count), (0, padding)).reshape(batches, size)
    places = jnp.arange(first, first + steps)
    return Batch(epochs[places - first_epoch * batches], valid[places % batches], (places + 1) % batches == 0)


def batches_of(config: FitConfig, count: int) -> int:
    return math.ceil(count / (config.batch_size or count))


def steps_of(config: FitConfig, count: int) -> int:
    """The steps of ``config.epochs``, or of as many whole epochs as hold ``config.steps`` steps."""
    batches = batches_of(config, count)
    return batches * (config.epochs or math.ceil((config.steps or 1) / batches))
