"""Folders of pictures: order, tables of eyes, and a reason for everything left out."""

import dataclasses
import os

import numpy as np
import pytest

from gmjax.data import (
    NoFaceError,
    PictureError,
    align,
    load_folder,
    load_picture,
    orl,
    read_picture,
    resize,
    write_picture,
)

RNG = np.random.default_rng(3)
HEADER = "file,left_x,left_y,right_x,right_y\n"
EYES = (10.0, 12.0, 28.0, 13.0)
ROW = "10,12,28,13"


def noise(*shape):
    return RNG.random(shape, dtype=np.float32)


def fill(folder, *names, shape=(40, 40)):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name, noise(*shape))
    return folder


def test_order_and_nesting(tmp_path):
    names = ["a2.png", "a10.png", "b/01.png", "b/1.png", "b/c/x.tif", "s2.JPG", "s10.png"]
    fill(tmp_path, *reversed(names))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "._a2.png").write_bytes(b"what some systems leave beside a picture")
    fill(tmp_path, ".cache/thumbnail.png")
    faces = load_folder(tmp_path, aligned=True, size=24)
    assert faces.names == tuple(names)
    assert faces.skipped == ()
    assert len(faces) == 7
    assert faces.images.shape == (7, 24, 24)
    assert faces.images.dtype == np.float32
    for name, image in zip(faces.names, faces.images, strict=True):
        np.testing.assert_array_equal(image, resize(read_picture(tmp_path / name), (24, 24)))


def test_aligned_pictures_of_the_right_size_are_untouched(tmp_path):
    fill(tmp_path, "a.png", shape=(24, 24, 3))
    gray, color = (load_folder(tmp_path, aligned=True, size=24, color=c).images for c in (False, True))
    np.testing.assert_array_equal(gray[0], read_picture(tmp_path / "a.png"))
    np.testing.assert_array_equal(color[0], read_picture(tmp_path / "a.png", color=True))


def test_eyes_from_the_folders_own_table(tmp_path):
    fill(tmp_path, "a.png", "sub/b.png", "c.png")
    (tmp_path / "eyes.csv").write_text(f"{HEADER}a.png,{ROW}\nsub/b.png,{ROW}\n")
    faces = load_folder(tmp_path, size=30)
    assert faces.names == ("a.png", "sub/b.png")
    np.testing.assert_array_equal(faces.images[1], align(read_picture(tmp_path / "sub/b.png"), EYES, size=30))
    ((name, reason),) = faces.skipped
    assert name == "c.png"
    assert "no row" in reason


def test_eyes_from_a_table_elsewhere(tmp_path):
    folder = fill(tmp_path / "pictures", "a.png", shape=(40, 40, 3))
    (folder / "eyes.csv").write_text("not looked at")
    (tmp_path / "other.csv").write_text(f"{HEADER}a.png,{ROW}\n")
    faces = load_folder(folder, eyes=tmp_path / "other.csv", color=True, size=30)
    assert faces.images.shape == (1, 30, 30, 3)
    with pytest.raises(PictureError, match=r"absent\.csv"):
        load_folder(folder, eyes=tmp_path / "absent.csv")


def test_a_row_without_its_picture(tmp_path):
    fill(tmp_path, "a.png")
    (tmp_path / "b.mov").write_bytes(b"there, but no picture")
    for name in ("gone.png", "b.mov"):
        (tmp_path / "eyes.csv").write_text(f"{HEADER}a.png,{ROW}\n{name},{ROW}\n")
        with pytest.raises(PictureError, match=rf"eyes\.csv has a row for {name}"):
            load_folder(tmp_path)


def test_a_picture_of_a_format_that_is_not_read(tmp_path):
    """Its row in the table of eyes is no error."""
    fill(tmp_path, "a.png")
    (tmp_path / "b.jxl").write_bytes(b"a picture")
    (tmp_path / "eyes.csv").write_text(f"{HEADER}a.png,{ROW}\nb.jxl,{ROW}\n")
    faces = load_folder(tmp_path, size=30)
    assert faces.names == ("a.png",)
    ((name, reason),) = faces.skipped
    assert name == "b.jxl"
    assert ".jxl files are not read" in reason


def test_an_accent_in_two_unicode_forms(tmp_path):
    """Within its letter in the table, after it on the disk, and the other way round."""
    within, after = "Jos\u00e9.png", "Jose\u0301.png"
    for on_disk, in_table in ((within, after), (after, within)):
        folder = fill(tmp_path / str(len(in_table)), on_disk)
        (folder / "eyes.csv").write_text(f"{HEADER}{in_table},{ROW}\n", encoding="utf-8")
        faces = load_folder(folder, size=20)
        assert faces.names == (on_disk,)
        np.testing.assert_array_equal(load_picture(folder / on_disk, size=20), faces.images[0])


def test_what_cannot_be_used_is_listed(tmp_path):
    fill(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:300])
    (tmp_path / "eyes.csv").write_text(f"{HEADER}a.png,{ROW}\nb.png,{ROW}\nc.png,900,900,940,900\n")
    calls = []
    faces = load_folder(tmp_path, size=30, report=lambda done, total: calls.append((done, total)))
    assert faces.names == ("a.png",)
    assert len(faces.images) == 1
    assert [name for name, _ in faces.skipped] == ["b.png", "c.png"]
    assert "damaged" in faces.skipped[0][1]
    assert "far outside" in faces.skipped[1][1]
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_use(tmp_path):
    with pytest.raises(PictureError, match="absent: no such folder"):
        load_folder(tmp_path / "absent")
    with pytest.raises(PictureError, match="holds no pictures"):
        load_folder(tmp_path)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(PictureError, match=r"none of its 1 pictures can be used(.|\n)*a\.png"):
        load_folder(tmp_path, aligned=True)


def test_a_loop_of_links_ends(tmp_path):
    fill(tmp_path, "a.png", "sub/b.png")
    try:
        os.symlink(tmp_path, tmp_path / "sub" / "again", target_is_directory=True)
        os.symlink("self.png", tmp_path / "self.png")
    except OSError:
        pytest.skip("no links on this system")
    faces = load_folder(tmp_path, aligned=True, size=16)
    assert faces.names == ("a.png", "sub/b.png")
    assert [name for name, _ in faces.skipped] == ["self.png"]


def test_faces_are_frozen(tmp_path):
    faces = load_folder(fill(tmp_path, "a.png"), aligned=True, size=16)
    with pytest.raises(dataclasses.FrozenInstanceError):
        faces.names = ()


def test_eyes_are_found_without_a_table(tmp_path):
    pytest.importorskip("cv2")
    write_picture(tmp_path / "face.png", orl._read_images()["s5/1.pgm"])
    # A generator of its own, because a face is found in some noise.
    write_picture(tmp_path / "noise.png", np.random.default_rng(0).random((60, 60)))
    faces = load_folder(tmp_path, size=40)
    assert faces.names == ("face.png",)
    assert [name for name, _ in faces.skipped] == ["noise.png"]
    assert "no face" in faces.skipped[0][1]
    # The table of the ORL faces was made in the same way, so the crop is the same.
    (expected,) = (image for name, image in orl_crops(40) if name == "s5/1.pgm")
    np.testing.assert_allclose(faces.images[0], expected, atol=0.03)
    np.testing.assert_array_equal(load_picture(tmp_path / "face.png", size=40), faces.images[0])
    with pytest.raises(NoFaceError, match=r"noise\.png: no face"):
        load_picture(tmp_path / "noise.png")


def orl_crops(size):
    faces = orl.orl_faces(size=size)
    return zip(faces.names, faces.images, strict=True)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((30, 50), (24, 40)), ((50, 30, 3), (40, 24, 3)), ((20, 40), (20, 40)), ((1, 900), (1, 40))],
)
def test_one_picture_as_it_is(tmp_path, shape, expected):
    path = tmp_path / "a.png"
    write_picture(path, noise(*shape))
    image = load_picture(path, aligned=True, size=40, color=len(shape) == 3)
    assert image.shape == expected
    if max(shape) == 40:
        np.testing.assert_array_equal(image, read_picture(path))


def test_one_picture_by_its_eyes(tmp_path):
    path = fill(tmp_path, "a.png") / "a.png"
    expected = align(read_picture(path), EYES, size=20)
    np.testing.assert_array_equal(load_picture(path, eyes=EYES, size=20), expected)
    (tmp_path / "eyes.csv").write_text(f"{HEADER}a.png,{ROW}\n")
    np.testing.assert_array_equal(load_picture(path, size=20), expected)
    with pytest.raises(PictureError, match=r"a\.png: .*far outside"):
        load_picture(path, eyes=(900.0, 900.0, 940.0, 900.0))
