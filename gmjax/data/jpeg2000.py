"""JPEG 2000 in colour with more than 8 bits, which Pillow rounds beyond white to black: by imagecodecs, from the extra
``pictures``."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gmjax.data.formats import needs_extra

_STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")  # in boxes, or the code stream alone
_SIZE = struct.Struct(">4x4xIIII16xHB")  # the start of the code stream: sizes, offsets, components, bits - 1


def read_deep_jpeg2000(path: str | Path, content: bytes, check_size: Callable[[int, int], None]) -> np.ndarray | None:
    """(H, W, 2..4), alpha last, float32 in [0, 1]; None where Pillow reads it, or it is no JPEG 2000.

    ``check_size`` is called with width and height before decoding. Raises PictureError where the extra is not
    installed, and many other errors for damaged files.
    """
    if not content.startswith(_STARTS):
        return None
    right, bottom, left, top, components, depth = _SIZE.unpack_from(content, content.index(_STARTS[1]))
    bits = (depth & 127) + 1
    if components == 1 or bits <= 8:
        return None
    if components > 4 or bits > 16 or depth & 128:
        raise ValueError(f"{components} x {bits} bits{', signed' * bool(depth & 128)}, are not read")
    check_size(right - left, bottom - top)
    try:
        import imagecodecs
    except ImportError as error:
        raise needs_extra(path, "JPEG 2000 in colour with more than 8 bits") from error
    pixels = imagecodecs.jpeg2k_decode(content).astype(np.float32)
    pixels /= 2**bits - 1
    return pixels
