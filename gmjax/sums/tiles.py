"""The formula on large pictures: each tile of pixels sums only the components that reach it.

A component reaches a tile if somewhere in the tile's rectangle it is more than ``eps`` of its weight, the rounding of
the type: the picture differs from the full sum by less than ``eps sum_i |w_i|``. The cost grows with the area that the
components cover, however large that is: loops run for as long as a group has components left. No array of size
m x pixels is held; the largest, the tiles' lists of components, has a thousandth of that. Where they would be longer
than 2^26, a part of the tiles comes after the other.

In the shapes, ``components`` (m, 5 + C) are means, factors and weights side by side. Tiles are sorted by how many
components reach them, and ``B`` neighbours in that order are a group, one of ``G``, and computed together.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gmjax.sums import linear
from gmjax.sums.shard_map_types import vary_like
from gmjax.types import AnyArray

_SIDE = 32
_GROUPS = 16
_MOST_TILES_A_GROUP = 64
_COMPONENTS_A_STEP = 32
# Of the tiles' lists of components, held at once: 9 bytes each.
_ENTRIES = 2**26
# With fewer components most of them reach most tiles.
_FEWEST_COMPONENTS = 128
# There short loops cost more than long sums, and only memory asks for tiles.
_FEWEST_TERMS_ON_ACCELERATORS = 2**28


class Tiles(NamedTuple):
    """``points`` (G, B, 2, pixels) are the pixels' positions, ``members`` (G, B, slots) the numbers of the components
    that reach each tile, then m; ``steps`` (G,) tells how many parts of that list a group has to go through."""

    points: Array
    members: Array
    steps: Array


def pay(num_components: int, height: int, width: int, *, fewest_terms: int) -> bool:
    """Whether tiles are worth their while, by the number of components and of all terms of the full sum.

    ``fewest_terms``: of the other way to sum, from how many terms on it is the slower one on a CPU.
    """
    fewest = fewest_terms if jax.default_backend() == "cpu" else _FEWEST_TERMS_ON_ACCELERATORS
    return num_components >= _FEWEST_COMPONENTS and num_components * height * width >= fewest


def sum_of_gaussians(
    weights: Float[AnyArray, "m C"],
    means: Float[AnyArray, "m 2"],
    chol: Float[AnyArray, "m 3"],
    rows: Float[AnyArray, " h"],
    columns: Float[AnyArray, " w"],
) -> Float[Array, "h w C"]:
    """The formula at all pairs of ``rows`` and ``columns``, within ``eps sum_i |w_i|``.

    Differentiable in the parameters, forwards and backwards, as often as wanted; the second derivatives take every
    component to every tile, one tile at a time. The axes are constants.
    """
    components = vary_like(jnp.concatenate([means, chol, weights], axis=1), rows, columns)
    parts = _in_parts(partial(_sums_of_tiles, components), _tile_points(rows, columns), _ENTRIES // len(components))
    parts = parts.reshape(-(-len(rows) // _SIDE), -(-len(columns) // _SIDE), -1, _SIDE, _SIDE)
    picture = jax.lax.collapse(jax.lax.collapse(parts.transpose(0, 3, 1, 4, 2), 2, 4), 0, 2)
    return picture[: len(rows), : len(columns)]


def _in_parts(function, points: Float[Array, "tiles 2 pixels"], most: int) -> Float[Array, "tiles C pixels"]:
    """``function`` of the tiles, no more than ``most`` at once; copies of the last tile fill the last part up."""
    count = -(-len(points) // max(1, most))
    if count == 1:
        return function(points)
    padded = jnp.pad(points, ((0, -len(points) % count), (0, 0), (0, 0)), mode="edge")
    sums = jax.lax.map(function, padded.reshape(count, -1, *points.shape[1:]))
    return jax.lax.collapse(sums, 0, 2)[: len(points)]


def _sums_of_tiles(components, points: Float[Array, "tiles 2 pixels"]) -> Float[Array, "tiles C pixels"]:
    tiles, order = _sorted_tiles(jax.lax.stop_gradient(components), points)
    sums = _sum(components, *tiles)
    return sums.reshape(-1, *sums.shape[2:])[jnp.argsort(order)[: len(points)]]


def _tile_points(rows, columns) -> Float[Array, "tiles 2 pixels"]:
    """The positions of the pixels, tile by tile; the last position of an axis fills its last tile up."""
    rows, columns = (jnp.pad(axis, (0, -len(axis) % _SIDE), mode="edge").reshape(-1, _SIDE) for axis in (rows, columns))
    row, column = jnp.broadcast_arrays(rows[:, None, :, None], columns[None, :, None, :])
    return jnp.stack([row, column], axis=2).reshape(-1, 2, _SIDE * _SIDE)


def _sorted_tiles(components, points) -> tuple[Tiles, Int[Array, " sorted"]]:
    """The tiles in groups, and the order they are in; tiles that nothing reaches fill the groups up."""
    m, group = len(components), min(-(-len(points) // _GROUPS), _MOST_TILES_A_GROUP)
    padding = (0, -len(points) % group)
    reached = jnp.pad(_reached(components, points), (padding, (0, 0)))
    points = jnp.pad(points, (padding, (0, 0), (0, 0)), mode="edge")
    counts = jnp.sum(reached, axis=1)
    order = jnp.argsort(counts)
    members = jnp.sort(jnp.where(reached, jnp.arange(m), m), axis=1)
    members = jnp.pad(members, ((0, 0), (0, -m % _COMPONENTS_A_STEP)), constant_values=m)
    points, members, counts = (part[order].reshape(-1, group, *part.shape[1:]) for part in (points, members, counts))
    return Tiles(points, members, -(-counts[:, -1] // _COMPONENTS_A_STEP)), order


def _reached(components, points) -> Bool[Array, "tiles m"]:
    """Whether each component reaches each tile, by its least exponent on the tile's rectangle.

    That is 0 if the centre is inside, or else lies on one of the sides that face the centre.
    """
    mean_row, mean_column, l11, l21, l22 = components[:, :5].T[:, None]
    (top, left), (bottom, right) = (edge.T[..., None] for edge in (points.min(axis=2), points.max(axis=2)))
    top, bottom, left, right = top - mean_row, bottom - mean_row, left - mean_column, right - mean_column

    def exponent(row, column):
        return jnp.square(l11 * row + l21 * column) + jnp.square(l22 * column)

    row, column = jnp.clip(0.0, top, bottom), jnp.clip(0.0, left, right)
    on_column = exponent(jnp.clip(-l21 / l11 * column, top, bottom), column)
    on_row = exponent(row, jnp.clip(-l11 * l21 / (l21 * l21 + l22 * l22) * row, left, right))
    # What is not a number reaches every tile.
    return ~(jnp.minimum(on_column, on_row) > -jnp.log(jnp.finfo(components.dtype).eps))


def _gaussians(components: Float[Array, "*B K n"], points: Float[Array, "*B 2 pixels"]) -> Float[Array, "*B K pixels"]:
    mean_row, mean_column, l11, l21, l22 = jnp.moveaxis(components[..., :5, None], -2, 0)
    row, column = points[..., None, 0, :] - mean_row, points[..., None, 1, :] - mean_column
    return jnp.exp(-jnp.square(l11 * row + l21 * column) - jnp.square(l22 * column))


def _through(components, tiles: Tiles, start, add):
    """``start``, taken through ``add(result, members (B, K), their components, their Gaussians)`` for a group."""
    padded = jnp.pad(components, ((0, 1), (0, 0)))

    def step(number, result):
        first = number * _COMPONENTS_A_STEP
        members = jax.lax.dynamic_slice_in_dim(tiles.members, first, _COMPONENTS_A_STEP, axis=1)
        return add(result, members, padded[members], _gaussians(padded[members], tiles.points))

    return jax.lax.fori_loop(0, tiles.steps, step, vary_like(start, components, tiles))


def _weighted_sum(weights_of, channels: int, components, tiles: Tiles) -> Float[Array, "B {channels} pixels"]:
    """Of each tile in a group, with ``weights_of(members, their components)`` (B, K, channels) for weights."""

    def add(result, members, near, gaussians):
        return result + jnp.einsum("bkc,bkp->bcp", weights_of(members, near), gaussians, precision="highest")

    zeros = jnp.zeros((len(tiles.points), channels, tiles.points.shape[-1]), components.dtype)
    return _through(components, tiles, zeros, add)


@jax.custom_jvp
def _sum(components, points, members, steps) -> Float[Array, "G B C pixels"]:
    channels = components.shape[1] - 5
    group = partial(_weighted_sum, lambda _, near: near[..., 5:], channels, components)
    return jax.lax.map(group, Tiles(points, members, steps))


def _full_sum(components, points) -> Float[Array, "G B C pixels"]:
    """``_sum`` of all components everywhere, by operations that JAX can differentiate."""

    @jax.checkpoint
    def tile(points):
        return jnp.matmul(components[:, 5:].T, _gaussians(components, points), precision="highest")

    return jax.lax.map(partial(jax.lax.map, tile), points)


@partial(_sum.defjvp, symbolic_zeros=True)
def _sum_jvp(primals, tangents):
    components, *tiles = primals
    return _sum(*primals), _change(components, tangents[0], Tiles(*tiles))


def _change(components, d_components, tiles: Tiles) -> Float[Array, "G B C pixels"]:
    """The first derivative as a linear map of ``d_components``, with a loop of its own for it and for its transpose."""
    shape = (*tiles.points.shape[:2], components.shape[1] - 5, tiles.points.shape[-1])

    def plain(d):
        return jax.jvp(lambda components: _full_sum(components, tiles.points), (components,), (d,))[1]

    push, pull = partial(_push, components, tiles), partial(_pull, components, tiles)
    return linear.with_transpose(d_components, shape, push=push, pull=pull, plain=plain)


def _push(components, tiles: Tiles, d_components) -> Float[Array, "G B C pixels"]:
    """A Gaussian's change is itself times a polynomial, by the transpose of ``linear.of_moments``."""
    channels = components.shape[1] - 5
    padded = jnp.pad(d_components, ((0, 1), (0, 0)))

    def group(tiles):
        centre, powers = _powers(tiles.points)

        def coefficients(members, near):
            like = jax.ShapeDtypeStruct((*members.shape, channels, 6), near.dtype)
            (found,) = jax.linear_transpose(partial(linear.of_moments, near, centre), like)(padded[members])
            return found.reshape(*members.shape, -1)

        sums = _weighted_sum(coefficients, 6 * channels, components, tiles)
        return jnp.sum(sums.reshape(len(sums), channels, 6, -1) * powers[:, None], axis=2)

    return jax.lax.map(group, tiles)


def _pull(components, tiles: Tiles, cotangent: Float[Array, "G B C pixels"]) -> Float[Array, "m n"]:
    """The transpose: six moments of cotangent times Gaussian in each channel, about the centre of each tile."""
    channels = components.shape[1] - 5

    def group(result, tiles_and_cotangent):
        tiles, cotangent = tiles_and_cotangent
        centre, powers = _powers(tiles.points)
        moved = (cotangent[:, :, None] * powers[:, None]).reshape(len(powers), 6 * channels, -1)

        def add(result, members, near, gaussians):
            moments = jnp.einsum("bkp,bcp->bkc", gaussians, moved, precision="highest")
            change = linear.of_moments(near, centre, moments.reshape(*members.shape, channels, 6))
            # Tile by tile, for the same order of sums on every machine.
            return jax.lax.scan(lambda sums, x: (sums.at[x[0]].add(x[1]), None), result, (members, change))[0]

        return _through(components, tiles, result, add), None

    zeros = vary_like(jnp.zeros((len(components) + 1, 5 + channels), components.dtype), components, tiles, cotangent)
    return jax.lax.scan(group, zeros, (tiles, cotangent))[0][:-1]


def _powers(points: Float[Array, "B 2 pixels"]):
    """The centres (B, 1, 2) of tiles, and 1, r, c, r^2, r c, c^2 (B, 6, pixels) of the positions about them."""
    centre = (points.min(axis=2) + points.max(axis=2)) / 2
    row, column = jnp.moveaxis(points - centre[..., None], 1, 0)
    powers = [jnp.ones_like(row), row, column, row * row, row * column, column * column]
    return centre[:, None], jnp.stack(powers, axis=1)
