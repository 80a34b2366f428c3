"""The common face from minibatches, the paper's way (III-C): each device takes some of each batch's pictures.

A step needs no more of a batch than its statistics, and these are exact (``statistics.py``): so is the sum over the
devices, and any number of them, on any number of machines, takes the same steps bit for bit.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import jax
import numpy as np
from jaxtyping import Array

from gmjax import common
from gmjax.gmface import GmFace
from gmjax.losses import ImageStatistics
from gmjax.parallel import watch
from gmjax.parallel.shares import AXIS, shares_of
from gmjax.parallel.statistics import device_statistics, device_sums, over_devices
from gmjax.solvers import adam
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import free_value_and_grad, optimizer_of, statistics_objective
from gmjax.solvers.unconstrained import to_gmface, to_unconstrained
from gmjax.types import Pictures

# Of one part of an epoch: what is read, and goes to the devices, at once.
BYTES_A_PART = 2**27


def minibatch_start(init: GmFace, count: int, config: FitConfig) -> adam.State:
    """Where minibatch training on ``count`` pictures begins."""
    return adam.init(to_unconstrained(init), optimizer_of(config, steps_of(config, count)))


def steps_of(config: FitConfig, count: int) -> int:
    return common.epochs_of(config, count) * common.batches_of(config, count)


def minibatch_epochs(
    images: Pictures,
    statistics: ImageStatistics,
    state: adam.State,
    config: FitConfig,
    *,
    key: Array,
    first: int = 0,
    last: int | None = None,
    devices: Sequence | None = None,
) -> Iterator[tuple[adam.State, np.ndarray]]:
    """The epochs ``first`` up to ``last`` (all) of a minibatch run: yields (state, the loss of each step) after each.

    ``state`` is that before epoch ``first``, so a run goes on from any state it came to as if it had never stopped.
    ``images``: an array, or whatever has a length and gives the pictures ``images[order]`` of the numbers ``order``
    (n,). ``config`` has its lambda settled.
    """
    parts = parts_of_epoch(statistics.shape, len(images), config)
    for epoch in range(first, common.epochs_of(config, len(images)) if last is None else last):
        losses = []
        for part in range(parts):
            state, some = minibatch_part(images, statistics, state, config, epoch, part, key=key, devices=devices)
            losses.append(some)
        yield state, np.concatenate(losses)


def parts_of_epoch(shape: tuple[int, ...], count: int, config: FitConfig) -> int:
    return math.ceil(common.batches_of(config, count) / _batches_a_part(shape, count, config))


def minibatch_part(
    images, statistics: ImageStatistics, state: adam.State, config: FitConfig, epoch: int, part: int, *, key, devices
) -> tuple[adam.State, np.ndarray]:
    """One part of an epoch, from one state on the host to the next; the epoch's best is kept at its end."""
    count, devices = len(images), tuple(jax.devices() if devices is None else devices)
    at_once = _batches_a_part(statistics.shape, count, config)
    order, valid = common.shuffled_batches(jax.random.fold_in(key, epoch), count, config)
    which = slice(part * at_once, (part + 1) * at_once)
    mine = [place for place, device in enumerate(devices) if device.process_index == jax.process_index()]

    def share(numbers):
        """(batches, batch_size) to (local devices, batches, batch_size / devices)."""
        return np.moveaxis(shares_of(np.asarray(numbers).T, len(devices))[0][mine], 1, 2)

    numbers, valid = share(order[which]), share(valid[which]).astype(statistics.mean.dtype)
    # What pads a batch is not read.
    pictures = np.zeros((*numbers.shape, *statistics.shape), statistics.mean.dtype)
    pictures[valid > 0] = images[numbers[valid > 0]]
    is_last = which.stop >= common.batches_of(config, count)
    run = _part(config, steps_of(config, count), is_last, devices)
    with watch.waiting():
        return jax.device_get(run(state, (pictures, valid), statistics))


def _batches_a_part(shape: tuple[int, ...], count: int, config: FitConfig) -> int:
    bytes_a_batch = 4 * math.prod(shape) * (config.batch_size or count)
    return min(common.batches_of(config, count), max(1, BYTES_A_PART // bytes_a_batch))


@lru_cache(maxsize=8)
def _part(config: FitConfig, steps: int, is_last: bool, devices):
    optimizer = optimizer_of(config, steps)

    def run(state, batches, statistics):
        state, losses = adam.run_batches(minibatch_value_and_grad(config), optimizer, state, batches)
        if is_last:
            objective = statistics_objective(statistics, None, config)
            state = adam.keep_best(state, objective(to_gmface(*state.free)))
        return state, losses

    return jax.pmap(run, axis_name=AXIS, in_axes=(None, 0, None), out_axes=None, devices=devices)


def minibatch_value_and_grad(config: FitConfig):
    """Loss and gradient on all devices' shares (images, valid) of a minibatch, the same on each of them."""

    def value_and_grad(free, batch):
        # The barriers keep what follows from being compiled together with the sums, which have other shapes on
        # another number of devices: their last bits would differ.
        sums = jax.lax.optimization_barrier(over_devices(device_sums(*batch)))
        statistics = jax.lax.optimization_barrier(device_statistics(sums))
        return free_value_and_grad(statistics_objective(statistics, None, config))(free)

    return value_and_grad
