import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from gmjax.gmface import with_positive_diagonal
from tests import reference


def by_components(params, x):
    """The formula without the derivative rule: plain autodiff sees every operation."""
    total = 0.0
    for w, mu, (l11, l21, l22) in zip(params.weights, params.means, params.precision_chol, strict=True):
        row, column = x[..., 0] - mu[0], x[..., 1] - mu[1]
        total = total + w * jnp.exp(-jnp.square(l11 * row + l21 * column) - jnp.square(l22 * column))
    return total


@pytest.mark.compiled_fully
def test_published_face_is_within_5e_6_of_float64(published):
    x = np.stack(np.meshgrid(np.arange(1, 121) / 120, np.arange(1, 121) / 120, indexing="ij"), -1).reshape(-1, 2)
    picture = gmjax.render(published, (120, 120))
    assert picture.shape == (120, 120)
    assert picture.dtype == jnp.float32
    assert np.abs(np.asarray(picture).reshape(-1) - reference.formula(published, x)).max() < 5e-6


def test_published_face_is_the_papers(published):
    """Facts of the paper's picture: where the eyes are, and left-right symmetry on the grid counted from 1 only."""
    picture = np.asarray(gmjax.render(published, (120, 120)))
    for half, column in ((picture[:30, :40], 0.152), (picture[:30, 80:], 0.855)):
        row_found, column_found = np.unravel_index(half.argmin(), half.shape)
        column_found += 0 if column < 0.5 else 80
        assert abs((row_found + 1) / 120 - 0.058) < 0.02
        assert abs((column_found + 1) / 120 - column) < 0.02

    def asymmetry(offset):
        picture = np.asarray(gmjax.render(published.replace(offset=offset), (120, 120)))
        return np.sqrt(np.mean((picture - picture[:, ::-1]) ** 2))

    assert asymmetry(1.0) == pytest.approx(0.0080, abs=2e-4)
    assert asymmetry(0.5) == pytest.approx(0.0118, abs=2e-4)
    assert asymmetry(0.0) == pytest.approx(0.0192, abs=2e-4)


def test_published_parameters(published):
    assert published.num_components == 80
    assert published.num_parameters == 480
    diagonal = np.asarray(gmjax.precision(published))[:, [0, 1], [0, 1]]
    assert diagonal.min() == pytest.approx(1e-4, rel=1e-3)
    assert diagonal.max() == pytest.approx(14838.52, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "offset"), [((24, 20), 1.0), ((24, 20), 0.5), ((1, 7), 0.0), ((9, 1), 1.0), ((31, 64), 0.5)]
)
def test_render_is_the_formula_on_the_grid(model, shape, offset):
    rows, columns = np.arange(shape[0]) + offset, np.arange(shape[1]) + offset
    x = np.stack(np.meshgrid(rows / shape[0], columns / shape[1], indexing="ij"), -1)
    np.testing.assert_allclose(gmjax.pixel_grid(shape, offset=offset), x, rtol=1e-6)
    expected = reference.formula(model, x.reshape(-1, 2)).reshape(shape)
    np.testing.assert_allclose(gmjax.render(model.replace(offset=offset), shape), expected, atol=3e-6)
    np.testing.assert_allclose(gmjax.gmface(model, jnp.float32(x)), expected, atol=3e-6)


def test_color_is_one_gray_picture_a_channel(color_model):
    picture = gmjax.render(color_model, (24, 20))
    assert picture.shape == (24, 20, 3)
    assert color_model.num_parameters == 5 * 8
    for channel in range(3):
        gray = gmjax.GmFace(color_model.weights[:, channel], color_model.means, color_model.precision_chol)
        np.testing.assert_allclose(picture[..., channel], gmjax.render(gray, (24, 20)), atol=1e-6)


def test_single_point_and_batches_of_points(model):
    x = np.float32([0.3, 0.6])
    assert gmjax.gmface(model, x).shape == ()
    assert gmjax.gmface(model, np.tile(x, (2, 3, 1))).shape == (2, 3)


@pytest.mark.compiled_fully
def test_gradient_is_the_papers_equations_in_float64(published):
    """(7) to (9) on the face itself, with entries of A from 1e-4 to 1.5e4, to 1e-5 of each array's largest entry."""
    x = gmjax.pixel_grid((120, 120)).reshape(-1, 2)
    cotangent = np.random.default_rng(0).normal(size=len(x)).astype(np.float32)
    found = jax.grad(lambda p: jnp.sum(gmjax.gmface(p, x) * cotangent))(published)
    x64 = np.stack(np.meshgrid(np.arange(1, 121) / 120, np.arange(1, 121) / 120, indexing="ij"), -1).reshape(-1, 2)
    expected = reference.gradient(published, x64, cotangent)
    for ours, theirs in zip((found.weights, found.means, found.precision_chol), expected, strict=True):
        scale = np.abs(theirs).max(axis=0)
        assert (np.abs(np.asarray(ours) - theirs).max(axis=0) / scale).max() < 1e-5


@pytest.mark.compiled_fully
@pytest.mark.parametrize(
    "shape", [(120, 120), (67, 53), (1, 40), *(pytest.param(s, marks=pytest.mark.soak) for s in ((31, 1), (16, 250)))]
)
def test_gradient_on_the_grid_is_that_of_float64(published, shape):
    """By tiles, also where they do not divide the picture, to 1e-5 of each array's largest entry."""
    cotangent = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = jax.grad(lambda p: jnp.sum(gmjax.render(p, shape) * cotangent))(published)
    axes = (np.arange(1, n + 1) / n for n in shape)
    x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    expected = reference.gradient(published, x, cotangent.reshape(-1))
    for ours, theirs in zip((found.weights, found.means, found.precision_chol), expected, strict=True):
        scale = np.abs(theirs).max(axis=0)
        assert (np.abs(np.asarray(ours) - theirs).max(axis=0) / scale).max() < 1e-5


def test_grid_forwards_and_backwards_twice(model, color_model):
    for params in (model, color_model):
        broad = params.replace(precision_chol=params.precision_chol * 0.1)
        check_grads(
            jax.jit(lambda p: gmjax.render(p, (3, 10))), (broad,), order=2, modes=["fwd", "rev"], atol=3e-2, rtol=3e-2
        )


def test_gradient_of_what_is_not_a_number(model):
    broken = model.replace(precision_chol=model.precision_chol * np.float32(np.nan))
    picture, _ = jax.jvp(lambda p: gmjax.render(p, (4, 5)), (broken,), (broken,))
    assert np.isnan(picture).all()


@pytest.mark.parametrize("with_respect_to", [(0,), (1,), (0, 1)])
def test_rule_agrees_with_plain_autodiff(model, with_respect_to):
    x = gmjax.pixel_grid((7, 6))
    cotangent = jnp.cos(jnp.arange(42.0)).reshape(7, 6)
    ours = jax.grad(lambda *a: jnp.sum(gmjax.gmface(*a) * cotangent), with_respect_to)(model, x)
    plain = jax.grad(lambda *a: jnp.sum(by_components(*a) * cotangent), with_respect_to)(model, x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("which", ["weights", "means", "precision_chol"])
def test_rule_for_one_kind_of_parameter_alone(model, which):
    x = gmjax.pixel_grid((7, 6))
    value = getattr(model, which)
    ours = jax.grad(lambda v: jnp.sum(gmjax.gmface(model.replace(**{which: v}), x) ** 2))(value)
    plain = jax.grad(lambda v: jnp.sum(by_components(model.replace(**{which: v}), x) ** 2))(value)
    np.testing.assert_allclose(ours, plain, rtol=2e-5, atol=2e-5)


def test_check_grads_forwards_and_backwards_twice(model, color_model):
    """On broad components, where the finite differences of float32 still see the slope."""
    x = gmjax.pixel_grid((3, 4)) + 0.01
    for params in (model, color_model):
        broad = params.replace(precision_chol=params.precision_chol * 0.1)
        check_grads(jax.jit(gmjax.gmface), (broad, x), order=2, modes=["fwd", "rev"], atol=3e-2, rtol=3e-2)


def test_render_gradient_equals_that_of_the_points(color_model):
    x = gmjax.pixel_grid((9, 8))
    on_grid = jax.grad(lambda p: jnp.sum(jnp.sin(gmjax.render(p, (9, 8)))))(color_model)
    at_points = jax.grad(lambda p: jnp.sum(jnp.sin(gmjax.gmface(p, x))))(color_model)
    for a, b in zip(jax.tree.leaves(on_grid), jax.tree.leaves(at_points), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_vmap_over_models_and_over_points(model):
    models = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf * 1.1]), model)
    pictures = jax.vmap(lambda p: gmjax.render(p, (6, 5)))(models)
    np.testing.assert_allclose(pictures[0], gmjax.render(model, (6, 5)), atol=1e-6)
    x = gmjax.pixel_grid((6, 5))
    by_point = jax.vmap(jax.vmap(lambda point: gmjax.gmface(model, point)))(x)
    np.testing.assert_allclose(by_point, pictures[0], atol=1e-6)


def test_many_models_at_once(color_model):
    models = [color_model, color_model.replace(weights=-color_model.weights), color_model]
    batch = gmjax.stack(models)
    assert batch.num_components == 5
    assert batch.channels == 3
    x = gmjax.pixel_grid((6, 5))
    for pictures in (gmjax.render(batch, (6, 5)), gmjax.gmface(batch, x)):
        assert pictures.shape == (3, 6, 5, 3)
        for picture, model in zip(pictures, models, strict=True):
            np.testing.assert_allclose(picture, gmjax.render(model, (6, 5)), atol=1e-5)
    for one, other in zip(gmjax.unstack(batch), models, strict=True):
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert gmjax.render(gmjax.stack([batch, batch]), (6, 5)).shape == (2, 3, 6, 5, 3)
    turned = gmjax.rotate(batch, 0.3)
    np.testing.assert_allclose(gmjax.unstack(turned)[1].means, gmjax.rotate(models[1], 0.3).means, atol=1e-6)
    with pytest.raises(gmjax.ArgumentError, match="same shapes"):
        gmjax.stack([color_model, color_model.replace(offset=0.5)])
    with pytest.raises(gmjax.ArgumentError, match="batch"):
        gmjax.unstack(color_model)


def test_a_negative_diagonal_is_the_same_model(model):
    chol = np.asarray(model.precision_chol)
    flipped = model.replace(precision_chol=chol * np.float32([-1, -1, 1]))
    both = model.replace(precision_chol=chol * np.float32([-1, -1, -1]))
    for other in (flipped, both):
        np.testing.assert_array_equal(with_positive_diagonal(other).precision_chol, chol)
        np.testing.assert_allclose(gmjax.precision(other), gmjax.precision(model))


def test_sizes_may_be_lists_and_whole_numbers_of_numpy(model):
    expected = gmjax.render(model, (6, 5))
    for shape in ([6, 5], (np.int64(6), np.int32(5)), np.array([6, 5]), expected.shape):
        np.testing.assert_array_equal(gmjax.render(model, shape), expected)


def test_the_grid_belongs_to_the_model(model):
    centred = model.replace(offset=0.5)
    assert not np.allclose(gmjax.render(centred, (6, 5)), gmjax.render(model, (6, 5)))
    for moved in (
        gmjax.translate(centred, (0.1, 0)),
        gmjax.stack([centred]),
        gmjax.fit(np.eye(6, 5) * 0.5, centred, config=gmjax.FitConfig(steps=1)).params,
    ):
        assert moved.offset == 0.5


def test_float64_follows_from_float64():
    with jax.enable_x64(True):
        published = gmjax.published_common_face()
        assert published.means.dtype == jnp.float64
        picture = gmjax.render(published, (30, 30))
        assert picture.dtype == jnp.float64
        x = np.stack(np.meshgrid(np.arange(1, 31) / 30, np.arange(1, 31) / 30, indexing="ij"), -1).reshape(-1, 2)
        np.testing.assert_allclose(picture.reshape(-1), reference.formula(published, x), atol=1e-13)


def test_precision_and_back(model):
    again = gmjax.from_precision(model.weights, model.means, gmjax.precision(model))
    np.testing.assert_allclose(again.precision_chol, model.precision_chol, rtol=2e-3)


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments(published):
    for shape in (100, (0, 10), (-1, 10), (3, 4, 5), (2.5, 3), "ab"):
        with pytest.raises(gmjax.ArgumentError, match=r"\(H, W\)"):
            gmjax.render(published, shape)
    for x in (np.zeros((4, 3), np.float32), np.float32(1.0), np.zeros((2, 1))):
        with pytest.raises(gmjax.ArgumentError, match=r"\(row, column\)"):
            gmjax.gmface(published, x)
    result = gmjax.FitResult(published, None)
    for call in (lambda: gmjax.render(result, (3, 3)), lambda: gmjax.gmface(result, np.zeros((1, 2), np.float32))):
        with pytest.raises(TypeError, match=r"\.params"):
            call()


def test_render_keeps_no_array_of_components_times_pixels(published):
    """Rendered at 1024 x 1024 the Gaussians alone would be 335 MB."""
    compiled = jax.jit(lambda p: gmjax.render(p, (1024, 1024))).lower(published).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2e6


def test_repr_is_one_line_of_shapes(model, color_model):
    assert repr(model) == "GmFace(5 components, gray, offset 1)"
    assert repr(color_model.replace(offset=0.5)) == "GmFace(5 components, 3 channels, offset 0.5)"
    assert repr(gmjax.stack([model, model])) == "GmFace(2 x 5 components, gray, offset 1)"
    assert repr(jax.eval_shape(lambda params: params, model)) == repr(model)
    traced = []
    jax.make_jaxpr(lambda params: traced.append(repr(params)))(model)
    assert traced == [repr(model)]


def test_repr_of_what_holds_no_arrays(model):
    axes = jax.tree.map(lambda leaf: 0, model)
    assert repr(axes) == "GmFace(weights=0, means=0, precision_chol=0, offset=1.0)"
    assert "means=None" in repr(model.replace(means=None))
