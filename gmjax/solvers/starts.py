"""Where a fit starts when no model is given."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from gmjax.gmface import Atoms, GmFace, on_axes, pixel_axes, with_positive_diagonal
from gmjax.profiles import Profile
from gmjax.solvers import cholesky
from gmjax.solvers.exact_weights import gaussian_equations
from gmjax.solvers.problem import Problem, inverse_factor, join, split, weight_equations
from gmjax.types import AnyArray, Picture

# The exponent is a product of four of a model's numbers, which float32 must hold.
_LARGEST = 1e9
# So many equations are solved in seconds on two CPU cores.
_MOST_SOLVED, _CG_STEPS = 2000, 20


@jax.jit
def usable(params: GmFace) -> GmFace:
    """``params`` as a fit can begin with them: no number beyond 1e9, and l11 and l22 positive, of at least 1e-9."""
    params = jax.tree.map(lambda leaf: jnp.clip(leaf, -_LARGEST, _LARGEST), with_positive_diagonal(params))
    chol = jnp.asarray(params.precision_chol).at[..., ::2].max(1 / _LARGEST)
    return dataclasses.replace(params, precision_chol=chol)


@partial(jax.jit, static_argnames=("num_components", "offset"))
def grid(picture: Picture, num_components: int, *, offset: float = 1.0) -> GmFace:
    """Round Gaussians on an even grid, their weights solved for and as wide as their distance (docs/choices.md)."""
    height, width = picture.shape[:2]
    rows = max(1, min(num_components, round(math.sqrt(num_components * height / width))))
    # Rows of nearly equal length that together hold exactly num_components centres.
    lengths = np.diff(np.round(np.linspace(0, num_components, rows + 1)).astype(int))
    means = [((i + 0.5) / rows, (j + 0.5) / n) for i, n in enumerate(lengths) for j in range(n)]
    chol = [(rows * math.sqrt(0.5), 0.0, n * math.sqrt(0.5)) for n in lengths for _ in range(n)]
    return solve_weights(jnp.asarray(means, picture.dtype), jnp.asarray(chol, picture.dtype), picture, offset=offset)


@partial(jax.jit, static_argnames=("num_components", "offset"))
def at_random(key: Array, picture: Picture, num_components: int, *, offset: float = 1.0) -> GmFace:
    """Centres anywhere in the picture, widths around those of the grid, any direction; the weights solved for."""
    key_means, key_widths, key_shear = jax.random.split(key, 3)
    means = jax.random.uniform(key_means, (num_components, 2), picture.dtype)
    widths = jax.random.normal(key_widths, (num_components, 2), picture.dtype)
    l11, l22 = math.sqrt(num_components / 2) * jnp.exp(0.5 * widths).T
    l21 = 0.5 * l11 * jax.random.normal(key_shear, (num_components,), picture.dtype)
    return solve_weights(means, jnp.stack([l11, l21, l22], axis=-1), picture, offset=offset)


@partial(jax.jit, static_argnames="offset")
def solve_weights(
    means: Float[AnyArray, "m 2"], precision_chol: Float[AnyArray, "m 3"], picture: Picture, *, offset: float = 1.0
) -> GmFace:
    """These Gaussians with the weights that bring them nearest to ``picture`` in MSE.

    For more than 2,000, whose equations would take minutes, some steps of conjugate gradients come close.
    """
    axes = pixel_axes(picture.shape[:2], offset, picture.dtype)
    if len(means) <= _MOST_SOLVED:
        return GmFace(_solve(means, precision_chol, picture, axes), means, precision_chol, offset)

    def draw(weights):
        return on_axes(GmFace(weights, means, precision_chol), *axes)

    nothing = jnp.zeros((len(means), *picture.shape[2:]), picture.dtype)
    return GmFace(_conjugate_gradients(draw, nothing, picture), means, precision_chol, offset)


@partial(jax.jit, static_argnames="profile")
def of_profile(model: GmFace | Atoms, profile: Profile, picture: Picture) -> Atoms:
    """Components as wide as those of ``model``, with parameters as a fit starts them, and the best weights."""
    shapes, axes = split(model)[1], pixel_axes(picture.shape[:2], model.offset, picture.dtype)
    if isinstance(model, GmFace):
        shapes = shapes.at[2:4].add(math.log(profile.narrowing))
        parameters = jnp.asarray([p.start for p in profile.parameters], picture.dtype)
        shapes = jnp.concatenate([shapes, jnp.tile(parameters[:, None], (1, shapes.shape[1]))])
    everywhere = jnp.full(picture.shape[:2], 1 / (picture.shape[0] * picture.shape[1]), picture.dtype)
    problem = Problem(picture.reshape(*picture.shape[:2], -1), everywhere, axes[0], axes[1], profile)
    if profile.terms * shapes.shape[1] <= _MOST_SOLVED:
        matrix, right = weight_equations(problem, shapes)
        weights = cholesky.solve(inverse_factor(matrix), right)
    else:
        nothing = jnp.zeros((profile.terms * shapes.shape[1], problem.picture.shape[2]), picture.dtype)
        weights = _conjugate_gradients(lambda weights: problem.draw(weights, shapes), nothing, problem.picture)
    return join(weights if picture.ndim > 2 else weights[:, 0], shapes, model.offset, profile)


def _solve(means, precision_chol, picture, axes):
    """A ridge as large as the rounding of the equations keeps them positive definite where Gaussians coincide."""
    everywhere = jnp.ones(picture.shape[:2], picture.dtype)
    gram, projections = gaussian_equations(means, precision_chol, picture, everywhere, *axes)
    precision = jnp.finfo(picture.dtype)
    # The floor is for Gaussians that all lie between the pixels, where they are 0.
    ridge = jnp.maximum(10 * precision.eps * jnp.trace(gram), precision.tiny**0.5)
    return jax.scipy.linalg.solve(gram + ridge * jnp.eye(len(means), dtype=picture.dtype), projections, assume_a="pos")


def _conjugate_gradients(draw, nothing, picture):
    """The weights, an array like ``nothing``, of which ``draw`` is a linear function."""
    transposed = jax.vjp(draw, nothing)[1]
    (right,) = transposed(picture)
    return cg(lambda weights: transposed(draw(weights))[0], right, maxiter=_CG_STEPS)[0]
