"""One formula for a whole collection, the common face (paper, III-C)."""

import dataclasses
from functools import partial

from jaxtyping import Array

from gmjax.checks import checked_images, checked_key, require_collection
from gmjax.errors import ArgumentError
from gmjax.gmface import Model
from gmjax.solvers.adam import Data
from gmjax.solvers.config import FitConfig, resolved
from gmjax.solvers.fitting import fit_statistics, is_traced, starting_model
from gmjax.solvers.minibatches import MinibatchAdam, batches_by_number, steps_of
from gmjax.solvers.stages import FitResult, PreparedFit, Stage, chunk_of
from gmjax.statistics import ImageStatistics, image_statistics
from gmjax.types import Pictures


def fit_common(
    images_or_statistics: Pictures | ImageStatistics,
    init: Model | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
) -> FitResult:
    """The one formula of least MSE + lambda PAE over all pictures (13), as are ``info.mse`` and ``info.pae``.

    images: (N, H, W) or (N, H, W, C), floating point in [0, 1]. Without ``config.batch_size`` they enter through
        their ``ImageStatistics``: exact, full batch, and a step costs what it costs for one picture. With it they are
        drawn in shuffled minibatches, the paper's way; the shuffling needs ``key``.

    init, key, the errors, and the transformations that it works under: as in ``fit``.
    """
    if isinstance(images_or_statistics, ImageStatistics):
        images, statistics = None, images_or_statistics
    else:
        require_collection(images_or_statistics)
        images = checked_images(images_or_statistics, channels=config.channels)
        statistics = image_statistics(images)
    init, config, key = resolved_start(statistics, init, config, key, has_images=images is not None)
    if images is None or config.batch_size is None:
        return fit_statistics(statistics, init, None, config)
    steps = steps_of(config, len(images))
    batches = partial(batches_by_number, key, len(images), config)
    data = Data(statistics, pictures=images)
    stage = Stage("adam", minibatch_solver(config, steps), data, steps, chunk_of(steps), batches)
    prepared = PreparedFit(init, (stage,), statistics)
    return prepared.traced() if is_traced(data, init, key) else prepared.finished()


def resolved_start(statistics: ImageStatistics, init, config: FitConfig, key, *, has_images: bool):
    """The model to start from, ``config`` resolved for a collection, and ``key``."""
    if config.batch_size is not None and not has_images:
        raise ArgumentError("FitConfig.batch_size", "needs the pictures themselves, not their statistics")
    init = starting_model(init, statistics.mean, config, key)
    if config.batch_size is not None:
        key = checked_key(key, "the order of the minibatches")
    return init, resolved(config, init.gaussians_worth, offset=init.offset, collection=True), key


def minibatch_solver(config: FitConfig, steps: int, axis_name: str | None = None) -> MinibatchAdam:
    """The solver for a resolved ``config`` that takes ``steps`` steps in all."""
    return MinibatchAdam(dataclasses.replace(config, steps=steps), axis_name=axis_name)
