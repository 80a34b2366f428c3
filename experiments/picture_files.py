"""Pictures as files of other formats: the controls for compact files. Pillow writes them; imagecodecs JPEG XL.

Each format at many qualities, as it is and shrunk before and enlarged after; the best file of at most so many bytes
counts.
"""

import io
import struct
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

QUALITIES = (*range(0, 60, 3), *range(60, 96, 5))
SHRUNK = (1.0, 0.75, 0.5, 0.375)
# An AVIF file has some 300 bytes before its data: HEADERLESS counts the data alone, as if a decoder knew the rest.
HEADERLESS = "AVIF, headerless"
FORMATS = ("JPEG", "WebP", "AVIF", "JPEG 2000", "JPEG XL")


def best_errors(picture: np.ndarray, kind: str, sizes: Sequence[int]) -> list[float]:
    """For each of ``sizes`` in bytes, the MSE of the best file that is no larger to ``picture`` (H, W) or (H, W, 3) in
    [0, 1]; NaN if there is none. ``kind``: one of FORMATS, or HEADERLESS."""
    found = [
        (length, float(np.mean((decoded - picture) ** 2)))
        for factor in SHRUNK
        for length, decoded in _files(picture, kind, factor)
    ]
    lengths, errors = np.array(found).T
    return [float(errors[lengths <= size].min()) if (lengths <= size).any() else np.nan for size in sizes]


def _files(picture: np.ndarray, kind: str, factor: float) -> Iterator[tuple[int, np.ndarray]]:
    """(bytes, decoded picture) of each quality, with the sides shrunk by ``factor``."""
    image = Image.fromarray(np.uint8(np.round(255 * np.clip(picture, 0, 1))))
    sides = image.size
    if factor != 1:
        image = image.resize([max(8, round(factor * side)) for side in sides], Image.Resampling.LANCZOS)
    for content in _ENCODERS[kind](image):
        decoded = _decode(content, kind)
        if decoded.size != sides:
            decoded = decoded.resize(sides, Image.Resampling.BICUBIC)
        length = _data_of_avif(content) if kind == HEADERLESS else len(content)
        yield length, np.asarray(decoded.convert(image.mode), np.float32) / 255


def _decode(content: bytes, kind: str) -> Image.Image:
    if kind != "JPEG XL":
        return Image.open(io.BytesIO(content))
    import imagecodecs

    return Image.fromarray(imagecodecs.jpegxl_decode(content))


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _jpeg(image: Image.Image) -> Iterator[bytes]:
    for quality in QUALITIES:
        options = {"quality": quality, "optimize": True, "subsampling": 2}
        yield min((_saved(image, "JPEG", progressive=way, **options) for way in (False, True)), key=len)


def _webp(image: Image.Image) -> Iterator[bytes]:
    for quality in QUALITIES:
        yield _saved(image, "WEBP", quality=quality, method=6)


def _avif(image: Image.Image) -> Iterator[bytes]:
    subsampling = "4:0:0" if image.mode == "L" else "4:2:0"
    for quality in QUALITIES:
        yield _saved(image, "AVIF", quality=quality, speed=2, subsampling=subsampling)


def _jpeg2000(image: Image.Image) -> Iterator[bytes]:
    resolutions = max(1, min(5, min(image.size).bit_length() - 2))
    for rate in np.geomspace(4, 400, 30):
        options = {"quality_mode": "rates", "quality_layers": [float(rate)], "irreversible": True, "no_jp2": True}
        yield _saved(image, "JPEG2000", num_resolutions=resolutions, **options)


def _jpegxl(image: Image.Image) -> Iterator[bytes]:
    import imagecodecs

    for distance in np.geomspace(0.7, 25, 25):
        yield imagecodecs.jpegxl_encode(np.asarray(image), distance=float(distance), effort=9, usecontainer=False)


_ENCODERS: dict[str, Callable[[Image.Image], Iterator[bytes]]] = {
    "JPEG": _jpeg,
    "WebP": _webp,
    "AVIF": _avif,
    HEADERLESS: _avif,
    "JPEG 2000": _jpeg2000,
    "JPEG XL": _jpegxl,
}


def _data_of_avif(content: bytes) -> int:
    """The bytes of the box that holds the compressed picture."""
    at = content.index(b"mdat") - 4
    (length,) = struct.unpack(">I", content[at : at + 4])
    return (length or len(content) - at) - 8
