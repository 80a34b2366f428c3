"""Why a face is doubtful: the reasons in words, none for a good one. They are said, and it is used."""

import math

import numpy as np

from gmjax.data.alignment import Eyes, Placement, pixels_per_pixel
from gmjax.data.eyes import FoundFace

# Measured on frontal photographs and on heads turned to the side (docs/choices.md).
LEAST_CONFIDENCE = 0.95
MOST_TILT = 30.0  # degrees
MOST_NOSE_OFFSET = 0.25  # of the distance between the eyes
MOST_ENLARGED = 1.5
MOST_OUTSIDE = 0.05  # of the crop's area


def doubts_of_detection(face: FoundFace) -> list[str]:
    """What finding a face tells: turned by quarter turns, uncertain, looking aside, one of several."""
    doubts = []
    if face.turns:
        doubts.append(f"{'upside down' if face.turns == 2 else 'on its side'}: it was turned upright")
    if face.confidence < LEAST_CONFIDENCE:
        doubts.append(f"uncertain face: confidence {face.confidence:.2f} of 1")
    if abs(offset := nose_offset(face)) > MOST_NOSE_OFFSET:
        side = "left" if offset < 0 else "right"
        doubts.append(f"looks to the {side}: the nose is {abs(offset):.0%} of the eyes' distance beside the middle")
    if face.several:
        doubts.append("several faces: the largest is used")
    return doubts


def doubts_of_placement(placement: Placement, eyes: Eyes, shape: tuple[int, ...], size: int) -> list[str]:
    """What the placement of a crop of ``size`` x ``size`` pixels in a picture of ``shape`` (H, W[, 3]) tells: tilted,
    eyes outside, cut by the border, enlarged. ``eyes`` are those in the picture."""
    doubts = []
    left_x, left_y, right_x, right_y = eyes
    tilt = math.degrees(math.atan2(right_y - left_y, right_x - left_x))
    if abs(tilt) > MOST_TILT:
        doubts.append(f"tilted by {abs(tilt):.0f} degrees")
    height, width = shape[:2]
    if not all(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 for x, y in (eyes[:2], eyes[2:])):
        doubts.append("an eye is outside the picture")
    if (outside := share_outside(placement, shape, size)) > MOST_OUTSIDE:
        doubts.append(f"cut by the border: {outside:.0%} of the crop is outside the picture")
    if (enlarged := 1 / pixels_per_pixel(placement)) > MOST_ENLARGED:
        doubts.append(f"enlarged {enlarged:.1f} times: the eyes are {math.dist(eyes[:2], eyes[2:]):.0f} pixels apart")
    return doubts


def nose_offset(face: FoundFace) -> float:
    """How far the nose is to the right of the line from between the eyes to the middle of the mouth, in distances of
    the eyes: near 0 for a face that looks into the camera."""
    eyes, nose, mouth = face.points[:2].mean(axis=0), face.points[2], face.points[3:].mean(axis=0)
    (down_x, down_y), (x, y) = mouth - eyes, nose - eyes
    across = (x * down_y - y * down_x) / max(math.hypot(down_x, down_y), 1e-9)
    return across / math.dist(face.points[0], face.points[1])


def share_outside(placement: Placement, shape: tuple[int, ...], size: int) -> float:
    """The share of the crop's area that is outside the picture."""
    axis = (np.arange(64) + 0.5) / 64 * size - 0.5
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    row, column = (a * rows + b * columns + c for a, b, c in placement)
    inside = (np.abs(row - (shape[0] - 1) / 2) <= shape[0] / 2) & (np.abs(column - (shape[1] - 1) / 2) <= shape[1] / 2)
    return 1 - float(inside.mean())
