"""Landmark templates: points on faces, read from files, brought to their mean shape, outlined, and warped to others."""

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from gmjax.data.alignment import (
    CropFrame,
    Eyes,
    Placement,
    check_size,
    each_plane,
    part_around,
    pixels_per_pixel,
    placement_by_eyes,
)
from gmjax.data.eyes import finite_number
from gmjax.data.pictures import Picture, PictureError

# (x, y) in pixels, (0, 0) the centre of the first one. The first two are the eyes, that on the picture's left first.
Points = Float[np.ndarray, "k 2"]

MAX_BYTES = 2**27  # of a template or a table of them
MAX_POINTS = 10_000
_FARTHEST = 1e6  # pixels
_ROUNDS = 100


@dataclass(frozen=True)
class Templates:
    """The landmarks of a collection: ``points`` by the picture's name, all of the same number; ``mean``, their mean
    shape; ``affine``, whether pictures are sheared and stretched to it too; ``warped``, whether all points are moved to
    it; ``wrong``, why some have no points."""

    points: Mapping[str, Points]
    mean: Points
    affine: bool = False
    warped: bool = False
    wrong: Mapping[str, str] = field(default_factory=dict)

    def points_of(self, name: str) -> Points:
        """The points of the picture ``name``. Raises PictureError."""
        if name not in self.points:
            raise PictureError(self.wrong.get(name, "it has no template of landmarks"))
        return self.points[name]

    def place(self, name: str, frame: CropFrame, size: int) -> Placement:
        """The crop of the picture ``name``: the mean shape's eyes lie where ``frame`` has them."""
        points = self.points_of(name)
        by_eyes = pixels_per_pixel(placement_by_eyes(eyes_of(points), frame, size))
        try:
            placement = placement_by_points(points, self.mean_in(frame, size), affine=self.affine)
        except np.linalg.LinAlgError:
            placement = np.zeros((2, 3))
        if not 0.2 * by_eyes < pixels_per_pixel(placement) < 5 * by_eyes:
            raise PictureError("its landmarks do not resemble the mean of the templates: are they in another order?")
        return placement

    def mean_in(self, frame: CropFrame, size: int) -> Points:
        """The mean shape in a crop of ``size`` x ``size`` pixels."""
        return points_in_crop(self.mean, placement_by_eyes(eyes_of(self.mean), frame, size))


def read_templates(
    source: str | Path, names: Iterable[str], *, affine: bool = False, warped: bool = False
) -> Templates:
    """The landmarks of the pictures ``names``: of a folder of ``.tem`` files with the pictures' names, or of a table as
    in :func:`read_points_csv`. Raises PictureError where none can be used, or their numbers of points differ."""
    source, names = Path(source), list(names)
    points: dict[str, Points] = {}
    wrong: dict[str, str] = {}
    if source.is_dir():
        for name in names:
            path = source / Path(name).with_suffix(".tem")
            try:
                points[name] = read_tem(path)
            except PictureError as error:
                wrong[name] = str(error)
    else:
        table = read_points_csv(source)
        points = {name: table[name] for name in names if name in table}
    if not points:
        reason = next(iter(wrong.values()), "it has no row for any of the pictures")
        raise PictureError(f"{source} has no landmarks of the pictures: {reason}")
    first, *others = points
    for name in others:
        if len(points[name]) != len(points[first]):
            counts = f"{first} has {len(points[first])} points and {name} {len(points[name])}"
            raise PictureError(f"{source}: {counts}; give templates of one kind")
    return Templates(points, mean_shape(list(points.values()), affine=affine), affine, warped, wrong)


def read_tem(path: str | Path) -> Points:
    """The points of a template as Psychomorph and webmorph write it: their number, then x and y of each on a line. The
    lines between them, which follow, are not used. Raises PictureError."""
    path = Path(path)
    lines = [line.split() for line in _text(path).splitlines() if line.strip()]
    try:
        points = np.array([[float(number) for number in line] for line in lines[1 : int(lines[0][0]) + 1]])
    except (ValueError, IndexError):
        points = np.zeros(0)
    if not 3 <= len(points) <= MAX_POINTS or points.shape != (int(lines[0][0]), 2):
        raise PictureError(f"{path} is not a template: a number of points, then x and y of each on a line")
    return _checked(points, str(path))


def read_points_csv(path: str | Path) -> dict[str, Points]:
    """Reads a table ``file,x1,y1,x2,y2,...``: points in pixels by file name, the first two the eyes. Names are relative
    to the folder of the pictures. Raises PictureError, with the line, for anything else."""
    path = Path(path)
    try:
        rows = list(csv.reader(_text(path).splitlines(), skipinitialspace=True))
    except csv.Error as error:
        raise PictureError(f"{path} cannot be read as a table of points: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    count = (len(header) - 1) // 2
    expected = ["file", *(f"{axis}{number}" for number in range(1, count + 1) for axis in "xy")]
    if header != expected or not 3 <= count <= MAX_POINTS:
        raise PictureError(f"{path}, line 1: the columns must be file,x1,y1,x2,y2,... of at least three points")
    table: dict[str, Points] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(map(str.strip, row)):
            continue
        where, name = f"{path}, line {number}", row[0].strip()
        if len(row) != len(header):
            raise PictureError(f"{where}: {len(row)} columns in place of {len(header)}")
        if name in table:
            raise PictureError(f"{where}: {name} is given a second time")
        columns = zip(header[1:], row[1:], strict=True)
        numbers = [finite_number(text, f"{where}, column {column}") for column, text in columns]
        table[name] = _checked(np.reshape(numbers, (count, 2)), where)
    return table


def eyes_of(points: Points) -> Eyes:
    """The first two points, as :func:`gmjax.data.align` takes them."""
    (left_x, left_y), (right_x, right_y) = points[:2].tolist()
    return left_x, left_y, right_x, right_y


def mean_shape(shapes: Sequence[Points], *, affine: bool = False) -> Points:
    """The generalised Procrustes mean of ``shapes``, each (k, 2): the shape that is the mean of all shapes after each
    has been moved, turned and scaled to it. It has the place, size and turn of the shapes' own mean. ``affine``: each
    has been sheared and stretched too, and the mean has the proportions of the mean without that.

    Raises PictureError for shapes of different numbers of points, or all in one point.
    """
    if len({len(shape) for shape in shapes}) != 1:
        raise PictureError("the shapes need the same number of points, and there must be at least one")
    stack = np.stack([np.asarray(shape, float) for shape in shapes])
    start = mean_shape(shapes) if affine else stack.mean(axis=0)
    mean = start
    for _ in range(_ROUNDS):
        moved = np.stack([_apply(_fitted(shape, mean, affine), shape) for shape in stack])
        new = moved.mean(axis=0)
        new = _apply(_fitted(new, start, affine), new)  # otherwise it would shrink, or flatten
        change, mean = np.abs(new - mean).max(), new
        if change < 1e-9 * np.ptp(mean):
            break
    return mean


def placement_by_points(points: Points, in_crop: Points, *, affine: bool = False) -> Placement:
    """The map from a crop to a picture that takes the points ``in_crop`` of the crop to ``points`` of the picture: the
    inverse of the similarity (or affine map) with least squares in the crop."""
    (a, b, c), (d, e, f) = _fitted(np.asarray(points, float), np.asarray(in_crop, float), affine)
    inverse = np.linalg.inv([[a, b, c], [d, e, f], [0, 0, 1]])[:2]
    return inverse[::-1][:, [1, 0, 2]]  # from (x, y) to (row, column)


def points_in_crop(points: Points, placement: Placement) -> Points:
    """Points of a picture in the crop that ``placement`` cuts out, in pixels of the crop."""
    inverse = np.linalg.inv(np.vstack([placement, (0, 0, 1)]))[:2]
    return np.asarray(points, float)[:, ::-1] @ inverse[::-1, :2].T + inverse[::-1, 2]


def outline_mask(points: Points, size: int) -> Bool[np.ndarray, "s s"]:
    """The pixels of a crop of ``size`` x ``size`` pixels that are inside the convex hull of ``points`` in it."""
    from PIL import Image, ImageDraw
    from scipy.spatial import ConvexHull

    hull = np.asarray(points, float)[ConvexHull(points).vertices]
    mask = Image.new("1", (size, size))
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in hull.tolist()], fill=1)
    return np.asarray(mask, bool)


def warp(image: Picture, points: Points, target_points: Points, size: int) -> Picture:
    """The picture with its ``points`` moved to ``target_points`` in a square of ``size`` pixels: (size, size[, 3]).

    ``image``: (H, W) or (H, W, 3) in [0, 1]. ``points``, ``target_points``: (k, 2), in pixels of ``image`` and of the
    square. Affine in each triangle of the Delaunay triangulation of ``target_points``; outside of these and towards the
    square's border, where there are no points, it becomes the similarity that fits all points best. Cubic splines,
    anti-aliased, the edge repeated. Raises PictureError where the numbers of points differ, or they lie on a line.
    """
    from scipy.ndimage import map_coordinates
    from scipy.spatial import Delaunay, QhullError

    if len(points) != len(target_points):
        raise PictureError(f"there are {len(points)} points, and {len(target_points)} to move them to")
    check_size(size)
    points, target_points = np.asarray(points, float), np.asarray(target_points, float)
    placement = placement_by_points(points, target_points)
    sides = np.linspace(-0.2 * size, 1.2 * size, 5)
    border = np.array([(x, y) for x in sides for y in sides if min(x, y) == sides[0] or max(x, y) == sides[-1]])
    targets = np.concatenate([target_points, border])
    sources = np.concatenate([points, border[:, ::-1] @ placement[::-1, :2].T + placement[::-1, 2]])
    try:
        triangles = Delaunay(targets)
    except QhullError as error:
        raise PictureError(f"the points cannot be divided into triangles: {error}") from error

    samples = max(1, math.ceil(pixels_per_pixel(placement)))
    axis = (np.arange(samples * size) + 0.5) / samples - 0.5
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found = triangles.find_simplex(grid)
    to_weights = triangles.transform[found]
    weights = np.einsum("nij,nj->ni", to_weights[:, :2], grid - to_weights[:, 2])
    weights = np.concatenate([weights, 1 - weights.sum(axis=1, keepdims=True)], axis=1)
    x, y = np.einsum("nk,nkd->dn", weights, sources[triangles.simplices[found]])

    part, first_row, first_column = part_around(image, y.min(), y.max(), x.min(), x.max())
    places = y - first_row, x - first_column

    def move(plane: np.ndarray) -> np.ndarray:
        fine = map_coordinates(plane, places, mode="nearest")
        return fine.reshape(size, samples, size, samples).mean(axis=(1, 3))

    return each_plane(part, move)


def _fitted(points: Points, target: Points, affine: bool) -> Float[np.ndarray, "2 3"]:
    """The similarity, or affine map, of (x, y) that takes ``points`` to ``target`` with least squares."""
    if affine:
        design = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        return np.linalg.lstsq(design, target, rcond=None)[0].T
    here, there = points @ (1, 1j), target @ (1, 1j)
    here_mean, there_mean = here.mean(), there.mean()
    turn = np.vdot(here - here_mean, there - there_mean) / max(np.vdot(here - here_mean, here - here_mean).real, 1e-30)
    shift = there_mean - turn * here_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _apply(matrix: Float[np.ndarray, "2 3"], points: Points) -> Points:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _checked(points: Points, where: str) -> Points:
    if not (np.abs(points) < _FARTHEST).all():
        raise PictureError(f"{where}: the points must be finite numbers, in pixels")
    (left_x, left_y), (right_x, right_y) = points[:2]
    if math.hypot(right_x - left_x, right_y - left_y) < 1 or left_x >= right_x:
        raise PictureError(f"{where}: the first two points must be the eyes, the one on the picture's left first")
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6 * np.ptp(points)) < 2:
        raise PictureError(f"{where}: the points lie on a line")
    return points


def _text(path: Path) -> str:
    try:
        if os.stat(path).st_size > MAX_BYTES:
            raise PictureError(f"{path} has more than {MAX_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PictureError(f"{path} cannot be read: {error}") from error
