"""Fig. 8, on ORL and on a folder."""

import numpy as np
import pytest

from experiments import average_face, collection
from gmjax.data import Faces
from tests.experiments import TINY


@pytest.mark.soak
def test_orl_and_a_folder(cached, folder_of_faces):
    config = average_face.Config(**TINY, components=6, also=folder_of_faces)
    report = average_face.run(config, cached)
    text = "\n".join(report.parts)
    assert f"| {folder_of_faces.name} | 6 |" in text
    assert "| ORL | 400 |" in text
    assert [c.claim for c in report.comparisons] == [
        "MSE between common and average face, ORL",
        f"MSE between common and average face, {folder_of_faces.name}",
    ]
    assert set(report.figures) == {"fig8.png"}


def test_a_folder_as_the_main_collection(cached, folder_of_faces):
    config = average_face.Config(**TINY, components=6, data=str(folder_of_faces))
    report = average_face.run(config, cached)
    assert f"| {folder_of_faces.name}, one half | 3 |" in "\n".join(report.parts)


def test_one_picture_per_person():
    names = ("s1/1.pgm", "s1/2.pgm", "s2/1.pgm", "001_03.jpg", "MY_000001_IEU+00_PM+00", "MY_000001_IEU+00_PM+01")
    people = ["s1", "s1", "s2", "001_03.jpg", "MY_000001", "MY_000001"]
    assert [collection.person_of(name) for name in names] == people
    faces = Faces(np.zeros((6, 2, 2), np.float32), names)
    assert collection.one_per_person(faces).names == tuple(names[i] for i in (0, 2, 3, 4))
    assert collection.one_per_person(faces, 2).names == (names[0], names[4])
