"""The loss (paper, III-B): MSE + lambda PAE, of one picture or of a model that many pictures share.

For a shared model both terms need only four numbers a pixel, the mean, the mean of squares, the minimum and the
maximum over the pictures, since with G the model's picture

    MSE = mean_x [(G - mean)^2 + (mean_square - mean^2)],    PAE = max_x max(G - minimum, maximum - G).
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gmjax.checks import require_same_shape
from gmjax.types import AnyArray, Leaf, Picture, Pictures, Scalar


def mse(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Mean square error (11) of two pictures of one shape."""
    require_same_shape("mse", a, b)
    return jnp.mean(jnp.square(a - b))


def pae(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Peak absolute error (12): the largest difference of two pictures of one shape."""
    require_same_shape("pae", a, b)
    return jnp.max(jnp.abs(a - b))


def psnr(a: Float[AnyArray, "..."], b: Float[AnyArray, "..."]) -> Scalar:
    """Peak signal-to-noise ratio in dB of two pictures in [0, 1] of one shape; infinite if they are equal."""
    return psnr_of_mse(mse(a, b))


def psnr_of_mse(value: Float[AnyArray, "..."]) -> Float[Array, "..."]:
    return -10.0 * jnp.log10(value)


@struct.dataclass
class ImageStatistics:
    """All that the loss of a shared model needs to know of ``count`` pictures; ``a + b`` merges two sets of pictures.

    ``mean``, ``mean_square``, ``minimum``, ``maximum``: ``(H, W)`` or ``(H, W, C)``; ``count``: ``()``.
    """

    mean: Leaf
    mean_square: Leaf
    minimum: Leaf
    maximum: Leaf
    count: Leaf

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mean.shape

    def __add__(self, other: "ImageStatistics") -> "ImageStatistics":
        require_same_shape("ImageStatistics +", self.mean, other.mean)
        count = self.count + other.count
        share = (other.count / count).astype(self.mean.dtype)
        return ImageStatistics(
            mean=self.mean + share * (other.mean - self.mean),
            mean_square=self.mean_square + share * (other.mean_square - self.mean_square),
            minimum=jnp.minimum(self.minimum, other.minimum),
            maximum=jnp.maximum(self.maximum, other.maximum),
            count=count,
        )


@jax.jit
def image_statistics(images: Pictures) -> ImageStatistics:
    """The statistics of pictures ``(N, H, W)`` or ``(N, H, W, C)``."""
    images = jnp.asarray(images)
    return ImageStatistics(
        mean=jnp.mean(images, axis=0),
        mean_square=jnp.mean(jnp.square(images), axis=0),
        minimum=jnp.min(images, axis=0),
        maximum=jnp.max(images, axis=0),
        count=jnp.asarray(images.shape[0]),
    )


def one_image(image: Picture) -> ImageStatistics:
    """The statistics of a single picture: with them the shared loss is exactly MSE + lambda PAE of that picture."""
    return ImageStatistics(image, jnp.square(image), image, image, jnp.ones((), int))


def statistics_mse(picture, statistics: ImageStatistics, mask=None) -> Scalar:
    """MSE (13) of ``picture`` against all pictures of ``statistics``; ``mask`` (H, W) weighs the pixels."""
    variance = statistics.mean_square - jnp.square(statistics.mean)
    return _pixel_mean(jnp.square(picture - statistics.mean) + variance, mask)


def statistics_pae(picture, statistics: ImageStatistics, mask=None) -> Scalar:
    """PAE (14) of ``picture`` against all pictures of ``statistics``, over the pixels where ``mask`` is not 0."""
    middle = 0.5 * (statistics.minimum + statistics.maximum)
    return _peak(jnp.abs(picture - middle) + (statistics.maximum - middle), mask)


def statistics_loss(picture, statistics: ImageStatistics, pae_weight: float, mask=None):
    """MSE + ``pae_weight`` PAE (10) of one model's ``picture`` against all pictures of ``statistics``."""
    loss = statistics_mse(picture, statistics, mask)
    if pae_weight:
        loss = loss + pae_weight * statistics_pae(picture, statistics, mask)
    return loss


def images_loss(picture, images, pae_weight: float, valid=None) -> Scalar:
    """The same by the definition, (13) and (14), picture by picture under ``vmap``: for minibatches.

    ``images``: ``(N, H, W)`` or ``(N, H, W, C)``; ``valid`` ``(N,)``: 0 leaves a picture out (padding).
    """
    valid = jnp.ones(images.shape[0], picture.dtype) if valid is None else valid
    difference = jax.vmap(lambda image: picture - image)(images)
    errors = jax.vmap(lambda d: jnp.mean(jnp.square(d)))(difference)
    loss = jnp.sum(valid * errors) / jnp.sum(valid)
    if pae_weight:
        weights = valid.reshape(valid.shape + (1,) * (images.ndim - 1))
        loss = loss + pae_weight * jnp.max(weights * jnp.abs(difference))
    return loss


def _pixel_mean(values, mask):
    if mask is None:
        mask = jnp.ones(values.shape[:2], values.dtype)
    weights = _like_pixels(mask, values)
    return jnp.sum(weights * values) / jnp.sum(jnp.broadcast_to(weights, values.shape))


def _peak(values, mask):
    return jnp.max(values if mask is None else jnp.where(_like_pixels(mask, values) > 0, values, 0.0))


def _like_pixels(mask, values):
    return mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim)).astype(values.dtype)
