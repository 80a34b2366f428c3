import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from tests import reference

ANGLES = [0.3, np.pi / 2]


def render(params, shape=(21, 21)):
    return np.asarray(gmjax.render(params.replace(offset=0.5), shape))


def same(a, b, atol=2e-5):
    np.testing.assert_allclose(render(a), render(b), atol=atol)


def some_affine(seed=0):
    rng = np.random.default_rng(seed)
    return np.float32(np.eye(2) + rng.normal(size=(2, 2)) * 0.4), np.float32(rng.normal(size=2) * 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_affine_is_the_formula_at_the_mapped_positions(model, seed):
    matrix, offset = some_affine(seed)
    x = np.random.default_rng(9).uniform(size=(200, 2))
    moved = gmjax.gmface(gmjax.affine(model, matrix, offset), jnp.float32(x))
    expected = reference.formula(model, x @ np.float64(matrix).T + offset)
    np.testing.assert_allclose(moved, expected, atol=2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_precision_becomes_b_transposed_a_b(model, seed):
    matrix, offset = some_affine(seed)
    moved = gmjax.affine(model, matrix, offset)
    assert np.all(np.asarray(moved.precision_chol)[:, [0, 2]] > 0)
    expected = np.float64(matrix).T @ np.float64(gmjax.precision(model)) @ matrix
    np.testing.assert_allclose(gmjax.precision(moved), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_affine_composes(model):
    (b1, t1), (b2, t2) = some_affine(1), some_affine(2)
    # First x -> B1 x + t1, then x -> B2 x + t2: GmFace(B1 (B2 x + t2) + t1).
    same(gmjax.affine(gmjax.affine(model, b1, t1), b2, t2), gmjax.affine(model, b1 @ b2, b1 @ t2 + t1))


def test_inverses(model):
    center = (0.3, 0.6)
    same(gmjax.translate(gmjax.translate(model, (0.2, -0.1)), (-0.2, 0.1)), model)
    same(gmjax.scale(gmjax.scale(model, 2.0, center), 0.5, center), model)
    same(gmjax.rotate(gmjax.rotate(model, 0.7, center), -0.7, center), model)
    matrix, offset = some_affine()
    inverse = np.linalg.inv(matrix)
    same(gmjax.affine(gmjax.affine(model, matrix, offset), inverse, -inverse @ offset), model)


def test_rotations_add_up(model):
    same(gmjax.rotate(gmjax.rotate(model, 0.4), 0.5), gmjax.rotate(model, 0.9))
    same(gmjax.rotate(model, 2 * np.pi), model)


def test_a_quarter_turn_is_rot90(model):
    turned = gmjax.rotate(model, np.pi / 2)
    np.testing.assert_allclose(render(turned), np.rot90(render(model)), atol=2e-5)


def test_a_quarter_turn_of_a_picture_that_is_not_square(model):
    """With ``aspect``, a 21 x 35 picture turned by 90 degrees is that of np.rot90, compared pixel by pixel."""
    height, width = 21, 35
    turned = gmjax.rotate(model, np.pi / 2, aspect=width / height)
    # The pixels of the turned picture (35 x 21), normalised as in the original one, about the same centre.
    row = 0.5 + (np.arange(width) + 0.5 - width / 2) / height
    column = 0.5 + (np.arange(height) + 0.5 - height / 2) / width
    x = np.stack(np.meshgrid(row, column, indexing="ij"), -1)
    expected = np.rot90(np.asarray(gmjax.render(model.replace(offset=0.5), (height, width))))
    np.testing.assert_allclose(gmjax.gmface(turned, jnp.float32(x)), expected, atol=5e-5)


def test_whole_pixels_of_translation_shift_the_picture(model):
    moved = render(gmjax.translate(model, (3 / 21, -5 / 21)))
    np.testing.assert_allclose(moved[3:, :-5], render(model)[:-3, 5:], atol=2e-5)


def test_scale_two_makes_the_picture_half_as_large(model):
    small = np.asarray(gmjax.render(gmjax.scale(model, 2.0), (20, 20)))
    np.testing.assert_allclose(small[:10, :10], np.asarray(gmjax.render(model, (10, 10))), atol=2e-5)


def test_color_keeps_its_weights(color_model):
    turned = gmjax.rotate(color_model, np.pi / 2)
    np.testing.assert_allclose(render(turned), np.rot90(render(color_model)), atol=5e-5)


@pytest.mark.parametrize("angle", ANGLES)
def test_batches_and_vmap(model, angle):
    models = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf * 1.1]), model)
    batched = gmjax.rotate(models, angle)
    mapped = jax.vmap(lambda p: gmjax.rotate(p, angle))(models)
    one = gmjax.rotate(model, angle)
    for a, b, c in zip(*map(jax.tree.leaves, (batched, mapped, one)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(a[0], c, rtol=1e-5, atol=1e-5)
    angles = jax.vmap(gmjax.rotate, in_axes=(None, 0))(model, jnp.asarray(ANGLES))
    assert angles.means.shape == (len(ANGLES), 5, 2)


def test_gradients(model):
    broad = model.replace(precision_chol=model.precision_chol * 0.1)

    def picture(params, angle, factor, delta):
        moved = gmjax.translate(gmjax.scale(gmjax.rotate(params, angle), factor), delta)
        return gmjax.render(moved, (4, 5))

    check_grads(
        picture, (broad, 0.3, 1.5, jnp.asarray([0.1, 0.2])), order=1, modes=["fwd", "rev"], atol=2e-2, rtol=2e-2
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: gmjax.affine(p, np.ones((2, 2)), np.zeros(2)), "inverse"),
        (lambda p: gmjax.affine(p, np.eye(3), np.zeros(2)), r"\(2, 2\)"),
        (lambda p: gmjax.affine(p, np.full((2, 2), np.nan), np.zeros(2)), "finite"),
        (lambda p: gmjax.scale(p, 0.0), "factor must be above 0"),
        (lambda p: gmjax.scale(p, -1.0), "factor must be above 0"),
        (lambda p: gmjax.rotate(p, 1.0, aspect=0.0), "aspect must be above 0"),
    ],
)
def test_bad_arguments(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
