"""The eyes land where they should, nothing aliases, and the edge is repeated."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmjax.data import CROPS, EYES, PictureError, align, resize


def eye_pixels(size):
    """Where the crop's eyes are: (column, row) counted from 0, left and right."""
    return [(column * size - 1, row * size - 1) for row, column in EYES]


def blobs(shape, points, sigma):
    """A picture of Gaussian blobs at (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in points).astype(np.float32)


def blob_position(image, near, sigma):
    """Least squares position (x, y) of the blob near a point: three Gauss-Newton steps."""
    x0, y0 = near
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for _ in range(3):
        blob = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))
        window = blob > 1e-2
        jacobian = np.stack([blob, blob * (x - x0), blob * (y - y0)], -1)[window]
        height, dx, dy = np.linalg.lstsq(jacobian, image[window], rcond=None)[0]
        x0, y0 = x0 + dx / height * sigma**2, y0 + dy / height * sigma**2
    return x0, y0


@given(
    distance=st.floats(30, 320),
    degrees=st.floats(-80, 80),
    x=st.floats(190, 210),
    y=st.floats(190, 210),
    size=st.sampled_from([64, 120, 200]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_eyes_land_at_the_two_points(distance, degrees, x, y, size):
    half = distance / 2 * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    center = complex(x, y)
    left, right = center - half, center + half
    scale = distance / ((EYES[1][1] - EYES[0][1]) * size)
    sigma = 2.5 * max(scale, 1.0)
    image = blobs((400, 400), [(left.real, left.imag), (right.real, right.imag)], sigma)
    crop = align(image, (left.real, left.imag, right.real, right.imag), size=size)
    assert crop.shape == (size, size)
    for point in eye_pixels(size):
        found = blob_position(crop, point, sigma / scale)
        assert math.dist(found, point) < 0.05


@pytest.mark.parametrize("crop", list(CROPS))
def test_each_crop_has_the_eyes_in_its_place(crop):
    """And by default its size; the paper's crop is the default."""
    size = CROPS[crop].size
    image = blobs((500, 500), [(200, 190), (270, 210)], 4)
    found = align(image, (200.0, 190.0, 270.0, 210.0), crop=crop)
    assert found.shape == (size, size)
    scale = math.dist((200, 190), (270, 210)) / ((CROPS[crop].eyes[1][1] - CROPS[crop].eyes[0][1]) * size)
    for row, column in CROPS[crop].eyes:
        point = (column * size - 1, row * size - 1)
        assert math.dist(blob_position(found, point, 4 / scale), point) < 0.05
    if crop == "paper":
        np.testing.assert_array_equal(found, align(image, (200.0, 190.0, 270.0, 210.0), size=120))


def test_an_unknown_crop(unchecked):
    with pytest.raises(ValueError, match="crop must be one of paper, face, head"):
        align(np.zeros((30, 40), np.float32), (5.0, 5.0, 20.0, 5.0), crop="nose")


def test_turned_the_right_way_round():
    """A mark below the eyes stays below them and on its side, with each colour in its plane."""
    eyes = (60.0, 50.0, 100.0, 70.0)
    along = complex(40, 20)
    mark = complex(60, 50) + along * complex(0.2, 0.5)
    image = np.zeros((140, 160, 3), np.float32)
    image[..., 1] = blobs((140, 160), [(mark.real, mark.imag)], 3)
    crop = align(image, eyes, size=100)
    assert crop.shape == (100, 100, 3)
    assert crop[..., 0].max() == crop[..., 2].max() == 0
    (left_x, left_y), (right_x, _) = eye_pixels(100)
    expected = complex(left_x, left_y) + (right_x - left_x) * complex(0.2, 0.5)
    row, column = np.unravel_index(crop[..., 1].argmax(), (100, 100))
    assert abs(complex(column, row) - expected) < 1


def test_eyes_already_in_place_change_nothing():
    image = np.random.default_rng(0).random((120, 120), dtype=np.float32)
    (left, right) = eye_pixels(120)
    np.testing.assert_allclose(align(image, (*left, *right)), image, atol=1e-5)


def test_shrinking_a_checkerboard_gives_gray():
    """One sample a pixel would give black, white or waves."""
    rows, columns = np.indices((900, 900))
    board = ((rows + columns) % 2).astype(np.float32)
    for eyes in ((300.0, 300.0, 700.0, 300.0), (300.0, 300.0, 690.0, 421.0)):
        inside = align(board, eyes, size=60)
        assert np.abs(inside - 0.5).max() < 0.02
    assert np.abs(resize(board, (97, 61)) - 0.5).max() < 0.05


def test_a_ramp_stays_straight():
    """Enlarged and turned; Pillow's transform, for one, bends it."""
    rows, columns = np.indices((60, 60))
    ramp = (0.2 + rows / 150 + columns / 300).astype(np.float32)
    crop = align(ramp, (20.0, 20.0, 34.0, 25.0), size=120)
    for axis in (0, 1):
        slope = np.diff(crop, axis=axis)
        np.testing.assert_allclose(slope, slope.mean(), atol=1e-5)


def test_beyond_the_picture_the_edge_is_repeated():
    image = np.full((50, 60), 0.25, np.float32)
    np.testing.assert_allclose(align(image, (-10.0, 20.0, 30.0, 25.0)), 0.25, atol=1e-6)
    ramp = np.repeat(np.linspace(0, 1, 60, dtype=np.float32)[None], 50, axis=0)
    crop = align(ramp, (-10.0, 20.0, 50.0, 20.0), size=100)
    np.testing.assert_array_equal(crop[:, 0], 0)
    np.testing.assert_array_equal(crop, np.repeat(crop[:1], 100, axis=0))


def test_brightness_is_kept_and_values_stay_in_range():
    image = (np.random.default_rng(1).random((300, 300, 3)) > 0.5).astype(np.float32)
    for result in (
        align(image, (80.0, 80.0, 200.0, 110.0), size=200),
        align(image, (80.0, 80.0, 200.0, 110.0), size=30),
        resize(image, (450, 200)),
        resize(image, (20, 20)),
    ):
        assert result.dtype == np.float32
        assert 0 <= result.min() <= result.max() <= 1
        np.testing.assert_allclose(result.mean((0, 1)), 0.5, atol=0.04)


@pytest.mark.parametrize(
    ("eyes", "reason"),
    [
        ((math.nan, 5.0, 20.0, 5.0), "finite"),
        ((5.0, 5.0, math.inf, 5.0), "finite"),
        ((5.0, 5.0, 5.0, 5.0), "same point"),
        ((20.0, 5.0, 5.0, 5.0), "left"),
        ((50.0, 5.0, 61.0, 5.0), "far outside"),
        ((5.0, -30.0, 20.0, -30.0), "far outside"),
    ],
)
def test_wrong_eyes(eyes, reason):
    with pytest.raises(PictureError, match=reason):
        align(np.zeros((30, 40), np.float32), eyes)


def test_resize():
    image = np.random.default_rng(2).random((31, 17), dtype=np.float32)
    np.testing.assert_array_equal(resize(image, (31, 17)), image)
    coarse = blobs((40, 30), [(10.0, 25.0)], 4)
    x, y = blob_position(resize(coarse, (80, 60)), (20, 50), 8)
    assert math.dist((x, y), (10.5 * 2 - 0.5, 25.5 * 2 - 0.5)) < 0.05
