"""``ImageStatistics`` that do not depend on how the pictures are shared out: their sums are of whole numbers.

Sums of floating point numbers depend on their order, and 2000 steps of Adam carry a last bit on to hundredths in the
picture. So each value is taken as a multiple of 2^-22 (float64: 2^-44), finer than the steps of a float32 near 1, in
two words of half as many bits, whose sums over 2^20 pictures still fit into an integer of the device.
"""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from gmjax.checks import checked_images
from gmjax.losses import ImageStatistics
from gmjax.parallel.shares import AXIS, local, shares_of
from gmjax.types import Leaf, Pictures

PICTURES_A_PASS = 256
_PIECE = 21
_IN_CACHE = 8


@struct.dataclass
class Sums:
    """Exact sums over ``count`` pictures; ``total`` and ``square`` (2, H, W[, C]) in a high and a low word."""

    count: Leaf
    total: Leaf
    square: Leaf
    minimum: Leaf
    maximum: Leaf


def image_statistics(images: Pictures, *, devices: Sequence | None = None) -> ImageStatistics:
    """``gmjax.image_statistics`` of any number of pictures, in bounded memory (``np.memmap`` stays on disk)."""
    a_pass = PICTURES_A_PASS * len(local(devices))
    parts = (images[start : start + a_pass] for start in range(0, len(images), a_pass))
    return statistics_of(total(sums_of(part, devices=devices) for part in parts))


def sums_of(images: Pictures, *, devices: Sequence | None = None) -> Sums:
    """The sums of at most 2^20 pictures a device, as NumPy arrays of int64."""
    devices = local(devices)
    shares, valid = shares_of(np.asarray(checked_images(images)), len(devices))
    return _wide(_sums_pass(devices)(shares, valid))


def sums_on_host(images: Sequence[np.ndarray]) -> Sums:
    """``sums_of`` float32 pictures in [0, 1] by NumPy alone: for processes that read them, which have no device."""
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


def total(parts: Iterable[Sums]) -> Sums:
    """The sums over the pictures of all ``parts``."""
    found = None
    for part in parts:
        found = part if found is None else added(found, part)
    if found is None:
        raise ValueError("images must hold at least one picture")
    return found


def added(a: Sums, b: Sums) -> Sums:
    return Sums(
        a.count + b.count,
        a.total + b.total,
        a.square + b.square,
        np.minimum(a.minimum, b.minimum),
        np.maximum(a.maximum, b.maximum),
    )


def none_of(shape: tuple[int, ...], dtype=np.float32) -> Sums:
    """The sums over no pictures of ``shape``: what adding begins with."""
    nothing = np.zeros((2, *shape), np.int64)
    return Sums(np.zeros((), np.int64), nothing, nothing, np.full(shape, np.inf, dtype), np.full(shape, -np.inf, dtype))


def statistics_of(sums: Sums) -> ImageStatistics:
    """The statistics of NumPy ``sums``, rounded once, from float64."""
    dtype = sums.minimum.dtype
    scale = 2.0 ** _bits(dtype)

    def mean(words):
        high, low = words.astype(np.float64)
        return jnp.asarray((high + low / scale) / scale / float(sums.count), dtype)

    minimum, maximum = jnp.asarray(sums.minimum), jnp.asarray(sums.maximum)
    return ImageStatistics(mean(sums.total), mean(sums.square), minimum, maximum, jnp.asarray(int(sums.count)))


def merged(sums: Sums) -> Sums:
    """The sums over the pictures of all processes, on each of them: one ``psum``, ``pmin`` and ``pmax``."""
    if jax.process_count() == 1:
        return sums
    mine = _each_whole(_pieces, sums)
    other = _each_whole(_pieces, none_of(sums.minimum.shape, sums.minimum.dtype))
    # One device of each process brings its sums, the others nothing.
    rows = [mine] + [other] * (jax.local_device_count() - 1)
    whole = _merge()(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))
    return _each_whole(_joined, jax.tree.map(np.asarray, whole))


def device_sums(images, valid) -> Sums:
    """This device's share of the sums over all devices' ``images`` (n, H, W[, C]), where ``valid`` (n,) is not 0."""
    bits = _bits(images.dtype)
    # By arithmetic: with jnp.where XLA was measured to take three times as long on a CPU.
    real = (valid > 0).astype(images.dtype).reshape(valid.shape + (1,) * (images.ndim - 1))
    images, beyond = images * real, 2 * (1 - real)

    def words(values):
        whole = jnp.round(values * 2.0 ** (2 * bits)).astype(int)
        return whole >> bits, whole & (2**bits - 1)

    def joined(a, b):
        return *map(operator.add, a[:4], b[:4]), jnp.minimum(a[4], b[4]), jnp.maximum(a[5], b[5])

    # All in one reduction: as six, which XLA joins badly on a CPU, they were measured to take four times as long.
    parts = (*words(images), *words(jnp.square(images)), images + beyond, images - beyond)
    nothing = tuple(
        np.array(value, part.dtype) for value, part in zip((0, 0, 0, 0, np.inf, -np.inf), parts, strict=True)
    )
    *sums, minimum, maximum = jax.lax.reduce(parts, nothing, joined, (0,))
    return Sums(jnp.sum(valid > 0, dtype=int), jnp.stack(sums[:2]), jnp.stack(sums[2:]), minimum, maximum)


def over_devices(sums: Sums) -> Sums:
    """The sums of all devices together, on each of them."""
    whole = _each_whole(lambda whole: jax.lax.psum(whole, AXIS), sums)
    return dataclasses.replace(
        whole, minimum=jax.lax.pmin(sums.minimum, AXIS), maximum=jax.lax.pmax(sums.maximum, AXIS)
    )


def device_statistics(sums: Sums) -> ImageStatistics:
    """``statistics_of`` where the sums are on a device, of few pictures."""
    dtype = sums.minimum.dtype
    scale = 2.0 ** _bits(dtype)

    def mean(words):
        high, low = words.astype(dtype)
        return (high + low / scale) / scale / sums.count.astype(dtype)

    return ImageStatistics(mean(sums.total), mean(sums.square), sums.minimum, sums.maximum, sums.count)


@functools.lru_cache(maxsize=8)
def _sums_pass(devices):
    return jax.pmap(
        lambda images, valid: over_devices(device_sums(images, valid)), axis_name=AXIS, out_axes=None, devices=devices
    )


@functools.lru_cache(maxsize=1)
def _merge():
    return jax.pmap(over_devices, axis_name=AXIS, out_axes=None)


def _bits(dtype) -> int:
    return 22 if dtype == jnp.float64 else 11


def _wide(sums: Sums) -> Sums:
    return _each_whole(lambda whole: whole.astype(np.int64), jax.tree.map(np.asarray, sums))


def _each_whole(function, sums: Sums) -> Sums:
    """``function`` of those parts of ``sums`` that are whole numbers."""
    return dataclasses.replace(
        sums, count=function(sums.count), total=function(sums.total), square=function(sums.square)
    )


def _pieces(whole) -> np.ndarray:
    """int64 as three words of 21 bits, which a thousand processes can add up in int32."""
    return np.stack([(whole >> (_PIECE * place) & (2**_PIECE - 1)).astype(np.int32) for place in range(3)])


def _joined(pieces: np.ndarray) -> np.ndarray:
    return sum(piece.astype(np.int64) << (_PIECE * place) for place, piece in enumerate(pieces))
