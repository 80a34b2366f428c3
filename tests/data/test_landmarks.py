"""Templates are read, brought to their mean shape, outlined and warped."""

import math

import numpy as np
import pytest

from gmjax.data import (
    CROPS,
    PictureError,
    eyes_of,
    load_folder,
    mean_shape,
    read_points_csv,
    read_tem,
    read_templates,
    warp,
    write_picture,
)
from gmjax.data.alignment import placement_by_eyes, resample
from gmjax.data.landmarks import outline_mask, placement_by_points, points_in_crop

# Eyes, nose, corners of the mouth, chin, and two more.
SHAPE = np.array([(40, 50), (80, 52), (61, 75), (47, 95), (74, 96), (60, 118), (25, 70), (97, 73)], float)


def similar(shape, degrees, factor, shift):
    turn = factor * np.exp(1j * math.radians(degrees))
    moved = (shape @ (1, 1j)) * turn + complex(*shift)
    return np.stack([moved.real, moved.imag], axis=1)


def write_tem(path, points, lines="1\n0\n2\n0 1\n"):
    path.write_text(f"{len(points)}\n" + "".join(f"{x:.2f}\t{y:.2f}\n" for x, y in points) + lines)


def test_a_template(tmp_path):
    write_tem(tmp_path / "a.tem", SHAPE)
    np.testing.assert_allclose(read_tem(tmp_path / "a.tem"), SHAPE)
    (tmp_path / "b.tem").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.tem").read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_allclose(read_tem(tmp_path / "b.tem"), SHAPE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a template"),
        ("3\n1 2\n3 4\n", "not a template"),
        ("3\n1 2\n3 4\n5 x\n", "not a template"),
        ("3\n1 2\n3 4\n5\n", "not a template"),
        ("2\n1 2\n3 4\n", "not a template"),
        ("99999999\n1 2\n", "not a template"),
        ("3\n1 2\n3 4\n5 nan\n", "finite"),
        ("3\n30 2\n3 4\n5 6\n", "left first"),
        ("3\n1 2\n3 2\n5 2\n", "line"),
    ],
)
def test_a_wrong_template(tmp_path, text, reason):
    (tmp_path / "a.tem").write_text(text)
    with pytest.raises(PictureError, match=rf"a\.tem.*{reason}"):
        read_tem(tmp_path / "a.tem")


HEADER = "file,x1,y1,x2,y2,x3,y3\n"


def test_a_table_of_points(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(HEADER + "a.png,1,2,3,4,5,7\n\nsub/b.png, 1,2,3,4,5,8\n")
    found = read_points_csv(path)
    assert list(found) == ["a.png", "sub/b.png"]
    np.testing.assert_array_equal(found["a.png"], [(1, 2), (3, 4), (5, 7)])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: the columns"),
        ("file,x1,y1,x2,y2\n", "three points"),
        ("file,x1,x2,y1,y2,x3,y3\n", "line 1: the columns"),
        (HEADER + "a.png,1,2,3,4,5\n", "line 2: 6 columns"),
        (HEADER + "a.png,1,2,3,4,5,x\n", "line 2, column y3: 'x'"),
        (HEADER + "a.png,1,2,3,4,5,7\na.png,1,2,3,4,5,7\n", "line 3: a.png is given a second time"),
        (HEADER + "a.png,3,2,1,4,5,7\n", "left first"),
        (HEADER + "a.png,1,2,3,4,5,1e300\n", "in pixels"),
        (HEADER + "x" * 200_000, "cannot be read as a table"),
    ],
)
def test_a_wrong_table_of_points(tmp_path, text, reason):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(PictureError, match=rf"points\.csv.*{reason}"):
        read_points_csv(tmp_path / "points.csv")


def test_the_mean_shape_of_copies_is_their_shape():
    copies = [similar(SHAPE, degrees, factor, (5, -8)) for degrees, factor in ((0, 1), (30, 2), (-50, 0.5))]
    mean = mean_shape(copies)
    placed = points_in_crop(mean, placement_by_points(mean, SHAPE))
    np.testing.assert_allclose(placed, SHAPE, atol=1e-6)
    sheared = [SHAPE @ np.array([(1, 0.2), (0.1, 1.1)]), SHAPE @ np.array([(0.9, -0.3), (0.0, 1.0)]) + 7]
    mean = mean_shape(sheared, affine=True)
    placed = points_in_crop(mean, placement_by_points(mean, SHAPE, affine=True))
    np.testing.assert_allclose(placed, SHAPE, atol=1e-6)


def test_an_affine_mean_shape_is_not_flattened():
    """The best map to a mean of noisy shapes shrinks them, each time it is repeated."""
    rng = np.random.default_rng(1)
    shapes = [SHAPE + rng.normal(0, 4, SHAPE.shape) for _ in range(6)]
    mean, plain = mean_shape(shapes, affine=True), mean_shape(shapes)
    np.testing.assert_allclose(np.ptp(mean, axis=0), np.ptp(plain, axis=0), rtol=0.1)


def test_the_mean_shape_is_that_of_least_squares():
    """No small change of the mean fits the shapes better, each moved to it by the best similarity."""
    rng = np.random.default_rng(0)
    shapes = [similar(SHAPE + rng.normal(0, 3, SHAPE.shape), 20 * k, 1 + k / 3, (k, k)) for k in range(4)]
    mean = mean_shape(shapes)

    def residual(shape):
        moved = [points_in_crop(s, placement_by_points(s, shape)) for s in shapes]
        return sum(np.sum((m - shape) ** 2) for m in moved) / np.sum((shape - shape.mean(0)) ** 2)

    for _ in range(10):
        assert residual(mean) <= residual(mean + rng.normal(0, 0.3, mean.shape))


def test_shapes_of_other_points():
    with pytest.raises(PictureError, match="same number"):
        mean_shape([SHAPE, SHAPE[:5]])


@pytest.mark.parametrize("affine", [False, True])
def test_a_collection_of_templates(tmp_path, affine):
    """Pictures of one shape, at other places: the eyes land where the crop has them, and a blob on a point too."""
    names = ["a.png", "sub/b.jpg", "c.png"]
    (tmp_path / "sub").mkdir()
    for name, degrees in zip(names, (0, 25, -10), strict=True):
        write_tem((tmp_path / name).with_suffix(".tem"), similar(SHAPE, degrees, 1.5, (20, 30)))
    templates = read_templates(tmp_path, [*names, "d.png"], affine=affine)
    frame = CROPS["face"]
    mean = templates.mean_in(frame, 90)
    expected = [(column * 90 - 1, row * 90 - 1) for row, column in frame.eyes]
    np.testing.assert_allclose(mean[:2], expected, atol=1e-6)
    for name in names:
        placed = points_in_crop(templates.points_of(name), templates.place(name, frame, 90))
        np.testing.assert_allclose(placed, mean, atol=0.02)  # two decimals in the files
    with pytest.raises(PictureError, match=r"d\.tem: no such file"):
        templates.points_of("d.png")
    x, y = templates.points_of("c.png")[5]
    rows, columns = np.mgrid[:300, :300]
    blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50).astype(np.float32)
    crop = resample(blob, templates.place("c.png", frame, 90), 90)
    row, column = np.unravel_index(crop.argmax(), crop.shape)
    assert math.dist((column, row), mean[5]) < 1


def test_a_table_for_a_collection(tmp_path):
    columns = ",".join(f"x{n},y{n}" for n in range(1, 9))
    row = ",".join(f"{value}" for value in SHAPE.ravel())
    (tmp_path / "points.csv").write_text(f"file,{columns}\na.png,{row}\nelse.png,{row}\n")
    templates = read_templates(tmp_path / "points.csv", ["a.png", "b.png"])
    np.testing.assert_array_equal(templates.mean, SHAPE)
    with pytest.raises(PictureError, match="no template"):
        templates.points_of("b.png")


def test_collections_that_cannot_be(tmp_path):
    with pytest.raises(PictureError, match="no landmarks of the pictures"):
        read_templates(tmp_path, ["a.png"])
    write_tem(tmp_path / "a.tem", SHAPE)
    write_tem(tmp_path / "b.tem", SHAPE[:5])
    with pytest.raises(PictureError, match=r"a\.png has 8 points and b\.png 5"):
        read_templates(tmp_path, ["a.png", "b.png"])


def test_landmarks_in_another_order(tmp_path):
    """Eyes as the others, and all the rest on the other side: the best similarity would be tiny."""
    for name in "abcd":
        write_tem(tmp_path / f"{name}.tem", SHAPE)
    write_tem(tmp_path / "e.tem", np.concatenate([SHAPE[:2], (SHAPE[2:] - SHAPE[0]) * (-9, -9)]))
    templates = read_templates(tmp_path, [f"{name}.png" for name in "abcde"])
    with pytest.raises(PictureError, match="do not resemble"):
        templates.place("e.png", CROPS["paper"], 60)


def test_warped_faces_of_a_folder(tmp_path):
    """A bright spot at a landmark that moves between faces lies at one place in all warped crops."""
    rows, columns = np.mgrid[:140, :130]
    for number, shift in enumerate((-9, 0, 9)):
        points = SHAPE + np.where(np.arange(8) == 2, shift, 0)[:, None]
        write_tem(tmp_path / f"{number}.tem", points)
        spot = np.exp(-((columns - points[2, 0]) ** 2 + (rows - points[2, 1]) ** 2) / 40)
        write_picture(tmp_path / f"{number}.png", spot)

    def spread(**options):
        images = load_folder(tmp_path, templates=tmp_path, crop="head", size=60, **options).images
        return np.ptp([np.unravel_index(image.argmax(), image.shape) for image in images], axis=0).max()

    assert spread() > 4
    assert spread(warped=True) <= 1


def test_one_template_is_its_eyes(tmp_path):
    write_tem(tmp_path / "a.tem", SHAPE)
    templates = read_templates(tmp_path, ["a.png"])
    expected = placement_by_eyes(eyes_of(SHAPE), CROPS["head"], 100)
    np.testing.assert_allclose(templates.place("a.png", CROPS["head"], 100), expected, atol=1e-9)


def test_the_outline_encloses_the_points():
    mask = outline_mask(SHAPE, 130)
    assert mask.dtype == bool
    for x, y in SHAPE + 0.1 * (SHAPE.mean(axis=0) - SHAPE):
        assert mask[round(y), round(x)]
    assert not mask[20].any()
    assert not mask[:, 110].any()
    hull = SHAPE[[6, 0, 1, 7, 5]] @ (1, 1j)
    area = 0.5 * abs((hull.conj() * np.roll(hull, -1)).imag.sum())
    assert abs(mask.sum() / area - 1) < 0.06


def smooth(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.float32(0.5 + 0.2 * np.sin(rows / 9) + 0.2 * np.cos(columns / 7 + rows / 15))


def test_warping_to_the_same_points_changes_nothing():
    image = np.stack([smooth((130, 130)), smooth((130, 130))[::-1], smooth((130, 130)).T], axis=-1)
    np.testing.assert_allclose(warp(image, SHAPE, SHAPE, 130), image, atol=2e-3)


def test_warping_by_a_similarity_is_resampling():
    """Outside the points too."""
    image = smooth((300, 320))
    points = similar(SHAPE, 20, 1.7, (60, -20))
    expected = resample(image, placement_by_points(points, SHAPE), 130)
    np.testing.assert_allclose(warp(image, points, SHAPE, 130), expected, atol=1e-4)


def test_warping_moves_each_point_to_its_target():
    rng = np.random.default_rng(2)
    target = SHAPE + rng.normal(0, 4, SHAPE.shape)
    rows, columns = np.mgrid[:140, :140]
    for (x, y), (to_x, to_y) in zip(SHAPE[2:], target[2:], strict=True):
        blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8).astype(np.float32)
        warped = warp(blob, SHAPE, target, 140)
        row, column = np.unravel_index(warped.argmax(), warped.shape)
        assert math.dist((column, row), (to_x, to_y)) < 1


def test_wrong_points_to_warp(unchecked):
    image = smooth((50, 50))
    with pytest.raises(PictureError, match="8 points, and 5"):
        warp(image, SHAPE, SHAPE[:5], 50)
    with pytest.raises(ValueError, match="size must be at least 2"):
        warp(image, SHAPE, SHAPE, 1)
