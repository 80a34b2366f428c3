"""Films, read back frame by frame."""

import imageio.v3 as iio
import numpy as np
import pytest

from gmjax.data import PictureError
from gmjax.data.films import write_film

ROW, COLUMN = np.mgrid[:21, :30] / 30
FRAMES = np.stack([np.clip(ROW + time / 10, 0, 1) for time in range(6)])


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_gray_and_colour(tmp_path, suffix):
    write_film(tmp_path / f"film{suffix}", FRAMES, seconds=3)
    found = iio.imread(tmp_path / f"film{suffix}", plugin="pillow")
    np.testing.assert_allclose((found if found.ndim == 3 else found[..., 0]) / 255, FRAMES, atol=0.01)
    colour = np.stack([FRAMES, 1 - FRAMES, 0 * FRAMES], axis=-1)
    write_film(tmp_path / f"film{suffix}", colour, seconds=3)
    np.testing.assert_allclose(iio.imread(tmp_path / f"film{suffix}", plugin="pillow") / 255, colour, atol=0.04)
    duration = iio.immeta(tmp_path / f"film{suffix}", plugin="pillow")["duration"]
    assert duration == pytest.approx(500)


def test_mp4(tmp_path):
    pytest.importorskip("av")
    write_film(tmp_path / "film.mp4", FRAMES, seconds=3)
    found = iio.imread(tmp_path / "film.mp4", plugin="pyav")
    assert found.shape == (6, 20, 30, 3)
    np.testing.assert_allclose(found[..., 1] / 255, FRAMES[:, :20], atol=0.06)


def test_unknown_suffix(tmp_path):
    with pytest.raises(PictureError, match=r"unknown suffix of a film; use one of \.gif"):
        write_film(tmp_path / "film.avi", FRAMES, seconds=3)
