"""The pictures of a collection in blocks, summed where they are read: processes exchange sums, not pictures."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmjax.data import Pictures, read_or_reason
from gmjax.statistics import Sums, sums_on_host

# The sums of a block take as much memory as ten pictures.
PICTURES_PER_BLOCK = 32


class BlockSums(NamedTuple):
    """Of one block: the sums over the pictures that can be used, None if there are none, and why the others cannot."""

    number: int
    sums: Sums | None
    skipped: dict[int, str]


@dataclass(frozen=True)
class PictureSums:
    """The sums of the given ``blocks`` of ``pictures``, read when they are asked for: items for ``read_ahead``."""

    pictures: Pictures
    blocks: np.ndarray

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, place: int) -> BlockSums:
        block = int(self.blocks[place])
        found = {number: read_or_reason(self.pictures, number) for number in pictures_of(block, len(self.pictures))}
        images = [image for image in found.values() if not isinstance(image, str)]
        skipped = {number: reason for number, reason in found.items() if isinstance(reason, str)}
        return BlockSums(block, sums_on_host(images) if images else None, skipped)


def pictures_of(block: int, count: int) -> range:
    """The numbers of the pictures in ``block``, of ``count`` in all."""
    return range(block * PICTURES_PER_BLOCK, min((block + 1) * PICTURES_PER_BLOCK, count))
