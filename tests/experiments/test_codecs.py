"""The controls do what their names say."""

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


def test_the_first_coefficient_holds_the_mean(image):
    np.testing.assert_allclose(codecs.zigzag_dct(image, 1), image.mean())


def test_zigzag_follows_the_diagonals(image):
    """The first three coefficients: the mean and the lowest frequency along each axis."""
    from scipy.fft import dctn

    found = np.abs(dctn(codecs.zigzag_dct(image, 3), norm="ortho")) > 1e-9
    assert set(zip(*np.nonzero(found), strict=True)) == {(0, 0), (0, 1), (1, 0)}


def test_the_largest_coefficients_are_the_best(image):
    def error(code, numbers):
        return np.mean((code(image, numbers) - image) ** 2)

    for numbers in (2, 10, 60):
        assert error(codecs.best_dct, numbers) <= error(codecs.zigzag_dct, numbers)
        assert error(codecs.counted_dct, numbers) == error(codecs.best_dct, numbers // 2)


def test_eigenfaces_represent_their_own_pictures_and_no_others(image):
    pictures = np.random.default_rng(1).uniform(size=(5, 16, 12))
    _, basis = codecs.eigenfaces(pictures)
    assert len(basis) == 9, "ten pictures with the mirror images, minus one for the mean"
    np.testing.assert_allclose(basis @ basis.T, np.eye(9), atol=1e-9)
    code = codecs.eigenface_code(pictures)
    np.testing.assert_allclose(code(pictures[0], 9), pictures[0], atol=1e-9)
    errors = [np.mean((code(image, n) - image) ** 2) for n in (1, 4, 9, 100)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 1e-4
