"""One formula for a collection (paper, III-C) on several devices, which share each minibatch.

From statistics the fit costs what one picture costs, so it runs on one device.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from gmjax.checks import require_collection
from gmjax.common import minibatch_solver, resolved_start
from gmjax.gmface import Model
from gmjax.parallel.devices import AXIS, local, shares_of
from gmjax.parallel.statistics import image_statistics
from gmjax.solvers.adam import Data
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import stages_of
from gmjax.solvers.minibatches import Batch, batches_by_number, steps_of
from gmjax.solvers.stages import FitResult, PreparedFit, Solver, Stage, chunk_of, require_finite, scan
from gmjax.statistics import ImageStatistics
from gmjax.types import Pictures

BYTES_A_CHUNK = 2**27  # of the pictures that are read, and go to the devices, at once


def fit_common(
    images_or_statistics: Pictures | ImageStatistics,
    init: Model | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    devices: Sequence | None = None,
    report: Callable[[int, int, float], None] | None = None,
) -> FitResult:
    """``gmjax.fit_common`` on several devices; ``report(step, steps, loss)`` is called about fifty times.

    Raises DivergedError where ``gmjax.fit_common``, being pure, returns the best model before and says so in ``info``.
    """
    if isinstance(images_or_statistics, ImageStatistics):
        images, statistics = None, images_or_statistics
    else:
        require_collection(images_or_statistics)
        images, statistics = images_or_statistics, image_statistics(images_or_statistics, devices=devices)
    prepared = prepare_common(statistics, init, config=config, key=key, images=images, devices=devices)
    for last in prepared.run():
        require_finite(last)
        if report is not None:
            losses = np.concatenate(last.losses)
            report(len(losses), prepared.steps, float(losses[-1]))
    return prepared.result(last)


def prepare_common(
    statistics: ImageStatistics,
    init: Model | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    images: Any = None,
    devices: Sequence | None = None,
) -> PreparedFit:
    """The fit of ``fit_common``, to be run in chunks that can be reported, saved and resumed.

    images: for minibatches only: has a length, and gives the pictures ``images[numbers]`` of an array of numbers (n,).
    devices: those that share each minibatch, of all processes; None takes all. They do not change the result.
    """
    init, config, key = resolved_start(statistics, init, config, key, has_images=images is not None)
    if config.batch_size is None:
        statistics, init = jax.device_put((statistics, init), local(devices)[0])
        return PreparedFit(init, stages_of(init, statistics, None, config), statistics)
    devices = tuple(jax.devices() if devices is None else devices)
    steps = steps_of(config, len(images))
    chunk = chunk_of(steps, max(1, BYTES_A_CHUNK // (4 * math.prod(statistics.shape) * config.batch_size)))

    def shares(first: int, steps: int) -> Batch:
        return _shares(batches_by_number(key, len(images), config, first, steps), images, statistics, devices)

    def advance(solver: Solver, data: Data, state: Any, xs: Batch):
        # States pass through the host, which all processes have in common.
        return jax.device_get(_pmapped(solver, devices)(data, state, xs))

    solver = minibatch_solver(config, steps, AXIS)
    stage = Stage("adam", solver, Data(statistics), steps, chunk, shares, advance)
    return PreparedFit(init, (stage,), statistics)


def _shares(batches: Batch, images: Any, statistics: ImageStatistics, devices: Sequence) -> Batch:
    """The batches with their pictures, as this process's devices share them: (devices, steps, pictures, H, W[, C])."""
    mine = [place for place, device in enumerate(devices) if device.process_index == jax.process_index()]

    def share(numbers):  # (steps, batch_size) to (local devices, steps, batch_size / devices)
        return np.moveaxis(shares_of(np.asarray(numbers).T, len(devices))[0][mine], 1, 2)

    dtype = statistics.mean.dtype
    numbers, valid = share(batches.images), share(batches.valid).astype(dtype)
    pictures = np.zeros((*numbers.shape, *statistics.shape), dtype)
    pictures[valid > 0] = images[numbers[valid > 0]]  # padding is not read
    ends_epoch = np.broadcast_to(np.asarray(batches.ends_epoch), (len(mine), len(batches.ends_epoch)))
    return Batch(pictures, valid, ends_epoch)


@lru_cache(maxsize=8)
def _pmapped(solver: Solver, devices: tuple):
    return jax.pmap(partial(scan, solver), axis_name=AXIS, in_axes=(None, None, 0), out_axes=None, devices=devices)
