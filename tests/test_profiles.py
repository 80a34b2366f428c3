"""Other elementary functions: their values, derivatives, transforms and fits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import gmjax
from gmjax.files import models
from gmjax.profiles import PROFILES, Parameter, Profile, monomials, profile_of

SHAPE = 24, 20
PICTURES = np.random.default_rng(3).uniform(0.2, 0.8, (4, *SHAPE)).astype(np.float32)
NAMES = sorted(PROFILES)
TURNING = [name for name in NAMES if PROFILES[name].turn is not None]


def model(name: str, m: int = 3, channels: tuple[int, ...] = ()) -> gmjax.Atoms:
    rng = np.random.default_rng(0)
    profile = PROFILES[name]
    chol = np.stack([rng.uniform(3, 6, m), rng.normal(0, 2, m), rng.uniform(3, 6, m)], axis=-1)
    starts = [p.start for p in profile.parameters]
    arrays = (
        rng.normal(0.3, 0.2, (m, profile.terms, *channels)),
        rng.uniform(0.2, 0.8, (m, 2)),
        profile.narrowing * chol,
        np.reshape(starts, (1, -1)) + rng.normal(0, 0.2, (m, len(starts))),
    )
    return gmjax.Atoms(*(jnp.asarray(array, jnp.float32) for array in arrays), profile)


def test_the_gaussian_profile_is_gmface():
    model = gmjax.published_common_face()
    parameters = jnp.zeros((model.num_components, 0))
    atoms = gmjax.Atoms(model.weights[:, None], model.means, model.precision_chol, parameters, PROFILES["gaussian"])
    np.testing.assert_allclose(gmjax.render(atoms, SHAPE), gmjax.render(model, SHAPE), atol=1e-6)
    assert (atoms.num_parameters, atoms.gaussians_worth) == (model.num_parameters, model.num_components)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_term_is_half_where_it_says(name):
    profile = PROFILES[name]
    neutral = [0.0 for _ in profile.parameters]
    first = [float(profile.values(jnp.float32(u), jnp.float32(0.0), neutral)[0]) for u in (0.0, profile.half**0.5)]
    assert first[1] / first[0] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives_are_finite_near_and_far(name):
    profile = PROFILES[name]
    places = jnp.asarray([0.0, 1e-20, 1e-3, 1.0, 30.0, 1e4, 1e9])

    def total(u, v, parameters):
        return sum(jnp.sum(term) for term in profile.values(u, v, list(parameters)))

    for bound in ("start", "low", "high"):
        parameters = jnp.asarray([getattr(p, bound) for p in profile.parameters], jnp.float32)
        value, slopes = jax.value_and_grad(total, argnums=(0, 1, 2))(places, places[::-1], parameters)
        assert np.isfinite(value)
        assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("name", TURNING)
def test_affine_maps_are_exact_and_form_a_group(name, channels):
    params = model(name, channels=channels)
    points = np.random.default_rng(1).uniform(0, 1, (50, 2)).astype(np.float32)
    turn, mirror = np.float32([[0.8, -0.5], [0.3, 1.1]]), np.float32([[0.2, 1.0], [1.1, 0.1]])
    for matrix in (turn, mirror):
        moved = gmjax.affine(params, matrix, [0.1, -0.05])
        expected = gmjax.gmface(params, points @ matrix.T + np.float32([0.1, -0.05]))
        np.testing.assert_allclose(gmjax.gmface(moved, points), expected, atol=2e-5)
        assert (np.asarray(moved.precision_chol)[:, ::2] > 0).all()
    twice = gmjax.affine(gmjax.affine(params, turn, [0.0, 0.0]), mirror, [0.0, 0.0])
    once = gmjax.affine(params, turn @ mirror, [0.0, 0.0])
    np.testing.assert_allclose(gmjax.gmface(twice, points), gmjax.gmface(once, points), atol=5e-5)


def test_a_profile_that_cannot_turn_says_so():
    def function(u, v):
        return jnp.exp(-(u**4) - v**2)

    profile = Profile("bar", 1, function)
    params = model("gaussian").replace(profile=profile)
    with pytest.raises(gmjax.ArgumentError, match="bar cannot"):
        gmjax.rotate(params, 0.1)
    moved = gmjax.scale(gmjax.translate(params, (0.1, 0.2)), 2.0)
    points = jnp.asarray([[0.4, 0.3]])
    expected = gmjax.gmface(params, 2 * points - jnp.asarray([[0.1, 0.2]]))
    np.testing.assert_allclose(gmjax.gmface(moved, points), expected, atol=1e-5)


def test_errors_name_what_is_wrong():
    with pytest.raises(gmjax.ArgumentError, match=r"FitConfig\.profile must be one of gaussian, "):
        gmjax.FitConfig(profile="round")
    with pytest.raises(gmjax.ArgumentTypeError, match=r"name or a gmjax\.Profile, not int"):
        profile_of(3)
    with pytest.raises(gmjax.ArgumentError, match="gives 1 terms for odd, not 2"):
        Profile("odd", 2, lambda u, v: u).values(jnp.ones(3), jnp.ones(3))
    with pytest.raises(gmjax.ArgumentError, match=r"Profile\.half must be above 0"):
        Profile("odd", 1, lambda u, v: u, half=0.0)
    with pytest.raises(gmjax.ArgumentError, match=r"FitConfig\.profile is sech, but init has the profile cauchy"):
        gmjax.fit(np.ones(SHAPE, np.float32), model("cauchy"), config=gmjax.FitConfig(profile="sech"))
    with pytest.raises(gmjax.ArgumentError, match=r"cauchy has weights \(m, 1\)"):
        gmjax.fit(np.ones(SHAPE, np.float32), model("hermite1").replace(profile=PROFILES["cauchy"]))
    with pytest.raises(gmjax.ArgumentError, match="one geometry is for Gaussians only"):
        gmjax.correspondence.fit_geometry(PICTURES, config=gmjax.FitConfig(profile="cauchy"))
    with pytest.raises(gmjax.ArgumentError, match="stay is for Gaussians only"):
        gmjax.fit(np.ones(SHAPE, np.float32), model("cauchy"), config=gmjax.FitConfig(stay=1e-6))


def test_monomials_are_in_the_order_of_the_degree():
    assert monomials(2) == [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]


@pytest.mark.parametrize("solver", ["adam", "lm"])
@pytest.mark.parametrize("name", ["hermite1", "gabor"])
def test_fits_find_a_picture_of_their_own_kind(name, solver):
    """Colour; under jit and vmap; started from a model of the same profile."""
    truth = model(name, m=2, channels=(3,))
    picture = jnp.clip(gmjax.render(truth, SHAPE), 0, 1)
    near = gmjax.translate(truth, (0.03, -0.03))
    config = gmjax.FitConfig(solver=solver, steps=24 if solver == "lm" else 200, pae_weight=0.0)
    before = gmjax.mse(gmjax.render(near, SHAPE), picture)
    result = jax.jit(lambda picture: gmjax.fit(picture, near, config=config))(picture)
    assert result.params.profile == truth.profile
    assert result.params.weights.shape == truth.weights.shape
    assert result.info.mse < 0.2 * before


def test_a_common_face_of_another_profile():
    """From statistics and, on devices, from minibatches."""
    config = gmjax.FitConfig(num_components=3, profile="hermite1", steps=40)
    minibatches = gmjax.FitConfig(num_components=3, profile="hermite1", batch_size=2, epochs=3)
    for result in (
        gmjax.fit_common(PICTURES, config=config),
        gmjax.parallel.fit_common(PICTURES, config=minibatches, key=jax.random.key(0)),
    ):
        assert result.params.profile is PROFILES["hermite1"]
        mse = np.mean((PICTURES - np.asarray(gmjax.render(result.params, SHAPE))) ** 2)
        np.testing.assert_allclose(result.info.mse, mse, rtol=1e-4)
        assert mse < 1.05 * np.var(PICTURES)


@pytest.mark.soak
@pytest.mark.parametrize("solver", ["adam", "lm"])
@pytest.mark.parametrize("name", NAMES)
def test_every_profile_fits_from_its_own_start(name, solver):
    picture = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    config = gmjax.FitConfig(num_components=4, profile=name, solver=solver, steps=30)
    result = gmjax.fit(picture, config=config)
    assert not result.info.diverged
    assert result.info.mse < np.var(picture)
    if name == "gaussian":
        assert isinstance(result.params, gmjax.GmFace)
    else:
        low, high = ([getattr(p, side) for p in PROFILES[name].parameters] for side in ("low", "high"))
        assert ((result.params.parameters >= np.float32(low)) & (result.params.parameters <= np.float32(high))).all()


def test_a_profile_of_ones_own_is_fitted():
    def bump(u, v, power):
        return jnp.exp(-((u * u + v * v + 1e-6) ** power))

    profile = Profile("bump", 1, bump, parameters=(Parameter("power", 1.0, 0.5, 3.0),), turn="radial")
    picture = gmjax.render(model("hermite1"), SHAPE)
    picture = jnp.clip(picture, 0, 1)
    result = gmjax.fit(picture, config=gmjax.FitConfig(num_components=3, profile=profile, steps=50))
    assert result.params.parameters.shape == (3, 1)
    assert result.info.mse < np.var(picture)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_files_keep_the_profile(tmp_path, channels, dtype):
    params = model("gabor", channels=channels)
    gmjax.save(tmp_path / "model.safetensors", params, {"name": "spots"}, dtype=dtype)
    found = gmjax.load(tmp_path / "model.safetensors")
    assert found.profile is PROFILES["gabor"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3 if dtype else 0), found, params)
    assert models.load_metadata(tmp_path / "model.safetensors")["name"] == "spots"


def test_files_of_profiles_that_are_not_known_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    params = model("gaussian").replace(profile=Profile("gaussian", 1, lambda u, v: u))
    with pytest.raises(gmjax.ArgumentError, match="a function of your own, which a file cannot hold"):
        gmjax.save(path, params)
    gmjax.save(path, model("cauchy"))
    tensors = {"weights": np.ones((3, 1), np.float32), "parameters": np.ones((3, 0), np.float32)}
    tensors |= {"means": np.ones((3, 2), np.float32), "precision_chol": np.ones((3, 3), np.float32)}
    header = models.ATOMS_HEADER | {"offset": "1.0"}
    for profile, problem in (("spline", "the profile spline, which"), ("gabor", "gabor has weights")):
        safetensors.numpy.save_file(tensors, path, metadata=header | {"profile": profile})
        with pytest.raises(models.ModelFileError, match=problem):
            gmjax.load(path)
    for name, shape in (("weights", ()), ("weights", (3,)), ("weights", (0, 1)), ("means", ()), ("parameters", (2, 2))):
        damaged = tensors | {name: np.ones(shape, np.float32)}
        safetensors.numpy.save_file(damaged, path, metadata=header | {"profile": "cauchy"})
        with pytest.raises(models.ModelFileError, match="does not hold a valid model"):
            gmjax.load(path)


@pytest.mark.parametrize(
    "use",
    [
        gmjax.calculus.moments,
        lambda atoms: gmjax.calculus.pixel_means(atoms, SHAPE),
        lambda atoms: gmjax.calculus.inner(atoms, atoms),
        lambda atoms: gmjax.space.morph(atoms, atoms, 0.5),
        lambda atoms: gmjax.space.distances(gmjax.stack([atoms, atoms])),
        lambda atoms: gmjax.correspondence.project(PICTURES, atoms),
        lambda atoms: gmjax.correspondence.fit_geometry(PICTURES, atoms),
        lambda atoms: gmjax.registration.register(atoms, PICTURES[0]),
        lambda atoms: gmjax.save("model.gmf", atoms),
        gmjax.analysis.order_by_weight,
    ],
)
def test_what_is_for_gaussians_only_refuses_atoms(use):
    """Their terms would pass for the channels of a colour model."""
    with pytest.raises(TypeError, match=r"GmFace|Gaussians only|Expected type"):
        use(model("mexican_hat"))


def test_a_notebook_shows_the_picture_and_the_profile():
    params = gmjax.stack([model("mexican_hat"), model("mexican_hat")])
    assert "mexican_hat, gray" in params._repr_html_()
    assert repr(params) == "Atoms(2 x 3 components, mexican_hat, gray, offset 1)"
