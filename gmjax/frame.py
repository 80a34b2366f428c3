"""The frame of a moved model: where the picture that it was fitted to has gone, and what to draw outside of it.

A formula goes on outside the picture that it was fitted to, with values that no fit has seen. The picture of
``affine(params, matrix, offset)`` lies where B x + t is in the unit square. Maps x -> B x + t are pairs (B, t), as
``transforms.rotation`` and the like, and ``registration.register``, return them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gmjax import gmface
from gmjax.checks import is_known
from gmjax.errors import ArgumentError
from gmjax.gmface import Model

MARGIN = 0.05
METADATA = "frame"
"""The name in a model file's metadata of how the model was moved: [[b11, b12, t1], [b21, b22, t2]]."""
# Rounding must not cut off a row: the last pixel of the paper's grid lies exactly on the border.
_ROUNDING = 1e-4
_BORDER_POINTS = 64


def compose(first, second):
    """The map of a model that was moved by ``first`` and then by ``second``: (B1 B2, B1 t2 + t1)."""
    (b1, t1), (b2, t2) = first, second
    return b1 @ b2, b1 @ t2 + t1


def inside(
    matrix, offset, shape: Sequence[int], *, grid_offset: float = 1.0, margin: float = MARGIN
) -> Float[Array, "h w"]:
    """1 at the pixels of a picture of ``shape`` (H, W) that lie in the frame; outside a smooth fall to 0.

    ``matrix`` (2, 2), ``offset`` (2,): how the model was moved. ``grid_offset``: the model's own ``offset``.
    ``margin``: how far the fall reaches, as a part of the frame's sides; 0 cuts off at the frame.
    Raises ArgumentError for a wrong ``shape``, or a ``margin`` below 0.
    """
    if is_known(margin) and not margin >= 0:
        raise ArgumentError("margin", f"must be at least 0; got {margin}")
    return _inside(*_arrays(matrix, offset), gmface.checked_shape(shape), grid_offset, margin)


@partial(jax.jit, static_argnames=("shape", "grid_offset"))
def _inside(matrix, offset, shape, grid_offset, margin):
    x = gmface.pixel_grid(shape, offset=grid_offset).astype(matrix.dtype)
    y = jnp.einsum("ij,hwj->hwi", matrix, x, precision="highest") + offset[None, None]
    beyond = jnp.maximum(jnp.abs(y - 0.5) - (0.5 + _ROUNDING), 0.0)
    way = jnp.minimum(jnp.sqrt(jnp.sum(beyond**2, axis=-1)) / jnp.maximum(margin, _ROUNDING), 1.0)
    return 1.0 - way * way * (3.0 - 2.0 * way)


def background(params: Model, matrix, offset) -> Float[Array, "*c"]:
    """The mean of the formula along the border of the frame: a scalar, or (C,) for colour.

    ``params``: the moved model, ``matrix`` and ``offset`` how it was moved.
    Raises ArgumentError for a batch of models.
    """
    if params.means.ndim != 2:
        raise ArgumentError("params", f"must be one model, not a batch {params.means.shape[:-2]}: use jax.vmap")
    matrix, offset = _arrays(matrix, offset)
    matrix, offset = (part.astype(params.means.dtype) for part in (matrix, offset))
    steps = (jnp.arange(_BORDER_POINTS, dtype=matrix.dtype) + 0.5) / _BORDER_POINTS
    zero, one = jnp.zeros_like(steps), jnp.ones_like(steps)
    sides = [jnp.stack(side, axis=-1) for side in ((zero, steps), (one, steps), (steps, zero), (steps, one))]
    border = jnp.linalg.solve(matrix, (jnp.concatenate(sides) - offset[None]).T).T
    return jnp.mean(gmface.gmface(params, border), axis=0)


def render(params: Model, shape: Sequence[int], matrix, offset, *, margin: float = MARGIN) -> Float[Array, "..."]:
    """``gmjax.render`` of a moved model, which fades into ``background`` outside its frame; see ``inside``."""
    weight = inside(matrix, offset, shape, grid_offset=params.offset, margin=margin)
    picture, behind = gmface.render(params, shape), background(params, matrix, offset)
    weight = weight.astype(picture.dtype).reshape(*weight.shape, *(1,) * behind.ndim)
    return weight * picture + (1.0 - weight) * jnp.broadcast_to(behind, picture.shape)


def as_metadata(matrix, offset) -> dict[str, str]:
    """How a model was moved, as metadata to ``save`` with it."""
    return {METADATA: json.dumps(np.column_stack([matrix, offset]).astype(float).tolist())}


def from_metadata(metadata: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray] | None:
    """(B, t) as float64 from what ``load_metadata`` returned; None if the model was not moved, or nothing usable."""
    try:
        numbers = np.asarray(json.loads(metadata[METADATA]), float)
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    if numbers.shape != (2, 3):
        return None
    with np.errstate(all="ignore"):
        determinant = np.float32(np.linalg.det(numbers[:, :2]))
        usable = np.isfinite(np.float32(numbers)).all() and np.isfinite(determinant) and determinant != 0
    return (numbers[:, :2], numbers[:, 2]) if usable else None


def _arrays(matrix, offset):
    matrix, offset = jnp.asarray(matrix, float), jnp.asarray(offset, float)
    if matrix.shape != (2, 2) or offset.shape != (2,):
        problem = f"and offset must have the shapes (2, 2) and (2,); got {matrix.shape} and {offset.shape}"
        raise ArgumentError("matrix", problem)
    return matrix, offset
