"""Orders of components by importance."""

import numpy as np
import pytest

import gmjax
from gmjax import analysis
from gmjax.solvers import starts


def growth_without(params, picture, left, j):
    """The squared error without ``j`` at the best weights of the others, by brute force in float64."""
    g = [
        np.asarray(
            gmjax.render(
                gmjax.GmFace(np.ones(1, np.float32), params.means[[i]], params.precision_chol[[i]]), picture.shape[:2]
            ),
            np.float64,
        ).ravel()
        for i in left
        if i != j
    ]
    target = picture.reshape(picture.shape[0] * picture.shape[1], -1)
    weights = np.linalg.lstsq(np.stack(g, axis=1), target, rcond=None)[0]
    return np.sum((np.stack(g, axis=1) @ weights - target) ** 2)


@pytest.mark.parametrize("channels", [None, 3])
def test_order_by_error_leaves_out_what_costs_least(model, color_model, channels):
    params, shape = (model if channels is None else color_model), (24, 20)
    picture = np.asarray(gmjax.render(params, shape), np.float64)
    order = analysis.order_by_error(params, shape)
    left = list(range(5))
    for j in order[:0:-1]:
        costs = {i: growth_without(params, picture, left, i) for i in left}
        assert costs[j] <= min(costs.values()) * (1 + 1e-4) + 1e-9
        left.remove(j)
    assert left == [order[0]]


def test_order_by_error_is_nearer_than_by_weight_on_a_face(published):
    whole = np.asarray(gmjax.render(published, (60, 60)))
    errors = []
    for order in (analysis.order_by_error(published, (60, 60)), analysis.order_by_weight(published)):
        assert sorted(order) == list(range(80))
        part = analysis.take(published, order[:40])
        solved = starts.solve_weights(part.means, part.precision_chol, whole)
        errors.append(float(gmjax.mse(gmjax.render(solved, whole.shape), whole)))
    assert errors[0] < 0.8 * errors[1]


def test_components_that_coincide_leave_finite_orders():
    twice = gmjax.GmFace(*(np.concatenate([part, part]) for part in map(np.asarray, small_parts())))
    order = analysis.order_by_error(twice, (16, 16))
    assert sorted(order) == list(range(4))
    assert {order[0] % 2, order[1] % 2} == {0, 1}, "one of each coinciding pair must be left out first"


def small_parts():
    return (
        np.float32([0.5, -0.4]),
        np.float32([[0.3, 0.3], [0.7, 0.6]]),
        np.float32([[4, 1, 5], [6, -1, 4]]),
    )


def test_order_by_weight_takes_the_largest_first(model, color_model):
    sizes = np.abs(np.asarray(model.weights))[analysis.order_by_weight(model)]
    assert np.all(np.diff(sizes) <= 0)
    norms = np.linalg.norm(np.asarray(color_model.weights), axis=1)[analysis.order_by_weight(color_model)]
    assert np.all(np.diff(norms) <= 0)


def test_taken_components_draw_their_part(model):
    first, rest = analysis.take(model, np.array([0, 2])), analysis.take(model, np.array([1, 3, 4]))
    both = gmjax.render(first, (24, 20)) + gmjax.render(rest, (24, 20))
    np.testing.assert_allclose(both, gmjax.render(model, (24, 20)), atol=1e-5)
