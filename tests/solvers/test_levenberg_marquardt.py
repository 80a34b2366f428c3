"""The second-order solver and what it is made of."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.gmface import pixel_axes
from gmjax.solvers import cholesky, curvature, levenberg_marquardt, slots, starts
from gmjax.solvers.problem import RIDGE, SAFE_RIDGE, Problem, inverse_factor, join, split, weight_equations
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


add = jax.jit(slots.add, static_argnames="m")
remove = jax.jit(slots.remove, static_argnames="m")


def alone(n: int):
    """No coupling of ``n`` weights by shapes."""
    return jnp.zeros((n, n))


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


def test_where_components_coincide_all_stays_finite(truth):
    """They leave the weights' matrix without full rank."""
    problem, (weights, shapes) = problem_of(gmjax.render(truth, SHAPE)), split(truth)
    twice = jnp.repeat(weights, 2, axis=0), jnp.repeat(shapes, 2, axis=1)
    spared = slots.with_spare_slots(problem, *twice, 2)
    found = add(problem, *spared, 6, 1.0, 0.0)
    assert all(np.isfinite(array).all() for array in found)

    @jax.jit
    def solved(shapes):
        matrix, right = weight_equations(problem, shapes)
        return cholesky.solve(inverse_factor(matrix), right)

    np.testing.assert_allclose(found[0], solved(found[1]), atol=1e-2)
    assert all(np.isfinite(array).all() for array in remove(problem, found[1], 3, alone(8)))


def test_a_component_is_added_at_other_places(truth):
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    weights, shapes = split(truth)
    spared = slots.with_spare_slots(problem_of(image), weights[:1], shapes[:, :1], 1)
    places = [add(problem_of(image), *spared, 1, 1.0, n)[1] for n in (0.0, 1.0, 2.0)]
    assert len({tuple(np.asarray(place[:2, 1])) for place in places}) == 3


def test_least_useful_costs_least(truth):
    problem, shapes = problem_of(np.random.default_rng(0).random(SHAPE, np.float32)), split(truth)[1]
    drawn = jax.jit(lambda shapes: gmjax.render(join(best_weights(problem, shapes), shapes), SHAPE))

    def error_without(i):
        rest = np.delete(np.asarray(shapes), i, axis=1)
        return np.mean(np.square(drawn(rest) - problem.picture))

    @jax.jit
    def least_useful(shapes):
        return slots.least_useful(*weight_equations(problem, shapes), jnp.ones(3, bool), 2, 1, alone(3))

    assert np.flatnonzero(~np.asarray(least_useful(shapes))) == np.argmin([error_without(i) for i in range(3)])


@pytest.mark.parametrize("channels", [1, 3])
def test_removal_costs_what_all_the_others_cannot_make_up_for(truth, channels):
    """By the whole matrix of weights and shapes, inverted."""
    random = np.random.default_rng(0)
    problem = problem_of(random.random((*SHAPE, channels), np.float32))
    weights, shapes = jnp.asarray(random.normal(size=(3, channels)), jnp.float32), split(truth)[1]

    @jax.jit
    def coupled(shapes):
        products = curvature.sampled_products(problem, weights, shapes, 1, 0)
        return curvature.coupling_by_shapes(products, 1.0, weights, 3)

    @jax.jit
    def jacobian(shapes):
        per_weight, per_shape = jax.jacobian(problem.draw, argnums=(0, 1))(weights, shapes)
        columns = jnp.moveaxis(per_weight, -1, -2), per_shape
        return jnp.concatenate([part.reshape(problem.picture.size, -1) for part in columns], axis=1)

    j = np.asarray(jacobian(shapes), float)
    matrix, n = j.T @ j / math.prod(SHAPE), 3 * channels
    damped = matrix.diagonal()[n:].reshape(5, 3)
    damped = curvature.REMOVAL_DAMPING * (damped + curvature.FLOOR * damped.mean(axis=1, keepdims=True))
    matrix += np.diag(np.concatenate([np.full(n, SAFE_RIDGE), damped.ravel()]))
    own = np.linalg.inv(matrix[:n, :n])
    np.testing.assert_allclose(own + coupled(shapes), np.linalg.inv(matrix)[:n, :n], rtol=0.03, atol=0.03 * own.max())


def test_most_useful_is_where_the_error_is():
    spot = gmjax.GmFace(*map(jnp.asarray, ([0.5], [[0.25, 0.7]], [[6.0, 0.0, 6.0]])))
    error = gmjax.render(spot, SHAPE)[..., None]
    found = jax.jit(slots.most_useful, static_argnums=2)(problem_of(error[..., 0]), error, 3)
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
    grown_weights, grown, factor = add(problem, *slots.with_spare_slots(problem, weights, shapes, 4), 3, 2.0, 0.0)
    assert [bool(slots.uses_spare_slots(grown, m)) for m in (3, 5)] == [True, False]
    np.testing.assert_array_equal(grown_weights[5:], 0)
    np.testing.assert_allclose(inverse_factor(weight_equations(problem, grown)[0]), factor, rtol=1e-4, atol=1e-2)
    order = jnp.array([4, 1, 6, 0, 5, 2, 3])
    kept_weights, kept, factor = remove(problem, grown[:, order], 3, alone(7))
    assert not slots.uses_spare_slots(kept, 3)
    np.testing.assert_array_equal(np.sort(kept[:, :3]), np.sort(shapes))
    np.testing.assert_allclose(
        gmjax.render(join(kept_weights[:3, 0], kept[:, :3]), SHAPE), problem.picture[..., 0], atol=1e-3
    )
    np.testing.assert_array_equal(kept_weights[3:], 0)
    np.testing.assert_allclose(inverse_factor(weight_equations(problem, kept)[0]), factor, rtol=1e-4, atol=1e-2)


def test_growth_keeps_the_number_of_components_and_never_a_worse_model(picture):
    """Also in the middle of a cycle; and a fit resumed there ends with the same bits."""
    solver, problem = levenberg_marquardt.LevenbergMarquardt(48, gray=True, offset=1.0), problem_of(picture)
    assert solver.growing_from == 16
    start = starts.grid(jnp.asarray(picture), 6)
    state, losses, states = solver.init(problem, start), [], []
    for first in range(0, 48, 4):
        states.append(state)
        state, _ = advance(solver, problem, state, np.arange(first, first + 4))
        model = solver.result(problem, state)
        assert model.num_components == 6
        error = float(gmjax.mse(gmjax.render(model, picture.shape), picture))
        losses.append(error + RIDGE * float(jnp.sum(jnp.square(model.weights))))
    added = [bool(slots.uses_spare_slots(state.model.shapes, 6)) for state in states]
    assert added == [4 < i <= 6 or 8 < i <= 10 for i in range(12)]
    assert losses == pytest.approx(list(np.minimum.accumulate(losses)), rel=1e-3)
    assert losses[-1] < 0.98 * losses[3]
    state = jax.tree.map(np.asarray, states[6])
    for first in range(24, 48, 4):
        state, _ = advance(solver, problem, state, np.arange(first, first + 4))
    jax.tree.map(np.testing.assert_array_equal, solver.result(problem, state), model)
