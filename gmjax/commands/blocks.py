"""The pictures of a collection by blocks, summed where they are read: sums travel, pictures do not."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmjax.data import Pictures, tried
from gmjax.parallel.statistics import Sums, sums_on_host

# Whose sums are as large as ten of them.
PICTURES_A_BLOCK = 32


class Block(NamedTuple):
    """The sums of its pictures that can be used, if there are any, and the (number, reason) of those that cannot."""

    number: int
    sums: Sums | None
    lost: list[tuple[int, str]]


@dataclass(frozen=True)
class Blocks:
    """The blocks ``numbers`` of ``pictures``, read and summed when they are asked for, by ``read_ahead``."""

    pictures: Pictures
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> Block:
        block = int(self.numbers[place])
        found = [(number, tried(self.pictures, number)) for number in pictures_of(block, len(self.pictures))]
        lost = [(number, reason) for number, reason in found if isinstance(reason, str)]
        images = [image for _, image in found if not isinstance(image, str)]
        return Block(block, sums_on_host(images) if images else None, lost)


def pictures_of(block: int, count: int) -> range:
    """The numbers of the pictures in a block, of ``count`` in all."""
    return range(block * PICTURES_A_BLOCK, min((block + 1) * PICTURES_A_BLOCK, count))
