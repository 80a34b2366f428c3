"""Geometric transformations of a model (paper, III-E): exact, by arithmetic on its parameters; no pixel is resampled.

Positions are normalised, (row, column). All functions accept batches of models (leading axes) and are differentiable.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gmjax.checks import is_known
from gmjax.errors import ArgumentError
from gmjax.gmface import AnyModel, Atoms, GmFace

Map = tuple[Array, Array]
"""A matrix B (2, 2) and an offset t (2,): x -> B x + t."""


def affine(params: AnyModel, matrix, offset) -> AnyModel:
    """The model of GmFace(B x + t): mu' = B^-1 (mu - t), A' = B^T A B. The picture moves by the inverse map.

    ``matrix``: B, (2, 2). ``offset``: t, (2,); it is not the offset of the pixel grid. Exact for ``Atoms`` too: the
    weights or parameters of a profile that is not a function of q alone turn with its frame.
    Raises ArgumentError for wrong shapes, for a matrix that is singular or not finite, and for a profile that cannot
    turn (``Profile.turn`` is None), unless the matrix only stretches the axes, each by a factor above 0.
    """
    dtype = params.means.dtype
    matrix, offset = jnp.asarray(matrix, dtype), jnp.asarray(offset, dtype)
    if matrix.shape != (2, 2):
        raise ArgumentError("matrix", f"must have the shape (2, 2); got {matrix.shape}")
    if offset.shape != (2,):
        raise ArgumentError("offset", f"must have the shape (2,); got {offset.shape}")
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    if is_known(determinant) and (determinant == 0 or not np.isfinite(determinant)):
        raise ArgumentError("matrix", f"must be finite and have an inverse; its determinant is {determinant}")
    if isinstance(params, Atoms) and params.profile.turn is None and not _stretches(matrix):
        problem = f"turns components, which those of the profile {params.profile.name} cannot: Profile.turn is None"
        raise ArgumentError("matrix", problem)
    return _affine(params, matrix, offset)


@jax.jit
def _affine(params: AnyModel, matrix, offset) -> AnyModel:
    (b11, b12), (b21, b22) = matrix
    determinant = b11 * b22 - b12 * b21
    row, column = params.means[..., 0] - offset[0], params.means[..., 1] - offset[1]
    means = jnp.stack([b22 * row - b12 * column, b11 * column - b21 * row], axis=-1) / determinant

    # A' = M M^T with M = B^T L. A rotation from the right turns the first row of M onto the first axis; that is L'.
    l11, l21, l22 = jnp.moveaxis(params.precision_chol, -1, 0)
    m11, m12 = b11 * l11 + b21 * l21, b21 * l22
    m21, m22 = b12 * l11 + b22 * l21, b22 * l22
    new_l11 = jnp.hypot(m11, m12)
    new_l21 = (m21 * m11 + m22 * m12) / new_l11
    new_l22 = jnp.abs(determinant) * l11 * l22 / new_l11
    moved = dataclasses.replace(params, means=means, precision_chol=jnp.stack([new_l11, new_l21, new_l22], axis=-1))
    if isinstance(params, GmFace) or not callable(params.profile.turn):
        return moved
    # M = L' R with R = [[c, s], [-sign s, sign c]], so (u, v) = M^T d = R^T (u', v').
    cosine, sine = m11 / new_l11, m12 / new_l11
    weights, parameters = _turned(params, cosine, sine, jnp.sign(determinant))
    return dataclasses.replace(moved, weights=weights, parameters=parameters)


def _stretches(matrix) -> bool:
    return is_known(matrix) and bool((np.asarray(matrix)[::-1].diagonal() == 0).all() and (np.diag(matrix) > 0).all())


def _turned(params: Atoms, cosine, sine, sign):
    """The weights and parameters of the same components in terms of (u', v') (``Profile.turn``)."""
    gray = params.channels is None
    weights = params.weights[..., None] if gray else params.weights
    # Each weight and parameter (..., m, 1), so that they multiply one another for any number of channels.
    each = [weights[..., k, :] for k in range(weights.shape[-2])]
    own = [params.parameters[..., k, None] for k in range(params.parameters.shape[-1])]
    turn = params.profile.turn
    assert callable(turn)
    each, own = turn(each, own, cosine[..., None], sine[..., None], sign)
    weights = jnp.stack([jnp.broadcast_to(weight, weights[..., 0, :].shape) for weight in each], axis=-2)
    parameters = jnp.concatenate(own, axis=-1) if own else params.parameters
    return weights[..., 0] if gray else weights, parameters


def translate(params: AnyModel, delta) -> AnyModel:
    """The picture moved by ``delta`` = (rows, columns), normalised: GmFace(x - delta), equation (15)."""
    return affine(params, *translation(delta))


def scale(params: AnyModel, factor, center=(0.0, 0.0)) -> AnyModel:
    """The picture shrunk by ``factor`` k about ``center``: GmFace(k (x - center) + center), equation (16).

    With k = 2 the picture is half as large. As in the paper, the default centre is the corner (0, 0), but that of
    ``rotate`` the middle of the picture. Raises ArgumentError if ``factor`` is not above 0.
    """
    return affine(params, *scaling(factor, center))


def rotate(params: AnyModel, angle, center=(0.5, 0.5), aspect: float = 1.0) -> AnyModel:
    """The picture turned counter-clockwise by ``angle`` (radians): GmFace(F (x - center) + center), equation (17).

    ``aspect``: W / H, without which a picture that is not square shears. On the paper's grid (``offset=1.0``) the
    middle of the pixels lies at (0.5 + 0.5 / H, 0.5 + 0.5 / W). Raises ArgumentError if ``aspect`` is not above 0.
    """
    return affine(params, *rotation(angle, center, aspect))


def translation(delta) -> Map:
    """(B, t) of ``translate``."""
    return jnp.eye(2), -jnp.asarray(delta, float)


def scaling(factor, center=(0.0, 0.0)) -> Map:
    """(B, t) of ``scale``."""
    factor, center = jnp.asarray(factor, float), jnp.asarray(center, float)
    if is_known(factor) and not factor > 0:
        raise ArgumentError("factor", f"must be above 0; got {factor}")
    return factor * jnp.eye(2, dtype=factor.dtype), (1.0 - factor) * center


def rotation(angle, center=(0.5, 0.5), aspect: float = 1.0) -> Map:
    """(B, t) of ``rotate``."""
    if is_known(aspect) and not aspect > 0:
        raise ArgumentError("aspect", f"must be above 0; got {aspect}")
    center = jnp.asarray(center, float)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.asarray([[cosine, sine * aspect], [-sine / aspect, cosine]], float)
    return turn, center - turn @ center
