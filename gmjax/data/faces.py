"""Pictures of faces as one array: the user's own folder, or a single file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import Eyes
from gmjax.data.eyes import read_eyes_csv
from gmjax.data.listing import entries_of, natural_key, nothing_in, root_of
from gmjax.data.pictures import Picture, PictureError, read_file
from gmjax.data.sources import Crop, ListedPictures

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

    A picture that cannot be used (broken, no face found, not in the table of eyes) is listed in ``skipped``.

    Args:
        folder: where the pictures are, or a list or shard of them (:func:`entries_of`); names are relative to it.
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
    entries = list(entries_of(folder))
    if not entries:
        raise nothing_in(folder)
    names = [entry.name for entry in entries]
    root = root_of(folder)
    table = None if aligned else eyes_table(root, eyes, names)
    pictures = ListedPictures(entries, root, Crop(size, color, aligned), table)
    return gather_faces(names, pictures.read, source=folder, report=report)


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
    if size < 2:
        raise ValueError(f"size must be at least 2 pixels; got {size}")
    content = read_file(path)
    if eyes is None and not aligned and (path.parent / EYES_FILE).is_file():
        eyes = read_eyes_csv(path.parent / EYES_FILE).get(path.name)
    try:
        return Crop(size, color, aligned, square=False).of(content, path, eyes)
    except PictureError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error


def gather_faces(
    names: Sequence[str],
    load: Callable[[int], Picture],
    *,
    source: str | Path,
    report: Report | None = None,
) -> Faces:
    """``load(number)`` for each of ``names``, collecting those on which it raises PictureError as skipped.

    Raises:
        PictureError: not one could be loaded; the text names ``source`` and the first reasons.
    """
    images, kept, skipped = [], [], []
    for number, name in enumerate(names):
        try:
            images.append(load(number))
            kept.append(name)
        except PictureError as error:
            skipped.append((name, str(error)))
        if report is not None:
            report(number + 1, len(names))
    if not images:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in skipped[:3])
        raise PictureError(f"{source}: none of its {len(names)} pictures can be used.{reasons}")
    return Faces(np.stack(images), tuple(kept), tuple(skipped))


def eyes_table(folder: Path, eyes: str | Path | None, names: Iterable[str]) -> dict[str, Eyes] | None:
    """The eyes of the pictures ``names`` by name, from ``eyes`` or the folder's ``eyes.csv``; None: to be found."""
    path = folder / EYES_FILE if eyes is None else Path(eyes)
    if eyes is None and not path.is_file():
        return None
    table = read_eyes_csv(path)
    absent = set(table)
    for name in names:
        absent.discard(name)
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        first = min(absent, key=natural_key)
        raise PictureError(f"{path} has a row for {first}{more}: no such picture in {folder}.")
    return table
