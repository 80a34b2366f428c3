"""Fits that stay near a common face, one geometry for many pictures, and the symmetric common face."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax import correspondence, space
from gmjax.coordinates import to_coordinates
from gmjax.solvers.corresponding import model_at

CONFIG = gmjax.FitConfig(stay=1e-4, steps=60)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """(6, 16, 14): a bright spot that moves, on a slope that changes."""
    row, column = np.mgrid[:16, :14] / 15
    rng = np.random.default_rng(0)
    spots = [
        np.exp(-20 * ((row - 0.4 - 0.2 * a) ** 2 + (column - 0.5 - 0.2 * b) ** 2)) * (0.4 + 0.2 * c)
        + 0.3
        + 0.1 * d * row
        for a, b, c, d in rng.uniform(-1, 1, (6, 4))
    ]
    return np.float32(spots)


@pytest.fixture(scope="module")
def common(faces) -> gmjax.GmFace:
    return correspondence.fit_symmetric(faces, config=gmjax.FitConfig(num_components=6, steps=100))


def test_it_minimises_the_stated_loss(faces, common):
    """The loss of the first step is the MSE of the start, as it has not moved; then it falls, and MSE with it."""
    result = gmjax.fit(faces[0], common, config=CONFIG)
    start = gmjax.mse(gmjax.render(common, (16, 14)), faces[0])
    np.testing.assert_allclose(result.info.loss["corresponding"][0], start, rtol=1e-4)
    assert result.info.mse < 0.5 * start
    assert not result.info.diverged


def test_the_stronger_the_nearer(faces, common):
    def fitted(stay):
        params = gmjax.fit(faces[0], common, config=gmjax.FitConfig(stay=stay, steps=60)).params
        error = float(gmjax.mse(gmjax.render(params, (16, 14)), faces[0]))
        return float(jnp.linalg.norm(params.means - common.means)), error

    (way, low), (short_way, high) = fitted(1e-4), fitted(1e2)
    assert way > 100 * short_way
    assert low < 0.5 * high


def test_the_same_under_jit_and_vmap_and_in_the_library(faces, common):
    one = gmjax.fit(faces[1], common, config=CONFIG).params
    many = jax.jit(jax.vmap(lambda face: gmjax.fit(face, common, config=CONFIG).params))(faces[:2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[1], atol=1e-4, rtol=1e-3), one, many)


def test_under_shard_map_and_without_type_promotion(faces, common):
    config = gmjax.FitConfig(stay=1e-4, steps=20)
    explicit = (jax.sharding.AxisType.Explicit,)
    mesh = jax.make_mesh((2,), ("faces",), devices=jax.devices()[:2], axis_types=explicit)
    spec = jax.sharding.PartitionSpec("faces")

    def error(face):
        return gmjax.fit(face, common, config=config).info.mse

    shared_out = jax.device_put(faces[:2], jax.sharding.NamedSharding(mesh, spec))
    found = jax.jit(jax.shard_map(jax.vmap(error), mesh=mesh, in_specs=spec, out_specs=spec))(shared_out)
    with jax.numpy_dtype_promotion("strict"):
        expected = [error(face) for face in faces[:2]]
    np.testing.assert_allclose(found, expected, rtol=2e-2)


def test_differentiable_in_the_picture(faces, common):
    config = gmjax.FitConfig(stay=1e-4, steps=3)

    def brightness(face):
        return jnp.mean(gmjax.fit(face, common, config=config).params.weights)

    gradient = jax.jit(jax.grad(brightness))(faces[0][:8, :7])
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_nothing_moved_is_the_start(common):
    z = jax.tree.map(jnp.zeros_like, to_coordinates(common))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), model_at(common, z), common)


def test_own_loss(faces, common):
    def absolute(picture, image):
        return jnp.mean(jnp.abs(picture - image))

    start = absolute(gmjax.render(common, (16, 14)), faces[0])
    result = gmjax.fit(faces[0], common, config=CONFIG, loss=absolute)
    np.testing.assert_allclose(result.info.loss["corresponding"][0], start, rtol=1e-3)


def test_masked_pixels_do_not_count(faces, common):
    mask = np.zeros((16, 14), np.float32)
    mask[:8] = 1
    other = np.where(mask, faces[0], 1 - faces[0])
    one, two = (gmjax.fit(face, common, config=CONFIG, mask=mask).params for face in (faces[0], other))
    jax.tree.map(np.testing.assert_array_equal, one, two)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lm"}, 'solver="adam"'),
        ({"learning_rate": 0.1}, "exclude each other"),
        ({"batch_size": 2}, "exclude each other"),
    ],
)
def test_what_stay_excludes(options, message):
    with pytest.raises(gmjax.ArgumentError, match=message):
        gmjax.FitConfig(stay=1e-6, **options)


def test_stay_needs_a_start(faces):
    with pytest.raises(gmjax.ArgumentError, match="init is needed with"):
        gmjax.fit(faces[0], config=CONFIG)


def test_the_symmetric_common_face(faces, common):
    picture = np.asarray(gmjax.render(common, (16, 14)))
    np.testing.assert_allclose(picture, picture[:, ::-1], atol=1e-5)
    average = faces.mean(0)
    assert gmjax.mse(picture, (average + average[:, ::-1]) / 2) < 1e-3
    np.testing.assert_array_equal(space.mirror_pairs(common, space.middle_of(common, 14)), [3, 4, 5, 0, 1, 2])
    with pytest.raises(gmjax.ArgumentError, match="must be even"):
        correspondence.fit_symmetric(faces, config=gmjax.FitConfig(num_components=5))


@pytest.mark.parametrize("channels", [None, 3])
def test_projection_is_the_least_squares_solution(faces, common, channels):
    images = faces if channels is None else np.stack([faces, 1 - faces, faces**2], axis=-1)
    models = correspondence.project(images, common)
    assert models.weights.shape == (6, 6) if channels is None else (6, 6, 3)
    unit = common.replace(weights=np.eye(6, dtype=np.float32))
    gaussians = np.asarray(gmjax.render(unit, (16, 14)), np.float64).reshape(-1, 6)
    flat = images.reshape(6, 16 * 14, -1)
    best = [gaussians @ np.linalg.lstsq(gaussians, image, rcond=None)[0] for image in flat]
    drawn = np.asarray(gmjax.render(models, (16, 14))).reshape(flat.shape)
    np.testing.assert_allclose(drawn, best, atol=2e-3)


def test_a_geometry_serves_the_collection_better_than_that_of_the_average(faces):
    config = gmjax.FitConfig(num_components=6, steps=150)
    geometry = correspondence.fit_geometry(faces, config=config)
    plain = gmjax.fit(faces.mean(0), config=config).params

    def error(geometry):
        return float(jnp.mean(jnp.square(gmjax.render(correspondence.project(faces, geometry), (16, 14)) - faces)))

    assert error(geometry) < 0.7 * error(plain)
    np.testing.assert_allclose(
        gmjax.render(geometry, (16, 14)),
        gmjax.render(space.mean(correspondence.project(faces, geometry)), (16, 14)),
        atol=0.02,
    )
