"""JPEG 2000 of any number of bits, and the sizes that its header claims."""

import struct
import sys

import imagecodecs
import numpy as np
import pytest

from gmjax.data import PictureError, read_picture

GRAY = np.add.outer(np.linspace(0, 0.5, 40), np.linspace(0, 0.5, 48))
COLOR = np.stack([GRAY, GRAY**2, 1 - GRAY], axis=-1)  # with black and white


def jpeg2000(picture, bits, form):
    values = np.round((2**bits - 1) * picture).astype(np.uint8 if bits == 8 else np.uint16)
    return imagecodecs.jpeg2k_encode(values, level=0, codecformat=form, bitspersample=bits, reversible=True)


@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_each_number_of_bits(tmp_path, form, bits):
    path = tmp_path / f"a.{form}"
    for picture in (GRAY, COLOR):
        path.write_bytes(jpeg2000(picture, bits, form))
        expected = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
        np.testing.assert_allclose(read_picture(path, color=True), expected, atol=1.5 / 2**bits)


def test_what_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.jp2"
    deep = jpeg2000(COLOR, 12, "jp2")
    path.write_bytes(deep[: len(deep) // 8])
    with pytest.raises(PictureError, match=r"a\.jp2.*damaged"):
        read_picture(path)
    place = deep.index(b"\xff\x4f\xff\x51") + 8
    path.write_bytes(deep[:place] + struct.pack(">II", 12_000, 12_000) + deep[place + 8 :])
    with pytest.raises(PictureError, match=r"a\.jp2 has 144000000 pixels"):
        read_picture(path)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    path.write_bytes(deep)
    with pytest.raises(PictureError, match=r'a\.jp2: JPEG 2000 .*"gmjax\[pictures\]"'):
        read_picture(path)
    path.write_bytes(jpeg2000(COLOR, 8, "jp2"))
    assert read_picture(path).shape == GRAY.shape
