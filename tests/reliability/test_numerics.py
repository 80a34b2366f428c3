"""Fits stay finite: on pictures without structure, from any random start, and where components degenerate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gmjax
import gmjax.statistics
from gmjax.gmface import as_wide_as_pixels, pixel_axes
from gmjax.solvers import adam, starts
from gmjax.solvers.fitting import starting_model
from gmjax.solvers.unconstrained import Unconstrained, to_unconstrained

SHAPE = 9, 8
# One configuration a solver for most of what follows, since each is compiled for itself; starts are given.
CONFIGS = {
    "adam": gmjax.FitConfig(num_components=5, steps=24, start="random"),
    "lm": gmjax.FitConfig(num_components=5, steps=24, start="random", solver="lm"),
}
# (solver, shape, channels, from the published face): the quick to compile first.
CASES = [
    ("adam", SHAPE, None, False),
    ("lm", SHAPE, None, False),
    ("adam", (1, 7), 3, True),
    ("adam", SHAPE, None, True),
    ("adam", (1, 7), 3, False),
    ("adam", (7, 1), None, False),
    ("adam", (2, 1), None, False),
    ("lm", (1, 7), None, False),
    ("lm", (2, 1), 3, False),
    ("lm", (7, 1), 3, False),
    ("lm", SHAPE, 3, False),
    ("lm", SHAPE, None, True),
    ("adam", SHAPE, 3, True),
    ("lm", (1, 7), None, True),
]
SHORT_CASES = 2


def pictures(shape: tuple[int, int], channels: int | None = None) -> dict[str, np.ndarray]:
    """Pictures (H, W) or (H, W, C) by name."""
    height, width = shape
    row, column = np.indices(shape)
    black, noise = np.zeros(shape), np.random.default_rng(0).random(shape)
    middle = np.where((row == height // 2) & (column == width // 2), 1.0, 0.0)
    made = {
        "black": black,
        "white": black + 1,
        "nearly black": black + 1 / 255,
        "gray": black + 0.5,
        "light gray": black + 0.9,
        "noise": noise,
        "one bright pixel": middle,
        "one black pixel": 1 - middle,
        "step": np.where(row * width < column * height, 1.0, 0.0),
        "checkerboard": (row + column) % 2.0,
    }
    if channels:
        made = {
            name: np.stack([gray * share for share in np.linspace(1, 0, channels)], -1) for name, gray in made.items()
        }
    return {name: np.float32(picture) for name, picture in made.items()}


def require_valid(result: gmjax.FitResult, *, losses: bool = True) -> None:
    """All numbers finite, but the PSNR of an error of exactly 0; the model a valid one, also saved, moved and drawn."""
    info, params = result.info, result.params
    assert np.isfinite(info.mse)
    assert np.isfinite(info.pae)
    assert np.isfinite(info.psnr) or (info.mse == 0 and info.psnr == np.inf)
    assert np.isfinite(info.loss["adam"]).all() or not losses
    for model, picture in moved_and_drawn(params):
        require_valid_model(model)
        assert np.isfinite(picture).all()


@jax.jit
def moved_and_drawn(params: gmjax.GmFace):
    """(model, picture) of the model and of three that it is moved to; compiled as one, which takes a second less."""
    moved = gmjax.translate(params, (0.3, -0.2)), gmjax.scale(params, 2.0), gmjax.rotate(params, 1.0, aspect=0.7)
    return [(model, gmjax.render(model, (13, 17))) for model in (params, *moved)]


def require_valid_model(params: gmjax.GmFace) -> None:
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert (np.asarray(params.precision_chol)[..., ::2] > 0).all()


def require_saved(path, params: gmjax.GmFace) -> None:
    gmjax.save(path, params)
    for a, b in zip(jax.tree.leaves(gmjax.load(path)), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)


@jax.jit
def errors_of(params: gmjax.GmFace, image):
    """MSE and PAE of what a fit sees of a model."""
    picture = gmjax.render(as_wide_as_pixels(params, *pixel_axes(image.shape[:2])), image.shape[:2])
    return gmjax.mse(picture, image), gmjax.pae(picture, image)


def starting_models(image, number: int, from_published: bool):
    if from_published:
        return [gmjax.published_common_face()]
    key = jax.random.fold_in(jax.random.key(0), number)
    return [starts.grid(image, 5), starts.at_random(key, image, 5)]


@pytest.mark.soak
def test_pictures_without_structure(trials, tmp_path):
    fault = "a constant picture, noise, one pixel, a step, 1 x N, N x 1, more components than pixels"
    for number in trials(fault, short=SHORT_CASES, long=len(CASES), share=0.05):
        solver, shape, channels, from_published = CASES[number]
        for name, image in pictures(shape, channels).items():
            for start in starting_models(jnp.asarray(image), number, from_published):
                result = gmjax.fit(image, start, config=CONFIGS[solver])
                require_valid(result)
                require_saved(tmp_path / "model.safetensors", result.params)
                mse, pae = float(result.info.mse), float(result.info.pae)
                if from_published and channels:
                    continue  # The weights that it starts with are not the published ones.
                start_mse, start_pae = errors_of(start, image)
                if solver == "adam":
                    assert mse + 1e-3 * pae <= 1.001 * (start_mse + 1e-3 * start_pae) + 1e-5, name
                else:
                    constant = np.mean(np.square(image - image.mean(axis=(0, 1))))
                    assert mse <= 1.001 * start_mse + 1e-5, name
                    assert mse <= 1.05 * constant + 1e-5, name
    trials.cost("nothing: finite, valid models, no worse than their start")


@pytest.mark.soak
def test_random_starts(trials):
    """Both solvers, on all of the pictures in turn."""
    images = list(pictures(SHAPE).values())
    for number in trials("a random start", short=50, long=5000, share=0.05):
        image, solver = images[number // 2 % len(images)], ("adam", "lm")[number % 2]
        result = gmjax.fit(image, config=CONFIGS[solver], key=jax.random.key(number))
        require_valid(result)
        assert result.info.mse <= np.mean(np.square(image)) + 1e-5
    trials.cost("nothing: finite, valid models, none worse than the formula 0")


def test_random_starts_of_many_components(trials):
    """Only the starts: the equations of their weights hardly ever have full rank in float32."""
    images = list(pictures(SHAPE).values())
    for number in trials("a random start of 60 components for 72 pixels", short=100, long=10_000, share=0.01):
        image = jnp.asarray(images[number % len(images)])
        require_valid_model(starts.at_random(jax.random.key(number), image, 60))
    trials.cost("nothing: finite, valid models")


def degenerate_starts() -> dict[str, gmjax.GmFace]:
    """Valid models that no fit would make, by name."""
    usual = starts.grid(jnp.asarray(pictures(SHAPE)["noise"]), 5)

    def with_first(field: str, place, value) -> gmjax.GmFace:
        return usual.replace(**{field: getattr(usual, field).at[(0, *place)].set(value)})

    def with_all(field: str, value) -> gmjax.GmFace:
        return usual.replace(**{field: jnp.broadcast_to(jnp.float32(value), getattr(usual, field).shape)})

    twice = jax.tree.map(lambda leaf: leaf.at[1].set(leaf[0]), usual)
    made = {
        "two identical": twice,
        "all identical": jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[0], leaf.shape), usual),
        "two that cancel": twice.replace(weights=twice.weights.at[:2].set(jnp.asarray([1e20, -1e20]))),
        "no weights": with_all("weights", 0),
        "all outside": usual.replace(means=usual.means + 30),
        "all narrow": with_all("precision_chol", [1e30, 0, 1e30]),
        "all flat": with_all("precision_chol", [1e-30, 0, 1e-30]),
        "flat one way, infinitely sheared": with_first("precision_chol", (), jnp.asarray([1e-30, 1e30, 2.0])),
        "narrow and heavy": with_first("precision_chol", (0,), 1e30).replace(weights=usual.weights.at[0].set(1e38)),
    }
    for value in (1e-30, 1.2e-38, 1e30, 3e38):
        made[f"l11 {value:g}"] = with_first("precision_chol", (0,), value)
        made[f"l22 {value:g}"] = with_first("precision_chol", (2,), value)
    for value in (1e20, -3e38):
        made[f"l21 {value:g}"] = with_first("precision_chol", (1,), value)
        made[f"one weight {value:g}"] = with_first("weights", (), value)
        made[f"all weights {value:g}"] = with_all("weights", value)
    for value in (1e6, 1e25, -3e38):
        made[f"one mean {value:g}"] = with_first("means", (), value)
        made[f"one row {value:g}"] = with_first("means", (0,), value)
        made[f"all means {value:g}"] = with_all("means", value)
    return made


@pytest.mark.soak
@pytest.mark.parametrize("solver", ["adam", "lm"])
def test_degenerate_starts(solver, trials, tmp_path):
    made = list(degenerate_starts().items())
    image = pictures(SHAPE)["noise"]
    for number in trials(f"a degenerate start, {solver}", short=len(made), long=len(made), share=0.01):
        name, start = made[number]
        result = gmjax.fit(image, start, config=CONFIGS[solver])
        require_valid(result)
        require_saved(tmp_path / "model.safetensors", result.params)
        assert result.info.mse <= 1.001 * errors_of(starts.usable(start), image)[0] + 1e-5, name
        if solver == "lm":
            assert result.info.mse < np.var(image), name
    trials.cost("nothing: finite, valid models")


def test_degenerate_gray_starts_for_a_colour_picture(trials):
    """Their weights are solved for, from Gaussians that may be 0 at every pixel or equal; the start is looked at."""
    made = list(degenerate_starts().values())
    image = pictures((1, 7), 3)["noise"]
    for number in trials("a degenerate gray start for a colour picture", short=len(made), long=len(made), share=0.01):
        require_valid_model(starting_model(made[number], jnp.asarray(image), CONFIGS["adam"], None))
    trials.cost("nothing: finite, valid models")


def test_neighbours_of_a_degenerate_start(trials):
    """Under ``jit`` and ``vmap`` even a start of NaN, which cannot be refused there, spoils only its own fit."""
    made, image = degenerate_starts(), pictures(SHAPE)["noise"]
    usual = [starts.grid(jnp.asarray(image), 5), starts.at_random(jax.random.key(0), jnp.asarray(image), 5)]
    spoiled = jax.tree.map(lambda leaf: leaf * np.nan, usual[0])
    together = [usual[0], spoiled, made["all weights 1e+20"], made["one mean 1e+25"], usual[1]]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *together)
    for number in trials("a start of NaN among others under vmap", short=1, long=2, share=0.01):
        config = list(CONFIGS.values())[number]
        results = jax.jit(jax.vmap(lambda start, config=config: gmjax.fit(image, start, config=config)))(batch)
        for place in (0, 2, 3, 4):
            result = jax.tree.map(lambda leaf, place=place: leaf[place], results)
            require_valid(result)
            alone = gmjax.fit(image, together[place], config=config)
            assert float(result.info.mse) == pytest.approx(float(alone.info.mse), rel=1e-2)
    trials.cost("that fit alone")


def towards(*rates: float) -> optax.GradientTransformation:
    """An optimiser that adds ``rates`` to (mean row, mean column, log l11, shear, log l22) at every step."""

    def update(updates, params):
        means, shapes = (jnp.broadcast_to(jnp.asarray(part), (len(updates.means), len(part))) for part in split)
        return Unconstrained(0.0 * updates.weights, means, shapes)

    split = rates[:2], rates[2:]

    return optax.stateless(update)


BLOW_UPS = {
    "rates times 1e3": {"rate_multiplier": 1e3},
    "SGD of rate 1e6": {"optimizer": optax.sgd(1e6)},
    "flat beyond float32": {"optimizer": towards(0, 0, -60, 0, -60)},
    "SGD of rate 1e30": {"optimizer": optax.sgd(1e30)},
    "rates times 1e30": {"rate_multiplier": 1e30},
    "NaN": {"optimizer": optax.scale(float("nan"))},
    "infinitely far away": {"optimizer": towards(np.inf, np.inf, 0, 0, 0)},
    "sheared beyond float32": {"optimizer": towards(0, 0, 0, 1e38, 0)},
}


def test_fits_that_blow_up(trials):
    """The best valid model that they met is kept; the losses show what happened."""
    images = pictures((6, 5))
    for number in trials("an optimiser that throws the model away", short=2, long=len(BLOW_UPS), share=0.01):
        name, changes = list(BLOW_UPS.items())[number]
        config = gmjax.FitConfig(num_components=2, steps=20, **changes)
        start = gmjax.GmFace(jnp.asarray([0.4, 0.6]), jnp.full((2, 2), 0.4), jnp.asarray([[2.0, 1, 2]] * 2))
        results = {name: gmjax.fit(image, start, config=config) for name, image in images.items()}
        for result in results.values():
            require_valid(result, losses=False)
            assert result.info.mse + 1e-3 * result.info.pae <= 1.001 * result.info.loss["adam"][0], name
        if "SGD" in name:
            assert not np.isfinite(results["noise"].info.loss["adam"]).all()
            assert results["noise"].info.diverged
    trials.cost("the steps after the best valid model")


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("means", 0, np.inf),
        ("means", 1, np.nan),
        *(("shapes", column, value) for column in (0, 2) for value in (-1e3, 1e3, np.inf)),
        ("shapes", 1, np.inf),
        ("shapes", 1, 3e38),
    ],
)
def test_a_model_that_is_not_valid_is_never_the_best(field, column, value):
    """Even with a loss of 0: a mean at infinity is a component that is not there."""
    free = to_unconstrained(degenerate_starts()["two identical"])
    state = adam.State(free, (), free, jnp.float32(0.5))
    spoiled = free.replace(**{field: getattr(free, field).at[0, column].set(value)})
    solver = adam.Adam(gmjax.FitConfig(), loss=lambda picture, image: jnp.float32(0.0))
    data = adam.Data(gmjax.statistics.one_image(jnp.zeros(SHAPE)), None)
    after = solver.with_best(data, state.replace(free=spoiled))
    assert after.best_loss == 0.5
    np.testing.assert_array_equal(getattr(after.best, field), getattr(free, field))
    assert solver.with_best(data, state).best_loss == 0
    assert solver.has_diverged(state.replace(free=spoiled))


@pytest.mark.soak
def test_derivatives(trials):
    """All outputs of a fit have derivatives except the PSNR, which has none where the error is 0."""
    cases = [("lm", (1, 7), 2), ("adam", (1, 7), 2), *((solver, SHAPE, m) for m in (5, 80) for solver in CONFIGS)]
    for number in trials("the derivative of a fit to such a picture", short=1, long=len(cases), share=0.06):
        solver, shape, m = cases[number]
        config = gmjax.FitConfig(num_components=m, solver=solver, steps=10)

        def fitted(image, config=config):
            result = gmjax.fit(image, config=config)
            return sum(
                jnp.sum(leaf) for leaf in jax.tree.leaves((result.params, result.info.mse, result.info.pae))
            ), result

        fit_and_slope = jax.jit(jax.grad(fitted, has_aux=True))
        for name, image in pictures(shape).items():
            slope, result = fit_and_slope(image)
            assert np.isfinite(slope).all(), name
            require_valid(result)
    trials.cost("nothing: finite derivatives")


def test_float64(trials):
    made = list(degenerate_starts().values())
    images = pictures((7, 1))
    with jax.enable_x64(True):
        for number in trials("degenerate starts and such pictures in float64", short=1, long=2, share=0.01):
            config = list(CONFIGS.values())[number]
            given = [(images["noise"], start) for start in made] + [(image, made[0]) for image in images.values()]
            for image, start in given:
                result = gmjax.fit(np.float64(image), start, config=config)
                require_valid(result)
                assert result.params.means.dtype == np.float64
    trials.cost("nothing: finite, valid models")
