"""Checks of arguments: shapes and types always, values where they are known (a traced array has none, and passes)."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.types import Picture

MOST_CHANNELS = 4  # a picture of more is more likely a batch, or has its axes in another order


def require_same_shape(what: str, a, b) -> None:
    """Before any subtraction: ``(4,) - (4, 1)`` would broadcast silently."""
    if jnp.shape(a) != jnp.shape(b):
        raise ArgumentError(what, f"needs two pictures of the same shape; got {jnp.shape(a)} and {jnp.shape(b)}")


def is_known(*arrays) -> bool:
    """Whether the values of all ``arrays`` are known: none is being traced."""
    return not any(isinstance(array, jax.core.Tracer) for array in arrays)


def checked_image(image, name: str = "image", *, channels: int | None = None) -> Float[Array, "h w *c"]:
    """``image`` (H, W) or (H, W, C) in [0, 1], float32 if it has fewer bits; ``channels``: how many, if above four."""
    return _checked(image, name, ("H", "W"), channels)


def checked_images(images, *, channels: int | None = None) -> Float[Array, "n h w *c"]:
    """``images`` (N, H, W) or (N, H, W, C) in [0, 1], float32 if of fewer bits."""
    return _checked(images, "images", ("N", "H", "W"), channels)


def require_collection(images) -> None:
    """Refuses one colour picture (H, W, 3), which would pass for H pictures of width 3."""
    shape = np.shape(images)
    if len(shape) == 3 and shape[-1] in (1, 3, 4) and min(shape[:2]) > shape[-1]:
        remedy = f"use images[None] or gmjax.fit (if they are {shape[-1]} wide, pass their image_statistics)"
        raise ArgumentError("images", f"must be (N, H, W) or (N, H, W, C); {shape} looks like one picture: {remedy}")


def checked_mask(mask, shape: tuple[int, ...], dtype=jnp.float32) -> Float[Array, "h w"] | None:
    """``mask`` (H, W), True or a weight >= 0 for every pixel that counts, scaled to a largest weight of 1."""
    if mask is None:
        return None
    if np.shape(mask) != shape[:2]:
        raise ArgumentError("mask", f"must have the picture's shape {shape[:2]}; got {np.shape(mask)}")
    if not is_known(mask):
        return jnp.asarray(mask / jnp.max(mask), dtype)
    values = np.asarray(mask, np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or not values.any():
        raise ArgumentError("mask", "must hold finite weights >= 0 (or True and False), with at least one above 0")
    return jnp.asarray(values / values.max(), dtype)


def checked_key(key, purpose: str):
    if key is None:
        raise ArgumentError("key", f"is needed for {purpose}: give for example key=jax.random.key(0)")
    dtype = getattr(key, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jax.dtypes.prng_key) or dtype == jnp.uint32):
        raise ArgumentTypeError("key", f"must be a JAX random key such as jax.random.key(0); got {key!r}")
    return key


def what_is_wrong(weights, means, precision_chol) -> str | None:
    """Why these arrays are not the parameters of a model, or of a batch along leading axes; None if they are."""
    *batch, m, _ = means.shape if means.ndim > 1 else (0, 0)
    channels = weights.shape[means.ndim - 1 :]
    expected = ((*batch, m, *channels), (*batch, m, 2), (*batch, m, 3))
    shapes = weights.shape, means.shape, precision_chol.shape
    if 0 in (m, weights.size) or len(channels) > 1 or shapes != expected:
        needed = "weights (m,) or (m, C), means (m, 2) and precision_chol (m, 3) with m of at least 1"
        return f"a model has {needed}, a batch the same leading axes in each; got {', '.join(map(str, shapes))}"
    arrays = {"weights": weights, "means": means, "precision_chol": precision_chol}
    if not is_known(*arrays.values()):
        return None
    for name, array in arrays.items():
        if array.dtype not in (np.float32, np.float64):
            return f"{name} must be float32 or float64, not {array.dtype}"
        if not np.isfinite(array).all():
            return f"{name} has numbers that are NaN or infinite, or too large for {array.dtype}"
    if not (np.asarray(precision_chol)[..., ::2] > 0).all():
        return "precision_chol must have l11 > 0 and l22 > 0 in every component"
    return None


def what_is_wrong_with_atoms(params) -> str | None:
    """The same for ``Atoms``."""
    weights, means = params.weights, params.means
    if means.ndim < 2 or not means.ndim <= weights.ndim <= means.ndim + 1 or weights.size == 0:
        return f"weights must be (m, K) or (m, K, C), and means (m, 2); got {weights.shape} and {means.shape}"
    *batch, m, terms = weights.shape[: means.ndim]
    wrong = what_is_wrong(weights.reshape(*batch, m, -1), means, params.precision_chol)
    if wrong:
        return wrong
    profile, count = params.profile, len(params.profile.parameters)
    if terms != profile.terms or params.parameters.shape != (*batch, m, count):
        needed = f"weights (m, {profile.terms}) or (m, {profile.terms}, C) and parameters (m, {count})"
        return f"{profile.name} has {needed}; got {weights.shape} and {params.parameters.shape}"
    if is_known(params.parameters) and not np.isfinite(params.parameters).all():
        return "parameters has numbers that are NaN or infinite"
    return None


def checked_start(init, picture: Picture):
    """``init`` as a start for ``picture``: one valid model of its type, gray or of as many channels."""
    leaves = [jnp.asarray(leaf) for leaf in (init.weights, init.means, init.precision_chol)]
    # A factor with a negative diagonal is a start too, with the sign of that column of L changed.
    chol = np.abs(np.asarray(leaves[2])) if is_known(*leaves) else leaves[2]
    wrong = what_is_wrong(leaves[0], leaves[1], chol)
    if wrong or leaves[1].ndim != 2:
        raise ArgumentError("init", f"must be one valid model: {wrong or f'it is a batch, means {leaves[1].shape}'}")
    _require_channels_of(init.weights.shape[1:], picture)
    weights, means, precision_chol = (leaf.astype(picture.dtype) for leaf in leaves)
    return dataclasses.replace(init, weights=weights, means=means, precision_chol=precision_chol)


def checked_atoms(init, picture: Picture):
    """``init``, ``Atoms``, as a start for ``picture``: one valid model of its type, gray or of as many channels."""
    wrong = what_is_wrong_with_atoms(init)
    if wrong or init.means.ndim != 2:
        raise ArgumentError("init", f"must be one valid model: {wrong or f'it is a batch, means {init.means.shape}'}")
    _require_channels_of(init.weights.shape[2:], picture)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, picture.dtype), init)


def _require_channels_of(channels: tuple[int, ...], picture: Picture) -> None:
    """For a start with so many ``channels``, none if it is gray."""
    expected = picture.shape[2:]
    if channels and channels != expected:
        found = f"has {channels[0]} channels, but the picture has {expected[0] if expected else 'none'}"
        raise ArgumentError("init", f"{found}: they must agree, or init be gray")


@contextlib.contextmanager
def explained_shardings() -> Iterator[None]:
    """Around a fit: says what to do with a batch that ``vmap`` cannot split over a mesh with Explicit axes."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "ShardingTypeError":  # it has no public name
            raise
        remedy = "call the fit under jax.shard_map, or make the mesh with axis_types=(jax.sharding.AxisType.Auto,)"
        problem = f"is sharded over an Explicit mesh axis that jax.vmap maps over: {remedy}"
        raise ArgumentError("image", problem) from error


def _checked(array, name: str, axes: Sequence[str], channels: int | None):
    if isinstance(array, str | os.PathLike):
        raise ArgumentTypeError(name, "must be an array, not the name of a file: read it with gmjax.data.load_picture")
    array = jnp.asarray(array)
    if array.ndim not in (len(axes), len(axes) + 1):
        layout, remedy = ", ".join(axes), ": use jax.vmap for a batch" if array.ndim > len(axes) else ""
        raise ArgumentError(name, f"must have the shape ({layout}) or ({layout}, C); got {array.shape}{remedy}")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        remedy = "divide by the type's largest value, 255 for uint8"
        raise ArgumentTypeError(name, f"must hold floating point numbers in [0, 1], not {array.dtype}: {remedy}")
    height, width = array.shape[len(axes) - 2 : len(axes)]
    if array.size == 0 or height * width < 2:
        raise ArgumentError(name, f"must have at least two pixels; its shape is {array.shape}")
    if is_known(array):
        values = np.asarray(array)
        with np.errstate(invalid="ignore"):
            lowest, highest = values.min(), values.max()
        if not (lowest >= 0 and highest <= 1):
            count = values.size - int(np.isfinite(values).sum())
            if count:
                remedy = "replace them by numbers (mask= can leave pixels out of the fit)"
                raise ArgumentError(name, f"has {count} values that are NaN or infinite: {remedy}")
            remedy = "scale it (divide 8-bit values by 255) or clip it"
            raise ArgumentError(name, f"must lie in [0, 1]; its values run from {lowest:g} to {highest:g}: {remedy}")
    if array.ndim > len(axes):
        _require_channels(array.shape[len(axes) - 2 :], name, channels)
    return array.astype(jnp.float32) if jnp.finfo(array.dtype).bits < 32 else array


def _require_channels(shape: tuple[int, ...], name: str, channels: int | None) -> None:
    found = shape[-1]
    if found == channels or (channels is None and found <= MOST_CHANNELS):
        return
    if channels is not None:
        raise ArgumentError("FitConfig.channels", f"is {channels}, but {name} has the shape {shape}")
    remedy = "for a batch use jax.vmap"
    remedy += f", for channels in front use numpy.moveaxis({name}, -3, -1)" if shape[0] <= MOST_CHANNELS else ""
    declared = f"if there are {found} channels, say FitConfig(channels={found})"
    raise ArgumentError(name, f"has the shape {shape}, read as (H, W, C): {remedy}; {declared}")
