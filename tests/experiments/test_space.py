"""Morphs, averages, reconstruction and the rest, on a few small faces."""

import jax
import numpy as np
import pytest

import gmjax
from experiments import newcomers, space, tasks, warped
from gmjax.data import Faces, write_picture
from tests.experiments import TINY
from tests.experiments.conftest import aligned_once

CONFIG = space.Config(**TINY, components=(8,), stays=(1e-6,), people=2, pictures=2, coefficients=(2, 4))


def few(people: int, pictures: int) -> Faces:
    faces = aligned_once(size=CONFIG.size)
    numbers = [10 * person + picture for person in range(people) for picture in range(pictures)]
    return Faces(faces.images[numbers], tuple(faces.names[n] for n in numbers))


def start(images, num_components: int, steps: int | None) -> gmjax.GmFace:
    """In place of fits that other tests make: a model that is its own mirror image."""
    half = gmjax.analysis.take(gmjax.published_common_face(), np.arange(num_components // 2))
    other = gmjax.space.mirror(half, gmjax.space.middle_of(half, CONFIG.size))
    return jax.tree.map(lambda a, b: np.concatenate([a, b]), half, other)


@pytest.mark.soak
def test_every_part_is_reported(cached, monkeypatch):
    for module, fit in (
        (space, "symmetric_face"),
        (space, "free_face"),
        (newcomers, "symmetric_face"),
        (newcomers, "one_geometry"),
    ):
        monkeypatch.setattr(module, fit, start)
    monkeypatch.setattr(tasks, "super_resolution", lambda images, common, config: np.zeros(len(images)))
    for count in ("HALVES", "REPEATS"):
        monkeypatch.setattr(space, count, 2)
    monkeypatch.setattr(space.collection, "main_faces", lambda config: few(10, 2))
    report = space.run(CONFIG, cached)
    text = "\n".join(report.parts)
    for part in ("Morphs", "Averages", "Symmetry", "New people", "What parameters lose at", "Speed"):
        assert f"**{part}" in text
    assert "ORL has no templates of landmarks" in text
    assert set(report.figures) == {"space_morphs.png", "space_averages.png"}
    assert len(report.figures["space_morphs.png"].axes) == 5, "two averages, the cross-dissolve, and two morphs"
    symmetrised = next(c for c in report.comparisons if "symmetrised" in c.claim)
    assert symmetrised.agrees


def test_training_and_test_show_other_people():
    train, test = newcomers.divided(few(5, 3), 2)
    assert train.names == ("s1/1.pgm", "s1/2.pgm", "s3/1.pgm", "s3/2.pgm", "s5/1.pgm", "s5/2.pgm")
    assert test.names == ("s2/1.pgm", "s2/2.pgm", "s4/1.pgm", "s4/2.pgm")


def test_gradient_energy_of_a_slope():
    row, column = np.mgrid[:5, :4]
    np.testing.assert_allclose(space.gradient_energy(0.3 * row - 0.1 * column), 0.1)


def test_the_hidden_part_of_a_known_face_is_found():
    """Faces of two axes; the visible pixels say which."""
    pictures = np.random.default_rng(0).normal(size=(2, 20, 20))
    shares = np.random.default_rng(1).normal(size=(9, 2))
    faces = np.einsum("nk,khw->nhw", shares, pictures + pictures[..., ::-1])
    assert np.all(tasks.inpainting(tasks.linear_eigenfaces(faces, 2), faces) > 40)
    assert np.all(tasks.inpainting(tasks.linear_eigenfaces(faces, 1), faces) < 40)


def test_a_fit_to_a_small_picture_lies_in_place():
    """Pixels of the small picture are counted from elsewhere: a third of a pixel beside, the error would be larger."""
    means, chol = np.array([[0.4, 0.3], [0.5, 0.7]], "f4"), np.array([[6, 0, 8], [8, 1, 5]], "f4")
    face = gmjax.GmFace(np.array([0.4, 0.5], "f4"), means, chol)
    images = np.asarray(gmjax.render(face, (48, 48)))[None]
    found = tasks.super_resolution(images, face, gmjax.FitConfig(steps=200, pae_weight=0.0))
    assert found[0] > 45


def test_nearest_in_the_gallery():
    people = np.array(["a", "a", "b", "b"])
    gallery = tasks.first_half_of_each(people)
    assert gallery.tolist() == [True, False, True, False]
    distances = tasks.euclidean(np.array([[0.0], [1.0], [5.0], [2.0]]))
    np.testing.assert_allclose(distances[1], [1, 0, 4, 1], atol=1e-6)
    assert tasks.recognised(distances, people, gallery).tolist() == [True, False]


def test_axes_along_which_one_person_varies_count_little():
    random = np.random.default_rng(2)
    people = np.repeat(np.arange(30), 4)
    known = np.stack([people + 0.1 * random.normal(size=120), 10 * random.normal(size=120)], axis=1)
    near, far = tasks.by_persons(known, people, np.array([[0.0, 3.0], [3.0, 0.0]]))
    assert np.linalg.norm(far) > np.linalg.norm(near)


def test_faces_with_templates_are_warped(tmp_path):
    row, column = np.mgrid[:60, :50]
    points = np.array([(12, 15), (37, 15), (25, 30), (17, 42), (33, 42)])
    for number in range(2):
        moved = points + np.array([0, 4 * number]) * (np.arange(5) == 2)[:, None]
        x, y = moved[2]
        write_picture(tmp_path / f"{number}.png", np.exp(-((row - y) ** 2 + (column - x) ** 2) / 8.0))
        (tmp_path / f"{number}.tem").write_text("5\n" + "\n".join(f"{x} {y}" for x, y in moved) + "\n")
    faces = Faces(np.zeros((2, 24, 24)), ("0.png", "1.png"))
    images = warped.warped_faces(space.Config(data=str(tmp_path), size=24), tmp_path.name, faces)
    places = [np.unravel_index(np.argmax(image), image.shape) for image in images]
    assert places[0] == places[1]
    (tmp_path / "1.tem").unlink()
    assert warped.warped_faces(space.Config(data=str(tmp_path), size=24), tmp_path.name, faces) is None
