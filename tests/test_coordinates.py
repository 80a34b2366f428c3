"""Coordinates against the matrix logarithm by eigenvalues, in float64."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from gmjax.coordinates import Coordinates, from_coordinates, to_coordinates
from tests.conftest import small_model


def of_random_shapes(dtype=np.float64) -> gmjax.GmFace:
    rng = np.random.default_rng(2)
    chol = np.stack([10.0 ** rng.uniform(-1, 2, 50), rng.normal(size=50) * 30, 10.0 ** rng.uniform(-1, 2, 50)], axis=-1)
    chol[0] = 3.0, 0.0, 3.0  # a round one
    chol[1] = 3.0, 1e-9, 3.0
    return gmjax.GmFace(*(np.asarray(x, dtype) for x in (rng.normal(size=50), rng.uniform(size=(50, 2)), chol)))


def test_they_hold_the_matrix_logarithm():
    with jax.enable_x64(True):
        model = of_random_shapes()
        a, b, c = np.moveaxis(np.asarray(to_coordinates(model).log_precision), -1, 0)
        values, vectors = np.linalg.eigh(np.asarray(gmjax.precision(model)))
        expected = np.einsum("nij,nj,nkj->nik", vectors, np.log(values), vectors)
    np.testing.assert_allclose(a + b, expected[:, 0, 0], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(c, expected[:, 0, 1], rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(a - b, expected[:, 1, 1], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back(dtype):
    with jax.enable_x64(dtype == np.float64):
        model = of_random_shapes(dtype)
        back = from_coordinates(to_coordinates(model))
        assert back.precision_chol.dtype == dtype
        scale = np.abs(model.precision_chol).max(axis=1, keepdims=True)
        error = np.abs(np.asarray(back.precision_chol) - model.precision_chol) / scale
        assert error.max() < 50 * np.finfo(dtype).eps


def test_every_sum_is_a_valid_model():
    rng = np.random.default_rng(3)
    numbers = [np.float32(10 * rng.normal(size=(100, n))) for n in (2, 3)]
    model = from_coordinates(Coordinates(np.ones(100, np.float32), *numbers))
    assert np.isfinite(model.precision_chol).all()
    assert (np.asarray(model.precision_chol)[:, ::2] > 0).all()


def test_a_turn_commutes_with_the_logarithm():
    """The mean of two turned models is the turned mean, which the factor L would not give."""
    with jax.enable_x64(True):
        a, b = (jax.tree.map(np.float64, small_model(seed=seed)) for seed in (0, 1))

        def middle(a, b):
            return from_coordinates(jax.tree.map(lambda x, y: 0.5 * (x + y), to_coordinates(a), to_coordinates(b)))

        @jax.jit
        def both_ways(a, b):
            return gmjax.rotate(middle(a, b), 0.7), middle(gmjax.rotate(a, 0.7), gmjax.rotate(b, 0.7))

        turned, of_turned = both_ways(a, b)
        np.testing.assert_allclose(turned.precision_chol, of_turned.precision_chol, rtol=1e-9, atol=1e-9)


def test_derivatives():
    """Also of round Gaussians, where the direction of the stretch is not defined."""
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf[:4], of_random_shapes())

        @jax.jit
        def there(chol):
            return to_coordinates(model.replace(precision_chol=chol)).log_precision

        @jax.jit
        def back(log_precision):
            return from_coordinates(to_coordinates(model).replace(log_precision=log_precision)).precision_chol

        check_grads(there, (model.precision_chol,), 2, rtol=1e-3)
        check_grads(back, (there(model.precision_chol),), 2, rtol=1e-3)
