"""TIFF files written by the specification, of kinds that other writers do not write, or write wrongly."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = range(3)


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    form: int = UNSIGNED,
    order: str = "<",
    planar: bool = False,
    packed: bool = False,
    extra: Sequence[int] = (),
    tags: dict[int, int] | None = None,
) -> bytes:
    """``samples``: (H, W) or (H, W, C), integers or floats of ``bits`` bits, in strips of two rows."""
    parts = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = parts.shape
    planes = np.split(parts, channels, axis=2) if planar else [parts]
    strips = [_bytes(plane[row : row + 2], bits, form, order) for plane in planes for row in range(0, height, 2)]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    values: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [8 if packed else 1], 262: [photometric],
        273: [0] * len(strips), 277: [channels], 278: [2], 279: [len(strip) for strip in strips],
        284: [2 if planar else 1], 339: [form] * channels,
    }  # fmt: skip
    values |= {338: list(extra)} if extra else {}
    values |= {tag: [value] for tag, value in (tags or {}).items()}
    place = 8 + 2 + 12 * len(values) + 4
    longer = {tag for tag, numbers in values.items() if len(numbers) > 1}
    begin = place + sum(4 * len(values[tag]) for tag in longer)
    values[273] = [begin + sum(map(len, strips[:number])) for number in range(len(strips))]
    directory, outside = b"", b""
    for tag, numbers in sorted(values.items()):
        packed_numbers = struct.pack(f"{order}{len(numbers)}I", *numbers)
        directory += struct.pack(f"{order}HHI", tag, 4, len(numbers))
        directory += struct.pack(f"{order}I", place + len(outside)) if tag in longer else packed_numbers
        outside += packed_numbers if tag in longer else b""
    header = b"II*\0" if order == "<" else b"MM\0*"
    return header + struct.pack(f"{order}IH", 8, len(values)) + directory + bytes(4) + outside + b"".join(strips)


def _bytes(rows: np.ndarray, bits: int, form: int, order: str) -> bytes:
    if form == FLOAT or bits % 8 == 0:
        return rows.astype(f"{order}{' uif'[form]}{bits // 8}").tobytes()
    # The highest bit first in either order of bytes, each row filled up to a byte.
    places = np.arange(bits)[::-1]
    return np.packbits((rows.reshape(len(rows), -1, 1) >> places & 1).reshape(len(rows), -1), axis=1).tobytes()
