"""Quantised components lie on the steps of the file, and make up for their errors."""

import dataclasses

import numpy as np
import pytest

import gmjax
from gmjax.files.gmf import Compact, Steps, layer_of, to_model
from gmjax.solvers.gauss_newton import squared_error, target_of
from gmjax.solvers.growth import grow
from gmjax.solvers.quantisation import components_of_layer, quantise


@pytest.fixture(scope="module")
def problem():
    row, column = np.mgrid[:24, :20] / 20
    target = target_of(np.float32(0.5 + 0.3 * np.sin(5 * row) * np.cos(4 * column)))
    return target, grow(target, 6), Compact((24, 20), None, Steps(1, 12, 32), ())


def test_compensation_is_better_than_rounding(problem):
    target, components, compact = problem
    plain = components_of_layer(layer_of(components.shapes, components.weights, compact), compact)
    found = quantise(components, target, compact)
    assert squared_error(components, target) < found.error < 0.2 * squared_error(plain, target)


@pytest.mark.parametrize("settle", [1, 5])
@pytest.mark.parametrize("weight", [32, 37])
def test_no_component_is_moved_to_where_a_file_cannot_hold_it(problem, settle, weight):
    """Numbers that hardly change the picture make up for the others, and would move far."""
    target, components, compact = problem
    compact = dataclasses.replace(compact, steps=Steps(1, 12, weight))
    assert quantise(components, target, compact, settle=settle).error < 10 * squared_error(components, target)


def test_the_error_is_that_of_the_model_in_the_file(problem):
    target, components, compact = problem
    found = quantise(components, target, compact)
    model = to_model(dataclasses.replace(compact, layers=(found.layer,)))
    drawn = np.asarray(gmjax.render(model, (24, 20)))
    np.testing.assert_allclose(found.error, np.mean((drawn - np.asarray(target.picture)[..., 0]) ** 2), rtol=1e-3)


def test_a_price_makes_smaller_numbers(problem):
    target, components, compact = problem
    free, priced = (quantise(components, target, compact, price=price) for price in (0.0, 1e-4))
    total = [np.abs(q.layer.weights).sum() + np.abs(q.layer.stretches).sum() for q in (free, priced)]
    assert total[1] < total[0]
    assert priced.error >= free.error * 0.5
