"""Where a moved model's picture lies, and what is drawn outside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax import frame, transforms

SHAPE = (24, 20)
IDENTITY = np.eye(2), np.zeros(2)


@pytest.mark.parametrize("margin", [0.0, frame.MARGIN])
@pytest.mark.parametrize("grid_offset", [0.5, 1.0])
def test_a_model_as_it_stands_is_inside(margin, grid_offset):
    assert np.all(frame.inside(*IDENTITY, SHAPE, grid_offset=grid_offset, margin=margin) == 1)


def test_the_weight_falls_over_the_margin():
    """A picture half as large, in the middle: from 0.25 to 0.75."""
    half = transforms.scaling(2.0, (0.5, 0.5))
    weight = np.asarray(frame.inside(*half, (200, 200), grid_offset=0.5, margin=0.1))
    position = (np.arange(200) + 0.5) / 200
    way = np.maximum(np.abs(position - 0.5) - 0.25, 0) / 0.05  # the margin is a part of the frame's side
    expected = np.where(way < 1, 1 - way**2 * (3 - 2 * way), 0)
    np.testing.assert_allclose(weight[100], expected, atol=0.01)
    np.testing.assert_allclose(weight, weight.T, atol=1e-6)
    clipped = np.asarray(frame.inside(*half, (200, 200), grid_offset=0.5, margin=0.0))
    expected = np.outer(way == 0, way == 0)
    np.testing.assert_array_equal(clipped, expected)


def test_maps_compose_as_models_do(model):
    first, second = transforms.rotation(0.4, (0.3, 0.6), 0.8), transforms.scaling(1.7, (0.2, 0.9))
    twice = gmjax.affine(gmjax.affine(model, *first), *second)
    once = gmjax.affine(model, *frame.compose(first, second))
    for a, b in zip(jax.tree.leaves(twice), jax.tree.leaves(once), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [None, 3])
def test_render_is_the_formula_inside_and_the_border_s_mean_outside(model, color_model, channels):
    params = color_model if channels else model
    moved = frame.compose(transforms.scaling(3.0, (0.5, 0.5)), transforms.rotation(0.5))
    params = gmjax.affine(params, *moved)
    picture = np.asarray(frame.render(params, SHAPE, *moved))
    weight = np.asarray(frame.inside(*moved, SHAPE))
    drawn = np.asarray(gmjax.render(params, SHAPE))
    assert 0 < np.mean(weight == 1) < 0.2
    np.testing.assert_array_equal(picture[weight == 1], drawn[weight == 1])
    behind = np.asarray(frame.background(params, *moved))
    assert behind.shape == picture.shape[2:]
    np.testing.assert_allclose(picture[weight == 0], np.broadcast_to(behind, picture[weight == 0].shape), rtol=1e-6)


def test_background_is_the_mean_of_the_border_however_the_model_was_moved(model):
    steps = (np.arange(4000) + 0.5) / 4000
    zero, one = np.zeros(4000), np.ones(4000)
    sides = [np.stack(side, -1) for side in ((zero, steps), (one, steps), (steps, zero), (steps, one))]
    expected = np.mean(gmjax.gmface(model, jnp.asarray(np.concatenate(sides), jnp.float32)))
    moved = transforms.rotation(1.0, (0.1, 0.2))
    np.testing.assert_allclose(frame.background(model, *IDENTITY), expected, atol=2e-3)
    np.testing.assert_allclose(frame.background(gmjax.affine(model, *moved), *moved), expected, atol=2e-3)


def test_under_jit_and_vmap(model):
    def draw(angle):
        moved = transforms.rotation(angle)
        return frame.render(gmjax.affine(model, *moved), SHAPE, *moved)

    angles = jnp.asarray([0.2, 1.0])
    for a, b in zip(jax.jit(jax.vmap(draw))(angles), angles, strict=True):
        np.testing.assert_allclose(a, draw(b), atol=1e-5)


def test_the_picture_has_the_type_of_the_model(model):
    moved = transforms.rotation(0.3)
    with jax.enable_x64(True):
        assert frame.render(model, SHAPE, *moved).dtype == np.float32
        assert frame.render(jax.tree.map(np.float64, model), SHAPE, *moved).dtype == np.float64


def test_metadata_keeps_the_map():
    matrix, offset = np.array([[0.5, -0.25], [0.1, 3.0]]), np.array([0.3, -7.0])
    found = frame.from_metadata({"source": "a", **frame.as_metadata(matrix, offset)})
    np.testing.assert_array_equal(found[0], matrix)
    np.testing.assert_array_equal(found[1], offset)


@pytest.mark.parametrize(
    "text",
    ["", "x", "3", "null", "{}", "[[1, 0], [0, 1]]", "[[1, 0, 0], [1, 0, 0]]", "[[1, 0, NaN], [0, 1, 0]]", "[" * 10**5],
)
def test_metadata_of_another_kind_is_no_frame(text):
    assert frame.from_metadata({"frame": text}) is None
    assert frame.from_metadata({}) is None


@pytest.mark.parametrize("number", ["1e200", "1e-30", str(10**400)])
def test_metadata_of_a_map_that_cannot_be_used_is_no_frame(number):
    assert frame.from_metadata({"frame": f"[[{number}, 0, 0], [0, {number}, 0]]"}) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frame.inside(*IDENTITY, SHAPE, margin=-0.1), "margin must be at least 0"),
        (lambda: frame.background(gmjax.stack([gmjax.published_common_face()] * 2), *IDENTITY), "must be one model"),
        (lambda: frame.inside(np.eye(3), np.zeros(2), SHAPE), r"\(2, 2\) and \(2,\); got \(3, 3\)"),
        (lambda: frame.inside(*IDENTITY, (0, 3)), "shape must be"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(gmjax.ArgumentError, match=message):
        call()
