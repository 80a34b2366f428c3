"""Every experiment runs on faces of 24 x 24 pixels, in a few steps, and with an empty cache."""

import numpy as np
import pytest

from experiments.cache import Cache
from gmjax.data import write_picture


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
