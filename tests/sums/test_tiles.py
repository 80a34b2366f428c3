"""The sum in tiles against the full sum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from jax.test_util import check_grads

import gmjax
from gmjax.gmface import pixel_axes
from gmjax.sums import grid, points, tiles
from tests import reference

SHAPE = 70, 45


def many(channels=1, num_components=150, dtype=np.float32):
    """Components of every kind: very long, very wide, far outside the picture, narrower than a pixel."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(num_components, channels))
    means = rng.uniform(-0.2, 1.2, size=(num_components, 2))
    means[:3] = [[9.0, 0.5], [0.5, -9.0], [1e6, 1e6]]
    chol = np.exp(rng.uniform(-1, 4, size=(num_components, 3)))
    chol[:, 1] *= rng.choice([-1, 1], num_components)
    chol[3:6] = [[1e-3, 0.0, 1e-3], [1e4, 0.0, 1e4], [1e-2, 300.0, 40.0]]
    return tuple(jnp.asarray(part, dtype) for part in (weights, means, chol))


def axes(shape=SHAPE, dtype=np.float32):
    return pixel_axes(shape, 1.0, dtype)


@jax.jit
def full(weights, means, chol, rows, columns):
    return points.sum_of_gaussians(weights, means, chol, rows[:, None], columns[None, :])


def assert_near(found, expected, within):
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.abs(ours - theirs).max() <= within * np.abs(theirs).max()


@pytest.mark.parametrize("shape", [SHAPE, (1, 7), (100, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sum_is_the_full_one(shape, channels):
    parameters = many(channels)
    found = jax.jit(tiles.sum_of_gaussians)(*parameters, *axes(shape))
    assert found.shape == (*shape, channels)
    off = np.abs(np.asarray(found) - full(*parameters, *axes(shape))).max(axis=(0, 1))
    assert (off < 3e-7 * np.abs(parameters[0]).sum(axis=0)).all()


def test_derivatives_are_those_of_the_full_sum():
    """Forward and reverse mode and the second derivative."""
    parameters = many(channels=3)
    tangents = tuple(jnp.cos(jnp.arange(part.size)).reshape(part.shape) for part in parameters)

    @jax.jit(static_argnums=0)
    def derivatives(total, parameters):
        def picture(*parameters):
            return total(*parameters, *axes())

        def loss(*parameters):
            return jnp.mean(jnp.sin(picture(*parameters)))

        def slope(*parameters):
            return jax.jvp(loss, parameters, tangents)[1]

        change = jax.jvp(picture, parameters, tangents)[1]
        return change, jax.grad(loss, (0, 1, 2))(*parameters), jax.grad(slope, (0, 1, 2))(*parameters)

    assert_near(derivatives(tiles.sum_of_gaussians, parameters), derivatives(full, parameters), 1e-5)


def test_gradient_is_the_papers_equations_in_float64():
    weights, means, chol = many()
    cotangent = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)

    @jax.jit
    @jax.grad
    def gradient(parameters):
        return jnp.sum(tiles.sum_of_gaussians(*parameters, *axes())[..., 0] * cotangent)

    x = np.stack(np.meshgrid(*(np.arange(1, n + 1) / n for n in SHAPE), indexing="ij"), -1).reshape(-1, 2)
    expected = reference.gradient(gmjax.GmFace(weights[:, 0], means, chol), x, cotangent.reshape(-1))
    found = gradient((weights, means, chol))
    assert_near((found[0][:, 0], found[1], found[2]), expected, 1e-5)


def test_check_grads_forwards_and_backwards():
    weights, means, chol = many(num_components=8)
    broad = weights, means.at[:3].set(0.5), jnp.clip(chol, -2.0, 2.0)
    check_grads(
        jax.jit(lambda *parameters: tiles.sum_of_gaussians(*parameters, *axes((3, 4)))),
        broad,
        order=1,
        modes=["fwd", "rev"],
        atol=3e-2,
        rtol=3e-2,
    )


def test_vmap_over_models():
    models = jax.tree.map(lambda part: jnp.stack([part, part * 1.1]), many())

    def loss(total):
        return lambda parameters: jnp.mean(jnp.square(total(*parameters, *axes())))

    found, expected = (jax.jit(jax.vmap(jax.value_and_grad(loss(t))))(models) for t in (tiles.sum_of_gaussians, full))
    assert_near(found, expected, 1e-5)


def test_shard_map_over_rows():
    parameters, (rows, columns) = many(), axes((64, 40))
    mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))

    def loss(parameters, rows):
        picture = tiles.sum_of_gaussians(*parameters, rows, columns)
        return jax.lax.psum(jnp.sum(jnp.square(picture)), "rows")

    def shared(parameters):
        specs = PartitionSpec(), PartitionSpec("rows")
        return jax.shard_map(loss, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())(parameters, rows)

    found = jax.jit(jax.value_and_grad(shared))(parameters)
    expected = jax.jit(jax.value_and_grad(lambda p: jnp.sum(jnp.square(full(*p, rows, columns)))))(parameters)
    assert_near(found, expected, 1e-5)


def test_float64_is_exact_to_its_own_rounding():
    with jax.enable_x64(True):
        parameters = many(dtype=np.float64)
        found = jax.jit(tiles.sum_of_gaussians)(*parameters, *axes(dtype=np.float64))
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, full(*parameters, *axes(dtype=np.float64)), atol=1e-13)


def test_nan_parameters_are_not_hidden():
    weights, means, chol = many()
    for parameters in ((weights.at[7].set(np.nan), means, chol), (weights, means.at[7].set(np.nan), chol)):
        assert np.isnan(jax.jit(tiles.sum_of_gaussians)(*parameters, *axes())).any()


def test_render_takes_tiles_for_large_sums_and_compiles_once():
    """Its memory does not grow with components times pixels: one array of that size would have 134 MB."""
    weights, means, chol = many(num_components=512)
    params = gmjax.GmFace(weights[:, 0], means, chol)
    assert tiles.worthwhile(512, 256, 256, min_terms=grid.MIN_TERMS_FOR_TILES)
    assert not tiles.worthwhile(80, 120, 120, min_terms=points.MIN_TERMS_FOR_TILES)
    step = jax.jit(jax.value_and_grad(lambda p: jnp.mean(jnp.square(gmjax.render(p, (256, 256))))))
    compiled = step.lower(params).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 10e6
    expected = reference.formula(
        params, np.asarray(gmjax.pixel_grid((256, 256)), np.float64)[::37, ::41].reshape(-1, 2)
    )
    picture = np.asarray(gmjax.render(params, (256, 256)))[::37, ::41].reshape(-1)
    np.testing.assert_allclose(picture, expected, atol=3e-7 * np.abs(weights).sum())
    for model in (params, params.replace(precision_chol=chol * 0.01), params.replace(means=means + 0.3)):
        step(model)
    assert step._cache_size() == 1


def test_chunks_of_tiles_give_the_same_bits(monkeypatch):
    """As where the lists of components would be too long; the derivative agrees to rounding."""
    parameters = many(channels=2)

    def value_and_gradient():
        def total(*parameters):
            return jnp.sum(jnp.sin(tiles.sum_of_gaussians(*parameters, *axes())))

        picture = jax.jit(lambda: tiles.sum_of_gaussians(*parameters, *axes()))()
        return picture, jax.jit(jax.grad(total, argnums=(0, 1, 2)))(*parameters)

    picture, gradient = value_and_gradient()
    monkeypatch.setattr(tiles, "_ENTRIES", 150 * 4)
    in_chunks, gradient_in_chunks = value_and_gradient()
    np.testing.assert_array_equal(in_chunks, picture)
    assert_near(gradient_in_chunks, gradient, 1e-5)
