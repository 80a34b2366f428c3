"""``vmap`` on a CPU takes one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.solvers.sequential_vmap import in_turn_on_cpu

CONFIG = gmjax.FitConfig(num_components=9, steps=5)


def test_memory_of_a_batch_is_that_of_one():
    images = np.random.default_rng(0).random((8, 60, 60), np.float32)
    held = [
        jax.jit(jax.vmap(lambda image: gmjax.fit(image, config=CONFIG))).lower(part).compile().memory_analysis()
        for part in (images[:2], images)
    ]
    assert held[1].temp_size_in_bytes < held[0].temp_size_in_bytes + 10 * images.nbytes


def test_a_batch_is_each_alone(picture):
    images = jnp.stack([picture, 1 - picture])
    together = jax.jit(jax.vmap(lambda image: gmjax.fit(image, config=CONFIG).params.means))(images)
    alone = jax.jit(lambda image: gmjax.fit(image, config=CONFIG).params.means)(images[1])
    np.testing.assert_allclose(together[1], alone, atol=1e-6)


@pytest.mark.parametrize("derivative", [jax.grad, jax.jacfwd])
def test_derivatives_in_any_order(derivative):
    function = in_turn_on_cpu(lambda x, y: jnp.sin(x) * y)
    x = jnp.arange(3.0)
    np.testing.assert_allclose(jax.vmap(derivative(function), (0, None))(x, 2.0), 2 * jnp.cos(x), rtol=1e-6)
    total = jax.grad(lambda x: jnp.sum(jax.vmap(function, (0, None))(x, 2.0)))(x)
    np.testing.assert_allclose(total, 2 * jnp.cos(x), rtol=1e-6)
