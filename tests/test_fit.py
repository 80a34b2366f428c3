"""``gmjax.fit``: one picture, one formula."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gmjax
from gmjax import personal
from gmjax.solvers.config import resolved

QUICK = gmjax.FitConfig(num_components=6, steps=60)
LM = gmjax.FitConfig(num_components=6, steps=24, solver="lm")
SGD = optax.sgd(1e30)


def test_fit_writes_the_picture_as_a_formula(picture):
    result = gmjax.fit(picture, config=QUICK)
    rendered = gmjax.render(result.params, picture.shape)
    assert result.info.mse == pytest.approx(float(gmjax.mse(rendered, picture)), rel=1e-3)
    assert result.info.pae == pytest.approx(float(gmjax.pae(rendered, picture)), rel=1e-3)
    assert result.info.psnr == pytest.approx(-10 * np.log10(float(result.info.mse)), rel=1e-4)
    assert result.info.loss["adam"].shape == (60,)
    start = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1)).info.loss["adam"][0]
    assert result.info.loss["adam"][0] == pytest.approx(float(start), rel=1e-6)
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
    """Rates that throw the model about: the result is the best model seen, not the last."""
    config = gmjax.FitConfig(num_components=6, steps=40, rate_multiplier=0.5)
    result = gmjax.fit(picture, config=config)
    loss = result.info.mse + 1e-3 * result.info.pae
    assert loss == pytest.approx(float(result.info.loss["adam"].min()), rel=1e-4)
    assert loss < result.info.loss["adam"][-1]
    assert not result.info.diverged


def test_a_fit_that_diverges_says_so(picture):
    start = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1)).params
    for steps in (1, 5):
        config = gmjax.FitConfig(steps=steps, optimizer=SGD)
        for result in (
            gmjax.fit(picture, start, config=config),
            jax.jit(lambda p, config=config: gmjax.fit(p, start, config=config))(picture),
        ):
            assert result.info.diverged
            np.testing.assert_allclose(result.params.means, start.means, atol=1e-6)


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


@pytest.mark.compiled_fully
@pytest.mark.parametrize("config", [QUICK, gmjax.FitConfig(num_components=6, steps=60, start="random")])
def test_same_key_same_bits(picture, config):
    first, second = (gmjax.fit(picture, config=config, key=jax.random.key(3)) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


FREEZE_MEANS = {
    "multi_transform": optax.multi_transform(
        {"train": optax.adam(0.02), "freeze": optax.set_to_zero()}, gmjax.Unconstrained("train", "freeze", "train")
    ),
    "by function": optax.multi_transform(
        {"train": optax.adam(0.02), "freeze": optax.set_to_zero()},
        lambda params: params.replace(weights="train", means="freeze", shapes="train"),
    ),
    "masked": optax.chain(optax.adam(0.02), optax.masked(optax.set_to_zero(), gmjax.Unconstrained(False, True, False))),
}
OPTIMIZERS = {
    "rmsprop": optax.rmsprop(1e-2),
    "lbfgs": optax.lbfgs(),
    "polyak_sgd": optax.polyak_sgd(),
    "reduce_on_plateau": optax.chain(optax.adam(0.02), optax.contrib.reduce_on_plateau(patience=5)),
    "noisy_sgd": optax.noisy_sgd(1e-3, eta=1e-6, key=0),
    "clip": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2)),
    **FREEZE_MEANS,
}


SIMPLE = "rmsprop", "clip", "by function"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] if name in SIMPLE else []) for name in OPTIMIZERS]
)
def test_any_optimizer(picture, name):
    config = gmjax.FitConfig(num_components=6, steps=60, optimizer=OPTIMIZERS[name])
    result = gmjax.fit(picture, config=config)
    assert not result.info.diverged
    assert result.info.mse + 1e-3 * result.info.pae < result.info.loss["adam"][0]
    if name in FREEZE_MEANS:
        start = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1, optimizer=optax.set_to_zero()))
        np.testing.assert_array_equal(result.params.means, start.params.means)
        assert np.abs(result.params.precision_chol - start.params.precision_chol).max() > 0.01
    if name == "lbfgs":  # of second order, and therefore nearer
        assert result.info.mse < gmjax.fit(picture, config=QUICK).info.mse


def test_schedules(picture):
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 60)
    for changes in ({"rate_multiplier": schedule}, {"learning_rate": lambda count: 0.02 * schedule(count)}):
        losses = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=60, **changes)).info.loss["adam"]
        assert losses[-1] < losses[1]


def test_learning_rate_is_that_of_optax(picture):
    by_rate = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=20, learning_rate=1e-3))
    by_optimizer = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=20, optimizer=optax.adam(1e-3)))
    for a, b in zip(jax.tree.leaves(by_rate), jax.tree.leaves(by_optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_paper_recipe_is_adam_with_its_published_defaults(picture):
    config = gmjax.FitConfig.paper(num_components=6, steps=20)
    assert config.pae_weight == 0.1
    published = gmjax.FitConfig(
        num_components=6, steps=20, pae_weight=0.1, optimizer=optax.adam(1e-3, 0.9, 0.999, 1e-8)
    )
    np.testing.assert_array_equal(
        gmjax.fit(picture, config=config).params.means, gmjax.fit(picture, config=published).params.means
    )


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("config", [QUICK, LM, gmjax.FitConfig.paper(batch_size=3, epochs=2)])
def test_configurations_pickle_and_equal_ones_compile_once(config):
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert hash(again) == hash(config)
    number = jnp.float32(0.5)
    assert gmjax.FitConfig(learning_rate=number, pae_weight=np.float64(0.5)) == gmjax.FitConfig(
        learning_rate=0.5, pae_weight=0.5
    )


def l1(a, b):
    return jnp.mean(jnp.abs(a - b))


def test_the_callers_own_loss(picture):
    """The mean absolute error is smaller than that of the default loss, which has a smaller square error."""
    spoiled = picture.copy()
    spoiled[::5, ::5] = 1.0
    robust, default = (
        gmjax.fit(spoiled, config=gmjax.FitConfig(num_components=6, steps=200), loss=f) for f in (l1, None)
    )
    drawn = [gmjax.render(result.params, picture.shape) for result in (robust, default)]
    assert l1(drawn[0], spoiled) < 0.9 * l1(drawn[1], spoiled)
    assert robust.info.loss["adam"].min() == pytest.approx(float(l1(drawn[0], spoiled)), rel=1e-3)
    assert robust.info.mse > default.info.mse
    assert gmjax.mse(drawn[0], picture) < gmjax.mse(drawn[1], picture)


def test_a_loss_with_arrays_of_its_own_under_jit_and_vmap(picture):
    def fit(weights, image):
        def loss(a, b):
            return jnp.sum(weights * jnp.square(a - b))

        return gmjax.fit(image, config=gmjax.FitConfig(num_components=3, steps=5), loss=loss).info.loss["adam"]

    weights = jnp.ones(picture.shape) / picture.size
    expected = gmjax.fit(picture, config=gmjax.FitConfig(num_components=3, steps=5, pae_weight=0.0)).info.loss["adam"]
    np.testing.assert_allclose(jax.jit(fit)(weights, picture), expected, rtol=1e-4)
    both = jax.jit(jax.vmap(fit, (0, None)))(jnp.stack([weights, 2 * weights]), picture)
    np.testing.assert_allclose(both[0], expected, rtol=1e-3)
    np.testing.assert_allclose(both[1, 0], 2 * expected[0], rtol=1e-4)


def test_one_compilation_for_pictures_of_one_shape(picture, caplog):
    for round in range(2):
        caplog.clear()
        with jax.log_compiles():
            for scale in (1.0, 0.5, 0.25):
                gmjax.fit(picture * scale, config=gmjax.FitConfig(num_components=5, steps=11))
        compiled = [record for record in caplog.records if "Compiling" in record.getMessage()]
        assert bool(compiled) == (round == 0)


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


AUTO, EXPLICIT = jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit


@pytest.mark.parametrize(
    ("config", "axis_type"),
    [
        pytest.param(QUICK, AUTO, id="adam, auto"),
        pytest.param(LM, EXPLICIT, id="lm, explicit"),
        pytest.param(QUICK, EXPLICIT, id="adam, explicit", marks=pytest.mark.soak),
        pytest.param(LM, AUTO, id="lm, auto", marks=pytest.mark.soak),
    ],
)
def test_under_shard_map(picture, config, axis_type):
    mesh = jax.make_mesh((2,), ("faces",), devices=jax.devices()[:2], axis_types=(axis_type,))
    images = jnp.stack([picture, 1 - picture])
    spec = jax.sharding.PartitionSpec("faces")
    shared_out = jax.device_put(images, jax.sharding.NamedSharding(mesh, spec))
    fit_two = jax.shard_map(
        jax.vmap(lambda image: gmjax.fit(image, config=config).info.mse), mesh=mesh, in_specs=spec, out_specs=spec
    )
    alone = jax.jit(lambda image: gmjax.fit(image, config=config).info.mse)
    expected = [alone(image) for image in images]
    np.testing.assert_allclose(jax.jit(fit_two)(shared_out), expected, rtol=2e-2)


@pytest.mark.parametrize("config", [QUICK, pytest.param(LM, marks=pytest.mark.soak)], ids=["adam", "lm"])
def test_sharded_inputs(picture, config):
    """A batch shared out over the devices of an Auto mesh, and a picture on another device."""
    spec, axis_type = jax.sharding.PartitionSpec("faces"), jax.sharding.AxisType
    mesh = jax.make_mesh((2,), ("faces",), devices=jax.devices()[:2], axis_types=(axis_type.Auto,))
    images = jnp.stack([picture, 1 - picture])
    shared_out = jax.device_put(images, jax.sharding.NamedSharding(mesh, spec))
    vmapped = jax.jit(jax.vmap(lambda image: gmjax.fit(image, config=config).info.mse))
    expected = [gmjax.fit(image, config=config).info.mse for image in images]
    np.testing.assert_allclose(vmapped(shared_out), expected, rtol=2e-2)
    mesh = jax.make_mesh((2,), ("faces",), devices=jax.devices()[:2], axis_types=(axis_type.Explicit,))
    with pytest.raises(gmjax.ArgumentError, match=r"jax\.shard_map"):
        vmapped(jax.device_put(images, jax.sharding.NamedSharding(mesh, spec)))
    elsewhere = gmjax.fit(jax.device_put(picture, jax.devices()[1]), config=config)
    assert elsewhere.params.means.devices() == {jax.devices()[1]}
    np.testing.assert_allclose(elsewhere.info.mse, expected[0], rtol=2e-2)


@pytest.mark.parametrize("config", [LM, gmjax.FitConfig(num_components=3, steps=5, start="random")])
def test_without_any_type_promotion(picture, config):
    with jax.numpy_dtype_promotion("strict"):
        result = gmjax.fit(picture, config=config, key=jax.random.key(0), mask=picture > 0.3)
        assert jax.jit(lambda image: gmjax.fit(image, config=config, key=jax.random.key(0)).info.mse)(picture) > 0
        gmjax.render(gmjax.rotate(result.params, 0.1), (6, 5))


def test_any_scale_of_a_mask(picture):
    mask = np.linspace(0, 1, picture.size, dtype=np.float32).reshape(picture.shape)
    expected = gmjax.fit(picture, config=QUICK, mask=mask).info.mse
    for scale in (1e-38, 1e-30, 1e30, 1e38):
        found = gmjax.fit(picture, config=QUICK, mask=mask * np.float64(scale)).info.mse
        assert found == pytest.approx(float(expected), rel=1e-2)
    ones = np.ones(picture.shape, np.float32)
    for weight in (1e-38, 1e38):
        found = gmjax.fit(picture, config=QUICK, mask=weight * ones).info.mse
        assert found == pytest.approx(float(gmjax.fit(picture, config=QUICK, mask=ones).info.mse), rel=1e-4)


def test_a_start_with_negative_diagonals(picture, model):
    flipped = model.replace(precision_chol=-np.asarray(model.precision_chol))
    config = gmjax.FitConfig(steps=3)
    np.testing.assert_array_equal(
        gmjax.fit(picture, flipped, config=config).params.means, gmjax.fit(picture, model, config=config).params.means
    )


def test_a_start_keeps_its_grid(picture):
    centred = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=60, offset=0.5))
    assert centred.params.offset == 0.5
    drawn = gmjax.render(centred.params, picture.shape)
    assert gmjax.mse(drawn, picture) == pytest.approx(float(centred.info.mse), rel=1e-3)
    again = gmjax.fit(picture, centred.params, config=gmjax.FitConfig(steps=1))
    assert again.params.offset == 0.5
    moved = gmjax.fit(picture, centred.params, config=gmjax.FitConfig(steps=1, offset=1.0))
    assert moved.params.offset == 1.0


@pytest.mark.compiled_fully
def test_prepared_and_at_once_are_the_same_bits(picture):
    """What the command runs in chunks, and what ``fit`` returns."""
    for config in (QUICK, LM):
        prepared = personal.prepare(picture, config=config)
        *_, last = prepared.run()
        for a, b in zip(
            jax.tree.leaves(prepared.result(last)), jax.tree.leaves(gmjax.fit(picture, config=config)), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_derivative_with_respect_to_the_picture(picture):
    """Against central differences in float64, where they can be trusted."""
    with jax.enable_x64(True):
        image = jnp.asarray(picture, jnp.float64)[:9, :8]
        config = gmjax.FitConfig(num_components=3, steps=12, pae_weight=0.0)

        @jax.jit
        def fitted(image):
            return jnp.sum(jnp.cos(gmjax.render(gmjax.fit(image, config=config).params, (5, 4)) * 3))

        direction = jnp.asarray(np.random.default_rng(0).normal(size=image.shape))
        slope = np.sum(jax.jit(jax.grad(fitted))(image) * direction)
        numeric = (fitted(image + 1e-6 * direction) - fitted(image - 1e-6 * direction)) / 2e-6
        assert slope == pytest.approx(float(numeric), rel=1e-4)


@pytest.mark.soak
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
    gradient = jax.jit(jax.grad(lambda image: jnp.sum(gmjax.fit(image, start, config=config).params.weights)))(picture)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


def test_float64(picture):
    with jax.enable_x64(True):
        result = gmjax.fit(np.float64(picture), config=gmjax.FitConfig(num_components=3, steps=5))
        assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {jnp.dtype("float64"), jnp.dtype("bool")}


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
        (
            np.zeros((6, 12, 12), np.float32),
            ValueError,
            r"jax\.vmap; if there are 12 channels.*FitConfig\(channels=12\)",
        ),
        (np.zeros((3, 24, 20), np.float32), ValueError, r"jax\.vmap, for channels in front use numpy\.moveaxis"),
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
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"rate_multiplier": -1.0}, "rate_multiplier"),
        ({"learning_rate": 0.1, "optimizer": SGD}, "learning_rate"),
        ({"rate_multiplier": 0.1, "optimizer": SGD}, "rate_multiplier"),
        ({"learning_rate": 0.1, "rate_multiplier": 0.1}, "learning_rate"),
        ({"optimizer": optax.adam}, "optimizer"),
        ({"pae_weight": float("inf")}, "pae_weight"),
        ({"channels": 0}, "channels"),
        ({"pae_weight": -1.0}, "pae_weight"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": 3}, "batch_size"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_configurations(arguments, message):
    with pytest.raises(gmjax.ArgumentError, match=message) as caught:
        gmjax.FitConfig(**arguments)
    assert caught.value.argument.startswith("FitConfig.")


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
    with pytest.raises(ValueError, match="infinite"):
        gmjax.fit(picture, model.replace(weights=model.weights + np.float32(np.inf)), config=QUICK)
    with pytest.raises(ValueError, match="l11 > 0"):
        gmjax.fit(picture, model.replace(precision_chol=0 * model.precision_chol), config=QUICK)
    with pytest.raises(ValueError, match=r"\(5,\), \(3, 2\)"):
        gmjax.fit(picture, model.replace(means=model.means[:3]), config=QUICK)
    with pytest.raises(ValueError, match="batch"):
        gmjax.fit(picture, gmjax.stack([model]), config=QUICK)
    for key in (0, np.zeros(2)):
        with pytest.raises(TypeError, match=r"key must be a JAX random key"):
            gmjax.fit(picture, config=gmjax.FitConfig(start="random"), key=key)
    for config in (gmjax.FitConfig(batch_size=2), gmjax.FitConfig(batch_size=2, epochs=2)):
        with pytest.raises(ValueError, match=r"FitConfig\.batch_size is for fit_common"):
            gmjax.fit(picture, config=config)
    for arguments, message in (
        ({"config": LM}, "minimises squares"),
        ({"mask": np.ones(picture.shape)}, "leave pae_weight and mask out"),
        ({"config": gmjax.FitConfig(pae_weight=0.1)}, "leave pae_weight and mask out"),
        ({"target_psnr": 30.0}, "loss"),
    ):
        with pytest.raises(ValueError, match=message):
            gmjax.fit(picture, loss=l1, **arguments)
    with pytest.raises(TypeError, match="function"):
        gmjax.fit(picture, loss="l1")
    with pytest.raises(ValueError, match="loss must give a scalar"):
        gmjax.fit(picture, loss=lambda a, b: a - b)
    with pytest.raises(ValueError, match="mask"):
        gmjax.fit(picture, model, config=QUICK, mask=np.ones((3, 3)))
    with pytest.raises(ValueError, match="mask"):
        gmjax.fit(picture, model, config=QUICK, mask=np.zeros(picture.shape))


def test_many_channels_when_they_are_asked_for():
    image = np.random.default_rng(0).random((12, 10, 6), np.float32)
    result = gmjax.fit(image, config=gmjax.FitConfig(num_components=4, steps=5, channels=6))
    assert result.params.weights.shape == (4, 6)
    with pytest.raises(gmjax.ArgumentError, match=r"FitConfig\.channels is 5"):
        gmjax.fit(image, config=gmjax.FitConfig(num_components=4, steps=5, channels=5))


def test_defaults_are_resolved_by_what_is_fitted():
    lm = gmjax.FitConfig(solver="lm")
    assert [resolved(lm, m).steps for m in (20, 80, 160, 1000)] == [81, 81, 64, 64]
    assert [resolved(lm, m).pae_weight for m in (20, 40, 80)] == [2e-3, 2e-3, 1e-3]
    collection = gmjax.FitConfig(solver="lm", steps=352, pae_weight=1e-4, offset=1.0)
    assert resolved(lm, 80, collection=True) == collection
    assert resolved(gmjax.FitConfig(), 160, offset=0.5) == gmjax.FitConfig(steps=2000, pae_weight=1e-3, offset=0.5)
    given = gmjax.FitConfig(solver="lm", steps=3, pae_weight=0.0, offset=0.0)
    assert resolved(given, 80, offset=0.5) == given


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
