"""The controls are what they are called."""

import numpy as np
import pytest

from experiments import codecs


@pytest.fixture
def image():
    row, column = np.mgrid[:16, :12] / 12
    return 0.5 + 0.3 * np.sin(4 * row) * np.cos(3 * column) + 0.05 * np.random.default_rng(0).normal(size=(16, 12))


@pytest.mark.parametrize("code", [codecs.zigzag_dct, codecs.best_dct])
def test_all_coefficients_give_the_picture(image, code):
    np.testing.assert_allclose(code(image, image.size), image, atol=1e-12)


def test_the_first_coefficient_is_the_mean(image):
    np.testing.assert_allclose(codecs.zigzag_dct(image, 1), image.mean())


def test_zigzag_goes_by_diagonals(image):
    """Three coefficients: the mean and the lowest frequency along each axis."""
    from scipy.fft import dctn

    found = np.abs(dctn(codecs.zigzag_dct(image, 3), norm="ortho")) > 1e-9
    assert set(zip(*np.nonzero(found), strict=True)) == {(0, 0), (0, 1), (1, 0)}


def test_the_best_coefficients_are_best(image):
    def error(code, numbers):
        return np.mean((code(image, numbers) - image) ** 2)

    for numbers in (2, 10, 60):
        assert error(codecs.best_dct, numbers) <= error(codecs.zigzag_dct, numbers)
        assert error(codecs.counted_dct, numbers) == error(codecs.best_dct, numbers // 2)


def test_eigenfaces_hold_their_own_pictures_and_no_others(image):
    pictures = np.random.default_rng(1).uniform(size=(5, 16, 12))
    faces = codecs.PrincipalComponents(pictures)
    assert len(faces.basis) == 9, "ten pictures with their mirror images, less the mean"
    np.testing.assert_allclose(faces.basis @ faces.basis.T, np.eye(9), atol=1e-9)
    np.testing.assert_allclose(faces(pictures[0], 9), pictures[0], atol=1e-9)
    errors = [np.mean((faces(image, n) - image) ** 2) for n in (1, 4, 9, 100)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 1e-4


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
def test_larger_files_are_nearer_and_none_is_too_large(image, kind):
    errors = codecs.smallest_error(image, kind, (1, 250, 500, 10_000))
    assert np.isnan(errors[0])
    assert errors[-1] <= errors[-2]
    assert errors[-1] < 5e-4
