"""The parameters as the solvers move them: any real numbers, in the range of float32, give a valid model.

Equation (6) asks for positive diagonals of L only, so their logarithms are free. In place of l21 stands the shear
l21 / l11, which has no unit: l21 runs over six decades on real faces, and no one step length suits all of them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from gmjax.gmface import GmFace
from gmjax.types import Leaf

# Of any number, and of 1 / l11 and 1 / l22: float32 must hold products of two of them, which moving a model takes.
_MOST = 1e18


class Unconstrained(NamedTuple):
    """``weights`` (m,) or (m, C); ``shapes`` (5, m): mean row, mean column, log l11, log l22, and the shear."""

    weights: Leaf
    shapes: Leaf


def to_unconstrained(params: GmFace) -> Unconstrained:
    l11, l21, l22 = params.precision_chol.T
    return Unconstrained(params.weights, jnp.stack([*params.means.T, jnp.log(l11), jnp.log(l22), l21 / l11]))


def to_gmface(weights, shapes) -> GmFace:
    l11, l22 = jnp.exp(shapes[2:4])
    return GmFace(weights, shapes[:2].T, jnp.stack([l11, shapes[4] * l11, l22], axis=-1))


def is_valid(free: Unconstrained) -> Bool[Array, ""]:
    """Whether it stands for a valid model: rates that are too high leave the range of numbers."""
    params = to_gmface(*free)
    numbers = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(params)])
    return jnp.all(jnp.abs(numbers) < _MOST) & jnp.all(params.precision_chol[:, ::2] > 1 / _MOST)
