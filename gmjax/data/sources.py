"""Collections as sequences of pictures, each read and cropped by its number; ``reading.py`` does so in parallel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmjax.data.alignment import Eyes, align, check_size, resize
from gmjax.data.eyes import find_eyes
from gmjax.data.listing import Entry
from gmjax.data.pictures import MAX_PICTURE_BYTES, Picture, PictureError, decode_picture, read_file


@dataclass(frozen=True)
class Crop:
    """How a picture is cropped: aligned by its eyes or, if it is ``aligned`` already, resized to ``size`` x ``size``;
    where not ``square``, shrunk until its longer side is at most ``size``."""

    size: int = 120
    color: bool = False
    aligned: bool = False
    square: bool = True

    def __post_init__(self):
        check_size(self.size)

    def of(self, content: bytes, name: str | Path, eyes: Eyes | None) -> Picture:
        """The crop of the picture file ``content``, called ``name`` in errors. ``eyes``: None to find them."""
        image = decode_picture(content, name, color=self.color)
        if not self.aligned:
            if eyes is None:  # in colour always, so that gray and colour have the same crop
                eyes = find_eyes(decode_picture(content, name, color=True))
            return align(image, eyes, size=self.size)
        height, width = image.shape[:2]
        shape = self.size, self.size
        if not self.square:
            scale = min(1, self.size / max(height, width))
            shape = max(1, round(scale * height)), max(1, round(scale * width))
        return image if (height, width) == shape else resize(image, shape)


@dataclass(frozen=True)
class ListedPictures:
    """The pictures ``entries`` below ``root``, cropped. ``eyes``: positions by name, or None to find them."""

    entries: Sequence[Entry]
    root: Path
    crop: Crop
    eyes: Mapping[str, Eyes] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, number: int) -> str:
        return self.entries[number].name

    def read(self, number: int) -> Picture:
        entry = self.entries[number]
        if entry.wrong is not None:
            raise PictureError(entry.wrong)
        if self.eyes is not None and entry.name not in self.eyes:
            raise PictureError("it has no row in the table of eyes")
        path = os.path.join(self.root, entry.name)  # building a Path would take longer than reading a small file
        content = read_file(path) if entry.shard is None else self._member(entry)
        return self.crop.of(content, path, None if self.eyes is None else self.eyes[entry.name])

    def _member(self, entry: Entry) -> bytes:
        if entry.size > MAX_PICTURE_BYTES:
            raise PictureError(f"{entry.name} has {entry.size} bytes, more than {MAX_PICTURE_BYTES}.")
        try:
            with open(self.root / str(entry.shard), "rb") as stream:
                stream.seek(entry.offset)
                return stream.read(entry.size)
        except OSError as error:
            raise PictureError(f"{entry.name} cannot be read: {error}") from error


@dataclass(frozen=True)
class ArrayPictures:
    """Pictures (N, H, W[, C]) in memory; numbered after them, those ``skipped``, each with its name and the reason."""

    images: np.ndarray
    names: Sequence[str]
    skipped: Sequence[tuple[str, str]] = ()

    def __len__(self) -> int:
        return len(self.images) + len(self.skipped)

    def name(self, number: int) -> str:
        return self.names[number] if number < len(self.images) else self.skipped[number - len(self.images)][0]

    def read(self, number: int) -> Picture:
        if number >= len(self.images):
            raise PictureError(self.skipped[number - len(self.images)][1])
        return self.images[number]


Pictures = ListedPictures | ArrayPictures


def read_or_reason(pictures: Pictures, number: int) -> Picture | str:
    """The picture, or why it cannot be used: as text, since an exception would keep its frames alive."""
    try:
        return pictures.read(number)
    except PictureError as error:
        return str(error)
