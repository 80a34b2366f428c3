"""``gmjax.fit``: one picture, one formula."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gmjax
from gmjax.solvers.fitting import fit_statistics

QUICK = gmjax.FitConfig(num_components=6, steps=60)


def test_fit_writes_the_picture_as_a_formula(picture):
    result = gmjax.fit(picture, config=QUICK)
    rendered = gmjax.render(result.params, picture.shape)
    assert result.info.mse == pytest.approx(float(gmjax.mse(rendered, picture)), rel=1e-3)
    assert result.info.pae == pytest.approx(float(gmjax.pae(rendered, picture)), rel=1e-3)
    assert result.info.psnr == pytest.approx(-10 * np.log10(float(result.info.mse)), rel=1e-4)
    assert result.info.loss["adam"].shape == (60,)
    start = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1)).info.loss["adam"][0]
    assert result.info.loss["adam"][0] == start
    assert result.info.mse < 0.2 * start


def test_fit_recovers_a_picture_made_of_gaussians():
    truth = gmjax.GmFace(
        jnp.asarray([0.6, 0.4]), jnp.asarray([[0.3, 0.4], [0.7, 0.6]]), jnp.asarray([[4.0, 1, 5], [6.0, -2, 3]])
    )
    image = jnp.clip(gmjax.render(truth, (30, 30)), 0, 1)
    near = gmjax.translate(truth, (0.05, -0.05))
    result = gmjax.fit(image, near, config=gmjax.FitConfig(steps=400))
    assert result.info.mse < 1e-7
    np.testing.assert_allclose(result.params.means, truth.means, atol=2e-3)


def test_color_and_its_gray_start(picture):
    image = np.stack([picture, picture**2, 1 - picture], axis=-1)
    gray = gmjax.fit(picture, config=QUICK).params
    result = gmjax.fit(image, gray, config=QUICK)
    assert result.params.weights.shape == (6, 3)
    assert result.info.mse < 0.05 * np.var(image)


def test_best_step_is_kept(picture):
    """A learning rate that throws the model about: the result is the best model seen, not the last."""
    config = gmjax.FitConfig(num_components=6, steps=40, learning_rate=0.5)
    result = gmjax.fit(picture, config=config)
    loss = result.info.mse + 1e-3 * result.info.pae
    assert loss == pytest.approx(float(result.info.loss["adam"].min()), rel=1e-4)
    assert loss < result.info.loss["adam"][-1]


def test_lambda_has_a_default_for_one_picture_and_one_for_a_collection(picture):
    for fit, data, weight in ((gmjax.fit, picture, 1e-3), (gmjax.fit_common, picture[None], 1e-4)):
        found = fit(data, config=gmjax.FitConfig(num_components=6, steps=5)).info.loss["adam"]
        expected = fit(data, config=gmjax.FitConfig(num_components=6, steps=5, pae_weight=weight)).info.loss["adam"]
        np.testing.assert_array_equal(found, expected)


def test_the_last_step_counts_too(picture):
    """With one step, the model after it is better than the start, and it is the one returned."""
    result = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1, learning_rate=1e-4))
    assert result.info.mse + 1e-3 * result.info.pae < result.info.loss["adam"][0]


def test_mask(picture):
    spoiled = picture.copy()
    spoiled[:6] = 1.0
    mask = np.ones(picture.shape, bool)
    mask[:6] = False
    result = gmjax.fit(spoiled, config=QUICK, mask=mask)
    inside = np.asarray(gmjax.render(result.params, picture.shape))[6:] - picture[6:]
    assert result.info.mse == pytest.approx(float(np.mean(inside**2)), rel=1e-3)
    assert np.mean(inside**2) < 0.05 * np.var(picture[6:])


@pytest.mark.parametrize("config", [QUICK, gmjax.FitConfig(num_components=6, steps=60, start="random")])
def test_same_key_same_bits(picture, config):
    first, second = (gmjax.fit(picture, config=config, key=jax.random.key(3)) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_any_optimizer_and_schedule(picture):
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.02, 10, 60)
    by_schedule = gmjax.FitConfig(num_components=6, steps=60, learning_rate=schedule)
    by_optimizer = gmjax.FitConfig(num_components=6, steps=60, optimizer=optax.rmsprop(1e-2))
    for config in (by_schedule, by_optimizer, gmjax.FitConfig.paper(num_components=6, steps=60)):
        result = gmjax.fit(picture, config=config)
        assert result.info.loss["adam"][-1] < result.info.loss["adam"][1]


def test_paper_recipe_is_adam_with_its_published_defaults():
    config = gmjax.FitConfig.paper(num_components=40)
    assert config.pae_weight == 0.1
    assert config == gmjax.FitConfig.paper(num_components=40), "or every call would compile again"
    gradient = {"w": jnp.asarray([0.3])}
    ours, published = config.optimizer, optax.adam(1e-3, b1=0.9, b2=0.999, eps=1e-8)
    np.testing.assert_array_equal(
        ours.update(gradient, ours.init(gradient))[0]["w"], published.update(gradient, published.init(gradient))[0]["w"]
    )


def test_one_compilation_for_pictures_of_one_shape(picture):
    config = gmjax.FitConfig(num_components=5, steps=7)
    before = fit_statistics._cache_size()
    for scale in (1.0, 0.5, 0.25):
        gmjax.fit(picture * scale, config=gmjax.FitConfig(num_components=5, steps=7))
        gmjax.fit(picture * scale, config=config)
    assert fit_statistics._cache_size() == before + 1


def test_under_jit_vmap_and_pmap(picture):
    images = jnp.stack([picture, picture[::-1], 1 - picture])
    expected = [gmjax.fit(image, config=QUICK) for image in images]
    jitted = jax.jit(gmjax.fit, static_argnames="config")(images[0], config=QUICK)
    vmapped = jax.vmap(lambda image: gmjax.fit(image, config=QUICK))(images)
    pmapped = jax.pmap(lambda image: gmjax.fit(image, config=QUICK))(images)
    for found in (jax.tree.map(lambda leaf: leaf[None], jitted), vmapped, pmapped):
        for place in range(len(found.info.mse)):
            params = jax.tree.map(lambda leaf, place=place: leaf[place], found.params)
            difference = gmjax.render(params, picture.shape) - gmjax.render(expected[place].params, picture.shape)
            assert np.abs(difference).max() < 1e-3


def test_under_shard_map(picture):
    mesh = jax.make_mesh((2,), ("faces",), devices=jax.devices()[:2])
    images = jnp.stack([picture, 1 - picture])
    spec = jax.sharding.PartitionSpec("faces")
    fit_two = jax.shard_map(
        jax.vmap(lambda image: gmjax.fit(image, config=QUICK).info.mse), mesh=mesh, in_specs=spec, out_specs=spec
    )
    shared_out = jax.device_put(images, jax.sharding.NamedSharding(mesh, spec))
    expected = [gmjax.fit(image, config=QUICK).info.mse for image in images]
    np.testing.assert_allclose(jax.jit(fit_two)(shared_out), expected, rtol=1e-2)


def test_derivative_with_respect_to_the_picture(picture):
    """Against central differences in float64, where they can be trusted."""
    with jax.enable_x64(True):
        image = jnp.asarray(picture, jnp.float64)[:9, :8]
        config = gmjax.FitConfig(num_components=3, steps=12, pae_weight=0.0)

        def fitted(image):
            return jnp.sum(jnp.cos(gmjax.render(gmjax.fit(image, config=config).params, (5, 4)) * 3))

        direction = jnp.asarray(np.random.default_rng(0).normal(size=image.shape))
        slope = jnp.sum(jax.jit(jax.grad(fitted))(image) * direction)
        numeric = (fitted(image + 1e-6 * direction) - fitted(image - 1e-6 * direction)) / 2e-6
        assert slope == pytest.approx(float(numeric), rel=1e-4)


def test_memory_of_that_derivative_does_not_hold_the_gaussians_of_every_step():
    config = gmjax.FitConfig(num_components=20, steps=400)
    gradient = jax.grad(lambda image: gmjax.fit(image, config=config).info.mse)
    memory = jax.jit(gradient).lower(jnp.zeros((40, 40))).compile().memory_analysis().temp_size_in_bytes
    state, gaussians = 4 * 20 * 6 * 5, 4 * 20 * 40 * 40  # bytes; a state is parameters, two moments, the best and more
    assert memory < 400 * 2 * state + 20 * gaussians < 0.3 * (400 * gaussians)


def test_derivative_is_finite_where_a_component_has_no_gradient(picture):
    """A component that no pixel sees has gradient 0, and the root of 0 no derivative."""
    start = gmjax.GmFace(
        jnp.ones(2), jnp.asarray([[0.5, 0.5], [0.51, 0.49]]), jnp.asarray([[2.0, 0, 2], [9e3, 0, 9e3]])
    )
    config = gmjax.FitConfig(steps=3)
    gradient = jax.grad(lambda image: jnp.sum(gmjax.fit(image, start, config=config).params.weights))(
        jnp.asarray(picture)
    )
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_float64(picture):
    with jax.enable_x64(True):
        result = gmjax.fit(np.float64(picture), config=gmjax.FitConfig(num_components=3, steps=5))
        assert all(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(result))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.full((4, 4), np.nan, np.float32), ValueError, "NaN"),
        (np.full((4, 4), np.inf, np.float32), ValueError, "infinite"),
        (np.full((4, 4), 1.5, np.float32), ValueError, r"\[0, 1\].*divide 8-bit values by 255"),
        (np.full((4, 4), -0.5, np.float32), ValueError, r"\[0, 1\]"),
        (np.zeros((4, 4), np.uint8), TypeError, "uint8.*255"),
        (np.zeros((0, 4), np.float32), ValueError, "at least two pixels"),
        (np.zeros((1, 1), np.float32), ValueError, "at least two pixels"),
        (np.zeros((4, 4, 0), np.float32), ValueError, "at least two pixels"),
        (np.zeros(4, np.float32), ValueError, r"\(H, W\)"),
        (np.zeros((2, 2, 2, 2), np.float32), ValueError, r"\(H, W\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_pictures(image, error, message):
    with pytest.raises(error, match=message):
        gmjax.fit(image, config=QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_components": 0}, "num_components"),
        ({"num_components": 2.5}, "num_components"),
        ({"num_components": True}, "num_components"),
        ({"steps": 0}, "steps"),
        ({"solver": "newton"}, "adam"),
        ({"start": "zeros"}, "grid, random"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"pae_weight": -1.0}, "pae_weight"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": 3}, "batch_size"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_configurations(arguments, message):
    with pytest.raises(ValueError, match=message):
        gmjax.FitConfig(**arguments)


@pytest.mark.usefixtures("unchecked")
def test_bad_starts_and_masks(picture, model, color_model):
    with pytest.raises(TypeError, match="config="):
        gmjax.fit(picture, QUICK)
    with pytest.raises(ValueError, match="key"):
        gmjax.fit(picture, config=gmjax.FitConfig(start="random"))
    with pytest.raises(ValueError, match="channels"):
        gmjax.fit(picture, color_model, config=QUICK)
    with pytest.raises(ValueError, match="NaN"):
        gmjax.fit(picture, model.replace(weights=model.weights * np.nan), config=QUICK)
    with pytest.raises(ValueError, match="l11 > 0"):
        gmjax.fit(picture, model.replace(precision_chol=-model.precision_chol), config=QUICK)
    with pytest.raises(ValueError, match="shapes"):
        gmjax.fit(picture, model.replace(means=model.means[:3]), config=QUICK)
    with pytest.raises(ValueError, match="mask"):
        gmjax.fit(picture, model, config=QUICK, mask=np.ones((3, 3)))
    with pytest.raises(ValueError, match="mask"):
        gmjax.fit(picture, model, config=QUICK, mask=np.zeros(picture.shape))


def test_defaults_settle_by_what_is_fitted():
    lm = gmjax.FitConfig(solver="lm")
    assert [lm.settled(m).steps for m in (20, 80, 160, 1000)] == [176, 176, 110, 64]
    assert [lm.settled(m).pae_weight for m in (20, 40, 80)] == [2e-3, 2e-3, 1e-3]
    assert lm.settled(80, collection=True) == gmjax.FitConfig(solver="lm", steps=704, pae_weight=1e-4)
    assert gmjax.FitConfig().settled(160) == gmjax.FitConfig(steps=2000, pae_weight=1e-3)
    given = gmjax.FitConfig(solver="lm", steps=3, pae_weight=0.0)
    assert given.settled(80) == given
    for name in ("settled_steps", "settled_pae_weight"):
        with pytest.raises(ValueError, match="is not settled"):
            getattr(lm, name)


@pytest.mark.parametrize("solver", ["adam", "lm"])
def test_errors_are_never_negative(solver):
    """A picture that the formula writes exactly, but for rounding."""
    image = np.random.default_rng(1).random((1, 2), np.float32)
    for mask in (None, np.asarray([[1.0, 0.0]], np.float32)):
        config = gmjax.FitConfig(num_components=3, solver=solver, steps=60)
        info = gmjax.fit(image, config=config, mask=mask).info
        assert info.mse >= 0
        assert info.psnr > 30


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", ["x", np.nan, np.inf])
def test_offset_must_be_a_number(value):
    with pytest.raises(ValueError, match=r"FitConfig\.offset must be a finite number"):
        gmjax.FitConfig(offset=value)


@pytest.mark.usefixtures("unchecked")
def test_whole_numbers_of_numpy():
    assert gmjax.FitConfig(num_components=np.int64(5), steps=np.int32(2)) == gmjax.FitConfig(num_components=5, steps=2)


@pytest.mark.usefixtures("unchecked")
def test_a_file_name_is_no_picture():
    with pytest.raises(TypeError, match="load_picture"):
        gmjax.fit("me.jpg")
