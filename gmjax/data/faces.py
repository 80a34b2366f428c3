"""Faces as arrays: those of a folder, or a single picture."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import Eyes
from gmjax.data.eyes import by_names, eyes_of, read_eyes_csv
from gmjax.data.listing import list_pictures, natural_key, root_of
from gmjax.data.pictures import Picture, PictureError, read_file
from gmjax.data.sources import Crop, ListedPictures

Report = Callable[[int, int], object]
EYES_FILE = "eyes.csv"


@dataclass(frozen=True)
class Faces:
    """Faces of one size, float32 in [0, 1], with their names, and (name, reason) of each picture left out."""

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
    """The faces of a folder and its subfolders, or of a list or shard (see :func:`list_pictures`), in that order.

    ``eyes``: a table as in :func:`read_eyes_csv`. Without it ``eyes.csv`` in the folder is used, if there is one, else
    :func:`find_eyes`. ``aligned``: the pictures are only resized to ``size`` x ``size`` pixels. ``report``: called with
    (done, total) after each picture.

    A picture that cannot be used is listed in ``skipped``. Raises PictureError for a folder without usable pictures or
    a wrong table of eyes, and ImportError where eyes have to be found and the extra ``align`` is not installed.
    """
    entries, root = list_pictures(folder), root_of(folder)
    names = [entry.name for entry in entries]
    table = None if aligned else eyes_table(root, eyes, names)
    pictures = ListedPictures(entries, root, Crop(size, color, aligned), table)
    return gather_faces(names, pictures.read, source=folder, report=report)


def load_picture(
    path: str | Path, *, eyes: Eyes | None = None, aligned: bool = False, size: int = 120, color: bool = False
) -> Picture:
    """One picture: a face aligned to the crop, (size, size[, 3]), or with ``aligned`` the picture as it is.

    ``eyes``: as in :func:`align`. Without it the picture's row in an ``eyes.csv`` beside it is used, if there is one,
    else :func:`find_eyes`. ``aligned``: (H, W[, 3]), shrunk until the longer side is at most ``size`` pixels.
    Raises PictureError where the picture or the table cannot be used, and ImportError as :func:`find_eyes` does.
    """
    path, crop = Path(path), Crop(size, color, aligned, square=False)
    content = read_file(path)
    if eyes is None and not aligned and (path.parent / EYES_FILE).is_file():
        eyes = eyes_of(path.parent / EYES_FILE, path.name)
    try:
        return crop.of(content, path, eyes)
    except PictureError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error


def gather_faces(
    names: Sequence[str], load: Callable[[int], Picture], *, source: str | Path, report: Report | None = None
) -> Faces:
    """``load(number)`` for each of ``names``; skipped where it raises PictureError, which is raised if all are."""
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
    """Eye positions by name, from the table ``eyes`` or the folder's ``eyes.csv``, if any. Raises PictureError."""
    path = folder / EYES_FILE if eyes is None else Path(eyes)
    if eyes is None and not path.is_file():
        return None
    names = set(names)
    table = by_names(read_eyes_csv(path), names, path)
    if absent := table.keys() - names:
        first = min(absent, key=natural_key)
        raise PictureError(f"{path} has a row for {first}: no such picture in {folder} (rows like it: {len(absent)}).")
    return table
