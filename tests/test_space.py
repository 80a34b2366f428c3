"""Models that correspond: group laws, exactness in the parameters, and distances against pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gmjax
from gmjax import space
from gmjax.coordinates import to_coordinates
from tests.conftest import small_model

T = np.linspace(0, 1, 5, dtype=np.float32)
# Compiled as one, each takes less time than its operations one by one.
mean, morph = jax.jit(space.mean), jax.jit(space.morph)


def near(model: gmjax.GmFace, seed: int, size: float = 0.05) -> gmjax.GmFace:
    """A model that corresponds to ``model``."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: np.float32(leaf + size * np.abs(leaf) * rng.normal(size=leaf.shape)), model)


@pytest.fixture(params=[pytest.param(None, marks=pytest.mark.soak), 3], ids=["gray", "colour"])
def models(request) -> gmjax.GmFace:
    """Six that correspond."""
    return gmjax.stack([near(small_model(request.param), seed) for seed in range(6)])


def require_close(a, b, atol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=atol), a, b)


def test_a_mean_of_equal_models_is_that_model(models):
    one = gmjax.unstack(models)[0]
    require_close(mean(gmjax.stack([one, one, one])), one)
    require_close(mean(models, np.eye(6, dtype=np.float32)[2]), gmjax.unstack(models)[2])


def test_weights_of_a_mean_have_any_scale(models):
    weights = np.arange(6, dtype=np.float32)
    require_close(mean(models, weights), mean(models, 7 * weights))


def test_float32_stays_float32(models):
    with jax.enable_x64(True):
        for found in (mean(models), mean(models, np.ones(6)), space.continuum(models, 4)):
            assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}


def test_a_morph_goes_from_one_to_the_other_in_even_steps(models):
    a, b, *_ = gmjax.unstack(models)
    way = morph(a, b, T)
    require_close(gmjax.unstack(way)[0], a)
    require_close(gmjax.unstack(way)[-1], b)
    require_close(gmjax.unstack(way)[2], mean(gmjax.stack([a, b])))
    steps = np.diff(np.asarray(to_coordinates(way).log_precision), axis=0)
    np.testing.assert_allclose(steps, steps[:1].repeat(4, 0), atol=1e-4)


def test_back_and_forth(models):
    a, b, *_ = gmjax.unstack(models)
    require_close(space.move(space.move(a, space.difference(a, b)), space.difference(b, a)), a)


def test_weights_and_shapes_move_apart(models):
    a, b, *_ = gmjax.unstack(models)
    direction = space.difference(a, b)
    moved = space.move(a, direction, weights=1.0, shapes=0.0)
    require_close((moved.weights, moved.means, moved.precision_chol), (b.weights, a.means, a.precision_chol))
    moved = space.move(a, direction, weights=0.0, shapes=1.0)
    require_close((moved.weights, moved.means, moved.precision_chol), (a.weights, b.means, b.precision_chol))


def test_a_continuum_passes_all(models):
    way = gmjax.unstack(space.continuum(models, 11))
    for number, model in enumerate(gmjax.unstack(models)):
        require_close(way[2 * number], model)
    loop = gmjax.unstack(space.continuum(models, 12, loop=True))
    require_close(loop[0], gmjax.unstack(models)[0])
    require_close(loop[11], mean(gmjax.stack([gmjax.unstack(models)[i] for i in (5, 0)])))


@pytest.mark.parametrize("offset", [1.0, 0.5])
def test_mirroring_flips_the_picture(models, offset):
    model = gmjax.unstack(models)[0].replace(offset=offset)
    mirrored = space.mirror(model, space.middle_of(model, 21))
    np.testing.assert_allclose(gmjax.render(mirrored, (15, 21)), gmjax.render(model, (15, 21))[:, ::-1], atol=2e-4)


def symmetric_model(channels=None):
    half = small_model(channels)
    mirrored = space.mirror(half, 0.5)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), half, mirrored)


def test_pairs_of_a_symmetric_model(models):
    pairs = space.mirror_pairs(symmetric_model(models.channels))
    np.testing.assert_array_equal(pairs, np.roll(np.arange(10), 5))


def test_a_symmetrised_face_is_symmetric(models):
    common = symmetric_model(models.channels)
    face, pairs = near(common, 9), space.mirror_pairs(common)
    picture = gmjax.render(space.symmetrise(face, pairs, space.middle_of(face, 20)), (16, 20))
    assert np.abs(picture - picture[:, ::-1]).max() < 1e-4
    assert np.abs(gmjax.render(face, (16, 20)) - picture).max() > 1e-2
    require_close(space.symmetrise(face, pairs, amount=0.0), face)


def test_principal_axes_rebuild_the_models(models):
    axes = space.principal_axes(models, 5)
    require_close(space.from_scores(axes, axes.scores), models, atol=2e-4)
    np.testing.assert_allclose(axes.scores.T @ axes.scores / 5, np.eye(5), atol=1e-4)
    np.testing.assert_allclose(space.to_scores(axes, models), axes.scores, atol=2e-3)
    assert (np.diff(axes.shares) <= 0).all()
    np.testing.assert_allclose(axes.shares.sum(), 1, rtol=1e-5)


def test_principal_axes_find_the_one_direction():
    """Models on a line have one axis, and their places on the line as scores."""
    model = small_model()
    direction = space.difference(model, near(model, 3))
    place = np.float32([-1.0, 0.5, 3.0, 0.2])
    axes = space.principal_axes(space.move(model, direction, place, place), 2)
    np.testing.assert_allclose(axes.shares, [1, 0], atol=1e-5)
    expected = (place - place.mean()) / place.std(ddof=1)
    np.testing.assert_allclose(axes.scores[:, 0], expected, atol=1e-3)


def test_principal_axes_of_one_geometry_are_those_of_the_pictures():
    model = small_model()
    rng = np.random.default_rng(4)
    models = gmjax.stack([model.replace(weights=np.float32(model.weights + rng.normal(size=5))) for _ in range(6)])
    axes = space.principal_axes(models, 3, shape=(20, 24))
    pictures = np.asarray(gmjax.render(models, (20, 24)), np.float64).reshape(6, -1)
    vectors, lengths, _ = np.linalg.svd(pictures - pictures.mean(0), full_matrices=False)
    np.testing.assert_allclose(axes.shares, lengths[:3] ** 2 / np.sum(lengths**2), rtol=1e-3)
    np.testing.assert_allclose(np.abs(axes.scores), np.abs(vectors[:, :3]) * np.sqrt(5), atol=2e-3)


def test_places_along_an_axis():
    """A step across the axis, in what it changes of the picture, does not move the place on it."""
    first, last = near(small_model(), 1), near(small_model(), 2)
    beyond = morph(first, last, np.float32([0, 0.5, 1, 2]))
    np.testing.assert_allclose(space.places_along(beyond, first, last), [-1, 0, 1, 3], atol=1e-3)


def test_distances_are_those_of_the_pictures(models):
    models = jax.tree.map(np.asarray, models)
    inside = models.replace(means=0.5 + 0.1 * models.means, precision_chol=np.add(models.precision_chol, [8, 0, 8]))
    inside = jax.tree.map(np.float32, inside)
    found = space.distances(inside)
    pictures = np.asarray(gmjax.render(inside, (200, 200)), np.float64).reshape(6, 200, 200, -1)
    squared = np.square(pictures[:, None] - pictures[None]).mean((2, 3)).sum(-1)
    np.testing.assert_allclose(found, np.sqrt(squared), atol=2e-3)
    assert (np.diagonal(found) == 0).all()


def test_derivatives():
    with jax.enable_x64(True):
        a, b = (jax.tree.map(np.float64, near(small_model(), seed)) for seed in (0, 1))
        points = np.random.default_rng(5).uniform(size=(3, 2))

        @jax.jit
        def values(a, t):
            average = mean(gmjax.stack([a, b, morph(a, b, t)]))
            return gmjax.gmface(average, points)

        check_grads(values, (a, 0.3), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: mean(gmjax.unstack(m)[0]), "must be a batch"),
        (lambda m: mean(m, np.ones(3)), "for each of the 6 models"),
        (lambda m: space.continuum(m, 1), "at least 2"),
        (lambda m: space.principal_axes(m, 6), "from 1 to 5"),
        (lambda m: space.from_scores(space.principal_axes(m, 2), np.ones(3)), "2 numbers"),
        (lambda m: morph(gmjax.unstack(m)[0], gmjax.published_common_face(), 0.5), "must correspond"),
    ],
)
def test_errors(unchecked, call, message):
    with pytest.raises(gmjax.ArgumentError, match=message):
        call(gmjax.stack([near(small_model(), seed) for seed in range(6)]))
