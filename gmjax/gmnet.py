"""GmNet (paper, III-B): the formula as a neural network, a layer of Gaussian neurons and a linear output.

Its parameters are those of the formula: ``to_gmface`` and ``to_variables`` keep the numbers, except that a column of L
with a negative diagonal, which training may reach, changes its sign, which keeps A.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.errors import ArgumentError
from gmjax.gmface import GmFace, require_gaussians, with_positive_diagonal
from gmjax.sums.points import gaussians


class GaussianLayer(nn.Module):
    """The ``m`` Gaussians with height 1: positions ``(..., 2)`` give ``(..., m)``.

    Parameters: ``means`` (m, 2), initially uniform; ``precision_chol`` (m, 3), round, as wide as a grid's step.
    """

    num_components: int

    @nn.compact
    def __call__(self, x: Float[Array, "*points 2"]) -> Float[Array, "*points m"]:
        means = self.param("means", nn.initializers.uniform(1.0), (self.num_components, 2))
        chol = self.param("precision_chol", _round_gaussians, (self.num_components, 3))
        return jnp.moveaxis(gaussians(means, chol, x[..., 0], x[..., 1]), 0, -1)


class GmNet(nn.Module):
    """The formula as a Flax module: positions ``(..., 2)`` give ``(...)``, or ``(..., C)`` with ``channels=C``."""

    num_components: int = 80
    channels: int | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*points 2"]) -> Float[Array, "..."]:
        if x.ndim < 1 or x.shape[-1] != 2:
            raise ArgumentError("x", f"must hold positions (row, column), with the shape (..., 2); got {x.shape}")
        neurons = GaussianLayer(self.num_components, name="gaussians")(x)
        output = nn.Dense(self.channels or 1, use_bias=False, name="output")(neurons)
        return output if self.channels else output[..., 0]


def to_gmface(variables, *, offset: float = 1.0) -> GmFace:
    """The model of a ``GmNet`` that was trained on the pixel grid ``offset``; one channel gives a gray model."""
    layers = variables["params"]
    kernel = layers["output"]["kernel"]
    weights = kernel[:, 0] if kernel.shape[1] == 1 else kernel
    return with_positive_diagonal(GmFace(weights, **layers["gaussians"], offset=offset))


def to_variables(params: GmFace) -> dict[str, dict]:
    """The variables of ``GmNet(params.num_components, params.channels)`` that make it equal to the model ``params``."""
    require_gaussians(params)
    kernel = params.weights if params.channels else params.weights[:, None]
    layer = {"means": params.means, "precision_chol": params.precision_chol}
    return {"params": {"gaussians": layer, "output": {"kernel": kernel}}}


def _round_gaussians(key: Array, shape: tuple[int, int]) -> Float[Array, "m 3"]:
    return jnp.tile(jnp.asarray([1.0, 0.0, 1.0]) * jnp.sqrt(shape[0]), (shape[0], 1))
