"""Moving a model exactly (paper, III-E): parameters in, parameters out, and no pixel is resampled.

Every transformation is GmFace(B x + t) for an invertible B, so the picture moves by the inverse map. All work on
batches of models too, and can be differentiated.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from gmjax.gmface import GmFace


def affine(params: GmFace, matrix, offset) -> GmFace:
    """The model of GmFace(B x + t), ``matrix`` B (2, 2) and ``offset`` t (2,): mu' = B^-1 (mu - t), A' = B^T A B.

    The new factor follows in closed form from M = B^T L: L' is M with its first row turned onto the first axis.
    Raises ValueError for a matrix that has no inverse, where its values are known.
    """
    dtype = params.means.dtype
    matrix, offset = jnp.asarray(matrix, dtype), jnp.asarray(offset, dtype)
    if matrix.shape != (2, 2) or offset.shape != (2,):
        raise ValueError(f"affine takes a matrix (2, 2) and an offset (2,); got {matrix.shape} and {offset.shape}")
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    _refuse(determinant, lambda d: d == 0 or not np.isfinite(d), "matrix must be finite and have an inverse")
    return _affine(params, matrix, offset)


@jax.jit
def _affine(params: GmFace, matrix, offset) -> GmFace:
    (b11, b12), (b21, b22) = matrix
    determinant = b11 * b22 - b12 * b21
    row, column = params.means[..., 0] - offset[0], params.means[..., 1] - offset[1]
    means = jnp.stack([b22 * row - b12 * column, b11 * column - b21 * row], axis=-1) / determinant

    l11, l21, l22 = jnp.moveaxis(params.precision_chol, -1, 0)
    m11, m12 = b11 * l11 + b21 * l21, b21 * l22
    m21, m22 = b12 * l11 + b22 * l21, b22 * l22
    new_l11 = jnp.hypot(m11, m12)
    new_l21 = (m21 * m11 + m22 * m12) / new_l11
    new_l22 = jnp.abs(determinant) * l11 * l22 / new_l11
    return dataclasses.replace(params, means=means, precision_chol=jnp.stack([new_l11, new_l21, new_l22], axis=-1))


def translate(params: GmFace, delta) -> GmFace:
    """The picture moved by ``delta`` (rows, columns), normalised: GmFace(x - delta) (15)."""
    return affine(params, jnp.eye(2), -jnp.asarray(delta, params.means.dtype))


def scale(params: GmFace, factor, center=(0.0, 0.0)) -> GmFace:
    """GmFace(k (x - center) + center) (16): with ``factor`` k = 2 the picture is half as large, about ``center``."""
    factor, center = jnp.asarray(factor, params.means.dtype), jnp.asarray(center, params.means.dtype)
    _refuse(factor, lambda k: not k > 0, "factor must be above 0")
    return affine(params, factor * jnp.eye(2, dtype=factor.dtype), (1.0 - factor) * center)


def rotate(params: GmFace, angle, center=(0.5, 0.5), aspect: float = 1.0) -> GmFace:
    """The picture turned counter-clockwise by ``angle`` (radians): GmFace(F (x - center) + center) (17).

    ``aspect`` is W / H: normalised positions of a picture that is not square have two different units, and without it
    the rotation shears. On the paper's grid (``offset=1.0``) the middle of the pixels lies at
    (0.5 + 0.5 / H, 0.5 + 0.5 / W).
    """
    center = jnp.asarray(center, params.means.dtype)
    _refuse(aspect, lambda a: not a > 0, "aspect must be above 0")
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.asarray([[cosine, sine * aspect], [-sine / aspect, cosine]], params.means.dtype)
    return affine(params, turn, center - turn @ center)


def _refuse(value, is_wrong, message: str) -> None:
    if not isinstance(value, jax.core.Tracer) and is_wrong(np.asarray(value)):
        raise ValueError(f"{message}; got {np.asarray(value)}")
