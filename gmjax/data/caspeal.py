"""The CAS-PEAL-R1 database as its owners distribute it.

Each folder of pictures (``FRONTAL/Normal``, ...) holds ``*.tif`` files and ``FaceFP_2.txt``, with a name without suffix
and x, y of the eye on the picture's left, then of the other one, on each line.
"""

from pathlib import Path

from gmjax.data.alignment import Eyes, align
from gmjax.data.eyes import finite_number
from gmjax.data.faces import Faces, Report, gather_faces
from gmjax.data.listing import natural_key
from gmjax.data.pictures import Picture, PictureError, read_picture

_EYES_FILE = "FaceFP_2.txt"


def caspeal_faces(
    root: str | Path, *, subset: str = "FRONTAL/Normal", size: int = 120, report: Report | None = None
) -> Faces:
    """The faces of one folder of CAS-PEAL-R1, gray and aligned: images (N, size, size).

    ``root``: holds ``FRONTAL`` and ``POSE``. ``subset``: the folder in it; ``FRONTAL/Normal`` has the 1040 people of
    the paper's personal faces. ``report``: called with (done, total) after each picture. What lacks a picture or eye
    positions is in ``skipped``. Raises PictureError where ``FaceFP_2.txt`` is wrong, or no face can be used.
    """
    folder = Path(root) / subset
    eyes = _read_eyes(folder / _EYES_FILE)
    pictures = {path.stem: path for path in folder.iterdir() if path.suffix.lower() == ".tif"}
    names = sorted(pictures.keys() | eyes.keys(), key=natural_key)

    def load(number: int) -> Picture:
        name = names[number]
        if name not in pictures:
            raise PictureError(f"{folder / name}.tif: no such file.")
        if name not in eyes:
            raise PictureError(f"it has no line in {_EYES_FILE}")
        return align(read_picture(pictures[name]), eyes[name], size=size)

    return gather_faces(names, load, source=folder, report=report)


def _read_eyes(path: Path) -> dict[str, Eyes]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PictureError(f"{path} cannot be read ({error}); give a folder of CAS-PEAL-R1 that holds it.") from error
    eyes: dict[str, Eyes] = {}
    for number, line in enumerate(lines, start=1):
        if not (fields := line.split()):
            continue
        where = f"{path}, line {number}"
        if len(fields) != 5:
            raise PictureError(f"{where}: expected a name and four numbers, got {line!r}.")
        if fields[0] in eyes:
            raise PictureError(f"{where}: {fields[0]} is given a second time.")
        left_x, left_y, right_x, right_y = (finite_number(field, where) for field in fields[1:])
        eyes[fields[0]] = left_x, left_y, right_x, right_y
    return eyes
