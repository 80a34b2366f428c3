"""Registration: the similarity or affine map that lays a model on a picture, or on another model.

Gauss-Newton on the parameters of the map and of the light: picture(x) = gain f(B x + t) + bias + a slope across the
picture. The model is blurred exactly (``calculus.blur``), which makes a pyramid without resampling; the picture is
convolved with the same Gaussian. Pixels that the moved model does not cover do not count; those near its border count
less than the middle, because hair and background differ most between faces, and those that fit badly count less too.
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
_MAX_STEPS = 60
# Shifts, as parts of the picture's side, from which the first level starts; the best of their ends goes on. Brows or
# hair on eyes, and the like, are minima too; turns and scales as starts end where the identity does.
_STARTS = ((0.0, 0.0), (0.067, 0.0), (-0.067, 0.0), (0.0, 0.067), (0.0, -0.067))
# Pixels of the first level to a standard deviation of its blur: more starts then cost little time.
_SAMPLES = 2.0
_CONVERGED = 0.01
# The least gain, and the least mean weight of a pixel, of a model that is still seen in the picture.
_GAIN, _COUNTED = 0.01, 0.03
# Longest step, as a part of the picture's side.
_MAX_STEP = 0.1
# Residuals beyond so many times their mean count less and less (the weights of Cauchy's distribution).
_ROBUST, _LEAST_SCALE = 3.0, 1e-4
_DAMPING, _TINY = 1e-6, 1e-12
# Standard deviation of the weight about the middle of the model, as a part of its sides.
_WINDOW = 0.25
# On the blurred levels the map stays near the identity: standard deviation of a displacement as a part of the picture's
# side, and the number of pixels that count as one because their errors are alike.
_NEAR, _ALIKE = 0.075, 50.0

# d(displacement)/dq for a position (row, column) from the middle of the picture: the rows of M - 1, then the shift.
_AFFINE = np.eye(6)
_SIMILARITY = np.zeros((6, 6))
_SIMILARITY[0, [0, 3]], _SIMILARITY[1, [1, 2]], _SIMILARITY[2, 4], _SIMILARITY[3, 5] = 1, (-1, 1), 1, 1
_KINDS = {"similarity": _SIMILARITY, "affine": _AFFINE}


class Registration(NamedTuple):
    """The picture is about ``gain * render(params, shape) + bias``, with ``slope`` added in proportion.

    ``params``: the moved model, ``affine(model, matrix, offset)`` with ``matrix`` (2, 2) and ``offset`` (2,).
    ``gain``, ``bias``: scalars, the same for all channels. ``slope`` (2,): how much the light grows from the first row
    to the last and from the first column to the last; ``bias`` holds in the middle of the picture.
    ``mse``: the mean squared error, weighted as the fit was.
    ``converged``: False where the last steps were not below a hundredth of a pixel, or nothing of the model is left
    in the picture.
    """

    params: GmFace
    matrix: Array
    offset: Array
    gain: Array
    bias: Array
    slope: Array
    mse: Array
    converged: Array


class _Level(NamedTuple):
    """What a level compares: ``model`` and ``picture`` (h, w, C), blurred; h and w may be smaller than the target's.

    ``ramp``: the width of the frame's edge in pixels of the target. ``near``: how strongly the map is held near the
    identity, in pixels of the level that count as one; 0 where it is free.
    """

    model: GmFace
    picture: Array
    mask: Array
    ramp: Leaf
    near: Leaf


def register(
    params: GmFace,
    target: Picture | GmFace,
    *,
    kind: Literal["similarity", "affine"] = "similarity",
    mask: Mask | None = None,
    shape: Sequence[SupportsIndex] = (120, 120),
) -> Registration:
    """The map that lays ``params`` on ``target``, a picture (H, W) or (H, W, C) in [0, 1], or another model.

    It is found from the identity and four shifts: turns up to 15 degrees, 15 % in scale and 8 pixels of 120 are safe
    for the model of the same face. The common face on another face ends above 2 pixels in 2 to 5 % of the cases, and
    above 10 pixels in up to 2 % (benchmarks/registration.py).
    kind: "similarity" (turn, scale, shift) keeps the shape of things in the pixels of the target. "affine" has two
    numbers more; between different faces it fails several times as often.
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
    shape = picture.shape[:2]
    first = _level(params, picture, other, mask, _LEVELS[0][0], samples=_SAMPLES)
    levels = [_level(params, picture, other, mask, part) for part, _ in _LEVELS[1:]]
    # A face has little to say of shears while it is blurred.
    bases = jnp.asarray([_KINDS["similarity"]] * len(levels) + [_KINDS[kind]], picture.dtype)
    tolerances = jnp.asarray([tolerance for _, tolerance in _LEVELS], picture.dtype)

    def descend(full, given):
        level, basis, tolerance = given
        return _descend(level, basis, tolerance, shape, full)

    start = _best_start(jax.lax.stop_gradient(first), bases[0], tolerances[0], shape)
    each = jax.tree.map(lambda *leaves: jnp.stack(leaves), *jax.lax.stop_gradient(levels))
    full, steps = jax.lax.scan(descend, start, (each, bases[1:], tolerances[1:]))
    step, (gain, bias, *slope), mse, counted, _ = _step(levels[-1], bases[-1], shape, full)
    full = full + step
    matrix, offset = _map(full, shape, params.offset)
    converged = (jnp.max(jnp.abs(steps[-1])) < _CONVERGED) & jnp.isfinite(mse) & (counted > _COUNTED) & (gain > _GAIN)
    return Registration(affine(params, matrix, offset), matrix, offset, gain, bias, jnp.stack(slope), mse, converged)


def _best_start(level: _Level, basis, tolerance, shape: tuple[int, ...]):
    """The parameters (6,) that leave most of the picture's variance explained, of those reached from ``_STARTS``."""
    starts = jnp.pad(jnp.asarray(_STARTS, level.picture.dtype) * max(shape), ((0, 0), (4, 0)))

    def descended(start):
        full, _ = _descend(level, basis, tolerance, shape, start)
        _, best, _, counted, unexplained = _step(level, basis, shape, full)
        seen = (best[0] > _GAIN) & (counted > _COUNTED)
        return full, jnp.where(seen, unexplained, jnp.inf)

    ends, unexplained = jax.vmap(descended)(starts)
    return ends[jnp.argmin(unexplained)]


def _level(params: GmFace, picture, other: GmFace | None, mask, part: float, samples: float = np.inf) -> _Level:
    """The model and its target, both blurred by ``part`` of the picture's shorter side.

    ``samples``: at most so many pixels to a standard deviation of the blur.
    """
    shape = picture.shape[:2]
    sigma = part * min(shape)
    spacing = max(1.0, sigma / samples)
    grid = tuple(round(side / spacing) for side in shape)
    # The pixels of the level, counted in pixels of the target.
    rows, columns = (
        (np.arange(n) + params.offset) * side / n - params.offset for n, side in zip(grid, shape, strict=True)
    )
    picture = picture.reshape(*shape, -1)
    if sigma > 0:
        covariance = jnp.diag(jnp.asarray([sigma / side for side in shape], picture.dtype) ** 2)
        params = blur(params, covariance)
        if other is None:
            picture = _convolved(picture, mask, sigma, (rows, columns))
        else:
            picture = render(blur(other, covariance), grid).reshape(*grid, -1)
    mask = mask[np.ix_(np.rint(rows).astype(int), np.rint(columns).astype(int))]
    ramp, near = jnp.asarray([max(sigma, 1.0), (sigma > 0) * _ALIKE / spacing**2], picture.dtype)
    return _Level(params, picture, mask, ramp, near)


def _convolved(picture, mask, sigma: float, places: tuple[np.ndarray, np.ndarray]):
    """``picture`` (h, w, C) convolved with a Gaussian, over the pixels that count, at ``places`` (rows, columns)."""
    kernels = [
        jnp.asarray(np.exp(-0.5 * ((at[:, None] - np.arange(side)) / sigma) ** 2), picture.dtype)
        for at, side in zip(places, picture.shape[:2], strict=True)
    ]
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


def _descend(level: _Level, basis, tolerance, shape: tuple[int, ...], full):
    """Gauss-Newton steps until one is below ``tolerance`` pixels: the parameters (6,), and the last step."""

    def goes_on(state):
        count, _, step = state
        return (count < _MAX_STEPS) & (jnp.max(jnp.abs(step)) >= tolerance)

    def body(state):
        count, full, _ = state
        step = _step(level, basis, shape, full)[0]
        longest = jnp.max(jnp.abs(step))
        step = step * jnp.minimum(1.0, _MAX_STEP * max(shape) / longest)
        return count + 1, full + step, step

    start = jnp.zeros((), jnp.int32), full, jnp.full_like(full, jnp.inf)
    _, full, step = jax.lax.while_loop(goes_on, body, start)
    return full, step


def _step(level: _Level, basis, shape: tuple[int, ...], full):
    """The step (6,), the best (gain, bias, slopes) before it, the MSE, the share of pixels that count, and the MSE as a
    part of what bias and slopes alone leave.
    """
    height, width = shape
    grid = level.picture.shape[:2]
    matrix, offset = _map(full, shape, level.model.offset)

    def drawn(offset):
        return render(affine(level.model, matrix, offset), grid).reshape(level.picture.shape)

    # The derivatives with respect to the shift, per pixel; those with respect to the map are multiples of them.
    moved, along = jax.linearize(drawn, offset)
    down, across = (along(jnp.asarray(unit, full.dtype)) for unit in ((1.0 / height, 0.0), (0.0, 1.0 / width)))
    axes = pixel_axes(grid, level.model.offset, full.dtype)
    places = [(x * side - level.model.offset) / (side - 1) - 0.5 for x, side in zip(axes, shape, strict=True)]
    row, column = jnp.meshgrid(*places, indexing="ij")
    row, column = (jnp.broadcast_to(x[..., None], moved.shape) for x in (row, column))
    light = jnp.stack([moved, jnp.ones_like(moved), row, column]).reshape(4, -1)
    picture = level.picture.ravel()
    covered = level.mask * _coverage(matrix, offset, shape, level)

    def lit(weights):
        """The best light, and the residuals with it."""
        each = jnp.broadcast_to(weights[..., None], moved.shape).ravel()
        best = jax.lax.stop_gradient(_solve(light, each, -picture))
        best = best + _solve(light, each, best @ light - picture)  # has the derivatives
        return best, jnp.matmul(best, light, precision="highest") - picture, each

    weights = jax.lax.stop_gradient(_robust(covered, lit(covered)[1].reshape(moved.shape)))
    best, residual, each = lit(weights)
    sides = (height - 1) / (0.5 * max(shape)), (width - 1) / (0.5 * max(shape))
    slopes = [x * y * side for x in (down, across) for y, side in zip((row, column), sides, strict=True)]
    # The order of _map: M row by row, then the shift.
    jacobian = best[0] * jnp.matmul(basis, jnp.stack([*slopes, down, across]).reshape(6, -1), precision="highest")
    mse = jnp.sum(each * residual**2) / (jnp.sum(each) + _TINY)
    near = level.near * jax.lax.stop_gradient(mse) / (_NEAR * max(shape)) ** 2
    columns = jnp.concatenate([jacobian, light])
    pull = jnp.pad(basis, ((0, 4), (0, 0)))
    step = _solve(columns, each, residual, near * pull @ pull.T, near * pull @ full)[:6] @ basis
    flat = _solve(light[1:], each, -picture) @ light[1:] - picture
    unexplained = jnp.sum(each * residual**2) / (jnp.sum(each * flat**2) + _TINY)
    return step, best, mse, jnp.sum(covered) / jnp.sum(level.mask), unexplained


def _solve(columns, weights, residual, more_normal=0.0, more_slope=0.0):
    """The Gauss-Newton step for ``residual`` (n,) with the derivatives ``columns`` (k, n) and ``weights`` (n,).

    Derivatives go through the slope alone: at the minimum the rest does not matter.
    """
    frozen = jax.lax.stop_gradient(columns)
    normal = jnp.matmul(frozen * weights[None], frozen.T, precision="highest") + more_normal
    normal = normal + jnp.diag(_DAMPING * jnp.diagonal(normal) + _TINY)
    return -jnp.linalg.solve(normal, jnp.matmul(columns, weights * residual, precision="highest") + more_slope)


def _coverage(matrix, offset, shape: tuple[int, ...], level: _Level) -> Float[Array, "h w"]:
    """Which pixels the moved model covers: 0 outside its frame, growing over ``ramp`` pixels and towards its middle."""
    grid = level.mask.shape
    x = jnp.stack(jnp.meshgrid(*pixel_axes(grid, level.model.offset, matrix.dtype), indexing="ij"))
    away = jnp.einsum("ij,jhw->ihw", matrix, x, precision="highest") + (offset - 0.5)[:, None, None]
    sides = jnp.asarray(shape, away.dtype)[:, None, None]
    depth = jnp.min((0.5 - jnp.abs(away)) * sides, axis=0)
    window = jnp.exp(-0.5 * jnp.sum((away / _WINDOW) ** 2, axis=0))
    return window * jnp.clip((depth + 0.5) / level.ramp, 0.0, 1.0)


def _robust(weights, residual: Float[Array, "h w c"]) -> Float[Array, "h w"]:
    size = jnp.sqrt(jnp.mean(residual**2, axis=-1))
    scale = _ROBUST * (jnp.sum(weights * size) / (jnp.sum(weights) + _TINY)) + _LEAST_SCALE
    return weights / (1.0 + (size / scale) ** 2)
