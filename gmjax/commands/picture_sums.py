"""The pictures of a collection in blocks, summed where they are read: processes exchange sums, not pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gmjax.data import Pictures, read_or_reason
from gmjax.statistics import Sums, sums_on_host

# The sums of a block take as much memory as ten pictures.
PICTURES_PER_BLOCK = 32


class BlockSums(NamedTuple):
    """The sums over the pictures of a block that can be used, None if there are none; why the others cannot."""

    number: int
    sums: Sums | None
    skipped: dict[int, str]


@dataclass(frozen=True)
class PictureSums:
    """The sums of the given ``blocks`` of ``pictures``, read when they are asked for: items for ``read_ahead``."""

    pictures: Pictures
    blocks: Sequence[int]

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, place: int) -> BlockSums:
        first = self.blocks[place] * PICTURES_PER_BLOCK
        numbers = range(first, min(first + PICTURES_PER_BLOCK, len(self.pictures)))
        found = {number: read_or_reason(self.pictures, number) for number in numbers}
        images = [image for image in found.values() if not isinstance(image, str)]
        skipped = {number: reason for number, reason in found.items() if isinstance(reason, str)}
        return BlockSums(self.blocks[place], sums_on_host(images) if images else None, skipped)
