"""Pictures resampled: a face placed in a crop, or a picture brought to another size."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from gmjax.data.pictures import Picture, PictureError
from gmjax.errors import ArgumentError

Eyes = tuple[float, float, float, float]
CropName = Literal["paper", "face", "head"]

# An affine map from a crop to a picture: (row, column) in the picture of the point (row, column, 1) of the crop, both
# in pixels with (0, 0) the centre of the first one.
Placement = Float[np.ndarray, "2 3"]


class CropFrame(NamedTuple):
    """Where a crop has the eyes, (row, column) of the left and the right one, normalised, with pixels counted from 1;
    and the side in pixels that it has by default."""

    eyes: tuple[tuple[float, float], tuple[float, float]]
    size: int


# paper: the eyes of the published common face. face: from above the brows to below the chin. head: hair, ears and
# chin with a margin (docs/choices.md).
CROPS: dict[CropName, CropFrame] = {
    "paper": CropFrame(((0.058, 0.152), (0.058, 0.855)), 120),
    "face": CropFrame(((0.221, 0.325), (0.221, 0.682)), 160),
    "head": CropFrame(((0.526, 0.399), (0.526, 0.609)), 160),
}
EYES = CROPS["paper"].eyes


def align(image: Picture, eyes: Eyes, *, size: int | None = None, crop: CropName = "paper") -> Picture:
    """Rotates, scales and shifts a face so that its eyes lie where ``crop`` has them: (size, size[, 3]), float32.

    ``image``: (H, W) or (H, W, 3) in [0, 1]. ``eyes``: (left_x, left_y, right_x, right_y) in pixels of ``image``, x to
    the right, y down, (0, 0) the centre of the first pixel; "left" is the picture's left. ``size``: by default that of
    ``CROPS``. Beyond the picture the nearest edge pixel is repeated. Raises PictureError where the eyes are not finite,
    closer than one pixel, not in the order left, right, or far outside the picture, and ArgumentError for a size below
    2 or an unknown crop.
    """
    check_eyes(eyes, image.shape)
    frame, size = frame_of(crop, size)
    return resample(image, placement_by_eyes(eyes, frame, size), size)


def frame_of(crop: CropName, size: int | None) -> tuple[CropFrame, int]:
    """The frame and the side in pixels of a crop. Raises ArgumentError."""
    if crop not in CROPS:
        raise ArgumentError("crop", f"must be one of {', '.join(get_args(CropName))}; got {crop!r}")
    size = CROPS[crop].size if size is None else size
    check_size(size)
    return CROPS[crop], size


def placement_by_eyes(eyes: Eyes, frame: CropFrame, size: int) -> Placement:
    """The similarity that takes the eyes of ``frame``, ``size`` pixels wide, to ``eyes``, given as in ``align``."""
    # With points as complex numbers, row + i column, a similarity is source = turn * crop + shift.
    left, right = (complex(y, x) for x, y in (eyes[:2], eyes[2:]))
    crop_left, crop_right = (complex(r * size - 1, c * size - 1) for r, c in frame.eyes)
    turn = (right - left) / (crop_right - crop_left)
    shift = left - turn * crop_left
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def resample(image: Picture, placement: Placement, size: int) -> Picture:
    """The crop (size, size[, 3]) of ``image`` under an affine map: cubic splines, anti-aliased, the edge repeated."""
    # Not Pillow's transform: its bicubic does not even keep a ramp straight.
    from scipy.ndimage import affine_transform

    (a, b, row), (c, d, column) = placement.tolist()
    corners = [(r, s) for r in (-0.5, size - 0.5) for s in (-0.5, size - 0.5)]
    rows, columns = ([p * r + q * s + t for r, s in corners] for p, q, t in placement.tolist())
    part, first_row, first_column = part_around(image, min(rows), max(rows), min(columns), max(columns))

    # Each pixel is the mean of samples ** 2 points, the first one at -margin from its centre.
    samples = max(1, math.ceil(pixels_per_pixel(placement)))
    margin = (samples - 1) / (2 * samples)
    start = row - (a * margin + b * margin) - first_row, column - (c * margin + d * margin) - first_column
    matrix = np.array([[a, b], [c, d]]) / samples

    def crop(plane: np.ndarray) -> np.ndarray:
        fine = affine_transform(plane, matrix, start, (samples * size,) * 2, mode="nearest")
        return fine.reshape(size, samples, size, samples).mean(axis=(1, 3))

    return each_plane(part, crop)


def part_around(image: Picture, top: float, bottom: float, left: float, right: float) -> tuple[Picture, int, int]:
    """The part of a picture with the given rows and columns and a margin for splines, the edge repeated beyond the
    picture; and its first row and column."""
    rows, columns = (np.arange(math.floor(a) - 12, math.ceil(b) + 13) for a, b in ((top, bottom), (left, right)))
    part = image[np.clip(rows, 0, image.shape[0] - 1)][:, np.clip(columns, 0, image.shape[1] - 1)]
    return part, int(rows[0]), int(columns[0])


def pixels_per_pixel(placement: Placement) -> float:
    """How many of the picture's pixels one of the crop is long, in the direction in which it is longest on an axis."""
    (a, b, _), (c, d, _) = placement.tolist()
    return max(math.hypot(a, c), math.hypot(b, d))


def resize(image: Picture, shape: tuple[int, int]) -> Picture:
    """A picture (H, W) or (H, W, 3) at another size ``shape`` = (height, width), anti-aliased, float32 in [0, 1]."""
    from PIL import Image

    def scale(plane: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray(plane))
        # The gap lets Pillow first reduce huge pictures by whole factors.
        return np.asarray(picture.resize(shape[::-1], Image.Resampling.BICUBIC, reducing_gap=3.0))

    return each_plane(image, scale)


def check_size(size: int) -> None:
    if size < 2:
        raise ArgumentError("size", f"must be at least 2 pixels; got {size}")


def check_eyes(eyes: Eyes, shape: tuple[int, ...]) -> None:
    """Raises PictureError for eyes that cannot be those of a picture of ``shape`` (H, W[, 3])."""
    left_x, left_y, right_x, right_y = eyes
    if not all(math.isfinite(value) for value in eyes):
        raise PictureError(f"Eye positions {eyes} must be finite numbers.")
    distance = math.hypot(right_x - left_x, right_y - left_y)
    if distance < 1:
        raise PictureError(f"Eye positions {eyes} are the same point.")
    if left_x >= right_x:
        raise PictureError(f"Eye positions {eyes}: give the eye on the picture's left first.")
    height, width = shape[:2]
    for x, y in (eyes[:2], eyes[2:]):
        if max(-x, -y, x - (width - 1), y - (height - 1)) > distance:
            raise PictureError(f"The eye at x = {x}, y = {y} is far outside the picture of {width} x {height} pixels.")


def each_plane(image: Picture, resample: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Resamples the gray plane or each channel, as float32, and clips to [0, 1]."""
    planes = [resample(plane) for plane in np.moveaxis(np.atleast_3d(np.asarray(image, np.float32)), -1, 0)]
    return np.clip(planes[0] if image.ndim == 2 else np.stack(planes, axis=-1), 0, 1)
