"""One formula for a whole collection, the common face (paper, III-C)."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from gmjax.checks import checked_images
from gmjax.gmface import GmFace, on_axes, pixel_axes
from gmjax.losses import ImageStatistics, image_statistics, images_loss
from gmjax.solvers import adam
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import (
    FitResult,
    finish,
    fit_statistics,
    free_value_and_grad,
    optimizer_of,
    starting_model,
    statistics_objective,
)
from gmjax.solvers.unconstrained import to_gmface, to_unconstrained
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import Pictures, Scalar


def fit_common(
    images_or_statistics: Pictures | ImageStatistics,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
) -> FitResult:
    """The one formula that is nearest to all pictures: least MSE + lambda PAE over all of them, (13) and (14).

    ``images``: (N, H, W) or (N, H, W, C), floating point in [0, 1]. Without ``config.batch_size`` they enter through
    their ``ImageStatistics``: exact, full batch, and a step costs what it costs for one picture. With it they are drawn
    in shuffled minibatches, the paper's way; the shuffling takes ``key`` (``jax.random.key(0)`` if there is none).

    ``info.mse`` and ``info.pae`` are over all pictures; an MSE of a common face thus holds the faces' own variance.
    """
    if isinstance(images_or_statistics, ImageStatistics):
        images, statistics = None, images_or_statistics
        if config.batch_size is not None:
            raise ValueError("FitConfig.batch_size needs the pictures themselves, not their statistics")
    else:
        images = checked_images(images_or_statistics)
        statistics = image_statistics(images)
    init = starting_model(init, statistics.mean, config, key)
    config = config.settled(init.num_components, collection=True)
    if config.batch_size is None:
        return fit_statistics(statistics, init, None, config)
    return _fit_minibatches(images, statistics, init, jax.random.key(0) if key is None else key, config)


@partial(jax.jit, static_argnames="config")
def _fit_minibatches(images, statistics, init, key, config: FitConfig) -> FitResult:
    epochs = epochs_of(config, len(images))
    optimizer = optimizer_of(config, epochs * batches_of(config, len(images)))

    def one(state, number):
        order, valid = shuffled_batches(jax.random.fold_in(key, number), len(images), config)
        value_and_grad = free_value_and_grad(minibatch_objective(statistics, config))
        state, losses = adam.run_batches(value_and_grad, optimizer, state, (images[order], valid))
        # A batch cannot tell whether the model is the best for all of them.
        objective = statistics_objective(statistics, None, config)
        return adam.keep_best(state, objective(to_gmface(*state.free))), losses

    state = vary_like(adam.init(to_unconstrained(init), optimizer), images)
    state, losses = jax.lax.scan(one, state, jnp.arange(epochs))
    return finish(state, statistics, None, losses.reshape(-1), config)


def minibatch_objective(statistics: ImageStatistics, config: FitConfig):
    """The loss of a model on a minibatch (images, valid); of ``statistics`` it takes only the pictures' shape."""
    axes = pixel_axes(statistics.shape[:2], config.offset, statistics.mean.dtype)

    def objective(params: GmFace, batch) -> Scalar:
        images, valid = batch
        return images_loss(on_axes(params, *axes), images, config.settled_pae_weight, valid)

    return objective


def shuffled_batches(key: Array, count: int, config: FitConfig):
    """An epoch's minibatches: which pictures ``(batches, batch_size)``, and 1 or 0 where the last one is not full."""
    shape = batches_of(config, count), config.batch_size or count
    order = jax.random.permutation(key, count)
    padding = math.prod(shape) - count
    valid = jnp.pad(jnp.ones(count), (0, padding))
    return jnp.pad(order, (0, padding)).reshape(shape), valid.reshape(shape)


def batches_of(config: FitConfig, count: int) -> int:
    """How many minibatches an epoch of ``count`` pictures has."""
    return math.ceil(count / (config.batch_size or count))


def epochs_of(config: FitConfig, count: int) -> int:
    """``config.epochs``, or as many whole epochs as hold ``config.settled_steps`` steps."""
    return config.epochs or math.ceil(config.settled_steps / batches_of(config, count))
