"""Arguments that cannot be right are refused here, in words that name the argument and say what to do.

Shapes and types are always checked. Values are checked when they are there: an array that is being traced (under the
caller's ``jit``, ``vmap`` or ``grad``) has none yet, and passes.
"""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from gmjax.types import Picture


def require_same_shape(what: str, a, b) -> None:
    """Before any subtraction: ``(4,) - (4, 1)`` would broadcast without a word."""
    if jnp.shape(a) != jnp.shape(b):
        raise ValueError(f"{what}: both pictures must have the same shape; got {jnp.shape(a)} and {jnp.shape(b)}")


def checked_image(image, what: str = "image") -> Float[Array, "h w *c"]:
    """``image`` as floating point numbers in [0, 1] of shape (H, W) or (H, W, C)."""
    return _checked(image, what, ("H", "W"))


def checked_images(images, what: str = "images") -> Float[Array, "n h w *c"]:
    """``images`` as floating point numbers in [0, 1] of shape (N, H, W) or (N, H, W, C)."""
    return _checked(images, what, ("N", "H", "W"))


def checked_mask(mask, shape: tuple[int, ...]) -> Shaped[Array, "h w"] | None:
    """``mask`` (H, W), True or a weight >= 0 for every pixel that counts; at least one must."""
    if mask is None:
        return None
    mask = jnp.asarray(mask)
    if mask.shape != shape[:2]:
        raise ValueError(f"mask must have the picture's shape {shape[:2]}; got {mask.shape}")
    if _is_concrete(mask):
        values = np.asarray(mask, np.float64)
        if not np.isfinite(values).all() or values.min() < 0 or not values.any():
            raise ValueError("mask must hold finite weights >= 0 (or True and False), with at least one above 0")
    return mask


def _checked(array, what, axes):
    if isinstance(array, str | os.PathLike):
        raise TypeError(f"{what} must be an array, not the name of a file: read it with gmjax.data.load_picture")
    array = jnp.asarray(array)
    layout = f"({', '.join(axes)}) or ({', '.join(axes)}, C)"
    if array.ndim not in (len(axes), len(axes) + 1):
        raise ValueError(f"{what} must have the shape {layout}; got {array.shape}")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(
            f"{what} must hold floating point numbers in [0, 1], not {array.dtype}: divide by the largest value the "
            "type stands for, 255 for uint8"
        )
    height, width = array.shape[len(axes) - 2 : len(axes)]
    if array.size == 0 or height * width < 2:
        raise ValueError(f"{what} must have at least two pixels; its shape is {array.shape}")
    if _is_concrete(array):
        values = np.asarray(array)
        with np.errstate(invalid="ignore"):
            is_right = values.min() >= 0 and values.max() <= 1
        if not is_right and not np.isfinite(values).all():
            count = int(values.size - np.isfinite(values).sum())
            raise ValueError(
                f"{what} has {count} values that are NaN or infinite: replace them by numbers "
                "(mask= can leave pixels out of the fit)"
            )
        if not is_right:
            raise ValueError(
                f"{what} must lie in [0, 1]; its values run from {values.min():g} to {values.max():g}: "
                "scale it (divide 8-bit values by 255) or clip it"
            )
    if jnp.finfo(array.dtype).bits < 32:
        array = array.astype(jnp.float32)
    return array


def _is_concrete(array) -> bool:
    return not isinstance(array, jax.core.Tracer)


def checked_start(init, picture: Picture):
    """``init`` as a start for ``picture``: one valid model of its type, gray or of as many channels."""
    shapes = (init.weights.shape, init.means.shape, init.precision_chol.shape)
    num_components = init.weights.shape[0] if init.weights.ndim in (1, 2) else 0
    if num_components < 1 or shapes[1:] != ((num_components, 2), (num_components, 3)):
        raise ValueError(
            "init must be one model with weights (m,) or (m, C), means (m, 2), precision_chol (m, 3); got the shapes "
            f"{', '.join(map(str, shapes))}"
        )
    channels, expected = init.weights.shape[1:], picture.shape[2:]
    if channels and channels != expected:
        have = f"{expected[0]} channels" if expected else "gray"
        raise ValueError(f"init has {channels[0]} channels but the picture is {have}: they must agree, or init be gray")
    if all(_is_concrete(leaf) for leaf in (init.weights, init.means, init.precision_chol)):
        if not all(np.isfinite(leaf).all() for leaf in (init.weights, init.means, init.precision_chol)):
            raise ValueError("init has parameters that are NaN or infinite")
        if not (np.asarray(init.precision_chol)[:, (0, 2)] > 0).all():
            raise ValueError("init.precision_chol must have l11 > 0 and l22 > 0 in every component")
    return dataclasses.replace(
        init,
        weights=jnp.asarray(init.weights, picture.dtype),
        means=jnp.asarray(init.means, picture.dtype),
        precision_chol=jnp.asarray(init.precision_chol, picture.dtype),
    )
