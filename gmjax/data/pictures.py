"""Picture files as float32 arrays in [0, 1], and back."""

import io
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from gmjax.errors import GmjaxError
from gmjax.files.atomic import write_atomically

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
PICTURE_SUFFIXES = _JPEG_SUFFIXES | {".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".pbm", ".pnm"}
# Pictures too, of formats that are not read, cameras' raw files among them.
UNREAD_SUFFIXES = {
    ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jpm", ".jxr", ".wdp",
    ".tga", ".pfm", ".pam", ".exr", ".hdr", ".dds", ".psd", ".psb", ".xcf", ".pcx", ".sgi", ".ras", ".ico",
    ".icns", ".dng", ".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2",
    ".raf", ".pef", ".srw", ".3fr", ".dcr", ".kdc", ".mrw", ".x3f", ".erf", ".mef", ".mos", ".iiq", ".rwl"
}  # fmt: skip
UNREAD = "{suffix} files are not read: save it as PNG, JPEG, TIFF or WebP"
MAX_PIXELS = 80_000_000  # the largest picture that is read, in up to 3 GiB of memory (measured: 2.0 GiB)
MAX_PICTURE_BYTES = 2**30
# Pillow reads many more, and would pass PostScript to another program that runs it.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")

# (H, W) or (H, W, 3). The sizes have no names, so that a function may return another size.
Picture = Float[np.ndarray, "_ _"] | Float[np.ndarray, "_ _ 3"]


class PictureError(GmjaxError, ValueError):
    """A picture, or a table or collection of pictures, that cannot be used; the text names it and says why."""


def read_picture(path: str | Path, *, color: bool = False) -> Picture:
    """A picture file as (H, W) gray, or (H, W, 3) RGB if ``color``, float32 in [0, 1].

    Integers of 8 and 16 bits are divided by their largest value (colour of 16 bits is reduced to 8); a float TIFF must
    hold values in [0, 1]. Transparent pixels are blended over white, the EXIF orientation is applied, colour is turned
    into gray by the luma of Rec. 601 (0.299 R + 0.587 G + 0.114 B), and only the first frame or page is read. Raises
    PictureError for a file that is missing, damaged, no picture, or larger than ``MAX_PICTURE_BYTES`` (1 GiB), and for
    a picture of fewer than two or more than ``MAX_PIXELS`` pixels, before it is decoded.
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
    if (suffix := path.suffix.lower()) not in PICTURE_SUFFIXES:
        raise PictureError(f"{path}: unknown suffix {suffix!r}; use one of {' '.join(sorted(PICTURE_SUFFIXES))}.")
    if not path.parent.is_dir():
        raise PictureError(f"{path}: the folder {path.parent} does not exist.")
    unit = np.clip(image, 0, 1)
    unit *= 255
    pixels = np.round(unit, out=unit).astype(np.uint8)
    del unit
    options: dict[str, Any] = {"quality": 95} if suffix in _JPEG_SUFFIXES else {}
    write_atomically(path, iio.imwrite("<bytes>", pixels, plugin="pillow", extension=suffix, **options))


def _decode(path: str | Path, content: bytes) -> np.ndarray:
    """The first frame, upright: gray as stored, everything else as RGBA of 8 bits."""
    # Not by imageio, which takes three times as long for small files.
    from PIL import ExifTags, Image

    # From a stream: given a name, Pillow 13 scrambles uncompressed TIFF files that it has to rotate.
    with io.BytesIO(content) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that is not used
        try:
            with Image.open(stream, formats=_FORMATS) as file:
                _check_header(path, file, content)
                # Integers of 16 or 32 bits, floats, and gray without transparency.
                kept = file.mode[0] in "IF" or (file.mode == "L" and "transparency" not in file.info)
                pixels = np.asarray(file if kept else file.convert("RGBA"))
                # After decoding: a TIFF that Pillow has rotated no longer has the tag.
                orientation = file.getexif().get(ExifTags.Base.Orientation, 1)
        except PictureError:
            raise
        except Exception as error:  # on damaged files decoders raise almost anything
            cause = error.__cause__ or error
            if isinstance(cause, Image.DecompressionBombError):  # Pillow's own limit
                raise PictureError(f"{path}: {cause} Make it smaller.") from error
            if (suffix := Path(path).suffix.lower()) in UNREAD_SUFFIXES:
                raise PictureError(f"{path}: {UNREAD.format(suffix=suffix)}") from error
            reason = "of no known kind" if "<_io" in str(cause) else cause  # Pillow names only the stream
            problem = f"cannot be read as a picture ({reason}); it is damaged, or not of the format it claims."
            raise PictureError(f"{path} {problem} Open and save it again, or leave it out.") from error
    return _upright(pixels, orientation)


def _check_header(path: str | Path, file: Any, content: bytes) -> None:
    """Also refuses small pictures in enormous tiles (TIFF), and pictures of very many scans (JPEG)."""
    count = file.width * file.height
    if count > MAX_PIXELS:
        raise PictureError(f"{path} has {count} pixels, more than {MAX_PIXELS}. Make it smaller.")
    if count < 2:
        raise PictureError(f"{path} has only {count} pixel; a picture needs two or more.")
    if file.format == "TIFF":
        width, length = (int(np.max(file.tag_v2.get(tag, 0))) for tag in (322, 323))
        if width * length > MAX_PIXELS:
            raise PictureError(f"{path} has tiles of {width} x {length} pixels; it is damaged.")
    elif file.format in {"JPEG", "MPO"}:
        scans = content.count(b"\xff\xda")
        if scans * count > 20_000_000_000:  # about 1.5e9 pixels are decoded per second
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
    """Gray as stored, or RGBA of 8 bits, to gray or RGB, float32 in [0, 1]."""
    if pixels.ndim == 3:
        rgb: np.ndarray = pixels[..., :3].astype(np.float32)
        rgb /= 255
        if pixels[..., 3].min() < 255:
            alpha = pixels[..., 3:] / np.float32(255)
            rgb *= alpha
            rgb += 1 - alpha
        return rgb
    if pixels.dtype.kind == "f":
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise PictureError(f"{path} holds floats outside [0, 1] or NaN; scale it to [0, 1].")
        return pixels.astype(np.float32)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise PictureError(f"{path} holds integers of more than 16 bits; save it with 8 or 16.")
    return pixels.astype(np.float32) / (255 if pixels.dtype == np.uint8 else 65535)
