"""The formula as one writes it down first in plain JAX, its derivative left to autodiff."""

import jax.numpy as jnp

from gmjax.gmface import GmFace, pixel_axes


def render(params: GmFace, shape: tuple[int, int]):
    """``gmjax.render``, all Gaussians at all pixels at once."""
    rows, columns = pixel_axes(shape, dtype=params.means.dtype)
    l11, l21, l22 = (entry[:, None, None] for entry in params.precision_chol.T)
    row = rows[:, None] - params.means[:, 0, None, None]
    column = columns[None, :] - params.means[:, 1, None, None]
    g = jnp.exp(-((l11 * row + l21 * column) ** 2) - (l22 * column) ** 2)
    return jnp.einsum("m...,mhw->hw...", params.weights, g)


def loss(params: GmFace, image, pae_weight: float):
    """MSE + lambda PAE."""
    error = render(params, image.shape[:2]) - image
    return jnp.mean(error**2) + pae_weight * jnp.max(jnp.abs(error))
