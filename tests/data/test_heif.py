"""HEIC files: read upright, and what is too large or needs the extra is refused."""

import io
import struct
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from gmjax.data import PictureError, pictures, read_picture

GRAY = np.add.outer(np.linspace(0, 0.5, 40), np.linspace(0, 0.5, 48))
COLOR = np.stack([GRAY, GRAY**2, 1 - GRAY], axis=-1)


def heic(picture, **options):
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(np.round(255 * picture).astype(np.uint8))).save(stream, **options)
    return stream.getvalue()


def turned(content, quarters):
    """The crop that the encoder has written is replaced by a rotation of ``quarters`` counter-clockwise."""
    place = content.index(b"clap") - 4
    (size,) = struct.unpack_from(">I", content, place)
    boxes = struct.pack(">I4sB", 9, b"irot", quarters) + struct.pack(">I4s", size - 9, b"free") + bytes(size - 17)
    return content[:place] + boxes + content[place + size :]


def test_gray_colour_and_transparent(tmp_path):
    path = tmp_path / "a.HEIC"
    path.write_bytes(heic(COLOR, quality=95))
    np.testing.assert_allclose(read_picture(path, color=True), COLOR, atol=0.05)
    np.testing.assert_allclose(read_picture(path), COLOR @ [0.299, 0.587, 0.114], atol=0.05)
    path.write_bytes(heic(GRAY, quality=95))
    np.testing.assert_allclose(read_picture(path), GRAY, atol=0.02)
    path.write_bytes(heic(np.dstack([COLOR, GRAY]), quality=98))
    over_white = COLOR * GRAY[..., None] + 1 - GRAY[..., None]
    np.testing.assert_allclose(read_picture(path, color=True), over_white, atol=0.05)


def test_more_than_8_bits(tmp_path):
    stream = io.BytesIO()
    words = np.round(65535 * COLOR).astype("<u2")
    pillow_heif.encode("RGB;16", words.shape[1::-1], words.tobytes(), stream, quality=95)
    path = tmp_path / "a.hif"
    path.write_bytes(stream.getvalue())
    np.testing.assert_allclose(read_picture(path, color=True), COLOR, atol=0.05)


def test_turned_as_the_container_says(tmp_path):
    path = tmp_path / "a.heic"
    content = heic(COLOR, quality=95)
    path.write_bytes(turned(content, 0))
    upright = read_picture(path, color=True)
    for quarters in (1, 2, 3):
        path.write_bytes(turned(content, quarters))
        np.testing.assert_array_equal(read_picture(path, color=True), np.rot90(upright, quarters))


def test_what_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.heic"
    content = heic(COLOR)
    path.write_bytes(content[:-200])
    with pytest.raises(PictureError, match=r"a\.heic.*damaged"):
        read_picture(path)
    path.write_bytes(content)
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "MAX_PIXELS", GRAY.size - 1)
        with pytest.raises(PictureError, match=r"a\.heic has 1920 pixels, more than 1919"):
            read_picture(path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r'a\.heic: a HEIC file needs.*"gmjax\[pictures\]".*save it as PNG, JPEG'):
        read_picture(path)
