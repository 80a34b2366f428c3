"""Coordinates of models in which every sum is a valid model: averages, morphs and axes are straight lines in them.

In place of a precision matrix A stands its logarithm: A = exp [[a + b, c], [c, a - b]]. exp(-a / 2) is the width (the
geometric mean of both), (b, c) how far the Gaussian is stretched and in which direction. Unlike the factor L, the
logarithm prefers no direction: the mean of turned models is the turned mean.
"""

import jax.numpy as jnp
from flax import struct

from gmjax.gmface import GmFace, require_gaussians
from gmjax.types import Leaf

# Below it the series to first order is exact in float64.
_SMALL = 1e-8


@struct.dataclass
class Coordinates:
    """``weights`` (m,) or (m, C), ``means`` (m, 2), ``log_precision`` (m, 3) = (a, b, c); batches have leading axes.

    Stands for a model, or for the difference of two. ``offset``: of the pixel grid, as in ``GmFace``; static.
    """

    weights: Leaf
    means: Leaf
    log_precision: Leaf
    offset: float = struct.field(pytree_node=False, default=1.0)


def to_coordinates(params: GmFace) -> Coordinates:
    """The coordinates of a valid model, or of a batch."""
    require_gaussians(params)
    l11, l21, l22 = jnp.moveaxis(jnp.asarray(params.precision_chol), -1, 0)
    # A / (l11 l22) = cosh h + [[x, y], [y, -x]] has the determinant 1; x^2 + y^2 = sinh^2 h.
    ratio, y = l11 / l22, l21 / l22
    x = 0.5 * (ratio - (1.0 + y * y) / ratio)
    scale = _smooth(lambda sinh: jnp.arcsinh(sinh) / sinh, -1 / 6, x * x + y * y)
    log_precision = jnp.stack([jnp.log(l11) + jnp.log(l22), scale * x, scale * y], axis=-1)
    return Coordinates(params.weights, params.means, log_precision, params.offset)


def from_coordinates(coordinates: Coordinates) -> GmFace:
    """The model of any coordinates, or the batch; the inverse of ``to_coordinates``."""
    a, b, c = jnp.moveaxis(jnp.asarray(coordinates.log_precision), -1, 0)
    scale = _smooth(lambda h: jnp.sinh(h) / h, 1 / 6, b * b + c * c)
    x, y = scale * b, scale * c
    cosh = jnp.sqrt(1.0 + x * x + y * y)
    # cosh + x without cancellation.
    ratio = jnp.where(x < 0, (1.0 + y * y) / (cosh + jnp.abs(x)), cosh + jnp.abs(x))
    l11, l22 = jnp.exp(0.5 * a) * jnp.sqrt(ratio), jnp.exp(0.5 * a) / jnp.sqrt(ratio)
    chol = jnp.stack([l11, y * l22, l22], axis=-1)
    return GmFace(coordinates.weights, coordinates.means, chol, coordinates.offset)


def _smooth(function, slope: float, square):
    """``function`` of the root of ``square``; it is 1 at 0, where its derivative by ``square`` is ``slope``."""
    is_small = square < _SMALL
    root = jnp.sqrt(jnp.where(is_small, 1.0, square))
    return jnp.where(is_small, 1.0 + slope * square, function(root))
