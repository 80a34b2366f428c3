"""``ImageStatistics`` summed on several devices and processes: exact, so their number does not change a bit."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from gmjax import data
from gmjax.checks import checked_images
from gmjax.parallel.devices import AXIS, local, shares_of
from gmjax.statistics import (
    ImageStatistics,
    Sums,
    device_sums,
    each_whole,
    host,
    none_of,
    over_axis,
    summed,
    sums_on_host,
)
from gmjax.types import Pictures

_PIECE = 21
# The sums of a block take as much memory as ten pictures.
PICTURES_PER_BLOCK = 32


def pictures_of(block: int, pictures: data.Pictures) -> range:
    """The numbers of the pictures in ``block``."""
    return range(block * PICTURES_PER_BLOCK, min((block + 1) * PICTURES_PER_BLOCK, len(pictures)))


def block_sums(pictures: data.Pictures, blocks: np.ndarray, place: int) -> tuple[int, Sums | None, dict[int, str]]:
    """A block, the sums over its pictures that can be used, None if there are none, and why the others cannot."""
    block = int(blocks[place])
    found = {number: data.read_or_reason(pictures, number) for number in pictures_of(block, pictures)}
    images = [image for image in found.values() if not isinstance(image, str)]
    skipped = {number: reason for number, reason in found.items() if isinstance(reason, str)}
    return block, sums_on_host(images) if images else None, skipped


def image_statistics(images: Pictures, *, devices: Sequence | None = None) -> ImageStatistics:
    """``gmjax.image_statistics`` on all ``devices``: the same bits."""
    return summed(images, functools.partial(sums_of, devices=devices), len(local(devices)))


def sums_of(images: Pictures, *, devices: Sequence | None = None) -> Sums:
    """The sums of at most 2^20 pictures a device, as NumPy arrays of int64."""
    devices = local(devices)
    return host(_sum_over_devices(devices)(*shares_of(np.asarray(checked_images(images)), len(devices))))


def merged(sums: Sums) -> Sums:
    """The sums over the pictures of all processes, on each of them: one ``psum``, ``pmin`` and ``pmax``."""
    if jax.process_count() == 1:
        return sums
    mine = each_whole(_split, sums)
    other = each_whole(_split, none_of(sums.minimum.shape, sums.minimum.dtype))
    # One device of each process brings its sums, the others nothing.
    rows = [mine] + [other] * (jax.local_device_count() - 1)
    merge = jax.pmap(functools.partial(over_axis, axis_name=AXIS), axis_name=AXIS, out_axes=None)
    whole = merge(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))
    return each_whole(_join, jax.tree.map(np.asarray, whole))


@functools.lru_cache(maxsize=8)
def _sum_over_devices(devices):
    def sums(images, valid):
        return over_axis(device_sums(images, valid), AXIS)

    return jax.pmap(sums, axis_name=AXIS, out_axes=None, devices=devices)


def _split(whole) -> np.ndarray:
    """int64 as three words of 21 bits, which a thousand processes can add up in int32."""
    return np.stack([(whole >> (_PIECE * place) & (2**_PIECE - 1)).astype(np.int32) for place in range(3)])


def _join(pieces: np.ndarray) -> np.ndarray:
    return sum(piece.astype(np.int64) << (_PIECE * place) for place, piece in enumerate(pieces))
