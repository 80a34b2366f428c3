"""The formula (paper, III-A): a picture as a sum of two-dimensional Gaussians.

    GmFace(x) = sum_i w_i exp(-(x - mu_i)^T A_i (x - mu_i)),   A_i = L_i L_i^T        (2)-(6)

Positions are (row, column), normalised: pixel (r, c) of an H x W picture lies at (r / H, c / W), counted from
``offset`` (1 on the paper's grid, 0.5 for pixel centres). There is no factor 1/2 in the exponent.
"""

import base64
import dataclasses
import numbers
from collections.abc import Sequence
from functools import partial
from typing import Any, SupportsIndex, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.profiles import Profile
from gmjax.sums import atoms, grid, points, tiles
from gmjax.types import AnyArray, Leaf

# The size of the picture that a notebook shows.
_SHOWN = 240, 240


class _Shared:
    """What both kinds of model have: how many components, and what ``repr`` and a notebook show."""

    @property
    def num_components(self: Any) -> int:
        return self.means.shape[-2]

    def __repr__(self: Any) -> str:
        """Its size, from shapes only; all fields where leaves are no arrays, as in ``jax.vmap``'s ``in_axes``."""
        leaves = self.weights, self.means, self.precision_chol
        if not all(hasattr(leaf, "ndim") for leaf in leaves) or self.means.ndim < 2:
            fields = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))
            return f"{type(self).__name__}({', '.join(fields)})"
        batch = "".join(f"{count} x " for count in self.means.shape[:-2])
        facts = f"{batch}{self.num_components} components, {kind_of(self)}, offset {self.offset:g}"
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self: Any) -> str:
        """In a notebook: the picture, or the first of a batch, and one line of facts."""
        *batch, m, _ = self.means.shape
        facts = f"{type(self).__name__}: {m} components, {kind_of(self)}, {self.num_parameters} numbers"
        single = jax.tree.map(lambda leaf: leaf[(0,) * len(batch)], self)
        if batch:
            facts += f"; a batch {tuple(batch)}, of which the first is drawn"
        if self.channels not in (None, 1, 3):
            return facts
        pixels = np.uint8(np.round(255 * np.clip(render(single, _SHOWN), 0, 1))).reshape(*_SHOWN, -1)
        import imageio.v3

        content = imageio.v3.imwrite("<bytes>", pixels.squeeze(), extension=".png")
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        return f'<img src="{source}" alt="{facts}" width="{_SHOWN[1]}"><br>{facts}'


@struct.dataclass
class GmFace(_Shared):
    """The parameters of one model, or of many along leading axes (``stack``).

    ``weights``: ``(m,)`` for a gray picture, ``(m, C)`` for one with ``C`` channels.
    ``means``: ``(m, 2)``, the centres, (row, column), normalised.
    ``precision_chol``: ``(m, 3)``, the factor ``L = [[l11, 0], [l21, l22]]`` of each precision matrix ``A = L L^T``
    as ``(l11, l21, l22)`` with ``l11, l22 > 0``.
    ``offset``: the pixel grid that the model was fitted on, and is rendered on. Static: not a leaf of the pytree.
    """

    weights: Leaf
    means: Leaf
    precision_chol: Leaf
    offset: float = struct.field(pytree_node=False, default=1.0)

    @property
    def channels(self) -> int | None:
        """The number of channels ``C``, or None for gray."""
        return None if self.weights.ndim < self.means.ndim else self.weights.shape[-1]

    @property
    def gaussians_worth(self) -> int:
        """m: how many Gaussians cost as much as this model."""
        return self.num_components

    @property
    def num_parameters(self) -> int:
        """How many numbers describe the picture: 6 m for a gray one (18)."""
        return self.num_components * (5 + (self.channels or 1))

    __repr__ = _Shared.__repr__


@struct.dataclass
class Atoms(_Shared):
    """A model of another elementary function than the Gaussian, or several: those of its ``profile``.

        f(x) = sum_i sum_k w_ik psi_k(u_i, v_i; p_i),   (u_i, v_i) = L_i^T (x - mu_i)

    ``weights``: ``(m, K)`` for a gray picture, ``(m, K, C)`` for one with ``C`` channels.
    ``means`` ``(m, 2)``, ``precision_chol`` ``(m, 3)`` and ``offset``: as in ``GmFace``.
    ``parameters``: ``(m, P)``, the profile's own.
    ``profile``: the terms psi_k, and how they behave. Static: not a leaf of the pytree.
    """

    weights: Leaf
    means: Leaf
    precision_chol: Leaf
    parameters: Leaf
    profile: Profile = struct.field(pytree_node=False)
    offset: float = struct.field(pytree_node=False, default=1.0)

    @property
    def channels(self) -> int | None:
        """The number of channels ``C``, or None for gray."""
        return None if self.weights.ndim == self.means.ndim else self.weights.shape[-1]

    @property
    def gaussians_worth(self) -> int:
        """How many Gaussians have as many numbers, for a gray picture."""
        return self.profile.gaussians(self.num_components)

    @property
    def num_parameters(self) -> int:
        """How many numbers describe the picture."""
        return self.num_components * (self.profile.numbers + self.profile.terms * ((self.channels or 1) - 1))

    __repr__ = _Shared.__repr__


Model = GmFace | Atoms
AnyModel = TypeVar("AnyModel", bound=GmFace | Atoms)


def kind_of(params: Model) -> str:
    """The channels in words, gray or how many, and the profile if it is not the Gaussian."""
    channels = "gray" if params.channels is None else f"{params.channels} channels"
    return channels if isinstance(params, GmFace) else f"{params.profile.name}, {channels}"


def strengths(params: Model) -> Float[np.ndarray, " m"]:
    """What each component of one model adds where its magnitude is largest; in colour the mean over the channels.

    For a Gaussian it is the weight. In float64.
    """
    weights = np.asarray(params.weights, np.float64)
    if params.channels is not None:
        weights = weights.mean(axis=-1)
    if isinstance(params, GmFace):
        return weights
    return np.asarray(atoms.peaks(params.profile, jnp.asarray(weights, params.means.dtype), params.parameters), float)


def stack(models: Sequence[AnyModel]) -> AnyModel:
    """Many models as one pytree with a new leading axis, which ``gmface``, ``render`` and ``save`` take.

    Raises ArgumentError for no models, or for models of different shapes or grids.
    """
    models = list(models)
    for model in models:
        _require_model(model)
    kinds = {(model.offset, *(np.shape(leaf) for leaf in jax.tree.leaves(model))) for model in models}
    if len(kinds) != 1:
        raise ArgumentError("models", f"must be of the same shapes and offset; got {len(kinds)} kinds")
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)


def unstack(params: AnyModel) -> list[AnyModel]:
    """The models of a batch along its first axis. Raises ArgumentError for a single model."""
    _require_model(params)
    if params.means.ndim < 3:
        raise ArgumentError("params", f"must be a batch of models with leading axes; got means {params.means.shape}")
    return [jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(len(params.means))]


def precision(params: Model) -> Float[Array, "*batch m 2 2"]:
    """The precision matrices ``A = L L^T`` (4)."""
    l11, l21, l22 = jnp.moveaxis(params.precision_chol, -1, 0)
    rows = [l11 * l11, l11 * l21], [l11 * l21, l21 * l21 + l22 * l22]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def from_precision(weights, means, precision: Float[AnyArray, "*batch m 2 2"], *, offset: float = 1.0) -> GmFace:
    """A ``GmFace`` from symmetric positive definite matrices ``A``; the inverse of ``precision``."""
    a11, a21, a22 = precision[..., 0, 0], precision[..., 1, 0], precision[..., 1, 1]
    l11 = jnp.sqrt(a11)
    l21 = a21 / l11
    chol = jnp.stack([l11, l21, jnp.sqrt(a22 - l21 * l21)], axis=-1)
    return GmFace(weights, means, chol, offset)


def with_positive_diagonal(params: GmFace) -> GmFace:
    """The same model with ``l11, l22 >= 0``: where one is negative its column of L changes sign, which keeps A."""
    l11, _, l22 = jnp.moveaxis(jnp.asarray(params.precision_chol), -1, 0)
    first, second = (jnp.where(diagonal < 0, -1.0, 1.0).astype(diagonal.dtype) for diagonal in (l11, l22))
    return _with_scaled_columns(params, first, second)


def gmface(params: Model, x: Float[AnyArray, "*points 2"]) -> Float[Array, "..."]:
    """The formula at any positions: ``x`` ``(..., 2)`` gives ``(...)``, or ``(..., C)`` with colour weights.

    A batch of models has its leading axes in front. Differentiable in the parameters and in ``x`` by the paper's
    equations (7) to (9). Raises ArgumentError for positions that are not (row, column) pairs.
    """
    _require_model(params)
    if np.ndim(x) < 1 or np.shape(x)[-1] != 2:
        raise ArgumentError("x", f"must hold positions (row, column), with the shape (..., 2); got {np.shape(x)}")
    return _gmface(params, x)


@jax.jit
def _gmface(params: Model, x) -> Float[Array, "..."]:
    if params.means.ndim > 2:
        return jax.vmap(_gmface, (0, None))(params, x)
    values = _formula(points.sum_of_gaussians, params, x[..., 0].reshape(-1), x[..., 1].reshape(-1))
    return values.reshape(*x.shape[:-1], *values.shape[1:])


def render(params: Model, shape: Sequence[SupportsIndex] | np.ndarray) -> Float[Array, "..."]:
    """The picture of any ``shape`` (H, W), on the model's pixel grid: ``(H, W)`` or ``(H, W, C)``, not clipped.

    A batch of models has its leading axes in front. Raises ArgumentError for a wrong ``shape``.
    """
    _require_model(params)
    return _render(params, checked_shape(shape))


def checked_shape(shape: Sequence[SupportsIndex] | np.ndarray) -> tuple[int, int]:
    """(H, W) as two ints. Raises ArgumentError."""
    sides = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else ()
    if len(sides) != 2 or not all(isinstance(side, numbers.Integral) and int(side) > 0 for side in sides):
        raise ArgumentError("shape", f"must be (H, W), two whole numbers of at least 1; got {shape!r}")
    return int(sides[0]), int(sides[1])


@partial(jax.jit, static_argnames="shape")
def _render(params: Model, shape: tuple[int, int]) -> Float[Array, "..."]:
    if params.means.ndim > 2:
        return jax.vmap(partial(_render, shape=shape))(params)
    rows, columns = pixel_axes(shape, params.offset, params.means.dtype)
    if isinstance(params, GmFace) and tiles.worthwhile(
        params.num_components, *shape, min_terms=points.MIN_TERMS_FOR_TILES
    ):
        return _formula(tiles.sum_of_gaussians, params, rows, columns)
    return _formula(points.sum_of_gaussians, params, rows[:, None], columns[None])


def pixel_grid(shape: tuple[int, int], *, offset: float = 1.0) -> Float[Array, "{shape[0]} {shape[1]} 2"]:
    """The positions (row, column) of the pixels of a picture of ``shape`` (H, W)."""
    return jnp.stack(jnp.meshgrid(*pixel_axes(shape, offset), indexing="ij"), axis=-1)


def pixel_axes(shape: tuple[int, ...], offset: float = 1.0, dtype=None):
    """The grid as two axes, the normalised positions of the rows (H,) and of the columns (W,)."""
    return tuple(jnp.asarray((np.arange(n) + offset) / n, dtype) for n in shape)


@jax.jit
def on_axes(params: Model, rows: Float[AnyArray, " h"], columns: Float[AnyArray, " w"]) -> Float[Array, "h w *c"]:
    """What a fit sees: ``as_wide_as_pixels`` at all pairs of evenly spaced ``rows`` and ``columns``, constants.

    Large sums go by tiles of pixels (``sums/tiles.py``), small ones by bands (``sums/grid.py``).
    """
    rows, columns = jax.lax.stop_gradient((rows, columns))
    wide = as_wide_as_pixels(params, rows, columns)
    if isinstance(params, Atoms):
        return jax.lax.optimization_barrier(_formula(None, wide, rows[:, None], columns[None]))
    # Bands pass once over the Gaussians for each channel.
    min_terms = grid.MIN_TERMS_FOR_TILES // (params.channels or 1)
    in_tiles = tiles.worthwhile(params.num_components, len(rows), len(columns), min_terms=min_terms)
    sums = tiles if in_tiles else grid
    picture = _formula(sums.sum_of_gaussians, wide, rows, columns)
    # Keeps what a loss does with each pixel from being moved into the sums.
    return jax.lax.optimization_barrier(picture)


def as_wide_as_pixels(params: AnyModel, rows: Float[AnyArray, " h"], columns: Float[AnyArray, " w"]) -> AnyModel:
    """``params`` with l11 and l22 of at most 1.25 a pixel: narrower components slip between the pixels."""
    narrowest = grid.MAX_L11_TIMES_SPACING * (params.profile.narrowing if isinstance(params, Atoms) else 1.0)
    most = (narrowest / grid.spacing(axis) for axis in (rows, columns))
    first, second = (x / jnp.maximum(x, y) for x, y in zip(most, params.precision_chol.T[::2], strict=True))
    return _with_scaled_columns(params, first, second)


def _with_scaled_columns(params: AnyModel, first, second) -> AnyModel:
    """``params`` with the two columns of each L multiplied by ``first`` and ``second``."""
    factors = jnp.stack([first, first, second], axis=-1)
    return dataclasses.replace(params, precision_chol=params.precision_chol * factors)


def _require_model(params) -> None:
    if not isinstance(params, Model):
        found = type(params).__name__
        raise ArgumentTypeError("params", f"must be a GmFace, not {found}; a FitResult has it as .params")


def require_gaussians(params, name: str = "params") -> Any:
    """``params``. Raises ArgumentTypeError for ``Atoms``, whose terms would pass for channels."""
    if isinstance(params, Atoms):
        problem = f"must be a GmFace: this is for Gaussians only, not for the profile {params.profile.name}"
        raise ArgumentTypeError(name, problem)
    return params


def _formula(sum_of_gaussians, params, rows, columns):
    if isinstance(params, Atoms):
        weights = params.weights if params.channels else params.weights[..., None]
        parts = params.means, params.precision_chol, params.parameters
        picture = atoms.sum_of_atoms(params.profile, weights, *parts, rows, columns)
        return picture if params.channels else picture[..., 0]
    weights = params.weights if params.channels else params.weights[:, None]
    picture = sum_of_gaussians(weights, params.means, params.precision_chol, rows, columns)
    return picture if params.channels else picture[..., 0]
