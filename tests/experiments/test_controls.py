"""The controls, on a few small faces of two collections."""

import numpy as np

from experiments import collection, controls
from gmjax.data import Faces
from tests.experiments import TINY


def test_two_collections(cached, folder_of_faces, monkeypatch, without_fits):
    without_fits(controls)
    monkeypatch.setattr(controls.importlib.util, "find_spec", lambda name: None)
    config = controls.Config(**TINY, components=(20,), people=2, also=folder_of_faces)
    report = controls.run(config, cached)
    text = "\n".join(report.parts)
    assert text.count("| code | 120 |") == 2
    assert all(text.count(f"| {way} |") == 2 for way in (controls.LM, *controls.CONTROLS))
    assert "PyTorch is not installed" in text
    assert set(report.figures) == {"rate_distortion.png", "controls.png"}
    assert len(report.comparisons) == 2 * len(controls.CONTROLS)


def test_eigenfaces_exclude_the_person():
    """All pictures of a person are equal here, so eigenfaces that include the person would be exact."""
    rng = np.random.default_rng(0)
    images = np.repeat(rng.uniform(size=(3, 8, 8)).astype(np.float32), 2, axis=0)
    faces = Faces(images, tuple(f"s{i // 2}/{i % 2}.pgm" for i in range(6)))
    errors, _ = controls.errors_of_controls(collection.one_per_person(faces), "ORL", {"ORL": faces}, [30])
    assert errors[controls.PCA].shape == (1, 3)
    assert np.all(errors[controls.PCA] > 1e-3)
