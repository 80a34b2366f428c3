"""Collections as sequences of pictures, each read and cropped by its number; ``reading.py`` does so in parallel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from gmjax.data.alignment import (
    CropName,
    Eyes,
    Placement,
    check_eyes,
    frame_of,
    placement_by_eyes,
    resample,
    resize,
)
from gmjax.data.eyes import find_face
from gmjax.data.landmarks import Points, Templates, eyes_of, outline_mask, points_in_crop, warp
from gmjax.data.listing import Entry
from gmjax.data.pictures import MAX_PICTURE_BYTES, Picture, PictureError, decode_picture, read_file
from gmjax.data.verdicts import doubts_of_detection, doubts_of_placement


class Face(NamedTuple):
    """A picture's crop ``image``, and why it is doubtful. Of an aligned picture also ``eyes``, in pixels of ``photo``:
    the whole picture, turned by ``turns`` quarter turns (``np.rot90``) where it was not upright."""

    image: Picture
    doubts: tuple[str, ...] = ()
    eyes: Eyes | None = None
    photo: Picture | None = None
    turns: int = 0


@dataclass(frozen=True)
class Crop:
    """How a picture is cropped: aligned to the crop ``name`` or, if it is ``aligned`` already, resized to ``size`` x
    ``size``; where not ``square``, shrunk until its longer side is at most ``size``."""

    size: int = 120
    color: bool = False
    aligned: bool = False
    square: bool = True
    name: CropName = "paper"

    def __post_init__(self):
        frame_of(self.name, self.size)

    def face(
        self,
        content: bytes,
        name: str | Path,
        eyes: Eyes | None = None,
        placement: Placement | None = None,
        points: tuple[Points, Points] | None = None,
    ) -> Face:
        """The face in the picture file ``content``, called ``name`` in errors. ``eyes``: None to find them.
        ``placement``: where the crop is, if not as the eyes say. ``points``: of the picture, and where in the crop they
        are moved to."""
        image, turns, doubts = decode_picture(content, name, color=self.color), 0, []
        if self.aligned:
            return Face(self._resized(image))
        if eyes is None:  # in colour always, so that gray and colour have the same crop
            found = find_face(decode_picture(content, name, color=True))
            eyes, turns, doubts = found.eyes, found.turns, doubts_of_detection(found)
            image = np.ascontiguousarray(np.rot90(image, turns))
        check_eyes(eyes, image.shape)
        if placement is None:
            placement = placement_by_eyes(eyes, frame_of(self.name, self.size)[0], self.size)
        doubts += doubts_of_placement(placement, eyes, image.shape, self.size)
        crop = resample(image, placement, self.size) if points is None else warp(image, *points, self.size)
        return Face(crop, tuple(doubts), eyes, image, turns)

    def _resized(self, image: Picture) -> Picture:
        height, width = image.shape[:2]
        shape = self.size, self.size
        if not self.square:
            scale = min(1, self.size / max(height, width))
            shape = max(1, round(scale * height)), max(1, round(scale * width))
        return image if (height, width) == shape else resize(image, shape)


@dataclass(frozen=True)
class ListedPictures:
    """The pictures ``entries`` below ``root``, cropped: by ``templates`` of landmarks or, without them, by ``eyes``,
    positions by name, or None to find them."""

    entries: Sequence[Entry]
    root: Path
    crop: Crop
    eyes: Mapping[str, Eyes] | None = None
    templates: Templates | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, number: int) -> str:
        return self.entries[number].name

    def read(self, number: int) -> Picture:
        return self.face(number).image

    def face(self, number: int, eyes: Eyes | None = None) -> Face:
        """``eyes``: those that were found before, where they need not be found again."""
        entry, placement, points = self.entries[number], None, None
        if entry.wrong is not None:
            raise PictureError(entry.wrong)
        if self.templates is not None:
            eyes, placement = eyes_of(self.templates.points_of(entry.name)), self._placement(entry.name)
            if self.templates.warped:
                mean = self.templates.mean_in(frame_of(self.crop.name, self.crop.size)[0], self.crop.size)
                points = self.templates.points_of(entry.name), mean
        elif self.eyes is not None:
            if entry.name not in self.eyes:
                raise PictureError("it has no row in the table of eyes, which needs one for every picture")
            eyes = self.eyes[entry.name]
        path = os.path.join(self.root, entry.name)  # building a Path would take longer than reading a small file
        content = read_file(path) if entry.shard is None else self._member(entry)
        return self.crop.face(content, path, eyes, placement, points)

    def outline(self, number: int) -> Bool[np.ndarray, "s s"]:
        """The pixels of the crop that are inside the outline of the picture's template. Raises PictureError."""
        assert self.templates is not None
        name = self.entries[number].name
        points = points_in_crop(self.templates.points_of(name), self._placement(name))
        return outline_mask(points, self.crop.size)

    def _placement(self, name: str) -> Placement:
        assert self.templates is not None
        return self.templates.place(name, frame_of(self.crop.name, self.crop.size)[0], self.crop.size)

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


@runtime_checkable
class Pictures(Protocol):
    """A sequence of named pictures, each read by its number; ``read`` raises PictureError where it cannot be used."""

    def __len__(self) -> int: ...

    def name(self, number: int) -> str: ...

    def read(self, number: int) -> Picture: ...


def read_or_reason(pictures: Pictures, number: int) -> Picture | str:
    """The picture, or why it cannot be used: as text, since an exception would keep its frames alive."""
    try:
        return pictures.read(number)
    except PictureError as error:
        return str(error)
