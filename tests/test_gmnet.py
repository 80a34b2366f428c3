import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gmjax
from gmjax import gmnet


@pytest.mark.parametrize("channels", [None, 3])
def test_parameters_go_both_ways_without_loss(channels, model, color_model):
    params = model if channels is None else color_model
    again = gmnet.to_gmface(gmnet.to_variables(params))
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)
    net = gmjax.GmNet(5, channels)
    fresh = net.init(jax.random.key(0), gmjax.pixel_grid((3, 4)))
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, gmnet.to_variables(params))


@pytest.mark.parametrize("channels", [None, 3])
def test_network_is_the_formula(channels, model, color_model):
    params = model if channels is None else color_model
    x = gmjax.pixel_grid((9, 8))
    output = gmjax.GmNet(5, channels).apply(gmnet.to_variables(params), x)
    np.testing.assert_allclose(output, gmjax.gmface(params, x), atol=2e-6)


def test_one_optax_step_is_the_same_on_the_network_and_on_the_function(model, picture):
    x = gmjax.pixel_grid(picture.shape)
    net, optimizer = gmjax.GmNet(5), optax.adam(1e-2)

    def step(loss, parameters):
        updates, _ = optimizer.update(jax.grad(loss)(parameters), optimizer.init(parameters), parameters)
        return optax.apply_updates(parameters, updates)

    from_net = step(lambda v: gmjax.mse(net.apply(v, x), picture), gmnet.to_variables(model))
    from_function = step(lambda p: gmjax.mse(gmjax.render(p, picture.shape), picture), model)
    for a, b in zip(
        jax.tree.leaves(gmnet.to_gmface(from_net)),
        jax.tree.leaves(jax.tree.map(jnp.asarray, from_function)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_fresh_network_learns(picture):
    x = gmjax.pixel_grid(picture.shape)
    net, optimizer = gmjax.GmNet(10), optax.adam(1e-2)
    variables = net.init(jax.random.key(0), x)

    def step(carry, _):
        variables, state = carry
        loss, gradient = jax.value_and_grad(lambda v: gmjax.mse(net.apply(v, x), picture))(variables)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(variables, updates), state), loss

    _, history = jax.lax.scan(step, (variables, optimizer.init(variables)), length=200)
    assert history[-1] < 0.05 * history[0]


@pytest.mark.usefixtures("unchecked")
def test_a_network_refuses_points_of_another_width(model):
    with pytest.raises(gmjax.ArgumentError, match=r"\(row, column\)"):
        gmjax.GmNet(5).apply(gmnet.to_variables(model), jnp.zeros((4, 3)))


def test_a_network_with_negative_diagonals_is_a_valid_model(model):
    variables = gmnet.to_variables(model.replace(precision_chol=-np.asarray(model.precision_chol)))
    again = gmnet.to_gmface(variables, offset=0.5)
    np.testing.assert_array_equal(again.precision_chol, model.precision_chol)
    assert again.offset == 0.5
