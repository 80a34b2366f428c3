"""Figs. 10 to 12: parameters are transformed exactly, and pixels are resampled with the expected errors."""

import numpy as np

import gmjax
from experiments import transforms


def test_parameters_are_exact_and_resampling_is_not(cached):
    report = transforms.run(transforms.Config(size=60), cached)
    (comparison,) = report.comparisons
    assert comparison.agrees
    rows = [line.split(" | ") for line in report.parts[1].splitlines()[2:]]
    bilinear = {row[1]: float(row[4].split(",")[0]) for row in rows}
    assert max(bilinear[name] for name in ("left", "right", "up", "down")) < 1e-12, "these are shifts by whole pixels"
    assert min(bilinear[name] for name in ("30 degrees", "45 degrees", "60 degrees")) > 1e-8


def test_transformations_do_what_their_names_say():
    face = gmjax.published_common_face()
    found = transforms.transformations(face)
    means = np.asarray(face.means)
    shifts = {name: np.asarray(case.params.means) - means for name, case in found["Fig. 10"].items()}
    assert np.all(shifts["left"][:, 1] < 0)
    assert np.all(shifts["right"][:, 1] > 0)
    assert np.all(shifts["up"][:, 0] < 0)
    assert np.all(shifts["down"][:, 0] > 0)
    np.testing.assert_allclose(found["Fig. 11"]["k = 2"].params.means, means / 2, atol=1e-6)


def test_the_identity_leaves_a_resampled_picture_unchanged():
    picture = np.random.default_rng(0).uniform(size=(8, 6))
    positions = np.asarray(gmjax.pixel_grid((8, 6)), np.float64)
    for order in transforms.ORDERS.values():
        np.testing.assert_allclose(transforms.resampled(picture, positions, order), picture, atol=1e-5)
    positions = np.asarray(gmjax.pixel_grid((8, 10)), np.float64)
    assert transforms.is_inside(positions, (8, 10)).sum() == 2 * 4
