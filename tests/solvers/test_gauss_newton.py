"""Exact second-order descent, growth and pruning, on a picture that a few components do not write exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.coordinates import Coordinates, from_coordinates
from gmjax.solvers.gauss_newton import (
    Components,
    components_of,
    descend,
    normal_equations,
    packed,
    squared_error,
    target_of,
    unpacked,
    with_best_weights,
)
from gmjax.solvers.growth import candidates, grow, improve, prune
from tests.reference import formula


@pytest.fixture(params=[None, 3])
def problem(request):
    """A target (24, 20) gray or in colour, and components near to it."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:24, :20] / 20
    picture = np.float32(0.5 + 0.3 * np.sin(5 * row) * np.cos(4 * column))
    if request.param:
        picture = picture[..., None] * np.float32([1, 0.7, 0.4])
    target = target_of(picture)
    shapes = np.column_stack([rng.uniform(0, 0.9, (6, 2)), rng.uniform(1, 4, 6), rng.normal(size=(6, 2)) * 0.5])
    return target, with_best_weights(shapes, target)


def draw(components: Components, target) -> np.ndarray:
    """By the reference formula in float64, in units of the longer side."""
    with jax.enable_x64(True):
        model = from_coordinates(Coordinates(components.weights, components.shapes[:, :2], components.shapes[:, 2:]))
        grid = np.stack(np.meshgrid(target.rows, target.columns, indexing="ij"), axis=-1).astype(float)
        return formula(jax.tree.map(np.asarray, model), grid.reshape(-1, 2)).reshape(*target.shape, -1)


def test_squared_error_is_that_of_the_formula(problem):
    target, components = problem
    error = np.mean(np.sum((draw(components, target) - np.asarray(target.picture)) ** 2, axis=-1))
    np.testing.assert_allclose(squared_error(components, target), error, rtol=1e-4)


def test_normal_equations_are_those_of_numerical_derivatives(problem):
    target, components = problem
    variables = packed(components)
    step = 1e-6

    def residual(variables):
        return (draw(unpacked(variables, components), target) - np.asarray(target.picture)).ravel()

    jacobian = np.stack(
        [(residual(variables + d) - residual(variables - d)) / (2 * step) for d in step * np.eye(len(variables))],
        axis=1,
    )
    pixels = np.prod(target.shape)
    matrix, gradient = normal_equations(components, target)
    scale = np.abs(matrix).max()
    np.testing.assert_allclose(matrix, jacobian.T @ jacobian / pixels, atol=1e-5 * scale)
    np.testing.assert_allclose(gradient, jacobian.T @ residual(variables) / pixels, atol=1e-5 * np.abs(gradient).max())


def test_best_weights_are_best(problem):
    target, components = problem
    best = squared_error(components, target)
    for change in np.random.default_rng(1).normal(size=(4, *components.weights.shape)) * 0.02:
        assert squared_error(Components(components.shapes, components.weights + change), target) > best


def test_descent_lowers_the_error_and_moves_only_what_is_free(problem):
    target, components = problem
    free = np.ones(packed(components).size, bool)
    free[-12:] = False
    found = descend(components, target, 5, free=free)
    assert squared_error(found, target) < 0.8 * squared_error(components, target)
    np.testing.assert_array_equal(packed(found)[~free], packed(components)[~free])


def test_a_grown_model_improves_and_keeps_its_number(problem):
    target, _ = problem
    grown = grow(target, 6)
    better = improve(grown, target, 1)
    assert len(grown) == len(better) == 6
    assert squared_error(better, target) <= squared_error(grown, target)


def test_the_first_candidate_is_where_a_gaussian_is_missing():
    grid = gmjax.pixel_grid((24, 24))
    blob = np.exp(-80 * np.sum((np.asarray(grid) - [0.25, 0.625]) ** 2, axis=-1))[..., None]
    target = target_of(np.float32(blob))
    np.testing.assert_allclose(candidates(blob, target, 1)[0, :2], [0.25, 0.625], atol=1 / 24)


def test_pruning_removes_what_does_nothing(problem):
    target, components = problem
    twice = Components(
        np.concatenate([components.shapes, components.shapes[:2] + 1e-4]), np.zeros((8, target.channels))
    )
    kept = prune(twice, target, 6)
    assert squared_error(kept, target) < 1.02 * squared_error(components, target) + 1e-6


def test_components_are_the_model(published):
    """In a picture that is not square."""
    shape = 30, 45
    components = components_of(published, shape)
    target = target_of(np.zeros(shape))
    np.testing.assert_allclose(draw(components, target)[..., 0], gmjax.render(published, shape), atol=1e-5)
    assert jnp.asarray(components.shapes).shape == (80, 5)
