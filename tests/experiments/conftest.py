"""Every experiment runs on faces of 24 x 24 pixels, in a few steps, and with an empty cache."""

import functools

import numpy as np
import pytest

from experiments import collection
from experiments.cache import Cache
from gmjax.data import orl_faces, write_picture

aligned_once = functools.cache(orl_faces)


@pytest.fixture(autouse=True)
def _faces_are_aligned_once(monkeypatch):
    monkeypatch.setattr(collection, "orl_faces", aligned_once)


@pytest.fixture
def cached(tmp_path) -> Cache:
    return Cache(tmp_path / "runs")


@pytest.fixture(scope="session")
def folder_of_faces(tmp_path_factory):
    """Six photographs with their eyes.csv."""
    folder = tmp_path_factory.mktemp("faces")
    row, column = np.mgrid[:60, :50] / 60
    rows = ["file,left_x,left_y,right_x,right_y"]
    for person in range(6):
        write_picture(folder / f"{person}.png", 0.5 + 0.3 * np.sin(7 * row + person) * np.cos(5 * column))
        rows.append(f"{person}.png,12,15,37,15")
    (folder / "eyes.csv").write_text("\n".join(rows) + "\n")
    return folder
