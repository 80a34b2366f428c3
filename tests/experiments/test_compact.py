"""Compact files against other formats, on small pictures."""

import numpy as np
import pytest

from experiments import compact, picture_files, placeholders
from gmjax import compact as encoder
from gmjax.data import write_picture


@pytest.fixture
def picture():
    row, column = np.mgrid[:32, :32] / 32
    return np.float32(0.5 + 0.3 * np.sin(9 * row) * np.cos(7 * column))


@pytest.mark.soak
def test_faces_and_colours(cached, tmp_path, picture, monkeypatch):
    monkeypatch.setattr(encoder, "_CYCLES", 1)
    (tmp_path / "colours").mkdir()
    write_picture(tmp_path / "colours" / "one.png", np.stack([picture, 1 - picture, picture**2], axis=-1))
    config = compact.Config(
        size=24, sizes=(60, 400), based=100, people=1, colors=tmp_path / "colours", color_sizes=(120, 400)
    )
    report = compact.run(config, cached)
    text = "\n".join(report.parts)
    assert text.count(f"| {compact.OURS} |") == 2
    assert text.count(f"| {compact.BASED} |") == 1
    assert all(text.count(f"| {kind} |") == 2 for kind in picture_files.FORMATS)
    assert all(text.count(f"| {kind} |") == 2 for kind in placeholders.KINDS)
    assert len(report.comparisons) == 2 * len((*picture_files.FORMATS, *placeholders.KINDS))


@pytest.mark.parametrize("kind", ["JPEG", "WebP", "JPEG 2000"])
def test_larger_files_have_smaller_errors_and_none_is_too_large(picture, kind):
    errors = picture_files.best_errors(picture, kind, (1, 300, 500, 10_000))
    assert np.isnan(errors[0])
    assert errors[-1] <= errors[-2] or np.isnan(errors[-2])
    assert errors[-1] < 1e-3


def test_shrinking_helps_a_smooth_picture(picture, monkeypatch):
    shrunk = picture_files.best_errors(picture, "JPEG", (250,))[0]
    monkeypatch.setattr(picture_files, "SHRUNK", (1.0,))
    whole = picture_files.best_errors(picture, "JPEG", (250,))[0]
    assert shrunk <= whole or np.isnan(whole)


@pytest.mark.parametrize("kind", placeholders.KINDS)
def test_placeholders_are_near_a_smooth_picture(picture, kind):
    errors = placeholders.best_errors(picture, kind, (5, 28, 120))
    assert np.isnan(errors[0])
    assert errors[2] <= errors[1] < 0.5 * np.var(picture)
    color = np.stack([picture, 0.9 * picture, 0.3 + 0 * picture], axis=-1)
    assert placeholders.best_errors(color, kind, (28,))[0] < 0.5 * np.mean((color - color.mean(axis=(0, 1))) ** 2)
