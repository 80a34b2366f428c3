"""Pictures resampled: a face aligned to the paper's crop, or a picture brought to another size."""

import math
from collections.abc import Callable

import numpy as np

from gmjax.data.pictures import Picture, PictureError
from gmjax.errors import ArgumentError

Eyes = tuple[float, float, float, float]

# (row, column) of the left and the right eye in the published common face; normalised, with pixels counted from 1.
EYES = ((0.058, 0.152), (0.058, 0.855))


def align(image: Picture, eyes: Eyes, *, size: int = 120) -> Picture:
    """Rotates, scales and shifts a face so that its eyes lie at ``EYES``: (size, size[, 3]), float32 in [0, 1].

    ``image``: (H, W) or (H, W, 3) in [0, 1]. ``eyes``: (left_x, left_y, right_x, right_y) in pixels of ``image``, x to
    the right, y down, (0, 0) the centre of the first pixel; "left" is the picture's left. Cubic splines, anti-aliased;
    beyond the picture the nearest edge pixel is repeated. Raises PictureError where the eyes are not finite, closer
    than one pixel, not in the order left, right, or far outside the picture, and ArgumentError for a size below 2.
    """
    # Not Pillow's transform: its bicubic does not even keep a ramp straight.
    from scipy.ndimage import affine_transform

    _check_eyes(eyes, image.shape)
    check_size(size)
    # With points as complex numbers, row + i column, a similarity is source = turn * crop + shift.
    left, right = (complex(y, x) for x, y in (eyes[:2], eyes[2:]))
    crop_left, crop_right = (complex(r * size - 1, c * size - 1) for r, c in EYES)
    turn = (right - left) / (crop_right - crop_left)
    shift = left - turn * crop_left

    # Only the part that is needed, with a margin for the spline; indices clipped at the borders repeat the edge.
    corners = np.array([turn * complex(r, c) + shift for r in (-0.5, size - 0.5) for c in (-0.5, size - 0.5)])
    rows, columns = (np.arange(math.floor(x.min()) - 12, math.ceil(x.max()) + 13) for x in (corners.real, corners.imag))
    part = image[np.clip(rows, 0, image.shape[0] - 1)][:, np.clip(columns, 0, image.shape[1] - 1)]

    # Each pixel is the mean of samples ** 2 points, the first one at -margin from its centre.
    samples = max(1, math.ceil(abs(turn)))
    step, margin = turn / samples, (samples - 1) / (2 * samples)
    start = shift - turn * complex(margin, margin) - complex(rows[0], columns[0])
    matrix = np.array([[step.real, -step.imag], [step.imag, step.real]])

    def crop(plane: np.ndarray) -> np.ndarray:
        fine = affine_transform(plane, matrix, (start.real, start.imag), (samples * size,) * 2, mode="nearest")
        return fine.reshape(size, samples, size, samples).mean(axis=(1, 3))

    return _each_plane(part, crop)


def resize(image: Picture, shape: tuple[int, int]) -> Picture:
    """A picture (H, W) or (H, W, 3) at another size ``shape`` = (height, width), anti-aliased, float32 in [0, 1]."""
    from PIL import Image

    def scale(plane: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray(plane))
        # The gap lets Pillow first reduce huge pictures by whole factors.
        return np.asarray(picture.resize(shape[::-1], Image.Resampling.BICUBIC, reducing_gap=3.0))

    return _each_plane(image, scale)


def check_size(size: int) -> None:
    if size < 2:
        raise ArgumentError("size", f"must be at least 2 pixels; got {size}")


def _check_eyes(eyes: Eyes, shape: tuple[int, ...]) -> None:
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


def _each_plane(image: Picture, resample: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Resamples the gray plane or each channel, as float32, and clips to [0, 1]."""
    planes = [resample(plane) for plane in np.moveaxis(np.atleast_3d(np.asarray(image, np.float32)), -1, 0)]
    return np.clip(planes[0] if image.ndim == 2 else np.stack(planes, axis=-1), 0, 1)
