"""The calculus in closed form against numerical integration in float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from gmjax import calculus
from gmjax.profiles import PROFILES
from tests import reference
from tests.conftest import small_model
from tests.test_profiles import model as profile_model

COVARIANCE = np.array([[0.02, 0.005], [0.005, 0.01]])
RECTANGLE = (0.2, 0.15), (0.7, 0.95)
POINTS = np.random.default_rng(1).uniform(-0.2, 1.2, (7, 2))
# The trapezoidal rule on the plane: exact for Gaussians that are wide beside the step and end inside.
AXIS = np.linspace(-5, 6, 341)
AREA = (AXIS[1] - AXIS[0]) ** 2
PLANE = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def model_of(channels=None, seed=0) -> gmjax.GmFace:
    """A model whose components the trapezoidal rule on the plane integrates exactly."""
    model = jax.tree.map(np.float64, small_model(channels, seed))
    chol = np.stack([np.geomspace(1.5, 12, 5), model.precision_chol[:, 1], np.geomspace(10, 1.5, 5)], axis=-1)
    return model.replace(precision_chol=chol)


@pytest.fixture(params=[pytest.param(None, marks=pytest.mark.soak), 3], ids=["gray", "colour"])
def model(request) -> gmjax.GmFace:
    return model_of(request.param)


@pytest.fixture
def other(model) -> gmjax.GmFace:
    return model_of(model.channels, seed=1)


def legendre(lower, upper, count=300):
    """Nodes (count^2, 2) and weights of a rectangle."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    sides = [0.5 * (a + b) + 0.5 * (b - a) * nodes for a, b in zip(lower, upper, strict=True)]
    scale = np.prod(np.subtract(upper, lower)) / 4
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2), scale * np.outer(
        weights, weights
    ).ravel()


def test_blur_is_the_convolution(model):
    blurred = calculus.blur(model, COVARIANCE)
    d = POINTS[:3, None] - PLANE[None]
    kernel = np.exp(-0.5 * np.einsum("nki,ij,nkj->nk", d, np.linalg.inv(COVARIANCE), d))
    kernel *= AREA / (2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE)))
    expected = np.tensordot(kernel, reference.formula(model, PLANE), 1)
    np.testing.assert_allclose(gmjax.gmface(blurred, POINTS[:3]), expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(calculus.integral(blurred), calculus.integral(model), rtol=1e-12)


def test_blur_twice_is_the_blur_of_both(model):
    twice = calculus.blur(calculus.blur(model, COVARIANCE), 2 * COVARIANCE)
    for a, b in zip(jax.tree.leaves(twice), jax.tree.leaves(calculus.blur(model, 3 * COVARIANCE)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    for a, b in zip(jax.tree.leaves(calculus.blur(model, np.zeros((2, 2)))), jax.tree.leaves(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_derivatives_at_points(model):
    formula = lambda x: gmjax.gmface(model, x)  # noqa: E731
    first, second = jax.vmap(jax.jacfwd(formula))(POINTS), jax.vmap(jax.jacfwd(jax.jacfwd(formula)))(POINTS)
    np.testing.assert_allclose(calculus.gradient(model, POINTS), first, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(calculus.hessian(model, POINTS), second, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(calculus.laplacian(model, POINTS), second[..., 0, 0] + second[..., 1, 1], atol=1e-9)
    assert calculus.gradient(model, POINTS.reshape(7, 1, 2)).shape == (7, 1, *first.shape[1:])


def test_many_points_in_chunks(model, monkeypatch):
    many = np.random.default_rng(2).uniform(size=(1000, 2))
    expected = calculus.gradient(model, many)
    monkeypatch.setattr(calculus, "_TERMS", 128)
    np.testing.assert_allclose(calculus.gradient(model, many[:999]), expected[:999], rtol=1e-12, atol=1e-12)


def test_integral_and_moments(model):
    values = reference.formula(model, PLANE)
    found = calculus.moments(model)
    np.testing.assert_allclose(found.mass, AREA * values.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.mass, calculus.integral(model), rtol=1e-14)
    np.testing.assert_allclose(found.first, AREA * np.einsum("k...,ki->...i", values, PLANE), rtol=1e-8)
    second = AREA * np.einsum("k...,ki,kj->...ij", values, PLANE, PLANE)
    np.testing.assert_allclose(found.second, second, rtol=1e-7, atol=1e-9)


def test_integral_over_a_rectangle(model):
    points, weights = legendre(*RECTANGLE)
    expected = np.tensordot(weights, reference.formula(model, points), 1)
    np.testing.assert_allclose(calculus.integral_over(model, *RECTANGLE), expected, rtol=1e-9, atol=1e-12)
    everywhere = calculus.integral_over(model, (-50, -50), (50, 50))
    np.testing.assert_allclose(everywhere, calculus.integral(model), rtol=1e-9)


@pytest.mark.parametrize("l21", [0.0, 3.0, -40.0, 400.0])
def test_integral_of_a_needle_over_a_rectangle(l21):
    """Its edge crosses the rectangle within a small part of its width."""
    needle = gmjax.GmFace(np.ones(1), np.array([[0.45, 0.5]]), np.array([[20.0, l21, 4.0]]))
    points, weights = legendre(*RECTANGLE, count=600)
    expected = weights @ reference.formula(needle, points)
    np.testing.assert_allclose(calculus.integral_over(needle, *RECTANGLE), expected, atol=2e-7 * np.pi / 80)


def test_pixel_means(model):
    shape = 6, 5
    found = calculus.pixel_means(model, shape)
    for row, column in [(0, 0), (2, 3), (5, 4)]:
        centre = np.array([(row + 1) / 6, (column + 1) / 5])
        half = np.array([1 / 12, 1 / 10])
        points, weights = legendre(centre - half, centre + half, 60)
        expected = np.tensordot(weights, reference.formula(model, points), 1) * 30
        np.testing.assert_allclose(found[row, column], expected, rtol=1e-6, atol=1e-7)


def test_inner_product_and_distance(model, other):
    a, b = (reference.formula(params, PLANE) for params in (model, other))
    np.testing.assert_allclose(calculus.inner(model, other), AREA * (a * b).sum(), rtol=1e-8)
    np.testing.assert_allclose(calculus.inner(other, model), calculus.inner(model, other), rtol=1e-13)
    np.testing.assert_allclose(calculus.squared_distance(model, other), AREA * np.square(a - b).sum(), rtol=1e-8)
    assert calculus.squared_distance(model, model) < 1e-12 * calculus.inner(model, model)


def test_sums_and_products_are_those_of_the_values(model, other):
    a, b = (reference.formula(params, POINTS) for params in (model, other))
    np.testing.assert_allclose(gmjax.gmface(calculus.add(model, other), POINTS), a + b, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gmjax.gmface(calculus.multiply(model, other), POINTS), a * b, rtol=1e-9, atol=1e-12)


def test_gray_with_colour():
    gray, colour = model_of(), model_of(3, seed=1)
    a, b = reference.formula(gray, POINTS)[:, None], reference.formula(colour, POINTS)
    for first, second in ((gray, colour), (colour, gray)):
        np.testing.assert_allclose(gmjax.gmface(calculus.add(first, second), POINTS), a + b, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(gmjax.gmface(calculus.multiply(first, second), POINTS), a * b, rtol=1e-9, atol=1e-12)


CALLS = {
    "blur": lambda a, b: calculus.blur(a, COVARIANCE),
    "gradient": lambda a, b: calculus.gradient(a, POINTS.astype(a.means.dtype)),
    "hessian": lambda a, b: calculus.hessian(a, POINTS.astype(a.means.dtype)),
    "laplacian": lambda a, b: calculus.laplacian(a, POINTS.astype(a.means.dtype)),
    "integral": lambda a, b: calculus.integral(a),
    "moments": lambda a, b: calculus.moments(a),
    "integral_over": lambda a, b: calculus.integral_over(a, *RECTANGLE),
    "pixel_means": lambda a, b: calculus.pixel_means(a, (4, 3)),
    "inner": calculus.inner,
    "squared_distance": calculus.squared_distance,
    "add": calculus.add,
    "multiply": calculus.multiply,
}


@pytest.mark.parametrize("name", CALLS)
def test_batches_are_each_model_alone(name, model, other):
    pairs = [(model, other), (other, model)]
    found = CALLS[name](*(gmjax.stack(side) for side in zip(*pairs, strict=True)))
    alone = [CALLS[name](*pair) for pair in pairs]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)
    mapped = jax.vmap(CALLS[name])(*(gmjax.stack(side) for side in zip(*pairs, strict=True)))
    for a, b, c in zip(*map(jax.tree.leaves, (found, expected, mapped)), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(c, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["blur", "hessian", "integral_over", "pixel_means", "squared_distance", "multiply"])
def test_derivatives_with_respect_to_the_parameters(name):
    a, b = (jax.tree.map(lambda leaf: leaf[:3], model_of(seed=seed)) for seed in (0, 1))
    check_grads(CALLS[name], (a, b), order=1, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5, eps=1e-6)


@pytest.mark.parametrize("name", CALLS)
def test_float32_stays_float32_and_is_near(name, model, other):
    expected = jax.tree.leaves(CALLS[name](model, other))
    single = [jax.tree.map(np.float32, params) for params in (model, other)]
    for a, b in zip(jax.tree.leaves(CALLS[name](*single)), expected, strict=True):
        assert a.dtype == jnp.float32
        assert np.abs(a - b).max() <= 3e-5 * np.abs(b).max()


def test_wrong_arguments_are_named(model):
    with pytest.raises(gmjax.ArgumentError, match="covariance"):
        calculus.blur(model, np.ones(2))
    with pytest.raises(gmjax.ArgumentError, match="upper"):
        calculus.integral_over(model, (0, 0), (1, 1, 1))
    with pytest.raises(gmjax.ArgumentError, match="shape"):
        calculus.pixel_means(model, (4,))
    with pytest.raises(gmjax.ArgumentError, match="channels"):
        calculus.inner(model_of(), model_of(3))
    with pytest.raises(gmjax.ArgumentError, match="channels"):
        calculus.multiply(model_of(2), model_of(3))


def atoms(name: str, channels: tuple[int, ...] = (3,)) -> gmjax.Atoms:
    return jax.tree.map(np.float64, profile_model(name, channels=channels))


@pytest.mark.parametrize("name", [name for name, profile in PROFILES.items() if profile.integrals is not None])
def test_the_integrals_of_terms(name):
    """In polar coordinates: r from 0 to 1 and, as t / (1 - t), from 1 on."""
    profile = PROFILES[name]
    parameters = [parameter.start + 0.3 for parameter in profile.parameters]
    nodes, weights = np.polynomial.legendre.leggauss(300)
    t, weights = np.concatenate([0.25 + 0.25 * nodes, 0.75 + 0.25 * nodes]), np.tile(0.25 * weights, 2)
    r, angle = (t / (1 - t))[:, None], 2 * np.pi * np.arange(64) / 64
    terms = profile.values(jnp.asarray(r * np.cos(angle)), jnp.asarray(r * np.sin(angle)), parameters)
    wanted = [np.sum(weights * r[:, 0] / (1 - t) ** 2 * np.mean(term, axis=1)) * 2 * np.pi for term in terms]
    np.testing.assert_allclose(profile.integrals(*parameters), wanted, rtol=1e-5, atol=1e-9)


def test_the_integral_of_atoms():
    params = atoms("gabor")
    found = calculus.integral(gmjax.stack([params, params]))
    np.testing.assert_allclose(found, [AREA * np.sum(gmjax.gmface(params, PLANE), axis=0)] * 2, rtol=1e-9)
    gray = atoms("hermite2", ())
    np.testing.assert_allclose(calculus.integral(gray), AREA * np.sum(gmjax.gmface(gray, PLANE)), rtol=1e-9)
    with pytest.raises(gmjax.ArgumentError, match="the profile cauchy, whose integral is infinite or has no"):
        calculus.integral(atoms("cauchy"))


@pytest.mark.parametrize(("name", "channels"), [("gaussian", (3,)), ("mexican_hat", ()), ("hermite3", (3,))])
def test_atoms_are_blurred(name, channels):
    """Convolved in two halves they are as after one; and as by summation over the plane."""
    params = atoms(name, channels)
    blurred = calculus.blur(params, COVARIANCE)
    assert blurred.profile.name == name.replace("mexican_hat", "hermite2")
    d = POINTS[:, None] - PLANE[None]
    kernel = np.exp(-0.5 * np.einsum("nki,ij,nkj->nk", d, np.linalg.inv(COVARIANCE), d))
    kernel *= AREA / (2 * np.pi * np.sqrt(np.linalg.det(COVARIANCE)))
    wanted = kernel @ np.asarray(gmjax.gmface(params, PLANE))
    np.testing.assert_allclose(gmjax.gmface(blurred, POINTS), wanted, rtol=1e-6, atol=1e-9)
    twice = calculus.blur(calculus.blur(gmjax.stack([params]), COVARIANCE / 2), COVARIANCE / 2)
    np.testing.assert_allclose(gmjax.gmface(twice, POINTS)[0], wanted, rtol=1e-6, atol=1e-9)
    with pytest.raises(gmjax.ArgumentError, match="the profile gabor, whose blur has no closed form here"):
        calculus.blur(atoms("gabor"), COVARIANCE)


def test_the_derivatives_of_atoms():
    params, step = atoms("gabor"), 1e-5
    moved = [[gmjax.gmface(params, POINTS + sign * step * axis) for sign in (1, -1)] for axis in np.eye(2)]
    wanted = np.stack([(after - before) / (2 * step) for after, before in moved], axis=-1)
    np.testing.assert_allclose(calculus.gradient(params, POINTS), wanted, rtol=1e-6, atol=1e-6)
    slopes = [calculus.gradient(params, POINTS + sign * step * np.eye(2)[0]) for sign in (1, -1)]
    found = calculus.hessian(gmjax.stack([params, params]), POINTS)
    assert found.shape == (2, 7, 3, 2, 2)
    np.testing.assert_allclose(found[1, ..., 0, :], (slopes[0] - slopes[1]) / (2 * step), rtol=1e-5, atol=1e-5)
