"""Registration: the similarity or affine map that lays a model on a picture, or on another model.

Gauss-Newton on the parameters of the map, with gain and bias: picture(x) = gain f(B x + t) + bias. The model is
blurred exactly (``calculus.blur``), which makes a pyramid without resampling; the picture is convolved with the same
Gaussian. Pixels that the moved model does not cover do not count, and those that fit badly count less.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gmjax.calculus import blur
from gmjax.checks import checked_image, checked_mask
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.gmface import GmFace, checked_shape, pixel_axes, render
from gmjax.transforms import affine
from gmjax.types import Leaf, Mask, Picture

# Blur of each level as a part of the picture's side (6, 3 and 0 pixels of 120), and the step, in pixels, that ends it.
_LEVELS = ((0.05, 0.1), (0.025, 0.05), (0.0, 1e-3))
_MAX_STEPS = 30
_CONVERGED = 0.01
# Longest step, as a part of the picture's side.
_MAX_STEP = 0.1
# Residuals beyond so many times their mean count less and less (the weights of Cauchy's distribution).
_ROBUST, _LEAST_SCALE = 3.0, 1e-4
_DAMPING = 1e-6

# d(displacement)/dq for a position (row, column) from the middle of the picture: the rows of M - 1, then the shift.
_AFFINE = np.eye(6)
_SIMILARITY = np.zeros((6, 6))
_SIMILARITY[0, [0, 3]], _SIMILARITY[1, [1, 2]], _SIMILARITY[2, 4], _SIMILARITY[3, 5] = 1, (-1, 1), 1, 1
_KINDS = {"similarity": _SIMILARITY, "affine": _AFFINE}


class Registration(NamedTuple):
    """The picture is about ``gain * render(params, shape) + bias``.

    ``params``: the moved model, ``affine(model, matrix, offset)`` with ``matrix`` (2, 2) and ``offset`` (2,).
    ``gain``, ``bias``: scalars, the same for all channels. ``mse``: the mean squared error over the pixels that count.
    ``converged``: False where the last steps were not below a hundredth of a pixel, or nothing of the model is left
    in the picture.
    """

    params: GmFace
    matrix: Array
    offset: Array
    gain: Array
    bias: Array
    mse: Array
    converged: Array


class _Level(NamedTuple):
    """What a level compares: ``model`` and ``picture`` (h, w, C), blurred; ``ramp``: the width of an edge, pixels."""

    model: GmFace
    picture: Array
    mask: Array
    ramp: Leaf


def register(
    params: GmFace,
    target: Picture | GmFace,
    *,
    kind: Literal["similarity", "affine"] = "similarity",
    mask: Mask | None = None,
    shape: Sequence[SupportsIndex] = (120, 120),
) -> Registration:
    """The map that lays ``params`` on ``target``, a picture (H, W) or (H, W, C) in [0, 1], or another model.

    It is found from the identity: turns up to 15 degrees, 15 % in scale and 8 pixels of 120 are safe for a face.
    kind: "similarity" (turn, scale, shift) keeps the shape of things in the pixels of the target.
    mask: (H, W), the pixels of the target that count (True and False), or their weights.
    shape: (H, W), the size at which another model is compared; a picture has its own.

    Works under ``jit`` and ``vmap``. The derivatives with respect to the model and the target are those of the last
    step, so exact where the model fits exactly. Raises ArgumentError for an argument that cannot be right.
    """
    params, picture = _checked(params, target, kind, shape)
    mask = checked_mask(mask, picture.shape, picture.dtype)
    mask = jnp.ones(picture.shape[:2], picture.dtype) if mask is None else mask
    other = target if isinstance(target, GmFace) else None
    return _register(params, picture, other, mask, kind)


def _checked(params, target, kind, shape):
    if not isinstance(params, GmFace):
        raise ArgumentTypeError("params", f"must be a GmFace, not {type(params).__name__}")
    if kind not in _KINDS:
        raise ArgumentError("kind", f"must be one of {', '.join(_KINDS)}; got {kind!r}")
    if isinstance(target, GmFace):
        shape = checked_shape(shape)
        _require_single("target", target)
        picture = render(target, shape)
    else:
        picture = checked_image(target, "target", channels=params.channels)
    _require_single("params", params)
    channels = picture.shape[2] if picture.ndim == 3 else None
    if channels != params.channels:
        names = [f"{count} channels" if count else "no channels (gray)" for count in (params.channels, channels)]
        raise ArgumentError("target", f"must have the channels of the model, {names[0]}; it has {names[1]}")
    if min(picture.shape[:2]) < 8:
        raise ArgumentError("target", f"must have at least 8 x 8 pixels; it has {picture.shape[:2]}")
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, picture.dtype), params)
    return params, picture


def _require_single(name: str, params: GmFace) -> None:
    if params.means.ndim != 2:
        raise ArgumentError(name, f"must be one model, not a batch {params.means.shape[:-2]}: use jax.vmap")


@partial(jax.jit, static_argnames="kind")
def _register(params: GmFace, picture, other: GmFace | None, mask, kind: str) -> Registration:
    levels = [_level(params, picture, other, mask, part) for part, _ in _LEVELS]
    # A face has little to say of shears while it is blurred.
    bases = [_KINDS["similarity"]] * (len(levels) - 1) + [_KINDS[kind]]
    each = jax.tree.map(lambda *leaves: jnp.stack(leaves), *jax.lax.stop_gradient(levels))
    tolerances = jnp.asarray([tolerance for _, tolerance in _LEVELS], picture.dtype)

    def descend(full, each):
        return _descend(*each, full)

    start = jnp.zeros(6, picture.dtype)
    full, steps = jax.lax.scan(descend, start, (each, jnp.asarray(np.stack(bases), picture.dtype), tolerances))
    step, (gain, bias), mse, counted = _step(levels[-1], jnp.asarray(bases[-1], picture.dtype), full)
    full = full + step
    matrix, offset = _map(full, picture.shape[:2], params.offset)
    converged = (jnp.max(jnp.abs(steps[-1])) < _CONVERGED) & jnp.isfinite(mse) & (counted > 0.1) & (gain > 0)
    return Registration(affine(params, matrix, offset), matrix, offset, gain, bias, mse, converged)


def _level(params: GmFace, picture, other: GmFace | None, mask, part: float) -> _Level:
    """The model and its target, both blurred by ``part`` of the picture's shorter side."""
    height, width = picture.shape[:2]
    sigma = part * min(height, width)
    picture = picture.reshape(height, width, -1)
    if sigma > 0:
        covariance = jnp.diag(jnp.asarray([sigma / height, sigma / width], picture.dtype) ** 2)
        params = blur(params, covariance)
        if other is None:
            picture = _convolved(picture, mask, sigma)
        else:
            picture = render(blur(other, covariance), (height, width)).reshape(picture.shape)
    return _Level(params, picture, mask, max(sigma, 1.0))


def _convolved(picture, mask, sigma: float):
    """``picture`` (h, w, C) convolved with a Gaussian, over the pixels that count."""
    kernels = []
    for side in picture.shape[:2]:
        way = np.arange(side)[:, None] - np.arange(side)
        kernels.append(jnp.asarray(np.exp(-0.5 * (way / sigma) ** 2), picture.dtype))
    parts = jnp.concatenate([picture * mask[..., None], mask[..., None]], axis=-1)
    parts = jnp.einsum("ih,jw,hwc->ijc", *kernels, parts, precision="highest", optimize="optimal")
    return parts[..., :-1] / jnp.maximum(parts[..., -1:], 1e-6)


def _map(full, shape: tuple[int, ...], grid_offset: float) -> tuple[Array, Array]:
    """(B, t) of the parameters ``full`` (6,): M - 1, times half the longer side, and the shift, all in pixels.

    M acts on the pixels about the middle of the picture; B and t on normalised positions.
    """
    sides = jnp.asarray(shape, full.dtype)
    middle = (sides - 1.0) / 2.0 + grid_offset
    matrix = jnp.eye(2, dtype=full.dtype) + full[:4].reshape(2, 2) / (0.5 * max(shape))
    offset = (middle - matrix @ middle + full[4:]) / sides
    return matrix * sides[None] / sides[:, None], offset


def _descend(level: _Level, basis, tolerance, full):
    """Gauss-Newton steps until one is below ``tolerance`` pixels: the parameters (6,), and the last step."""

    def goes_on(state):
        count, _, step = state
        return (count < _MAX_STEPS) & (jnp.max(jnp.abs(step)) >= tolerance)

    def body(state):
        count, full, _ = state
        step = _step(level, basis, full)[0]
        longest = jnp.max(jnp.abs(step))
        step = step * jnp.minimum(1.0, _MAX_STEP * max(level.picture.shape[:2]) / longest)
        return count + 1, full + step, step

    start = jnp.zeros((), jnp.int32), full, jnp.full_like(full, jnp.inf)
    _, full, step = jax.lax.while_loop(goes_on, body, start)
    return full, step


def _step(level: _Level, basis, full):
    """The step (6,), the best (gain, bias) before it, the MSE, and the share that counts."""
    shape = level.picture.shape[:2]
    axes = pixel_axes(shape, level.model.offset, full.dtype)
    matrix, offset = _map(full, shape, level.model.offset)

    def drawn(offset):
        return render(affine(level.model, matrix, offset), shape).reshape(level.picture.shape)

    # The derivatives with respect to the shift, per pixel; those with respect to the map are multiples of them.
    moved, along = jax.linearize(drawn, offset)
    sides = np.asarray(shape, float)
    slopes = [along(jnp.asarray(unit, full.dtype)) for unit in np.diag(1.0 / sides)]
    covered = level.mask * _depth(matrix, offset, axes, shape, level.ramp)

    def tone(weights):
        """The best gain and bias, and the residuals with them."""
        total = jnp.sum(weights) * moved.shape[-1] + 1e-12
        means = [jnp.sum(weights[..., None] * x) / total for x in (moved, level.picture)]
        centred = moved - means[0]
        variance = jnp.sum(weights[..., None] * centred**2)
        gain = jnp.sum(weights[..., None] * centred * level.picture) / (variance + 1e-9 * total)
        return (gain, means[1] - gain * means[0]), gain * centred + means[1] - level.picture

    weights = jax.lax.stop_gradient(_robust(covered, tone(covered)[1]))
    (gain, bias), residual = tone(weights)

    around = [axis * side - middle for axis, side, middle in zip(axes, sides, _middle(shape, level), strict=True)]
    row, column = (x[..., None] / (0.5 * max(shape)) for x in jnp.meshgrid(*around, indexing="ij"))
    across, down = (gain * slope for slope in slopes)
    # The order of _map: M row by row, then the shift.
    entries = (across * row, across * column, down * row, down * column, across, down)
    jacobian = jnp.matmul(basis, jnp.stack(entries).reshape(6, -1), precision="highest")
    jacobian = jnp.concatenate([jacobian, jnp.stack([moved, jnp.ones_like(moved)]).reshape(2, -1)])
    flat = jnp.broadcast_to(weights[..., None], moved.shape).reshape(1, -1)
    frozen = jax.lax.stop_gradient(jacobian)
    normal = jnp.matmul(frozen * flat, frozen.T, precision="highest")
    normal = normal + jnp.diag(_DAMPING * jnp.diagonal(normal) + 1e-12)
    slope = jnp.matmul(jacobian * flat, residual.ravel(), precision="highest")
    step = -jnp.linalg.solve(normal, slope)
    count = jnp.sum(covered)
    mse = jnp.sum(covered[..., None] * residual**2) / (count * residual.shape[-1])
    return step[: len(basis)] @ basis, (gain, bias), mse, count / jnp.sum(level.mask)


def _middle(shape: tuple[int, ...], level: _Level) -> list[float]:
    return [(side - 1) / 2 + level.model.offset for side in shape]


def _depth(matrix, offset, axes, shape: tuple[int, ...], ramp) -> Float[Array, "h w"]:
    """From 0 at the border of the moved frame to 1 at ``ramp`` pixels inside of it."""
    x = jnp.stack(jnp.meshgrid(*axes, indexing="ij"))
    y = jnp.einsum("ij,jhw->ihw", matrix, x, precision="highest") + offset[:, None, None]
    sides = jnp.asarray(shape, y.dtype)[:, None, None]
    inner = jnp.min((0.5 - jnp.abs(y - 0.5)) * sides, axis=0)
    return jnp.clip((inner + 0.5) / ramp, 0.0, 1.0)


def _robust(weights, residual: Float[Array, "h w c"]) -> Float[Array, "h w"]:
    size = jnp.sqrt(jnp.mean(residual**2, axis=-1))
    scale = _ROBUST * (jnp.sum(weights * size) / (jnp.sum(weights) + 1e-12)) + _LEAST_SCALE
    return weights / (1.0 + (size / scale) ** 2)
