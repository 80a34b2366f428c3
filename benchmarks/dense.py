"""The formula written directly in plain JAX, differentiated by autodiff."""

import jax.numpy as jnp

from gmjax.gmface import GmFace, pixel_axes


def render(params: GmFace, shape: tuple[int, int]):
    """Like ``gmjax.render``, but evaluates all Gaussians at all pixels in one array."""
    rows, columns = pixel_axes(shape, dtype=params.means.dtype)
    l11, l21, l22 = (entry[:, None, None] for entry in params.precision_chol.T)
    row = rows[:, None] - params.means[:, 0, None, None]
    column = columns[None, :] - params.means[:, 1, None, None]
    g = jnp.exp(-((l11 * row + l21 * column) ** 2) - (l22 * column) ** 2)
    return jnp.einsum("m...,mhw->hw...", params.weights, g)


def loss(params: GmFace, image, pae_weight: float):
    """MSE + lambda PAE, the paper's equation (12)."""
    error = render(params, image.shape[:2]) - image
    return jnp.mean(error**2) + pae_weight * jnp.max(jnp.abs(error))
