"""Known maps found again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax import transforms
from gmjax.registration import register

SHAPE = (60, 60)
CORNERS = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9], [0.5, 0.5]])
GAIN, BIAS = 0.8, 0.1
AFFINE = np.array([[0.93, 0.12], [-0.05, 1.08]]), np.array([-0.02, 0.03])


@pytest.fixture
def tinted(published) -> gmjax.GmFace:
    return published.replace(weights=jnp.stack([0.9 * published.weights, 0.7 * published.weights], axis=-1))


def similarity(angle, size, delta, aspect=1.0):
    (b1, t1), (b2, t2) = transforms.rotation(angle, (0.5, 0.5), aspect), transforms.scaling(size, (0.5, 0.5))
    return np.asarray(b1 @ b2), np.asarray(b1 @ t2 + t1) + np.asarray(delta)


def picture_of(params, moved, shape=SHAPE):
    return np.clip(GAIN * np.asarray(gmjax.render(gmjax.affine(params, *moved), shape)) + BIAS, 0, 1)


def pixels_away(found, moved, shape=SHAPE):
    matrix, offset = (np.asarray(x, np.float64) for x in (found.matrix, found.offset))
    away = (CORNERS @ matrix.T + offset - CORNERS @ moved[0].T - moved[1]) * shape
    return np.linalg.norm(away, axis=-1).max()


MAPS = [
    ("similarity", similarity(np.radians(15), 1.15, (-0.06, 0.06))),
    ("similarity", similarity(np.radians(-15), 0.87, (0.06, 0.05))),
    ("affine", AFFINE),
    # From the identity alone this one ends on another minimum.
    ("similarity", similarity(0.0, 1.0, (0.18, 0.0))),
]


# Similarities in gray and affine maps in colour; the others, which are compiled for themselves, in a soak.
@pytest.mark.parametrize(
    ("kind", "moved", "colour"),
    [
        pytest.param(kind, moved, colour, marks=[pytest.mark.soak] if colour != (kind == "affine") else [])
        for kind, moved in MAPS
        for colour in (False, True)
    ],
)
def test_a_known_map_is_found(published, tinted, kind, moved, colour):
    params = tinted if colour else published
    found = register(params, picture_of(params, moved), kind=kind)
    assert found.converged
    assert pixels_away(found, moved) < 1e-3
    np.testing.assert_allclose((found.gain, found.bias), (GAIN, BIAS), atol=1e-4)
    expected = gmjax.affine(params, found.matrix, found.offset)
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found.mse < 1e-6


def test_pictures_that_are_not_square_and_pixel_centres(published):
    published, shape = published.replace(offset=0.5), (48, 72)
    moved = similarity(0.2, 1.1, (0.03, -0.05), aspect=72 / 48)
    found = register(published, picture_of(published, moved, shape))
    assert found.converged
    assert pixels_away(found, moved, shape) < 1e-3


def test_another_model(published):
    moved = similarity(-0.2, 0.9, (0.03, -0.05))
    found = register(published, gmjax.affine(published, *moved), shape=SHAPE)
    assert found.converged
    assert pixels_away(found, moved) < 1e-3
    np.testing.assert_allclose((found.gain, found.bias), (1, 0), atol=1e-3)


def test_what_the_mask_leaves_out_does_not_count(published):
    moved = similarity(0.15, 1.1, (0.02, -0.03))
    picture, mask = picture_of(published, moved), np.ones(SHAPE, bool)
    picture[20:45, 5:35], mask[20:45, 5:35] = 1.0, False
    found = register(published, picture, mask=mask)
    assert pixels_away(found, moved) < 1e-3
    assert found.mse < 1e-6


def test_what_hides_a_part_counts_less(published):
    moved = similarity(0.1, 1.05, (0.02, -0.03))
    picture = picture_of(published, moved)
    picture[40:, :20] = 1.0
    assert pixels_away(register(published, picture), moved) < 0.4


def test_nothing_to_register_is_said(published):
    assert not register(published, np.full(SHAPE, 0.5, np.float32)).converged


def test_under_jit_and_vmap(published):
    maps = [similarity(0.1, 1.1, (0.02, 0.03)), similarity(-0.2, 0.95, (-0.02, 0.0))]
    pictures = np.stack([picture_of(published, moved) for moved in maps])
    batch = jax.jit(jax.vmap(lambda picture: register(published, picture)))(pictures)
    assert batch.params.means.shape == (2, 80, 2)
    for number, moved in enumerate(maps):
        assert pixels_away(jax.tree.map(lambda leaf, n=number: leaf[n], batch), moved) < 1e-3


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.soak)])
def test_the_types_of_the_target_are_kept_where_float64_is_enabled(published, dtype):
    moved = similarity(0.1, 1.05, (0.02, -0.03))
    with jax.enable_x64(True):
        found = register(published, dtype(picture_of(published, moved)))
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(dtype), np.dtype(bool)}
    assert pixels_away(found, moved) < 1e-3


def test_the_derivative_follows_the_picture(published):
    """Moving the picture moves the map: d t / d delta = -1, forwards and backwards."""

    def offset(delta):
        return register(published, gmjax.render(gmjax.translate(published, delta), SHAPE)).offset

    delta = jnp.asarray([0.02, -0.01])
    for found in jax.jit(lambda delta: (jax.jacfwd(offset)(delta), jax.jacrev(offset)(delta)))(delta):
        np.testing.assert_allclose(found, -np.eye(2), atol=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, x: register(p, x, kind="rigid"), "kind must be one of similarity, affine; got 'rigid'"),
        (lambda p, x: register(x, x), "params must be a GmFace"),
        (lambda p, x: register(p, np.stack([x] * 3, -1)), "target must have the channels of the model"),
        (lambda p, x: register(p, x + 2), r"target must lie in \[0, 1\]"),
        (lambda p, x: register(gmjax.stack([p, p]), x), "params must be one model"),
        (lambda p, x: register(p, gmjax.stack([p, p])), "target must be one model"),
        (lambda p, x: register(p, p, shape=(0, 3)), "shape must be"),
        (lambda p, x: register(p, x[:4]), "at least 8 x 8"),
        (lambda p, x: register(p, x, mask=np.ones((3, 3))), "mask must have the picture's shape"),
    ],
)
def test_bad_arguments(unchecked, published, call, message):
    with pytest.raises(gmjax.ArgumentError, match=message):
        call(published, np.full(SHAPE, 0.5, np.float32))
