"""Value and derivative on the pixel grid, computed in bands of rows."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from gmjax.gmface import as_wide_as_pixels, on_axes, pixel_axes
from tests import reference


def narrow_model(m: int, shape) -> gmjax.GmFace:
    """Components about a pixel wide, in all directions."""
    random = np.random.default_rng(0)
    l11, l22 = random.uniform(0.6, 1.2, (2, m)) * np.reshape(shape, (2, 1))
    chol = np.stack([l11, shape[0] * random.normal(size=m), l22], axis=-1)
    parts = random.normal(size=m), random.uniform(size=(m, 2)), chol
    return gmjax.GmFace(*(jnp.asarray(part, jnp.float32) for part in parts))


@partial(jax.jit, static_argnames="shape")
def value_and_gradient(params, shape, cotangent):
    axes = pixel_axes(shape, dtype=params.means.dtype)
    value, pull_back = jax.vjp(lambda p: on_axes(p, *axes), params)
    return value, pull_back(cotangent)[0]


@pytest.mark.compiled_fully
@pytest.mark.parametrize(
    "shape", [(120, 120), (67, 53), (7, 31), *(pytest.param(s, marks=pytest.mark.soak) for s in ((130, 40), (1, 40)))]
)
@pytest.mark.parametrize("which", ["narrow", "face"])
def test_value_and_gradient_are_those_of_float64(published, shape, which):
    """Also where the height is no multiple of a band's; the gradient to 1e-5 of each array's largest entry.

    For narrow components float32 limits the accuracy: the error may be twice that of the rule for arbitrary points.
    """
    params = published if which == "face" else narrow_model(80, shape)
    params = as_wide_as_pixels(params, *pixel_axes(shape))
    # Slightly wider than the bound, at which the gradient vanishes.
    params = params.replace(precision_chol=params.precision_chol * 0.999)
    cotangent = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    value, found = value_and_gradient(params, shape, cotangent)
    x = np.stack(np.meshgrid(*(np.arange(1, n + 1) / n for n in shape), indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(value.reshape(-1), reference.formula(params, x), atol=3e-5)
    expected = reference.gradient(params, x, cotangent.reshape(-1))

    def error(gradient):
        parts = gradient.weights, gradient.means, gradient.precision_chol
        differences = [np.abs(np.asarray(a) - b).max(axis=0) for a, b in zip(parts, expected, strict=True)]
        scales = [np.abs(part).max(axis=0) for part in expected]
        return max((d / scale).max() for d, scale in zip(differences, scales, strict=True))

    at_points = jax.jit(jax.grad(lambda p: jnp.sum(gmjax.render(p, shape) * cotangent)))(params)
    assert error(found) < (1e-5 if which == "face" else max(1e-5, 2 * error(at_points)))


@pytest.mark.parametrize("m", [1, 7, 81])
def test_any_number_of_components_in_any_number_of_bands(m):
    """The padding of groups of components and of bands does not contribute."""
    axes = pixel_axes((27, 13))
    params = as_wide_as_pixels(narrow_model(m, (27, 13)), *axes)
    random = np.random.default_rng(1)
    params = params.replace(
        precision_chol=0.4 * params.precision_chol, weights=random.normal(size=(m, 2)).astype(np.float32)
    )
    cotangent = random.normal(size=(27, 13, 2)).astype(np.float32)
    value, found = value_and_gradient(params, (27, 13), cotangent)

    @jax.jit
    def at_points(params):
        value, pull_back = jax.vjp(lambda p: gmjax.render(p, (27, 13)), params)
        return value, pull_back(cotangent)[0]

    expected, gradient = at_points(params)
    np.testing.assert_allclose(value, expected, atol=1e-5)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.soak
def test_color_forwards_and_backwards_twice():
    random = np.random.default_rng(0)
    parts = random.normal(size=(4, 3)), random.uniform(size=(4, 2)), np.abs(random.normal(size=(4, 3))) + 0.3
    params = gmjax.GmFace(*(jnp.asarray(part, jnp.float32) for part in parts))
    axes = pixel_axes((11, 9))
    check_grads(jax.jit(lambda p: on_axes(p, *axes)), (params,), order=2, modes=["fwd", "rev"], atol=3e-2, rtol=3e-2)


def test_components_narrower_than_pixels_are_widened_and_keep_their_direction():
    params = gmjax.GmFace(jnp.ones(2), jnp.full((2, 2), 0.5), jnp.asarray([[90.0, -45, 5], [5, 1, 90.0]]))
    wide = as_wide_as_pixels(params, *pixel_axes((24, 20)))
    np.testing.assert_allclose(wide.precision_chol, [[30.0, -15, 5], [5, 1, 25.0]], rtol=1e-5)
    picture = jax.jit(lambda p: on_axes(p, *pixel_axes((24, 20))))(params)
    np.testing.assert_allclose(picture, gmjax.render(wide, (24, 20)), atol=1e-6)


def test_stays_float32_where_float64_is_enabled(published):
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), published)
        value, found = value_and_gradient(params, (20, 20), jnp.ones((20, 20), jnp.float32))
        assert {leaf.dtype for leaf in jax.tree.leaves((value, found))} == {jnp.dtype("float32")}
