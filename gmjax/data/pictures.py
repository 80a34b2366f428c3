"""Picture files as float32 arrays in [0, 1], and back."""

import functools
import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from gmjax.data import tiff
from gmjax.data.formats import (
    JPEG_SUFFIXES,
    READ,
    UNREAD,
    UNREAD_SUFFIXES,
    WRITTEN_SUFFIXES,
    PictureError,
)
from gmjax.data.heif import is_heif, read_heif
from gmjax.data.jpeg2000 import read_deep_jpeg2000
from gmjax.data.pfm import read_pfm
from gmjax.files.atomic import write_atomically

MAX_PIXELS = 80_000_000  # the largest picture that is read, in up to 3 GiB of memory (measured: 2.0 GiB)
MAX_PICTURE_BYTES = 2**30
# Pillow reads many more, and would pass PostScript to another program that runs it.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")
_TGA = ".tga"  # the only format that cannot be told by the content

# (H, W) or (H, W, 3). The sizes have no names, so that a function may return another size.
Picture = Float[np.ndarray, "_ _"] | Float[np.ndarray, "_ _ 3"]


def read_picture(path: str | Path, *, color: bool = False) -> Picture:
    """A picture file as (H, W) gray, or (H, W, 3) RGB if ``color``, float32 in [0, 1].

    Integers are divided by their largest value (most colour of 16 bits is reduced to 8); floats must be in [0, 1].
    Transparent pixels are blended over white, the EXIF orientation is applied, colour is turned into gray by the luma
    of Rec. 601 (0.299 R + 0.587 G + 0.114 B), and only the first frame or page is read. HEIC files and some kinds of
    TIFF and JPEG 2000 need the extra ``pictures``. Raises PictureError for a file that is missing, damaged, no picture,
    or larger than ``MAX_PICTURE_BYTES`` (1 GiB), and for a picture of fewer than two or more than ``MAX_PIXELS``
    pixels, before it is decoded.
    """
    return decode_picture(read_file(path), path, color=color)


def read_file(path: str | Path) -> bytes:
    """The content of a picture file, for ``decode_picture``. Raises PictureError."""
    try:
        # Before opening it: opening a pipe would wait for its writer.
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_PICTURE_BYTES:
            with open(path, "rb") as stream:
                return stream.read()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise PictureError(f"{path}: no such file.") from error
    except OSError as error:  # for example a name that is too long, or no permission
        raise PictureError(f"{path} cannot be read: {error.strerror}.") from error
    if stat.S_ISREG(found.st_mode):
        raise PictureError(f"{path} has more than {MAX_PICTURE_BYTES} bytes (1 GiB). Make it smaller.")
    problem = " is a folder, not a picture." if stat.S_ISDIR(found.st_mode) else ": no such file."
    raise PictureError(f"{path}{problem}")


def decode_picture(content: bytes, path: str | Path, *, color: bool = False) -> Picture:
    """``read_picture`` of the file ``content``, which errors call ``path``."""
    if not content:
        raise PictureError(f"{path} is empty (0 bytes); copy it again from its source.")
    pixels = _as_unit_range(path, _decode(path, content))
    if color:
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
    return pixels if pixels.ndim == 2 else np.clip(pixels @ np.array([0.299, 0.587, 0.114], np.float32), 0, 1)


def write_picture(path: str | Path, image: ArrayLike) -> None:
    """Writes (H, W) or (H, W, 3) floats, clipped to [0, 1], with 8 bits, in the format that the suffix names.

    Raises PictureError for another shape, integers (their scale is unknown), NaN or infinity, an unknown suffix or a
    missing folder, and OSError where it cannot be written.
    """
    import imageio.v3 as iio

    path, image = Path(path), np.asarray(image)
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 3)) or image.size == 0:
        raise PictureError(f"{path}: cannot write shape {image.shape}; use (H, W) or (H, W, 3).")
    if image.dtype.kind in "biu":
        raise PictureError(f"{path}: got {image.dtype} values; pass floats in [0, 1].")
    if not np.isfinite(image).all():
        raise PictureError(f"{path}: the image holds NaN or infinite values.")
    if (suffix := path.suffix.lower()) not in WRITTEN_SUFFIXES:
        raise PictureError(f"{path}: unknown suffix {suffix!r}; use one of {' '.join(sorted(WRITTEN_SUFFIXES))}.")
    if not path.parent.is_dir():
        raise PictureError(f"{path}: the folder {path.parent} does not exist.")
    unit = np.clip(image, 0, 1)
    unit *= 255
    pixels = np.round(unit, out=unit).astype(np.uint8)
    del unit
    options: dict[str, Any] = {"quality": 95} if suffix in JPEG_SUFFIXES else {}
    write_atomically(path, iio.imwrite("<bytes>", pixels, plugin="pillow", extension=suffix, **options))


def _decode(path: str | Path, content: bytes) -> np.ndarray:
    """The first frame, upright: (H, W) or (H, W, C), alpha last where C is 2 or 4."""
    check_size = functools.partial(_check_size, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that is not used
        try:
            if is_heif(content):
                return read_heif(path, content, check_size)
            if (pixels := read_pfm(content, check_size)) is not None:
                return pixels
            if (pixels := read_deep_jpeg2000(path, content, check_size)) is not None:
                return pixels
            pixels, orientation = tiff.read_unusual_tiff(path, content, check_size) or _decode_with_pillow(
                path, content
            )
        except PictureError:
            raise
        except Exception as error:  # on damaged files decoders raise almost anything
            raise _not_decoded(path, content, error.__cause__ or error) from error
    return _upright(pixels, orientation)


def _not_decoded(path: str | Path, content: bytes, cause: BaseException) -> PictureError:
    from PIL import Image

    if isinstance(cause, Image.DecompressionBombError):  # Pillow's own limit
        return PictureError(f"{path}: {cause} Make it smaller.")
    if (suffix := Path(path).suffix.lower()) in UNREAD_SUFFIXES:
        return PictureError(f"{path}: {UNREAD.format(suffix=suffix)}")
    reason = re.sub(r"[^ -~]+", " ", str(cause)).strip()[:300]
    if isinstance(cause, Image.UnidentifiedImageError):
        if content.startswith(tiff.STARTS):
            return PictureError(f"{path}: TIFF files of this kind are not read, or it is damaged. {tiff.REMEDY}")
        reason = f"of no known kind: read are {READ}"
    problem = f"cannot be read as a picture ({reason}); it is damaged, or not of the format it claims."
    return PictureError(f"{path} {problem} Open and save it again, or leave it out.")


def _decode_with_pillow(path: str | Path, content: bytes) -> tuple[np.ndarray, int]:
    """The first frame, gray as stored, everything else as RGBA of 8 bits; and its EXIF orientation."""
    # Not by imageio, which takes three times as long for small files.
    from PIL import Image

    formats = (*_FORMATS, "TGA") if str(path).lower().endswith(_TGA) else _FORMATS
    # From a stream: given a name, Pillow 13 scrambles uncompressed TIFF files that it has to rotate.
    with io.BytesIO(content) as stream, Image.open(stream, formats=formats) as file:
        _check_header(path, file, content)
        clear = file.info.get("transparency")
        # Integers of 16 or 32 bits, floats, and gray without transparency.
        kept = file.mode[0] in "IF" or (file.mode == "L" and clear is None)
        if isinstance(clear, tuple) and file.tile[0].args == "RGB;16B":  # of which Pillow keeps the upper 8 bits
            file.info["transparency"] = tuple(value >> 8 for value in clear)
        pixels = np.asarray(file if kept else file.convert("RGBA"))
        if file.mode.startswith("I;16") and clear is not None:  # Pillow has no mode for 16 bits with alpha
            pixels = np.where(pixels == clear, np.uint16(65535), pixels)
        # After decoding: a TIFF that Pillow has rotated no longer has the tag.
        return pixels, _orientation(file)


def _orientation(file: Any) -> int:
    from PIL import ExifTags

    try:
        return file.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata, of which Pillow refuses some that it passes over in JPEG files
        return 1


def _check_size(path: str | Path, width: int, height: int) -> None:
    count = width * height
    if count > MAX_PIXELS:
        raise PictureError(f"{path} has {count} pixels, more than {MAX_PIXELS}. Make it smaller.")
    if count < 2:
        raise PictureError(f"{path} has only {count} pixel; a picture needs two or more.")


def _check_header(path: str | Path, file: Any, content: bytes) -> None:
    """Also refuses small pictures in enormous tiles (TIFF), and pictures of very many scans (JPEG)."""
    _check_size(path, *file.size)
    if file.format == "TIFF":
        width, length = (int(np.max(file.tag_v2.get(tag, 0))) for tag in (322, 323))
        if width * length > MAX_PIXELS:
            raise PictureError(f"{path} has tiles of {width} x {length} pixels; it is damaged.")
    elif file.format in {"JPEG", "MPO"}:
        scans = content.count(b"\xff\xda")
        if scans * file.width * file.height > 20_000_000_000:  # about 1.5e9 pixels are decoded per second
            raise PictureError(f"{path} has {scans} scans, which would take too long. Open and save it again.")


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes the EXIF orientation. Pillow's exif_transpose fails where other metadata is damaged."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels


def _as_unit_range(path: str | Path, pixels: np.ndarray) -> Picture:
    """(H, W) or (H, W, C), alpha last where C is 2 or 4, to gray or RGB over white, float32 in [0, 1]."""
    if pixels.ndim == 2 or pixels.shape[-1] == 3:
        return _in_unit_range(path, pixels)
    color, alpha = _in_unit_range(path, pixels[..., :-1]), pixels[..., -1:]
    if alpha.min() < (255 if alpha.dtype == np.uint8 else 1):
        opacity = _in_unit_range(path, alpha)
        color *= opacity
        color += 1 - opacity
    return color if color.shape[-1] == 3 else color[..., 0]


def _in_unit_range(path: str | Path, pixels: np.ndarray) -> np.ndarray:
    """Integers of 8 or 16 bits, or floats in [0, 1], as float32 in [0, 1] that may be changed in place."""
    if pixels.dtype.kind == "f":
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise PictureError(f"{path} holds floats outside [0, 1] or NaN; scale it to [0, 1].")
        return np.require(pixels, np.float32, ["W"])
    if pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 65535):
        raise PictureError(f"{path} holds integers of more than 16 bits; save it with 8 or 16.")
    unit: np.ndarray = pixels.astype(np.float32)
    unit /= 255 if pixels.dtype == np.uint8 else 65535
    return unit
