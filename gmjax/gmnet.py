"""GmNet (paper, III-B): the formula as a network, a layer of Gaussian neurons and a linear output.

Its parameters are the formula's own: training it solves the formula, and ``to_gmface`` draws the solution out.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmjax.gmface import GmFace
from gmjax.sums.points import gaussians


class GaussianLayer(nn.Module):
    """Positions ``(..., 2)`` in, the ``m`` Gaussians of height 1 there out, ``(..., m)``.

    ``means`` (m, 2) begin anywhere in the picture; ``precision_chol`` (m, 3), the factors L that the paper trains, as
    round and as wide as m centres spread evenly would be apart.
    """

    num_components: int

    @nn.compact
    def __call__(self, x: Float[Array, "*points 2"]) -> Float[Array, "*points m"]:
        means = self.param("means", nn.initializers.uniform(1.0), (self.num_components, 2))
        chol = self.param("precision_chol", _round_gaussians, (self.num_components, 3))
        return jnp.moveaxis(gaussians(means, chol, x[..., 0], x[..., 1]), 0, -1)


class GmNet(nn.Module):
    """Positions ``(..., 2)`` in, intensities ``(...)`` out, or ``(..., C)`` with ``channels`` C."""

    num_components: int = 80
    channels: int | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*points 2"]) -> Float[Array, "..."]:
        neurons = GaussianLayer(self.num_components, name="gaussians")(x)
        output = nn.Dense(self.channels or 1, use_bias=False, name="output")(neurons)
        return output if self.channels else output[..., 0]


def to_gmface(variables) -> GmFace:
    """The model that the ``variables`` of a ``GmNet`` are, number for number; one channel is taken as gray."""
    layers = variables["params"]
    kernel = layers["output"]["kernel"]
    return GmFace(kernel[:, 0] if kernel.shape[1] == 1 else kernel, **layers["gaussians"])


def to_variables(params: GmFace) -> dict[str, dict]:
    """The ``variables`` of the ``GmNet`` (of as many components and channels) that is ``params``, number for number."""
    kernel = params.weights if params.channels else params.weights[:, None]
    layer = {"means": params.means, "precision_chol": params.precision_chol}
    return {"params": {"gaussians": layer, "output": {"kernel": kernel}}}


def _round_gaussians(key: Array, shape: tuple[int, int]) -> Float[Array, "m 3"]:
    return jnp.tile(jnp.asarray([1.0, 0.0, 1.0]) * jnp.sqrt(shape[0]), (shape[0], 1))
