"""Every experiment on faces of 24 x 24 pixels and in a few steps, its results kept in a folder of the test's own."""

import numpy as np
import pytest

from experiments.kept import Kept
from gmjax.data import write_picture


@pytest.fixture
def kept(tmp_path) -> Kept:
    return Kept(tmp_path / "kept")


@pytest.fixture(scope="session")
def folder_of_faces(tmp_path_factory):
    """A user's folder: six photographs with their eyes.csv."""
    folder = tmp_path_factory.mktemp("faces")
    row, column = np.mgrid[:60, :50] / 60
    rows = ["file,left_x,left_y,right_x,right_y"]
    for person in range(6):
        write_picture(folder / f"{person}.png", 0.5 + 0.3 * np.sin(7 * row + person) * np.cos(5 * column))
        rows.append(f"{person}.png,12,15,37,15")
    (folder / "eyes.csv").write_text("\n".join(rows) + "\n")
    return folder
