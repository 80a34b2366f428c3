"""Portable float maps, of which Pillow reads only the gray ones."""

import math
import re
from collections.abc import Callable

import numpy as np

_HEADER = re.compile(rb"(P[Ff])\s+(\d{1,9})\s+(\d{1,9})\s+([-+.\deE]{1,20})\s")


def read_pfm(content: bytes, check_size: Callable[[int, int], None]) -> np.ndarray | None:
    """(H, W) or (H, W, 3), float32 as stored; None if it is no PFM. Raises ValueError where it is cut off."""
    header = _HEADER.match(content)
    if header is None:
        return None
    kind, width, height, scale = header[1], int(header[2]), int(header[3]), float(header[4])
    check_size(width, height)
    shape = (height, width, 3) if kind == b"PF" else (height, width)
    order = "<f4" if scale < 0 else ">f4"  # the sign tells the order of bytes
    rows = np.frombuffer(content, order, math.prod(shape), header.end()).reshape(shape)
    return rows[::-1].astype(np.float32)
