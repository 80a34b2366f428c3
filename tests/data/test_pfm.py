"""Portable float maps: rows from below, either order of bytes."""

import numpy as np
import pytest

from gmjax.data import PictureError, read_picture

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(("scale", "order"), [("-1.0", "<f4"), ("1", ">f4"), ("-1e0", "<f4")])
def test_gray_and_colour(tmp_path, scale, order):
    path = tmp_path / "a.pfm"
    for kind, shape in (("Pf", (6, 5)), ("PF", (6, 5, 3))):
        values = RNG.random(shape, dtype=np.float32)
        path.write_bytes(f"{kind}\n5 6\n{scale}\n".encode() + values[::-1].astype(order).tobytes())
        found = read_picture(path, color=True)
        np.testing.assert_array_equal(found, values if len(shape) == 3 else np.repeat(values[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PF\n5 6\n-1\n" + bytes(99), "damaged"),
        (b"PF\n480000 640000\n-1\n" + bytes(99), "307200000000 pixels"),
        (b"Pf\n2 2\n-1\n" + np.float32([0, 0.5, 1, 7]).tobytes(), "outside"),
        (b"Pf\n2 2\n-1\n" + np.float32([0, 0.5, 1, np.nan]).tobytes(), "NaN"),
        (b"PF 2\n-1\n" + bytes(99), "damaged"),
    ],
)
def test_what_cannot_be_read(tmp_path, content, reason):
    (tmp_path / "a.pfm").write_bytes(content)
    with pytest.raises(PictureError, match=rf"a\.pfm.*{reason}"):
        read_picture(tmp_path / "a.pfm")
