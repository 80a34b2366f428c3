"""TIFF files of the kinds that Pillow refuses or reads wrongly: by tifffile, from the extra ``pictures``."""

import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmjax.data.formats import PictureError, needs_extra

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
REMEDY = "Save it as gray or RGB, with or without alpha, with 8 or 16 bits or as floats."
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = range(3)
_UNSIGNED, _FLOAT = {1}, {3}
_ASSOCIATED, _UNASSOCIATED = (1,), (2,)  # alpha: multiplied into the colours, or not
_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACK_BITS = 1, 5, 8, 32946, 32773
_MAX_BYTES = 2**30


class _Kind(NamedTuple):
    bits: set[int]  # of each sample
    form: set[int]
    samples: int
    photometric: int
    is_planar: bool
    extra: tuple[int, ...]
    compression: int
    big_endian: bool

    def __str__(self) -> str:
        form = {1: "unsigned integers", 2: "signed integers", 3: "floats"}.get(max(self.form), "numbers")
        bits = " and ".join(map(str, sorted(self.bits)))
        return f"{self.samples} x {bits} bits, {form}, photometric {self.photometric}, compression {self.compression}"


def read_unusual_tiff(
    path: str | Path, content: bytes, check_size: Callable[[int, int], None]
) -> tuple[np.ndarray, int] | None:
    """The first page of a TIFF file and its EXIF orientation; None where Pillow reads it, or it is no TIFF.

    (H, W) or (H, W, 2..4), alpha last, float32; integers are divided by their largest value, floats are as stored.
    ``check_size`` is called with the width and height, and with those of its tiles, before anything is decoded. Raises
    PictureError for kinds that are not read, or only with the extra, and many other errors for damaged files.
    """
    if not content.startswith(STARTS):
        return None
    tags = _first_directory(content)
    kind = _kind(tags, content)
    if _is_read_by_pillow(kind):
        return None
    if not _is_read_by_tifffile(kind) or tags.get(32997, 1) != 1:  # the last: its depth
        raise PictureError(f"{path}: TIFF files of this kind ({kind}) are not read. {REMEDY}")
    width, height = tags[256], tags[257]
    check_size(width, height)
    check_size(tags.get(322, 16), tags.get(323, 16))
    if width * height * kind.samples * max(kind.bits) > 8 * _MAX_BYTES:
        raise PictureError(f"{path} holds more than {_MAX_BYTES} bytes (1 GiB), unpacked. Make it smaller.")
    pixels = np.require(_samples(path, content, tags, kind), np.float32, ["C", "W"])
    if kind.form == _UNSIGNED:
        pixels /= 2 ** max(kind.bits) - 1
    color = pixels[..., :-1] if kind.extra else pixels
    if kind.photometric == _WHITE_IS_ZERO:
        np.subtract(1, color, out=color)
    if kind.extra == _ASSOCIATED:
        alpha = np.broadcast_to(pixels[..., -1:], color.shape)
        np.divide(color, alpha, out=color, where=alpha > 0)
        np.minimum(color, 1, out=color)
    return pixels, tags.get(274, 1)


def _first_directory(content: bytes) -> Mapping[int, Any]:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with io.BytesIO(content) as stream:
        is_big = content[2:4] in (b"+\0", b"\0+")
        directory = ImageFileDirectory_v2(stream.read(16 if is_big else 8))
        stream.seek(directory.next)
        directory.load(stream)
        return directory


def _kind(tags: Mapping[int, Any], content: bytes) -> _Kind:
    return _Kind(
        bits=set(tags.get(258, (1,))),
        form=set(tags.get(339, (1,))),
        samples=tags.get(277, 1),
        photometric=tags.get(262, _WHITE_IS_ZERO),
        is_planar=tags.get(277, 1) > 1 and tags.get(284, 1) == 2,
        extra=tuple(tags.get(338, ())),
        compression=tags.get(259, _NO_COMPRESSION),
        big_endian=content.startswith(b"MM"),
    )


def _is_read_by_pillow(kind: _Kind) -> bool:
    """Whether it is read rightly, or refused. Found by trying each kind, in both orders of bytes."""
    if kind.form == _UNSIGNED and kind.bits == {8}:
        with_alpha = kind.samples > 1 and kind.photometric <= _BLACK_IS_ZERO
        return not with_alpha or (kind.photometric == _BLACK_IS_ZERO and not kind.is_planar)
    if kind.form == _UNSIGNED and kind.bits == {16}:
        return not kind.is_planar and kind.samples != 2 and kind.photometric != _WHITE_IS_ZERO
    if kind.form == _UNSIGNED:
        return kind.samples == 1 and kind.bits in ({1}, {2}, {4})
    if (kind.form, kind.bits, kind.samples, kind.photometric) == (_FLOAT, {32}, 1, _BLACK_IS_ZERO):
        return not kind.big_endian or kind.compression == _NO_COMPRESSION
    return False


def _is_read_by_tifffile(kind: _Kind) -> bool:
    numbers = (kind.form == _UNSIGNED and max(kind.bits) <= 16) or (kind.form == _FLOAT and kind.bits <= {16, 32, 64})
    colors = 3 if kind.photometric == _RGB else 1
    known = kind.photometric <= _RGB and kind.extra in ((), _ASSOCIATED, _UNASSOCIATED)
    packed = kind.compression in (_NO_COMPRESSION, _LZW, _DEFLATE, _OLD_DEFLATE, _PACK_BITS)
    return numbers and len(kind.bits) == 1 and known and kind.samples == colors + len(kind.extra) and packed


def _samples(path: str | Path, content: bytes, tags: Mapping[int, Any], kind: _Kind) -> np.ndarray:
    """The samples of the first page, (H, W) or (H, W, C)."""
    try:
        import imagecodecs  # noqa: F401  # without it, tifffile reads only some
        import tifffile
    except ImportError as error:
        raise needs_extra(path, f"a TIFF file of this kind ({kind})") from error
    logger = logging.getLogger("tifffile")
    if not logger.handlers:  # what it says of damaged files would go to standard error
        logger.addHandler(logging.NullHandler())
    with io.BytesIO(content) as stream, tifffile.TiffFile(stream) as file:
        page: Any = file.pages.first
        # tifffile may read a damaged directory differently from the reader that was checked.
        found = page.imagewidth, page.imagelength, page.samplesperpixel, page.compression, page.bitspersample
        expected = tags[256], tags[257], kind.samples, kind.compression, max(kind.bits)
        tile = page.tilewidth, page.tilelength
        if found != expected or tile != (tags.get(322, 0), tags.get(323, 0)) or page.imagedepth * page.tiledepth != 1:
            raise ValueError("its directory is damaged")
        # tifffile would take zeros for what is missing.
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if len(ends) != np.prod(page.chunked) or min(page.databytecounts) == 0 or max(ends) > len(content):
            raise ValueError("it is cut off")
        samples = page.asarray(maxworkers=1)
    samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
    if samples.shape != (tags[257], tags[256], kind.samples)[: samples.ndim] or samples.ndim != 2 + (kind.samples > 1):
        raise ValueError("its directory is damaged")
    return samples
