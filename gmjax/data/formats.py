"""Which picture files are read, and the error for those that are not."""

from gmjax.errors import GmjaxError, missing_extra

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
WRITTEN_SUFFIXES = JPEG_SUFFIXES | {".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".pbm", ".pnm"}
PICTURE_SUFFIXES = WRITTEN_SUFFIXES | {
    ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".pfm"
}  # fmt: skip
# Pictures too, of formats that are not read, cameras' raw files among them.
UNREAD_SUFFIXES = {
    ".jxl", ".jpm", ".jxr", ".wdp", ".pam", ".exr", ".hdr", ".dds", ".psd", ".psb", ".xcf", ".pcx", ".sgi", ".ras",
    ".ico", ".icns", ".dng", ".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2",
    ".raf", ".pef", ".srw", ".3fr", ".dcr", ".kdc", ".mrw", ".x3f", ".erf", ".mef", ".mos", ".iiq", ".rwl"
}  # fmt: skip
READ = "PNG, JPEG, TIFF, WebP, HEIC, AVIF, JPEG 2000, GIF, BMP, TGA, PFM and PGM/PPM"
UNREAD = "{suffix} files are not read: save it as PNG, JPEG, TIFF or WebP (read are " + READ + ")"


class PictureError(GmjaxError, ValueError):
    """A picture, or a table or collection of pictures, that cannot be used; the text names it and says why."""


def needs_extra(path: object, kind: str) -> PictureError:
    """The error for a file whose ``kind`` only the extra ``pictures`` reads."""
    return PictureError(f"{path}: {missing_extra('pictures', kind)}. Or save it as PNG, JPEG or WebP.")
