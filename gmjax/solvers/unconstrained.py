"""The parameters as the solvers move them: any real numbers give a valid model.

Equation (6) asks for positive diagonals of L only, so their logarithms are free. In place of l21 stands the shear
l21 / l11, which has no unit: l21 runs over six decades on real faces, and no one step length suits all of them.
"""

import jax.numpy as jnp
from flax import struct

from gmjax.gmface import GmFace
from gmjax.types import Leaf


@struct.dataclass
class Unconstrained:
    """``weights`` (m,) or (m, C); ``means`` (m, 2); ``log_diagonal`` (m, 2) of (l11, l22); ``shear`` (m,)."""

    weights: Leaf
    means: Leaf
    log_diagonal: Leaf
    shear: Leaf


def to_unconstrained(params: GmFace) -> Unconstrained:
    l11, l21, l22 = params.precision_chol.T
    return Unconstrained(params.weights, params.means, jnp.log(jnp.stack([l11, l22], axis=-1)), l21 / l11)


def to_gmface(free: Unconstrained) -> GmFace:
    l11, l22 = jnp.exp(free.log_diagonal).T
    return GmFace(free.weights, free.means, jnp.stack([l11, free.shear * l11, l22], axis=-1))
