"""TIFF files of each kind are read rightly or refused by name, in both orders of bytes, packed or not."""

import itertools
import sys

import numpy as np
import pytest

from gmjax.data import PictureError, pictures, read_picture
from tests.data.tiff_files import BLACK_IS_ZERO, FLOAT, RGB, SIGNED, UNSIGNED, WHITE_IS_ZERO, tiff

RNG = np.random.default_rng(5)
EITHER = (False, True)
UNIT = RNG.random((7, 5, 4))


def stored(unit, bits, form):
    """What a file holds for numbers in [0, 1], and what it stands for."""
    if form == FLOAT:
        values = unit.astype(f"f{bits // 8}")
        return values, values.astype(float)
    values = np.round(unit * (2**bits - 1)).astype(np.uint32)
    return values, values / (2**bits - 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("bits", "form"), [(bits, UNSIGNED) for bits in (8, 10, 12, 14, 16)] + [(bits, FLOAT) for bits in (16, 32, 64)]
)
def test_each_kind_is_read(tmp_path, bits, form, channels):
    path = tmp_path / "a.tif"
    values, expected = stored(UNIT[..., :channels], bits, form)
    extra = () if channels % 2 else (2,)
    colors, alpha = (expected[..., :-1], expected[..., -1:]) if extra else (expected, 1)
    photometric = (BLACK_IS_ZERO, WHITE_IS_ZERO) if channels < 3 else (RGB,)
    planars = (False,) if channels == 1 else EITHER
    for zero, planar, order, packed in itertools.product(photometric, planars, "<>", EITHER):
        path.write_bytes(tiff(values, bits, zero, form=form, order=order, planar=planar, packed=packed, extra=extra))
        right = (1 - colors if zero == WHITE_IS_ZERO else colors) * alpha + 1 - alpha
        found = read_picture(path, color=True)
        assert found.dtype == np.float32
        # Pillow reduces to 8 bits some of what it reads.
        np.testing.assert_allclose(found, np.broadcast_to(right, (7, 5, 3)), atol=0.005)
        if channels == 1:
            np.testing.assert_allclose(read_picture(path), right[..., 0], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(tmp_path, bits, channels):
    path = tmp_path / "a.tif"
    values, expected = stored(UNIT[..., :channels], bits, UNSIGNED)
    for order in "<>":
        path.write_bytes(tiff(values, bits, RGB if channels == 3 else BLACK_IS_ZERO, order=order))
        np.testing.assert_allclose(read_picture(path, color=True), np.broadcast_to(expected, (7, 5, 3)), atol=1e-6)


def test_colours_multiplied_by_their_alpha(tmp_path):
    alpha = np.maximum(UNIT[..., 3:], 0.1)
    alpha[0] = 0
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(np.dstack([UNIT[..., :3] * alpha, alpha]), 32, RGB, form=FLOAT, extra=(1,)))
    np.testing.assert_allclose(read_picture(path, color=True), UNIT[..., :3] * alpha + 1 - alpha, atol=1e-6)


def test_it_is_turned_upright(tmp_path):
    values, expected = stored(UNIT[..., 0], 12, UNSIGNED)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, 12, BLACK_IS_ZERO, tags={274: 6}))
    np.testing.assert_allclose(read_picture(path), np.rot90(expected, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("bits", "form", "photometric", "channels", "extra", "named"),
    [
        (16, SIGNED, BLACK_IS_ZERO, 1, (), "signed integers"),
        (8, SIGNED, BLACK_IS_ZERO, 1, (), "signed integers"),
        (32, UNSIGNED, BLACK_IS_ZERO, 1, (), "32 bits"),
        (32, UNSIGNED, RGB, 3, (), "32 bits"),
        (16, UNSIGNED, BLACK_IS_ZERO, 2, (0,), "2 x 16 bits"),
        (32, FLOAT, 5, 4, (), "photometric 5"),
        (32, FLOAT, RGB, 5, (2, 0), "5 x 32 bits"),
    ],
)
def test_other_kinds_are_refused_by_name(tmp_path, bits, form, photometric, channels, extra, named):
    path = tmp_path / "a.tif"
    values = np.ones((4, 6, channels), np.int64)
    path.write_bytes(tiff(values, bits, photometric, form=form, extra=extra))
    with pytest.raises(PictureError, match=rf"a\.tif.*{named}.*Save it as gray or RGB"):
        read_picture(path)


def test_a_kind_that_pillow_refuses(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(np.ones((4, 6, 7), np.int64), 8, RGB, extra=(0, 0, 0, 0)))
    with pytest.raises(PictureError, match=r"a\.tif.*Save it as gray or RGB"):
        read_picture(path)


@pytest.mark.parametrize("package", ["tifffile", "imagecodecs"])
def test_without_the_extra(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(np.ones((4, 6), np.int64), 12, BLACK_IS_ZERO))
    with pytest.raises(PictureError, match=r'a\.tif.*1 x 12 bits.*"gmjax\[pictures\]".*save it as PNG'):
        read_picture(path)
    path.write_bytes(tiff(np.ones((4, 6), np.int64), 16, BLACK_IS_ZERO))
    assert read_picture(path).shape == (4, 6)


@pytest.mark.parametrize("packed", EITHER)
def test_one_that_is_cut_off(tmp_path, packed):
    path = tmp_path / "a.tif"
    content = tiff(RNG.integers(0, 4096, (40, 40)), 12, BLACK_IS_ZERO, packed=packed)
    for size in (len(content) - 1, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(PictureError, match=r"a\.tif.*(cut off|damaged)"):
            read_picture(path)


def test_what_is_too_large_is_refused_undecoded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    path = tmp_path / "a.tif"
    values = np.ones((4, 6, 3), np.int64)
    for tags in ({256: 12_000, 257: 12_000}, {322: 46_000, 323: 46_000}):
        path.write_bytes(tiff(values, 12, RGB, tags=tags))
        with pytest.raises(PictureError, match=r"a\.tif has \d+ pixels, more than"):
            read_picture(path)
    path.write_bytes(tiff(values, 64, RGB, form=FLOAT, tags={256: 8900, 257: 8900}))
    assert pictures.MAX_PIXELS > 8900**2
    with pytest.raises(PictureError, match=r"a\.tif .*1 GiB"):
        read_picture(path)
