"""Faces as arrays: those of a folder, or a single picture."""

import difflib
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import CropName, Eyes, frame_of
from gmjax.data.eyes import by_names, read_eyes_csv, read_eyes_of
from gmjax.data.landmarks import read_templates
from gmjax.data.listing import list_pictures, natural_key, root_of
from gmjax.data.pictures import Picture, PictureError, read_file
from gmjax.data.sources import Crop, Face, ListedPictures

Report = Callable[[int, int], object]
EYES_FILE = "eyes.csv"


class DoubtfulFaceWarning(UserWarning):
    """A face was used although something about it is doubtful; the text says what."""


@dataclass(frozen=True)
class Faces:
    """Faces of one size, float32 in [0, 1], with their names; (name, reason) of each picture left out, and of each
    that is used although it is doubtful."""

    images: Float[np.ndarray, "n h w"] | Float[np.ndarray, "n h w 3"]
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    doubtful: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def load_folder(
    folder: str | Path,
    *,
    eyes: str | Path | None = None,
    templates: str | Path | None = None,
    affine: bool = False,
    warped: bool = False,
    aligned: bool = False,
    crop: CropName = "paper",
    size: int | None = None,
    color: bool = False,
    strict: bool = False,
    report: Report | None = None,
) -> Faces:
    """The faces of a folder and its subfolders, or of a list or shard (see :func:`list_pictures`), in that order.

    ``eyes``: a table as in :func:`read_eyes_csv`. Without it ``eyes.csv`` in the folder is used, if there is one, else
    :func:`find_face`. ``templates``: landmarks in place of the eyes, as in :func:`read_templates`; ``affine``: faces
    are sheared and stretched to their mean shape too; ``warped``: all their points are moved to it. ``aligned``:
    pictures are only resized. ``crop``, ``size``: as in :func:`align`. ``report``: called with (done, total) after each
    picture.

    A picture that cannot be used is listed in ``skipped``, one that is used with doubts in ``doubtful``; ``strict``
    skips these too. Raises PictureError for a folder without usable pictures or a wrong table, and ImportError where
    eyes have to be found and the extra ``align`` is not installed.
    """
    entries, root = list_pictures(folder), root_of(folder)
    names = [entry.name for entry in entries]
    shapes = None if templates is None else read_templates(templates, names, affine=affine, warped=warped)
    table = None if aligned or shapes is not None else eyes_table(root, eyes, names)
    how = Crop(frame_of(crop, size)[1], color, aligned, name=crop)
    pictures, doubtful = ListedPictures(entries, root, how, table, shapes), []

    def load(number: int) -> Picture:
        face = pictures.face(number)
        if face.doubts and strict:
            raise PictureError("; ".join(face.doubts))
        if face.doubts:
            doubtful.append((names[number], "; ".join(face.doubts)))
        return face.image

    return replace(gather_faces(names, load, source=folder, report=report), doubtful=tuple(doubtful))


def load_picture(
    path: str | Path,
    *,
    eyes: Eyes | None = None,
    aligned: bool = False,
    crop: CropName = "paper",
    size: int | None = None,
    color: bool = False,
) -> Picture:
    """One picture: a face aligned to a crop, (size, size[, 3]), or with ``aligned`` the picture as it is.

    ``eyes``, ``crop``, ``size``: as in :func:`align`. Without ``eyes`` the picture's row in an ``eyes.csv`` beside it
    is used, if there is one, else :func:`find_face`. ``aligned``: (H, W[, 3]), shrunk until the longer side is at most
    ``size`` pixels. Warns of a doubtful face (DoubtfulFaceWarning). Raises PictureError where the picture or the table
    cannot be used, and ImportError as :func:`find_eyes` does.
    """
    how = Crop(frame_of(crop, size)[1], color, aligned, square=False, name=crop)
    face = load_face(path, how, eyes=eyes)
    if face.doubts:
        warnings.warn(f"{path}: {'; '.join(face.doubts)}", DoubtfulFaceWarning, stacklevel=2)
    return face.image


def load_face(path: str | Path, crop: Crop, *, eyes: Eyes | None = None) -> Face:
    """``load_picture`` with what else is known of the face, and without a warning."""
    path = Path(path)
    content = read_file(path)
    if eyes is None and not crop.aligned and (path.parent / EYES_FILE).is_file():
        eyes = read_eyes_of(path.parent / EYES_FILE, path.name)
    try:
        return crop.face(content, path, eyes)
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
        near = difflib.get_close_matches(first, names, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        problem = f"no such picture in {folder} (rows like it: {len(absent)}){meant}"
        raise PictureError(f"{path} has a row for {first}: {problem}")
    return table
