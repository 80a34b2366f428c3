"""What the loss of a shared model needs to know of a collection: four numbers a pixel.

Each value is rounded to a multiple of 2^-22 (float64: 2^-44), finer than the steps of a float32 near 1, and held as two
integers of half as many bits, whose sums over 2^20 pictures do not overflow. So sums are exact on any number of devices
and processes. In floating point they are not, and 2000 steps of Adam turn a last bit into hundredths in the picture.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Float

from gmjax.checks import checked_images, require_same_shape
from gmjax.errors import ArgumentError
from gmjax.types import AnyArray, Leaf, Picture, Pictures

_PICTURES_A_PASS = 256
_IN_CACHE = 8


@struct.dataclass
class ImageStatistics:
    """The statistics of ``count`` pictures, each ``(H, W)`` or ``(H, W, C)``; ``a + b`` merges two collections."""

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
        mean = self.mean + share * (other.mean - self.mean)
        mean_square = self.mean_square + share * (other.mean_square - self.mean_square)
        minimum, maximum = jnp.minimum(self.minimum, other.minimum), jnp.maximum(self.maximum, other.maximum)
        return ImageStatistics(mean, mean_square, minimum, maximum, count)


def image_statistics(images: Pictures) -> ImageStatistics:
    """The statistics of pictures ``(N, H, W)`` or ``(N, H, W, C)`` in [0, 1], from exact sums, rounded once.

    Memory is bounded (an ``np.memmap`` stays on disk). Under tracing, where sums must have derivatives, ordinary means.
    Raises ArgumentError for arrays that cannot be pictures.
    """
    if isinstance(images, jax.core.Tracer):
        images = checked_images(images)
        mean, mean_square = jnp.mean(images, axis=0), jnp.mean(jnp.square(images), axis=0)
        minimum, maximum = jnp.min(images, axis=0), jnp.max(images, axis=0)
        return ImageStatistics(mean, mean_square, minimum, maximum, jnp.asarray(len(images)))
    return summed(images, lambda part: host(_sums(checked_images(part))))


@jax.jit
def one_image(image: Picture) -> ImageStatistics:
    """The statistics of a single picture: with them the shared loss is exactly MSE + lambda PAE of that picture."""
    return ImageStatistics(image, jnp.square(image), image, image, jnp.ones((), int))


@struct.dataclass
class Sums:
    """Exact sums over ``count`` pictures; ``total`` and ``square`` (2, H, W[, C]) in a high and a low word."""

    count: Leaf
    total: Leaf
    square: Leaf
    minimum: Leaf
    maximum: Leaf


def device_sums(images: Float[AnyArray, "n h w *c"], valid: Float[AnyArray, " n"]) -> Sums:
    """The sums over those of at most 2^20 ``images`` where ``valid`` is not 0. Pure; runs on a device."""
    bits = _bits(images.dtype)
    # By arithmetic: with jnp.where XLA was measured to take three times as long on a CPU.
    real = (valid > 0).astype(images.dtype).reshape(valid.shape + (1,) * (images.ndim - 1))
    images, beyond = images * real, 2 * (1 - real)

    def words(values):
        whole = jnp.round(values * 2.0 ** (2 * bits)).astype(int)
        return whole >> bits, whole & (2**bits - 1)

    def merge(a, b):
        return *map(operator.add, a[:4], b[:4]), jnp.minimum(a[4], b[4]), jnp.maximum(a[5], b[5])

    # All in one reduction: as six, which XLA fuses badly on a CPU, they were measured to take four times as long.
    parts = (*jax.vmap(words)(images), *jax.vmap(words)(jnp.square(images)), images + beyond, images - beyond)
    values = 0, 0, 0, 0, np.inf, -np.inf
    nothing = tuple(np.array(value, part.dtype) for value, part in zip(values, parts, strict=True))
    *sums, minimum, maximum = jax.lax.reduce(parts, nothing, merge, (0,))
    return Sums(jnp.sum(valid > 0, dtype=int), jnp.stack(sums[:2]), jnp.stack(sums[2:]), minimum, maximum)


def over_axis(sums: Sums, axis_name: str) -> Sums:
    """The sums of all devices along a mesh or ``pmap`` axis, on each of them."""
    sums = each_whole(lambda whole: jax.lax.psum(whole, axis_name), sums)
    minimum, maximum = jax.lax.pmin(sums.minimum, axis_name), jax.lax.pmax(sums.maximum, axis_name)
    return dataclasses.replace(sums, minimum=minimum, maximum=maximum)


def device_statistics(sums: Sums) -> ImageStatistics:
    """The statistics of ``sums`` on a device, of few pictures: a minibatch."""
    mean, mean_square = _means(sums, sums.minimum.dtype)
    return ImageStatistics(mean, mean_square, sums.minimum, sums.maximum, sums.count)


def sums_on_host(images: Sequence[np.ndarray]) -> Sums:
    """``device_sums`` of float32 pictures in [0, 1] by NumPy: for processes that read pictures and have no device."""
    scale, bits = np.float32(2.0 ** (2 * _bits(np.float32))), _bits(np.float32)
    parts = []
    for start in range(0, len(images), _IN_CACHE):
        some = np.stack(images[start : start + _IN_CACHE])
        # Whole numbers up to 2^53 are exact in float64, whose sums are quicker than those of integers.
        whole = [np.rint(values * scale).sum(0, dtype=np.float64) for values in (some, np.square(some))]
        parts.append((*whole, some.min(0), some.max(0)))
    totals, squares, minima, maxima = zip(*parts, strict=True)

    def words(sums):
        whole = np.asarray(sum(sums)).astype(np.int64)
        return np.stack([whole >> bits, whole & (2**bits - 1)])

    minimum, maximum = functools.reduce(np.minimum, minima), functools.reduce(np.maximum, maxima)
    return Sums(np.asarray(len(images)), words(totals), words(squares), minimum, maximum)


def host(sums: Sums) -> Sums:
    """``sums`` as NumPy arrays, the whole numbers as int64, so that any number of them can be added."""
    return each_whole(lambda whole: whole.astype(np.int64), jax.tree.map(np.asarray, sums))


def summed(images: Pictures, sums_of: Callable[[Pictures], Sums], devices: int = 1) -> ImageStatistics:
    """The statistics of ``images``, whose sums ``sums_of`` takes on ``devices``, some pictures at a time."""
    if len(images) == 0:
        raise ArgumentError("images", "must hold at least one picture")
    a_pass = _PICTURES_A_PASS * devices
    parts = (images[start : start + a_pass] for start in range(0, len(images), a_pass))
    return statistics_of(functools.reduce(added, map(sums_of, parts)))


def added(a: Sums, b: Sums) -> Sums:
    minimum, maximum = np.minimum(a.minimum, b.minimum), np.maximum(a.maximum, b.maximum)
    return Sums(a.count + b.count, a.total + b.total, a.square + b.square, minimum, maximum)


def none_of(shape: tuple[int, ...], dtype=np.float32) -> Sums:
    """The sums over no pictures of ``shape``."""
    nothing = np.zeros((2, *shape), np.int64)
    return Sums(np.zeros((), np.int64), nothing, nothing, np.full(shape, np.inf, dtype), np.full(shape, -np.inf, dtype))


def statistics_of(sums: Sums) -> ImageStatistics:
    """The statistics of NumPy ``sums``, rounded once, from float64."""
    mean, mean_square = (jnp.asarray(values, sums.minimum.dtype) for values in _means(sums, np.float64))
    minimum, maximum = jnp.asarray(sums.minimum), jnp.asarray(sums.maximum)
    return ImageStatistics(mean, mean_square, minimum, maximum, jnp.asarray(int(sums.count)))


def _means(sums: Sums, dtype) -> list:
    """The mean and the mean square, computed in ``dtype``."""
    scale = 2.0 ** _bits(sums.minimum.dtype)
    parts = sums.total.astype(dtype), sums.square.astype(dtype)
    return [(high + low / scale) / scale / sums.count.astype(dtype) for high, low in parts]


def each_whole(function, sums: Sums) -> Sums:
    """``sums`` with ``function`` applied to its whole numbers."""
    count, total, square = map(function, (sums.count, sums.total, sums.square))
    return dataclasses.replace(sums, count=count, total=total, square=square)


@jax.jit
def _sums(images) -> Sums:
    return device_sums(images, jnp.ones(len(images), images.dtype))


def _bits(dtype) -> int:
    return 22 if dtype == jnp.float64 else 11
