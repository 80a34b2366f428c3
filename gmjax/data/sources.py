"""Pictures one at a time, by number: what ``reading.py`` reads in parallel, in any order, in any amount."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gmjax.data.alignment import Eyes, align, resize
from gmjax.data.eyes import find_eyes
from gmjax.data.listing import Entry, Listing
from gmjax.data.pictures import MAX_PICTURE_BYTES, Picture, PictureError, decode_picture, read_file


class Pictures(Protocol):
    """What ``read_pictures`` reads from."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str: ...

    def read(self, number: int) -> Picture:
        """Raises PictureError."""
        ...


def tried(pictures: Pictures, number: int) -> Picture | str:
    """The picture, or what is wrong with it: in words, since an error would hold on to what it happened in."""
    try:
        return pictures.read(number)
    except PictureError as error:
        return str(error)


@dataclass(frozen=True)
class Crop:
    """What is made of a picture.

    size: side in pixels of a face in the paper's crop.
    color: keep the colours.
    aligned: it is aligned already. It is brought to ``size x size``, or where not ``square``, only shrunk until its
        longer side is ``size``.
    """

    size: int = 120
    color: bool = False
    aligned: bool = False
    square: bool = True

    def of(self, content: bytes, name: str | Path, eyes: Eyes | None) -> Picture:
        """The crop of the picture file ``content``, called ``name`` in errors; without ``eyes`` they are found.

        Raises:
            PictureError: the picture cannot be used, or no face is found.
            ImportError: eyes have to be found and the extra ``align`` is not installed.
        """
        image = decode_picture(content, name, color=self.color)
        if not self.aligned:
            if eyes is None:
                # In the colours, gray or not: they help the finder, and both get the same crop.
                eyes = find_eyes(decode_picture(content, name, color=True))
            return align(image, eyes, size=self.size)
        height, width = image.shape[:2]
        if self.square:
            return image if (height, width) == (self.size, self.size) else resize(image, (self.size, self.size))
        scale = self.size / max(height, width)
        return image if scale >= 1 else resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))


@dataclass(frozen=True)
class ListedPictures:
    """The pictures of a ``Listing`` (or of any entries) under ``root``, cropped; ``eyes`` by name, or to be found."""

    entries: Sequence[Entry] | Listing
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
            raise PictureError("it has no row in the table of eyes.")
        path = os.path.join(self.root, entry.name)  # a Path would take longer than the file
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
    """Pictures (N, H, W[, C]) that are in memory already; after them (name, reason) of those that cannot be used."""

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
