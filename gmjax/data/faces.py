"""Pictures of faces as one array: the user's own folder, or a single file."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import Eyes, align, resize
from gmjax.data.eyes import find_eyes, read_eyes_csv
from gmjax.data.pictures import PICTURE_SUFFIXES, Picture, PictureError, read_picture

Report = Callable[[int, int], object]

EYES_FILE = "eyes.csv"


@dataclass(frozen=True)
class Faces:
    """Faces of one size, and what was left out.

    Attributes:
        images: ``(N, H, W)`` gray or ``(N, H, W, 3)`` colour, float32 in [0, 1].
        names: one a face, in the order of ``images``.
        skipped: ``(name, reason)`` for each picture that could not be used.
    """

    images: Float[np.ndarray, "n h w"] | Float[np.ndarray, "n h w 3"]
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def load_folder(
    folder: str | Path,
    *,
    eyes: str | Path | None = None,
    aligned: bool = False,
    size: int = 120,
    color: bool = False,
    report: Report | None = None,
) -> Faces:
    """Every picture in a folder and the folders in it, sorted by name, numbers by their value.

    Hidden files are passed over, and links to folders are not followed. A picture that cannot be
    used (broken, no face found, not in the table of eyes) is listed in ``skipped``.

    Args:
        folder: where the pictures are; names are relative to it, with ``/`` between folders.
        eyes: a table as in :func:`read_eyes_csv`. None: ``eyes.csv`` in the folder if there is
            one, else :func:`find_eyes` on each picture.
        aligned: the pictures are aligned already and only brought to ``size x size``.
        size: side of each face in pixels.
        color: keep the colours.
        report: called with ``(done, total)`` after each picture.

    Raises:
        PictureError: no such folder, nothing usable in it, or a wrong table of eyes, one that
            names a missing file among them.
        ImportError: eyes have to be found and the extra ``align`` is not installed.
    """
    folder = Path(folder)
    names = picture_names(folder)
    table = None if aligned else eyes_table(folder, eyes, names)

    def load(name: str) -> Picture:
        if table is not None and name not in table:
            raise PictureError("it has no row in the table of eyes.")
        image = read_picture(folder / name, color=color)
        if aligned:
            return image if image.shape[:2] == (size, size) else resize(image, (size, size))
        at = _found_eyes(folder / name) if table is None else table[name]
        return align(image, at, size=size)

    return gather_faces(names, load, source=folder, report=report)


def load_picture(
    path: str | Path,
    *,
    eyes: Eyes | None = None,
    aligned: bool = False,
    size: int = 120,
    color: bool = False,
) -> Picture:
    """One picture: a face brought into the crop, or any picture as it is.

    Args:
        path: the file.
        eyes: as in :func:`align`. None: its row in an ``eyes.csv`` beside it if there is one,
            else :func:`find_eyes`.
        aligned: take the picture as it is, only shrunk, if need be, until its longer side is
            ``size``.
        size: side of the crop in pixels.
        color: keep the colours.

    Returns:
        ``(size, size)``, or ``(H, W)`` with the longer side at most ``size`` if ``aligned``;
        with colours ``(..., 3)``.

    Raises:
        PictureError: the picture or the table cannot be used, or no face is found.
        ImportError: eyes have to be found and the extra ``align`` is not installed.
    """
    path = Path(path)
    image = read_picture(path, color=color)
    if size < 2:
        raise ValueError(f"size must be at least 2 pixels; got {size}")
    if aligned:
        height, width = image.shape[:2]
        scale = size / max(height, width)
        if scale >= 1:
            return image
        return resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))
    if eyes is None and (path.parent / EYES_FILE).is_file():
        eyes = read_eyes_csv(path.parent / EYES_FILE).get(path.name)
    try:
        return align(image, _found_eyes(path) if eyes is None else eyes, size=size)
    except PictureError as error:
        raise type(error)(f"{path}: {error}") from error


def gather_faces(
    names: Sequence[str],
    load: Callable[[str], Picture],
    *,
    source: str | Path,
    report: Report | None = None,
) -> Faces:
    """Loads each name, collecting those on which ``load`` raises PictureError as skipped.

    Raises:
        PictureError: not one could be loaded; the text names ``source`` and the first reasons.
    """
    images, kept, skipped = [], [], []
    for done, name in enumerate(names, start=1):
        try:
            images.append(load(name))
            kept.append(name)
        except PictureError as error:
            skipped.append((name, str(error)))
        if report is not None:
            report(done, len(names))
    if not images:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in skipped[:3])
        raise PictureError(f"{source}: none of its {len(names)} pictures can be used.{reasons}")
    return Faces(np.stack(images), tuple(kept), tuple(skipped))


def natural_key(name: str) -> tuple[list[str | Decimal], str]:
    """Sorts s2 before s10; the name itself breaks ties such as 1 and 01."""
    parts = re.split(r"(\d+)", name)
    return [Decimal(part) if part.isdecimal() else part for part in parts], name


def picture_names(folder: Path) -> list[str]:
    """The pictures of a folder and the folders in it, as :func:`load_folder` finds, names and sorts them."""
    if not folder.is_dir():
        raise PictureError(f"{folder}: no such folder.")

    def refuse(error: OSError) -> None:
        raise PictureError(f"{folder} cannot be searched: {error}") from error

    names = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [
            (Path(place) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES
        ]
    if not names:
        known = " ".join(sorted(PICTURE_SUFFIXES))
        raise PictureError(f"{folder} holds no pictures ({known}).")
    return sorted(names, key=natural_key)


def _found_eyes(path: Path) -> Eyes:
    # In the colours, gray or not: they help the finder, and both get the same crop.
    return find_eyes(read_picture(path, color=True))


def eyes_table(folder: Path, eyes: str | Path | None, names: Sequence[str]) -> dict[str, Eyes] | None:
    """The eyes of the pictures ``names`` by name, from ``eyes`` or the folder's ``eyes.csv``; None: to be found."""
    path = folder / EYES_FILE if eyes is None else Path(eyes)
    if eyes is None and not path.is_file():
        return None
    table = read_eyes_csv(path)
    absent = sorted(table.keys() - set(names), key=natural_key)
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise PictureError(f"{path} has a row for {absent[0]}{more}: no such picture in {folder}.")
    return table
