"""Models that correspond, as points of one space: averages, morphs, axes, symmetry, principal components, distances.

Models correspond if component i stands for the same part of each face. So do fits from one common face with
``FitConfig(stay=...)``, and fits with one geometry (``fit_geometry``, ``project``). All functions are arithmetic on
``Coordinates``, differentiable, and take many models as a batch (``gmjax.stack``).
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gmjax.calculus import inner, squared_distance
from gmjax.coordinates import Coordinates, from_coordinates, to_coordinates
from gmjax.errors import ArgumentError
from gmjax.gmface import GmFace, checked_shape, render
from gmjax.transforms import affine
from gmjax.types import AnyArray


def mean(models: GmFace, weights: Float[AnyArray, " n"] | None = None) -> GmFace:
    """The average of a batch of n models; ``weights``: how much each counts, of any scale, with a sum that is not 0.

    The average of the formulas' coordinates, not of their pictures: contours stay sharp where faces differ in shape.
    """
    count = _require_batch(models)
    weights = jnp.asarray(np.ones(count) if weights is None else weights, models.means.dtype)
    if weights.shape != (count,):
        raise ArgumentError("weights", f"must have one number for each of the {count} models; got {weights.shape}")
    return from_coordinates(_combine(weights / jnp.sum(weights), to_coordinates(models)))


def difference(a: GmFace, b: GmFace) -> Coordinates:
    """What leads from ``a`` to ``b``, for ``move``; one of them may be a batch, or both of the same length."""
    _require_correspondence(a, b)
    return _sum(to_coordinates(b), to_coordinates(a), -1.0)


def move(params: GmFace, direction: Coordinates, weights=1.0, shapes=1.0) -> GmFace:
    """``params`` moved along ``direction``: by ``weights`` times its weights, ``shapes`` times its means and shapes.

    Both are numbers or arrays of one shape, whose axes come in front. ``direction`` is a ``difference``, for example
    of the means of two groups. Weights are what is light and dark, shapes where it is and how wide.
    """
    weights, shapes = jnp.broadcast_arrays(jnp.asarray(weights), jnp.asarray(shapes))
    amounts = Coordinates(weights, shapes, shapes, params.offset)

    def scaled(step, amount):
        return amount.reshape(*amount.shape, *(1,) * jnp.ndim(step)) * _with_axes(step, amount.ndim + jnp.ndim(step))

    direction = dataclasses.replace(direction, offset=params.offset)
    return from_coordinates(_sum(to_coordinates(params), jax.tree.map(scaled, direction, amounts)))


def morph(a: GmFace, b: GmFace, t) -> GmFace:
    """The model a share ``t`` of the way from ``a`` (0) to ``b`` (1); a batch for an array of shares.

    Beyond 1 the differences of ``b`` from ``a`` are exaggerated: a caricature, if ``a`` is the common face.
    """
    return move(a, difference(a, b), t, t)


def continuum(models: GmFace, frames: int, *, loop: bool = False) -> GmFace:
    """``frames`` models on the way through all of a batch, evenly, both ends included; for a film.

    ``loop``: back to the first model, which then does not come again at the end.
    """
    count = _require_batch(models)
    if frames < 2:
        raise ArgumentError("frames", f"must be at least 2; got {frames}")
    legs = count if loop else count - 1
    place = np.linspace(0, legs, frames, endpoint=not loop)
    first = np.minimum(place.astype(int), max(legs - 1, 0))
    share = place - first
    # Rows of weights of all models, one row a frame.
    matrix = np.zeros((frames, count))
    matrix[np.arange(frames), first] = 1 - share
    matrix[np.arange(frames), (first + 1) % count] += share
    return from_coordinates(_combine(jnp.asarray(matrix, models.means.dtype), to_coordinates(models)))


def mirror(params: GmFace, center: float = 0.5, pairs: Int[AnyArray, " m"] | None = None) -> GmFace:
    """The picture with left and right exchanged, about the column ``center``: GmFace(row, 2 center - column).

    On the paper's grid the middle of the pixels lies at 0.5 + 0.5 / W (``middle_of``). ``pairs``: as of
    ``mirror_pairs``; the components are then put into the order in which they correspond to those of ``params``.
    """
    mirrored = affine(params, jnp.diag(jnp.asarray([1.0, -1.0])), jnp.asarray([0.0, 2.0 * center]))
    if pairs is None:
        return mirrored
    axis = params.means.ndim - 2
    return jax.tree.map(lambda leaf: jnp.take(leaf, jnp.asarray(pairs), axis=axis), mirrored)


def middle_of(params: GmFace, width: int) -> float:
    """The column in the middle of the pixels of a picture of ``width`` columns, on the grid of ``params``."""
    return (params.offset + 0.5 * (width - 1)) / width


def mirror_pairs(common: GmFace, center: float = 0.5) -> Int[np.ndarray, " m"]:
    """For each component of ``common`` the one whose mirror image is nearest to it (in L2); each is taken once.

    For a face that is its own mirror image (``fit_symmetric``) they are exact, and so is what is made of models that
    correspond to it. For others components without a partner are paired with the least error.
    """
    from scipy.optimize import linear_sum_assignment

    def alone(params: GmFace) -> GmFace:
        """Each component as a model of its own."""
        return jax.tree.map(lambda leaf: leaf[:, None], params)

    one, other = alone(common), alone(mirror(common, center))
    cost = jax.lax.map(lambda a: jax.vmap(lambda b: squared_distance(a, b))(other), one)
    return linear_sum_assignment(np.asarray(cost))[1]


def symmetrise(params: GmFace, pairs: Int[AnyArray, " m"], center: float = 0.5, amount=1.0) -> GmFace:
    """The face and its mirror image averaged, in weights and in shapes; exactly symmetric if ``pairs`` are.

    ``amount``: 1 is symmetric, 0 the face itself, below 0 more asymmetric; an array gives a batch.
    """
    return morph(params, mirror(params, center, pairs), 0.5 * jnp.asarray(amount))


# The grid on which changes of the picture are compared.
SHAPE = (64, 64)


class PrincipalAxes(NamedTuple):
    """``mean``, and ``axes``, K directions (leading axis), each as long as one standard deviation of the models.

    ``scores`` (n, K): of the models, in standard deviations; ``shares`` (K,): of the variance.
    """

    mean: GmFace
    axes: Coordinates
    scores: Float[Array, "n K"]
    shares: Float[Array, " K"]


def principal_axes(models: GmFace, count: int, *, shape: Sequence[int] = SHAPE) -> PrincipalAxes:
    """The ``count`` directions in which a batch of models varies most, by principal component analysis.

    A step counts as it changes the picture to first order, at the average and on a grid of ``shape`` (H, W). With one
    geometry (``project``), whose pictures are linear in the weights, it is the analysis of the pictures. Signs: the
    largest score is positive. Raises ArgumentError for more axes than n - 1.
    """
    n = _require_batch(models)
    if not 1 <= count < n:
        raise ArgumentError("count", f"must be from 1 to {n - 1}, one less than the models; got {count}")
    return _principal_axes(models, count, checked_shape(shape))


@partial(jax.jit, static_argnames=("count", "shape"))
def _principal_axes(models: GmFace, count: int, shape: tuple[int, int]) -> PrincipalAxes:
    n = models.means.shape[0]
    middle = mean(models)
    steps = difference(middle, models)
    vectors, lengths, _ = jnp.linalg.svd(_changes(middle, steps, shape), full_matrices=False)
    scores = vectors[:, :count] * jnp.sqrt(jnp.asarray(n - 1, vectors.dtype))
    signs = jnp.sign(jnp.take_along_axis(scores, jnp.argmax(jnp.abs(scores), axis=0)[None], axis=0))
    scores = scores * signs
    # Each direction is the regression of the coordinates on its scores.
    axes = _combine(scores.T / (n - 1), steps)
    return PrincipalAxes(middle, axes, scores, jnp.square(lengths[:count]) / jnp.sum(jnp.square(lengths)))


def to_scores(axes: PrincipalAxes, models: GmFace, *, shape: Sequence[int] = SHAPE) -> Float[Array, "n K"]:
    """The scores of n models, also of others than ``axes`` were found from: their places along each axis."""
    _require_batch(models)
    _require_correspondence(axes.mean, models)
    return _to_scores(axes, models, checked_shape(shape))


@partial(jax.jit, static_argnames="shape")
def _to_scores(axes: PrincipalAxes, models: GmFace, shape: tuple[int, int]) -> Float[Array, "n K"]:
    along = _changes(axes.mean, axes.axes, shape)
    found = _changes(axes.mean, difference(axes.mean, models), shape)
    return jnp.matmul(found, along.T, precision="highest") / jnp.sum(jnp.square(along), axis=1)[None]


def from_scores(axes: PrincipalAxes, scores: Float[AnyArray, "*n K"]) -> GmFace:
    """The model of ``scores`` (in standard deviations), or the batch: mean + sum_k scores[k] axes[k]."""
    scores = jnp.asarray(scores)
    if scores.shape[-1:] != axes.shares.shape:
        raise ArgumentError("scores", f"must have {len(axes.shares)} numbers in its last axis; got {scores.shape}")
    return from_coordinates(_sum(to_coordinates(axes.mean), _combine(scores, axes.axes)))


def places_along(models: GmFace, first: GmFace, last: GmFace, *, shape: Sequence[int] = SHAPE) -> Float[Array, " n"]:
    """The place of each of n models on the axis through ``first`` (-1) and ``last`` (1): where its foot point lies.

    Angles are those between changes of the picture, as in ``principal_axes``.
    """
    _require_batch(models)
    _require_correspondence(first, last)
    return _places_along(models, first, last, checked_shape(shape))


@partial(jax.jit, static_argnames="shape")
def _places_along(models: GmFace, first: GmFace, last: GmFace, shape: tuple[int, int]) -> Float[Array, " n"]:
    middle = morph(first, last, 0.5)
    along = _changes(middle, jax.tree.map(lambda leaf: leaf[None], difference(middle, last)), shape)[0]
    return jnp.matmul(_changes(middle, difference(middle, models), shape), along, precision="highest") / (along @ along)


def distances(models: GmFace) -> Float[Array, "n n"]:
    """The distance of each two of n models: the root of the integral over the plane of their squared difference.

    In units of intensity, as the root of the MSE, with all channels summed; in closed form. Models need not correspond.
    """
    n = _require_batch(models)
    products = jax.lax.map(lambda one: inner(jax.tree.map(lambda x: x[None], one), models), models)
    own = jnp.diagonal(products)
    squared = own[:, None] + own[None] - products - products.T
    return jnp.sqrt(jnp.where(np.eye(n, dtype=bool), 0.0, jnp.maximum(squared, 0.0)))


def map_of(distances: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n 2"]:
    """Points (x, y) in the plane whose distances are nearest to ``distances``: classical multidimensional scaling."""
    squared = np.square(np.asarray(distances, np.float64))
    centred = squared - squared.mean(0) - squared.mean(1, keepdims=True) + squared.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    return vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))


def _changes(params: GmFace, steps: Coordinates, shape: tuple[int, int]) -> Float[Array, "n pixels"]:
    """How each of n ``steps`` from ``params`` changes the picture of ``shape``, to first order."""

    def picture(coordinates):
        return render(from_coordinates(coordinates), shape).reshape(-1)

    def change(step):
        return jax.jvp(picture, (to_coordinates(params),), (step,))[1]

    return jax.lax.map(change, steps)


def _combine(matrix: Float[AnyArray, "*k n"], points: Coordinates) -> Coordinates:
    """Linear combinations of n points: one for each row of ``matrix``."""
    return jax.tree.map(lambda leaf: jnp.tensordot(matrix, leaf, axes=1, precision="highest"), points)


def _sum(a: Coordinates, b: Coordinates, factor: float = 1.0) -> Coordinates:
    """``a + factor b``; what has fewer leading axes is used for all of the other."""

    def add(x, y):
        ndim = max(jnp.ndim(x), jnp.ndim(y))
        return _with_axes(x, ndim) + factor * _with_axes(y, ndim)

    return jax.tree.map(add, a, b)


def _with_axes(leaf, ndim: int):
    return jnp.reshape(leaf, (1,) * (ndim - jnp.ndim(leaf)) + jnp.shape(leaf))


def _require_batch(models: GmFace) -> int:
    if models.means.ndim != 3:
        raise ArgumentError("models", f"must be a batch of models (gmjax.stack); got means {models.means.shape}")
    return models.means.shape[0]


def _require_correspondence(a: GmFace, b: GmFace) -> None:
    if a.num_components != b.num_components or a.channels != b.channels:
        sizes = [f"{x.num_components} components in {x.channels or 'no'} channels" for x in (a, b)]
        raise ArgumentError("b", f"must correspond to a: it has {sizes[1]}, and a {sizes[0]}")
