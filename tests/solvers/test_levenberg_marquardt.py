"""The second-order solver and what it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.gmface import pixel_axes
from gmjax.solvers import cholesky, curvature, levenberg_marquardt, relocation, starts
from gmjax.solvers.problem import RIDGE, Problem, inverse_factor, join, split, weight_equations
from gmjax.solvers.stages import advance

QUICK = gmjax.FitConfig(num_components=6, solver="lm", steps=24)
SHAPE = 24, 20


@pytest.fixture
def truth() -> gmjax.GmFace:
    means = [[0.3, 0.4], [0.7, 0.6], [0.2, 0.8]]
    return gmjax.GmFace(*map(jnp.asarray, ([0.6, 0.4, -0.3], means, [[4.0, 1, 5], [6.0, -2, 3], [8.0, 0, 9]])))


def problem_of(image, mask=None) -> Problem:
    image = jnp.asarray(image)
    weights = jnp.ones(image.shape[:2]) if mask is None else mask
    return Problem(image.reshape(*image.shape[:2], -1), weights / weights.sum(), *pixel_axes(image.shape[:2]))


exchange = jax.jit(relocation.exchange, static_argnames="most")


@jax.jit
def best_weights(problem: Problem, shapes):
    return jnp.linalg.solve(*weight_equations(problem, shapes))


def test_nearer_than_adam(picture):
    found = gmjax.fit(picture, config=QUICK)
    adam = gmjax.fit(picture, config=gmjax.FitConfig(num_components=6, steps=1000))
    assert found.info.mse < adam.info.mse
    assert [(name, len(losses)) for name, losses in found.info.loss.items()] == [("least_squares", 24), ("adam", 400)]
    assert not found.info.diverged


@pytest.mark.soak
def test_recovers_a_picture_made_of_gaussians(truth):
    """Alone, and under vmap and jit."""
    truth = truth.replace(weights=jnp.abs(truth.weights))
    near, image = gmjax.translate(truth, (0.05, -0.05)), gmjax.render(truth, SHAPE)
    config = gmjax.FitConfig(solver="lm", steps=24, pae_weight=0.0)
    result = gmjax.fit(image, near, config=config)
    assert result.info.mse < 1e-9
    np.testing.assert_allclose(result.params.means, truth.means, atol=1e-3)
    images = jnp.stack([image, 0.5 * image])
    together = jax.jit(jax.vmap(lambda image: gmjax.fit(image, near, config=config)))(images)
    assert (together.info.mse < 1e-9).all()
    np.testing.assert_allclose(together.params.weights[1], 0.5 * truth.weights, atol=1e-3)


def test_color_and_mask(picture):
    image = np.stack([picture, picture**2, 1 - picture], axis=-1)
    mask = np.zeros(picture.shape, np.float32)
    mask[: len(mask) // 2] = 1
    result = gmjax.fit(image, config=QUICK, mask=mask)
    assert result.params.weights.shape == (6, 3)
    assert result.info.mse < 0.1 * np.var(image[: len(mask) // 2])


@pytest.mark.parametrize("image", [np.zeros((1, 17)), np.eye(1, 17)])
def test_stays_finite(image):
    result = gmjax.fit(image.astype(np.float32), config=QUICK)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result.params))


def test_derivative_is_that_of_the_least_squares_solution(truth):
    """A picture made brighter is the same formula with larger weights: d(weights) = weights, d(shapes) = 0."""
    image = gmjax.render(truth, SHAPE)

    solver = levenberg_marquardt.LevenbergMarquardt(3, gray=True, offset=1.0)

    def solved(image):
        return split(solver.run(problem_of(image), truth, np.arange(3))[0])

    (weights, _), (d_weights, d_shapes) = jax.jit(lambda image: jax.jvp(solved, (image,), (image,)))(image)
    np.testing.assert_allclose(d_weights, weights, atol=1e-2)
    np.testing.assert_allclose(d_shapes, 0, atol=1e-2)
    slope = jax.jit(jax.grad(lambda image: jnp.sum(solved(image)[0])))(image)
    assert np.sum(slope * image) == pytest.approx(float(jnp.sum(d_weights)), rel=1e-2)


@pytest.mark.soak
def test_derivative_is_finite_with_more_components_than_pixels():
    image = np.random.default_rng(0).random((8, 8), np.float32)
    config = gmjax.FitConfig(num_components=40, solver="lm", steps=10)
    slope = jax.jit(jax.grad(lambda image: jnp.sum(gmjax.fit(image, config=config).params.weights)))(image)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.mark.parametrize("stride", [1, 3])
def test_samples_together_are_all_products(truth, stride):
    problem, shapes = problem_of(np.zeros((7, 8), np.float32)), split(truth)[1]

    def basis(shapes):
        return jax.vmap(lambda s: gmjax.gmface(join(jnp.ones((1, 1)), s[:, None]), grid)[..., 0])(shapes.T)

    grid = gmjax.pixel_grid((7, 8))
    values, jacobian = jax.jit(lambda shapes: (basis(shapes), jax.jacobian(basis)(shapes)))(shapes)
    derivatives = np.moveaxis(np.einsum("ihwki->ihwk", jacobian), -1, 0)
    all_of_it = np.concatenate([values[None], derivatives]).reshape(18, -1)
    sampled = jax.jit(curvature.sampled_products, static_argnums=3)
    samples = [sampled(problem, jnp.ones((3, 1)), shapes, stride, n) for n in range(stride**2)]
    np.testing.assert_allclose(np.mean(samples, axis=0), all_of_it @ all_of_it.T / 56, rtol=1e-4, atol=1e-4)


def test_moved_onto_each_other_they_stay_finite(truth):
    """Components that coincide leave the weights' matrix without full rank."""
    problem = problem_of(gmjax.render(truth, SHAPE))
    shapes = jnp.repeat(split(truth)[1][:, :1], 6, axis=1)
    weights, moved, factor = exchange(problem, shapes, 4.0, 2.0, 0.0, most=4)
    assert all(np.isfinite(array).all() for array in (weights, moved, factor))
    assert np.sum(np.any(np.asarray(moved != shapes), axis=0)) == 2

    @jax.jit
    def solved(shapes):
        matrix, right = weight_equations(problem, shapes)
        return cholesky.solve(inverse_factor(matrix), right)

    expected = solved(moved)
    np.testing.assert_allclose(weights, expected, atol=1e-2)


def test_one_component_is_moved_to_other_places(truth):
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    one = split(truth)[1][:, :1]
    places = [exchange(problem_of(image), one, 0.0, 1.0, n, most=1)[1] for n in (0.0, 1.0, 2.0)]
    assert len({tuple(np.asarray(place[:2, 0])) for place in places}) == 3


def test_least_useful_costs_least(truth):
    problem, shapes = problem_of(np.random.default_rng(0).random(SHAPE, np.float32)), split(truth)[1]

    drawn = jax.jit(lambda shapes: gmjax.render(join(best_weights(problem, shapes), shapes), SHAPE))

    def error_without(i):
        rest = np.delete(np.asarray(shapes), i, axis=1)
        return np.mean(np.square(drawn(rest) - problem.picture))

    @jax.jit
    def least_useful(shapes):
        return relocation.least_useful(*weight_equations(problem, shapes), 1, 2)

    numbers, weights = least_useful(shapes)
    assert numbers[0] == np.argmin([error_without(i) for i in range(3)])
    assert weights[numbers[0], 0] == 0
    rest = np.delete(np.asarray(shapes), int(numbers[0]), axis=1)
    stay = np.delete(np.asarray(weights), int(numbers[0]), axis=0)
    np.testing.assert_allclose(stay, best_weights(problem, rest), atol=1e-3)


def test_most_useful_is_where_the_error_is():
    spot = gmjax.GmFace(*map(jnp.asarray, ([0.5], [[0.25, 0.7]], [[6.0, 0.0, 6.0]])))
    error = gmjax.render(spot, SHAPE)[..., None]
    found = jax.jit(relocation.most_useful, static_argnums=2)(problem_of(error[..., 0]), error, 3)
    np.testing.assert_allclose(found[:2, 0], [0.25, 0.7], atol=0.05)
    np.testing.assert_allclose(found[2:4, 0], np.log(6.0), atol=0.4)


def test_inverse_factor():
    a = np.random.default_rng(0).normal(size=(70, 140)).astype(np.float32)
    matrix = a @ a.T
    factor = jax.jit(cholesky.inverse_factor)(matrix)
    np.testing.assert_allclose(factor @ matrix @ factor.T, np.eye(70), atol=1e-4)
    np.testing.assert_allclose(jax.jit(cholesky.solve)(factor, matrix @ a[:, 0]), a[:, 0], atol=1e-3)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 1.0), ("rate_multiplier", 1.0), ("batch_size", 4)])
def test_what_it_does_not_use_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        gmjax.FitConfig(solver="lm", **{name: value})


def test_added_components_are_removed_again_where_they_do_least(truth):
    """The three of a picture stay; those of no use go, whichever slots they are in."""
    problem = problem_of(gmjax.render(truth, SHAPE))
    weights, shapes = split(truth)
    _, spared = relocation.with_spare_slots(problem, weights, shapes, 4)
    grown_weights, grown, factor = exchange(problem, spared, 3.0, 2.0, 0.0, most=4)
    assert [bool(relocation.uses_spare_slots(grown, m)) for m in (3, 5)] == [True, False]
    np.testing.assert_array_equal(grown_weights[5:], 0)
    np.testing.assert_allclose(inverse_factor(weight_equations(problem, grown)[0]), factor, rtol=1e-4, atol=1e-2)
    order = jnp.array([4, 1, 6, 0, 5, 2, 3])
    kept_weights, kept, factor = exchange(problem, grown[:, order], 3.0, 0.0, 0.0, most=4)
    assert not relocation.uses_spare_slots(kept, 3)
    np.testing.assert_array_equal(np.sort(kept[:, :3]), np.sort(shapes))
    np.testing.assert_allclose(
        gmjax.render(join(kept_weights[:3, 0], kept[:, :3]), SHAPE), problem.picture[..., 0], atol=1e-3
    )
    np.testing.assert_array_equal(kept_weights[3:], 0)


def test_growth_keeps_the_number_of_components_and_never_a_worse_model(picture):
    """Also in the middle of a cycle; and a fit resumed there ends with the same bits."""
    solver, problem = levenberg_marquardt.LevenbergMarquardt(80, gray=True, offset=1.0), problem_of(picture)
    assert solver.growing_from == 48
    start = starts.grid(jnp.asarray(picture), 6)
    state, losses, states = solver.init(problem, start), [], []
    for first in range(0, 80, 4):
        states.append(state)
        state, _ = advance(solver, problem, state, np.arange(first, first + 4))
        model = solver.result(problem, state)
        assert model.num_components == 6
        error = float(gmjax.mse(gmjax.render(model, picture.shape), picture))
        losses.append(error + RIDGE * float(jnp.sum(jnp.square(model.weights))))
    added = [bool(relocation.uses_spare_slots(state.model.shapes, 6)) for state in states]
    assert added == [12 < i <= 14 or 16 < i <= 18 for i in range(20)]
    assert losses == pytest.approx(list(np.minimum.accumulate(losses)), rel=1e-3)
    assert losses[-1] < 0.98 * losses[11]
    state = jax.tree.map(np.asarray, states[14])
    for first in range(56, 80, 4):
        state, _ = advance(solver, problem, state, np.arange(first, first + 4))
    jax.tree.map(np.testing.assert_array_equal, solver.result(problem, state), model)
