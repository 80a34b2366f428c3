"""The pictures of a run, which leave their crops and what is doubtful about them in its folder when they are read."""

import base64
import io
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmjax.commands.run_files import DOUBTFUL, EYES
from gmjax.commands.run_folder import CROPS, RECORDS
from gmjax.commands.terminal import SHOWN
from gmjax.data import Eyes, Face, ListedPictures, Picture, PictureError, Pictures, resize, write_picture
from gmjax.files.atomic import write_atomically
from gmjax.files.tables import write_table

THUMBNAIL = 160  # pixels
_LONGEST_NAME = 255 - len(".png")


@dataclass(frozen=True)
class Record:
    """What is known of a face: its doubts, its eyes in the photograph, and a small JPEG of that, in base64."""

    doubts: tuple[str, ...] = ()
    eyes: Eyes | None = None
    turns: int = 0
    photo: str = ""


@dataclass(frozen=True)
class CheckedPictures:
    """``pictures``, each written as its crop and its record into the run's ``folder`` when it is read. ``strict``:
    doubtful ones are errors."""

    pictures: ListedPictures
    folder: Path
    strict: bool = False

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, number: int) -> str:
        return self.pictures.name(number)

    def read(self, number: int) -> Picture:
        name, before = self.name(number), record_of(self.folder, number)
        if before.eyes is not None and before.turns == 0:  # a second reading, as after an interruption
            return self._usable(self.pictures.face(number, before.eyes)._replace(doubts=before.doubts))
        face = self.pictures.face(number)
        if len(os.fsencode(Path(name).name)) > _LONGEST_NAME:
            raise PictureError("its name is too long for the name of its crop")
        path = crop_path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, face.image)
        if face.eyes is not None:
            record = {"doubts": face.doubts, "eyes": face.eyes, "turns": face.turns, "photo": _thumbnail(face)}
            (self.folder / RECORDS).mkdir(exist_ok=True)
            write_atomically(_record_path(self.folder, number), json.dumps(record).encode())
        return self._usable(face)

    def _usable(self, face: Face) -> Picture:
        if face.doubts and self.strict:
            raise PictureError(f"doubtful (--strict): {'; '.join(face.doubts)}")
        return face.image


def crop_path(folder: Path, name: str) -> Path:
    """Where the crop of the picture ``name`` is."""
    return folder / CROPS / f"{Path(name).relative_to(Path(name).anchor)}.png"


def record_of(folder: Path, number: int) -> Record:
    """The record of a picture; an empty one if it was not aligned, or not read."""
    path = _record_path(folder, number)
    if not path.exists():
        return Record()
    found = json.loads(path.read_bytes())
    return Record(tuple(found["doubts"]), tuple(found["eyes"]), found["turns"], found["photo"])


def write_doubts(folder: Path, pictures: Pictures, skipped: Collection[int]) -> list[tuple[str, str]]:
    """Writes the doubtful faces that are used, and the eyes of all that are upright, as a table to be used again;
    returns the (name, reason) of the doubtful ones. No files where there are none."""
    doubtful: list[tuple[str, str]] = []
    eyes: list[tuple[str | float, ...]] = []
    for number in range(len(pictures)):
        record, name = record_of(folder, number), pictures.name(number)
        if record.doubts and number not in skipped:
            doubtful.append((name, "; ".join(record.doubts)))
        if record.eyes is not None and record.turns == 0:
            eyes.append((name, *(round(value, 2) for value in record.eyes)))
    if doubtful:
        write_table(folder / DOUBTFUL, ("picture", "reason"), doubtful)
    if eyes:
        write_table(folder / EYES, ("file", "left_x", "left_y", "right_x", "right_y"), eyes)
    return doubtful


def doubtful_lines(folder: Path, doubtful: list[tuple[str, str]], total: int) -> list[str]:
    """What a run says of its doubtful faces."""
    if not doubtful:
        return []
    lines = [f"{len(doubtful)} of {total} are used although they are doubtful, all listed in {folder / DOUBTFUL}:"]
    lines += [f"  {name}: {reason}" for name, reason in doubtful[:SHOWN]] + ["  ..."] * (len(doubtful) > SHOWN)
    return [*lines, "They are marked in check.html; --strict leaves them out."]


def jpeg(picture: Picture) -> str:
    """A picture as a small JPEG in base64."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(_small(picture)).save(content, "JPEG", quality=85)
    return base64.b64encode(content.getvalue()).decode()


def _small(picture: Picture) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    small = resize(picture, (max(1, round(scale * height)), max(1, round(scale * width))))
    return np.round(255 * np.clip(small, 0, 1)).astype(np.uint8)


def _thumbnail(face: Face) -> str:
    """The photograph with its eyes marked."""
    assert face.photo is not None
    assert face.eyes is not None
    small = _small(face.photo).astype(np.float32) / 255
    small = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=-1)
    scale = small.shape[0] / face.photo.shape[0]
    rows, columns = np.mgrid[: small.shape[0], : small.shape[1]]
    left_x, left_y, right_x, right_y = ((value + 0.5) * scale - 0.5 for value in face.eyes)
    for x, y in ((left_x, left_y), (right_x, right_y)):
        away = np.hypot(columns - x, rows - y)
        small[(away > 3) & (away < 4.6)] = 0
        small[(away > 3) & (away < 4)] = (0.2, 1, 0.3)
    return jpeg(small)


def _record_path(folder: Path, number: int) -> Path:
    return folder / RECORDS / f"{number}.json"
