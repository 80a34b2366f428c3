"""Pictures read by number, on threads and in processes: the same ones, in the requested order."""

import os
import sys
import tarfile

import numpy as np
import pytest

from gmjax.data import (
    ArrayPictures,
    Crop,
    Entry,
    ListedPictures,
    PictureError,
    list_pictures,
    read_pictures,
    write_picture,
)

CROP = Crop(8, aligned=True)


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    for number in range(30):
        write_picture(inner / f"{number}.png", np.full((8, 8), number / 30))
    (inner / "7.png").write_bytes(b"no picture")
    return inner


def listed(folder, **more):
    return ListedPictures(list_pictures(folder), folder, CROP, **more)


def values(found):
    return [(n, None if isinstance(image, PictureError) else float(image[0, 0])) for n, image in found]


@pytest.mark.parametrize("workers", [0, 2])
def test_in_the_order_asked_for(folder, workers):
    pictures, order = listed(folder), np.random.default_rng(0).permutation(30)
    order = np.concatenate([order, order[:5]])
    found = values(read_pictures(pictures, order, workers=workers))
    assert [number for number, _ in found] == order.tolist()
    for number, value in found:
        assert value is None if number == 7 else abs(value - number / 30) < 0.01


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_left_before_the_end(folder, workers):
    reading = read_pictures(listed(folder), range(30), workers=workers)
    assert next(reading)[0] == 0
    reading.close()


def test_no_numbers(folder):
    assert list(read_pictures(listed(folder), np.zeros(0, np.int64))) == []


def test_members_of_a_shard_as_the_files(folder, tmp_path):
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        for number in range(30):
            tar.add(folder / f"{number}.png", f"{number}.png")
    as_files = list(read_pictures(listed(folder), range(30)))
    shard = ListedPictures(list_pictures(tmp_path / "all.tar"), tmp_path, CROP)
    for (_, a), (_, b) in zip(as_files, read_pictures(shard, range(30)), strict=True):
        if isinstance(a, PictureError):
            assert isinstance(b, PictureError)
        else:
            np.testing.assert_array_equal(a, b)


def test_an_error_costs_one_picture(folder, tmp_path):
    entries = [
        Entry("1.png"), Entry("absent.png"), Entry("2.png", wrong="odd"),
        Entry("gone.tar/1.png", 9, shard="gone.tar", offset=512),
        Entry("huge.tar/1.png", 2**40, shard="huge.tar", offset=512),
        Entry("a\0b.png"), Entry("1.png/2.png"), Entry("3.png"),
    ]  # fmt: skip
    found = dict(read_pictures(ListedPictures(entries, folder, CROP), range(len(entries))))
    said = {number: str(image) for number, image in found.items() if isinstance(image, PictureError)}
    assert sorted(said) == [1, 2, 3, 4, 5, 6]
    for number, words in {1: "no such file", 2: "odd", 3: "cannot be read", 4: "more than", 6: "no such file"}.items():
        assert words in said[number]


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(PictureError, match="no such file"):
        ListedPictures([Entry("pipe.png")], folder, CROP).read(0)


def test_eyes_by_name(folder):
    pictures = listed(folder, eyes={"1.png": (2.0, 2.0, 6.0, 2.0)})
    assert pictures.read(1).shape == (8, 8)
    with pytest.raises(PictureError, match="no row"):
        pictures.read(2)


def test_arrays_and_what_was_left_out():
    pictures = ArrayPictures(np.zeros((2, 4, 4), np.float32), ("a", "b"), (("c", "broken"),))
    assert len(pictures) == 3
    assert [pictures.name(number) for number in range(3)] == ["a", "b", "c"]
    found = dict(read_pictures(pictures, range(3)))
    assert str(found[2]) == "broken"


def test_without_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(ImportError, match=r'pip install "gmjax\[cli\]"'):
        next(read_pictures(listed(folder), range(30)))


@pytest.mark.parametrize("aligned", [True, False])
def test_a_crop_of_one_pixel(aligned):
    with pytest.raises(ValueError, match="size must be at least 2"):
        Crop(1, aligned=aligned)
