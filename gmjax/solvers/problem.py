"""The least squares problem of the second-order solver, and models as the arrays that it moves."""

from typing import Any

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from gmjax.gmface import Atoms, GmFace, Model, on_axes
from gmjax.profiles import Profile
from gmjax.solvers import cholesky
from gmjax.solvers.exact_weights import normal_equations
from gmjax.sums import atoms, points
from gmjax.types import AnyArray, Leaf

# Weight of the squared weights; and where equations are solved: in float32 components that coincide need as much.
RIDGE, SAFE_RIDGE = 1e-6, 1e-5


@struct.dataclass
class Problem:
    """``picture`` (h, w, C); ``pixel_weights`` (h, w) that sum to 1; the axes ``rows`` (h,) and ``columns`` (w,).

    ``profile``: that of ``Atoms``, with K terms and P parameters; None for a ``GmFace``, as if K were 1 and P 0.
    """

    picture: Leaf
    pixel_weights: Leaf
    rows: Leaf
    columns: Leaf
    profile: Profile | None = struct.field(pytree_node=False, default=None)

    @property
    def terms(self) -> int:
        return 1 if self.profile is None else self.profile.terms

    @property
    def narrowing(self) -> float:
        """How many times as large L is as that of a Gaussian of the same width."""
        return 1.0 if self.profile is None else self.profile.narrowing

    def draw(self, weights, shapes) -> Float[Array, "h w C"]:
        return on_axes(join(weights, shapes, profile=self.profile), self.rows, self.columns)


def split(params: Model) -> tuple[Float[Array, "n C"], Float[Array, "S m"]]:
    """Weights, all of the first term in front, and shapes: (mean row, mean column, log l11, log l22, l21 / l11), and
    the profile's parameters."""
    l11, l21, l22 = params.precision_chol.T
    shapes = jnp.stack([*params.means.T, jnp.log(l11), jnp.log(l22), l21 / l11])
    if isinstance(params, GmFace):
        return jnp.reshape(params.weights, (params.num_components, -1)), shapes
    weights = jnp.moveaxis(params.weights, 0, 1)
    shapes = jnp.concatenate([shapes, params.parameters.T.astype(shapes.dtype)])
    return weights.reshape(weights.shape[0] * weights.shape[1], -1), shapes


def join(weights, shapes: Float[AnyArray, "S m"], offset: float = 1.0, profile: Profile | None = None) -> Any:
    """The model of ``weights`` (K m,) or (K m, C) and ``shapes``; the inverse of ``split``."""
    l11, l22 = jnp.exp(shapes[2:4])
    means, chol = shapes[:2].T, jnp.stack([l11, shapes[4] * l11, l22], axis=-1)
    if profile is None:
        return GmFace(weights, means, chol, offset)
    by_component = jnp.moveaxis(weights.reshape(profile.terms, shapes.shape[1], *weights.shape[1:]), 0, 1)
    return Atoms(by_component, means, chol, shapes[5:].T, profile, offset)


def weight_equations(problem: Problem, shapes: Float[AnyArray, "S m"]):
    """(A, b) of A w = b for the best weights (K m, C) of ``shapes``."""
    parts = problem.picture, problem.pixel_weights, problem.rows, problem.columns

    def functions(shapes, rows, columns):
        return basis(problem.profile, shapes, rows, columns)

    return normal_equations(functions, shapes, *parts)


def basis(profile: Profile | None, shapes: Float[AnyArray, "S m"], rows, columns) -> Float[Array, "n ..."]:
    """What the weights multiply, at positions that broadcast."""
    gaussians = join(shapes[0], shapes[:5])
    if profile is None:
        return points.gaussians(gaussians.means, gaussians.precision_chol, rows, columns)
    terms = atoms.basis(profile, gaussians.means, gaussians.precision_chol, shapes[5:].T, rows, columns)
    return terms.reshape(-1, *terms.shape[2:])


def inverse_factor(matrix: Float[AnyArray, "n n"]) -> Float[Array, "n n"]:
    """``cholesky.inverse_factor`` of the ``matrix`` of weights' equations, made safe to solve."""
    return cholesky.inverse_factor(matrix + SAFE_RIDGE * jnp.eye(len(matrix), dtype=matrix.dtype))
