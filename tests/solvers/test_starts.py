from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.gmface import on_axes, pixel_axes
from gmjax.solvers import starts
from tests import reference


@pytest.mark.parametrize(
    ("num_components", "shape"), [(1, (24, 20)), (2, (1, 9)), (7, (9, 1)), (30, (12, 10, 3)), (30, (1, 9))]
)
def test_starts_are_valid_and_of_the_size_asked_for(num_components, shape):
    picture = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    for start in (
        starts.grid(picture, num_components),
        starts.at_random(jax.random.key(0), picture, num_components),
    ):
        assert start.num_components == num_components
        assert start.weights.shape == (num_components, *shape[2:])
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(start))
        assert np.all(np.asarray(start.precision_chol)[:, [0, 2]] > 0)
        assert np.all((np.asarray(start.means) >= 0) & (np.asarray(start.means) <= 1))


def test_grid_covers_the_picture_evenly(picture):
    means = np.asarray(starts.grid(picture, 80).means)
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1) + 9 * np.eye(80)
    assert distances.min(axis=1).max() < 1.5 / np.sqrt(80)
    assert distances.min() > 0.5 / np.sqrt(80)


def test_solved_weights_are_those_of_least_squares(model, picture):
    solved = starts.solve_weights(model.means, model.precision_chol, picture)
    x = np.stack(np.meshgrid(np.arange(1, 25) / 24, np.arange(1, 21) / 20, indexing="ij"), -1).reshape(-1, 2)
    g = reference.differences(model, x)[1]
    expected = np.linalg.lstsq(g.T, np.float64(picture).reshape(-1), rcond=None)[0]
    error = np.linalg.norm(expected @ g - picture.reshape(-1))
    found = np.linalg.norm(np.asarray(gmjax.render(solved, picture.shape)).reshape(-1) - picture.reshape(-1))
    assert found == pytest.approx(error, rel=1e-4)


def test_grid_start_is_near_a_smooth_picture(picture):
    start = starts.grid(picture, 30)
    assert gmjax.mse(gmjax.render(start, picture.shape), picture) < 0.05 * np.var(picture)


def test_random_starts_follow_their_key(picture):
    made = [starts.at_random(jax.random.key(seed), picture, 8) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(made[0].means, made[1].means)
    assert not np.array_equal(made[0].means, made[2].means)


@pytest.mark.parametrize("size", [20, 40, 90])
def test_weights_of_the_published_face_are_finite_in_colour(published, size):
    """Its broad Gaussians nearly coincide: without a ridge the equations are not positive definite in float32."""
    picture = np.random.default_rng(0).uniform(size=(size, size, 3)).astype(np.float32)
    solved = starts.solve_weights(published.means, published.precision_chol, picture)
    assert np.abs(solved.weights).max() < 10
    assert gmjax.mse(gmjax.render(solved, (size, size)), picture) < 1.01 * np.var(picture)


def test_gaussians_that_coincide_or_miss_every_pixel_have_finite_weights(picture):
    means = jnp.asarray([[0.5, 0.5], [0.5, 0.5], [0.51, 0.52]])
    chol = jnp.asarray([[2.0, 0, 2.0], [2.0, 0, 2.0], [1e4, 0, 1e4]])
    weights = np.asarray(starts.solve_weights(means, chol, picture).weights)
    assert np.isfinite(weights).all()


def _drawn_with(model, axes, weights):
    return on_axes(model.replace(weights=weights), *axes)


def test_many_components_start_without_their_equations(picture):
    """Conjugate gradients come near the exact solution, in gray and colour."""
    for image in (picture, np.stack([picture, 1 - picture, picture**2], axis=-1)):
        exact = starts.grid(image, 30)
        draw = partial(_drawn_with, exact, pixel_axes(image.shape[:2]))
        found = starts._conjugate_gradients(draw, jnp.zeros_like(exact.weights), image)
        drawn = gmjax.render(exact.replace(weights=found), image.shape[:2])
        best = gmjax.mse(gmjax.render(exact, image.shape[:2]), image)
        assert found.shape == exact.weights.shape
        assert best <= gmjax.mse(drawn, image) * 1.001
        assert gmjax.mse(drawn, image) < 0.05 * np.var(image)
