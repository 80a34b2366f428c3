"""The unconstrained form of a model, which first-order optimisers move: any real numbers stand for a valid model.

Equation (6) asks for positive diagonals of L only, so their logarithms are free. In place of l21 stands the shear
l21 / l11, which has no unit: l21 runs over six decades on real faces, and no one step length suits all of them.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool

from gmjax.gmface import Atoms, GmFace, Model
from gmjax.profiles import Profile
from gmjax.types import Leaf

# The largest number, 1 / l11 and 1 / l22: float32 must hold products of two of them, which moving a model takes.
_LARGEST = 1e18


@struct.dataclass
class Unconstrained:
    """What an Optax optimiser given as ``FitConfig.optimizer`` sees as its parameters.

    ``weights`` and ``means`` as in ``GmFace``; ``shapes`` ``(m, 3)``: log l11, l21 / l11, log l22. Labels for
    ``optax.multi_transform`` may be an ``Unconstrained`` too, such as ``Unconstrained("train", "freeze", "train")``.
    ``parameters`` and ``profile``: those of ``Atoms``, None for a ``GmFace``.
    """

    weights: Leaf
    means: Leaf
    shapes: Leaf
    parameters: Leaf | None = None
    profile: Profile | None = struct.field(pytree_node=False, default=None)


def to_unconstrained(params: Model) -> Unconstrained:
    """The unconstrained form of a valid model. Takes batches too."""
    l11, l21, l22 = jnp.moveaxis(jnp.asarray(params.precision_chol), -1, 0)
    shapes = jnp.stack([jnp.log(l11), l21 / l11, jnp.log(l22)], axis=-1)
    if isinstance(params, Atoms):
        return Unconstrained(params.weights, params.means, shapes, params.parameters, params.profile)
    return Unconstrained(params.weights, params.means, shapes)


def from_unconstrained(free: Unconstrained, offset: float = 1.0) -> Any:
    """The model that ``free`` stands for; parameters of a profile stop at their bounds. Takes batches too."""
    log_l11, shear, log_l22 = jnp.moveaxis(free.shapes, -1, 0)
    l11, l22 = jnp.exp(log_l11), jnp.exp(log_l22)
    chol = jnp.stack([l11, shear * l11, l22], axis=-1)
    if free.profile is None:
        return GmFace(free.weights, free.means, chol, offset)
    return Atoms(free.weights, free.means, chol, free.profile.bounded(free.parameters), free.profile, offset)


def is_valid(free: Unconstrained) -> Bool[Array, ""]:
    """Whether ``free`` stands for a valid model in float32: rates that are too high leave the range of numbers."""
    params = from_unconstrained(free)
    numbers = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(params)])
    return jnp.all(jnp.abs(numbers) < _LARGEST) & jnp.all(params.precision_chol[:, ::2] > 1 / _LARGEST)
