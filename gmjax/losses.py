"""The loss (paper, III-B): MSE + lambda PAE, of one picture or of a model that many pictures share.

For a shared model, whose picture is G, both terms need only the ``ImageStatistics`` of the pictures:

    MSE = mean_x [(G - mean)^2 + (mean_square - mean^2)],    PAE = max_x max(G - minimum, maximum - G).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.checks import require_same_shape
from gmjax.statistics import ImageStatistics
from gmjax.types import AnyArray, Scalar


def mse(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Mean square error (10) of two pictures of one shape. Raises ArgumentError for different shapes."""
    require_same_shape("mse", a, b)
    return jnp.mean(jnp.square(a - b))


def pae(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Peak absolute error (11), the largest, of two pictures of one shape. Errors as in ``mse``."""
    require_same_shape("pae", a, b)
    return jnp.max(jnp.abs(a - b))


def psnr(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Peak signal-to-noise ratio in dB of two pictures in [0, 1]; infinite if equal. Errors as in ``mse``."""
    return psnr_of_mse(mse(a, b))


def psnr_of_mse(value: Float[AnyArray, "..."]) -> Float[Array, "..."]:
    return -10.0 * jnp.log10(value)


def statistics_mse(picture, statistics: ImageStatistics, mask=None) -> Scalar:
    """MSE (13) of ``picture`` to all pictures of ``statistics``; ``mask`` (H, W) weighs the pixels."""
    variance = statistics.mean_square - jnp.square(statistics.mean)
    values = jnp.square(picture - statistics.mean) + variance
    weights = _like_pixels(jnp.ones(values.shape[:2], values.dtype) if mask is None else mask, values)
    return jnp.sum(weights * values) / jnp.sum(jnp.broadcast_to(weights, values.shape))


def statistics_pae(picture, statistics: ImageStatistics, mask=None) -> Scalar:
    """PAE (13) of ``picture`` to all pictures of ``statistics``, over the pixels where ``mask`` is not 0."""
    middle = 0.5 * (statistics.minimum + statistics.maximum)
    errors = jnp.abs(picture - middle) + (statistics.maximum - middle)
    return jnp.max(errors if mask is None else jnp.where(_like_pixels(mask, errors) > 0, errors, 0.0))


def statistics_loss(picture, statistics: ImageStatistics, pae_weight: float, mask=None) -> Scalar:
    """MSE + ``pae_weight`` PAE (12) of one model's ``picture`` to all pictures: (13), or (14) for a single one."""
    loss = statistics_mse(picture, statistics, mask)
    if pae_weight:
        loss = loss + pae_weight * statistics_pae(picture, statistics, mask)
    return loss


def _like_pixels(mask, values):
    return mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim)).astype(values.dtype)
