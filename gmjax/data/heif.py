"""HEIC and other HEIF files: by pillow-heif, from the extra ``pictures``."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gmjax.data.formats import needs_extra

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}


def is_heif(content: bytes) -> bool:
    """Whether it is a HEIF file of HEVC, by the brands in its first box; AVIF has others."""
    brands = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
    return content[4:8] == b"ftyp" and any(brands[i : i + 4] in _BRANDS for i in range(0, len(brands), 4))


def read_heif(path: str | Path, content: bytes, check_size: Callable[[int, int], None]) -> np.ndarray:
    """The primary picture, upright, as RGBA of 8 bits; ``check_size`` is called with width and height before decoding.

    Raises PictureError where the extra is not installed, and many other errors for damaged files.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise needs_extra(path, "a HEIC file") from error
    file = pillow_heif.open_heif(content)
    check_size(*file.size)
    # Turned as the container says; in HEIF, what EXIF says of it has no effect.
    return np.asarray(file.to_pillow().convert("RGBA"))
