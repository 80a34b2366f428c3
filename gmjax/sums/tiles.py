"""The sum of Gaussians on large pictures: each tile of pixels sums only the components that reach it.

A component reaches a tile if somewhere in the tile's rectangle it exceeds ``eps`` times its weight, ``eps`` being the
rounding unit of the type. The picture then differs from the full sum by less than ``eps sum_i |w_i|``. The cost grows
with the area that the components cover. No array of m x pixels is stored. The largest arrays are the tiles' lists of
components; where they would exceed 2^26 entries, the tiles are processed in chunks.

In the shapes, ``components`` (m, 5 + C) holds means, factors and weights side by side. The tiles are sorted by how many
components reach them, and split into ``G`` groups of ``B`` consecutive tiles; a group is computed at once.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gmjax.sums import linear
from gmjax.sums.shard_map_types import vary_like

_SIDE, _GROUPS, _MAX_TILES_PER_GROUP, _COMPONENTS_PER_STEP = 32, 16, 64, 32
# Entries of the tiles' lists of components that are stored at once, 9 bytes each.
_ENTRIES = 2**26
# With fewer components most reach most tiles; with fewer terms accelerators are faster without short loops.
_MIN_COMPONENTS, _MIN_TERMS_ON_ACCELERATORS = 128, 2**28


class Tiles(NamedTuple):
    """``points`` (G, B, 2, pixels): positions of the pixels. ``members`` (G, B, slots): indices of the components that
    reach each tile, padded with m. ``steps`` (G,): how many chunks of ``members`` a group has to go through.
    """

    points: Array
    members: Array
    steps: Array


def worthwhile(num_components: int, height: int, width: int, *, min_terms: int) -> bool:
    """Whether tiles are faster than the alternative, which on a CPU they are from ``min_terms`` terms on."""
    fewest = min_terms if jax.default_backend() == "cpu" else _MIN_TERMS_ON_ACCELERATORS
    return num_components >= _MIN_COMPONENTS and num_components * height * width >= fewest


def sum_of_gaussians(weights, means, chol, rows, columns) -> Float[Array, "h w C"]:
    """The sum of m Gaussians at all pairs of ``rows`` (h,) and ``columns`` (w,), to within ``eps sum_i |w_i|``.

    ``weights`` (m, C), ``means`` (m, 2), ``chol`` (m, 3). Differentiable as in ``grid``; second and higher derivatives
    sum all components in every tile, one tile at a time.
    """
    components = vary_like(jnp.concatenate([means, chol, weights], axis=1), rows, columns)
    chunks = _in_chunks(partial(_sums_of_tiles, components), _tile_points(rows, columns), _ENTRIES // len(components))
    chunks = chunks.reshape(-(-len(rows) // _SIDE), -(-len(columns) // _SIDE), -1, _SIDE, _SIDE)
    picture = jax.lax.collapse(jax.lax.collapse(chunks.transpose(0, 3, 1, 4, 2), 2, 4), 0, 2)
    return picture[: len(rows), : len(columns)]


def _in_chunks(function, points: Float[Array, "tiles 2 pixels"], most: int) -> Float[Array, "tiles C pixels"]:
    """``function`` applied to at most ``most`` tiles at once."""
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
    rows, columns = (jnp.pad(axis, (0, -len(axis) % _SIDE), mode="edge").reshape(-1, _SIDE) for axis in (rows, columns))
    row, column = jnp.broadcast_arrays(rows[:, None, :, None], columns[None, :, None, :])
    return jnp.stack([row, column], axis=2).reshape(-1, 2, _SIDE * _SIDE)


def _sorted_tiles(components, points) -> tuple[Tiles, Int[Array, " sorted"]]:
    """The tiles in groups, and the order they are in; the groups are padded with tiles that no component reaches."""
    m, group = len(components), min(-(-len(points) // _GROUPS), _MAX_TILES_PER_GROUP)
    padding = (0, -len(points) % group)
    reached = jnp.pad(_reached(components, points), (padding, (0, 0)))
    points = jnp.pad(points, (padding, (0, 0), (0, 0)), mode="edge")
    counts = jnp.sum(reached, axis=1)
    order = jnp.argsort(counts)
    members = jnp.sort(jnp.where(reached, jnp.arange(m), m), axis=1)
    members = jnp.pad(members, ((0, 0), (0, -m % _COMPONENTS_PER_STEP)), constant_values=m)
    points, members, counts = (part[order].reshape(-1, group, *part.shape[1:]) for part in (points, members, counts))
    return Tiles(points, members, -(-counts[:, -1] // _COMPONENTS_PER_STEP)), order


def _reached(components, points) -> Bool[Array, "tiles m"]:
    """Judged by the least |L^T (x - mu)|^2 in the tile: 0 if the mean is inside, else on a side that faces the mean."""
    mean_row, mean_column, l11, l21, l22 = components[:, :5].T[:, None]
    (top, left), (bottom, right) = (edge.T[..., None] for edge in (points.min(axis=2), points.max(axis=2)))
    top, bottom, left, right = top - mean_row, bottom - mean_row, left - mean_column, right - mean_column

    def exponent(row, column):
        return jnp.square(l11 * row + l21 * column) + jnp.square(l22 * column)

    row, column = jnp.clip(0.0, top, bottom), jnp.clip(0.0, left, right)
    on_column = exponent(jnp.clip(-l21 / l11 * column, top, bottom), column)
    on_row = exponent(row, jnp.clip(-l11 * l21 / (l21 * l21 + l22 * l22) * row, left, right))
    # Negated, so that a component with NaN parameters reaches every tile and is not hidden.
    return ~(jnp.minimum(on_column, on_row) > -jnp.log(jnp.finfo(components.dtype).eps))


def _gaussians(components: Float[Array, "*B K n"], points: Float[Array, "*B 2 pixels"]) -> Float[Array, "*B K pixels"]:
    mean_row, mean_column, l11, l21, l22 = jnp.moveaxis(components[..., :5, None], -2, 0)
    row, column = points[..., None, 0, :] - mean_row, points[..., None, 1, :] - mean_column
    return jnp.exp(-jnp.square(l11 * row + l21 * column) - jnp.square(l22 * column))


def _over_members(components, tiles: Tiles, start, add):
    """``result = add(result, members (B, K), their components, their Gaussians)`` from ``start`` on, K at a time."""
    padded = jnp.pad(components, ((0, 1), (0, 0)))

    def step(number, result):
        first = number * _COMPONENTS_PER_STEP
        members = jax.lax.dynamic_slice_in_dim(tiles.members, first, _COMPONENTS_PER_STEP, axis=1)
        return add(result, members, padded[members], _gaussians(padded[members], tiles.points))

    return jax.lax.fori_loop(0, tiles.steps, step, vary_like(start, components, tiles))


def _weighted_sum(weights_of, channels: int, components, tiles: Tiles) -> Float[Array, "B {channels} pixels"]:
    """The sums of a group of tiles, with the weights ``weights_of(members, their components)`` (B, K, channels)."""

    def add(result, members, near, gaussians):
        return result + jnp.einsum("bkc,bkp->bcp", weights_of(members, near), gaussians, precision="highest")

    zeros = jnp.zeros((len(tiles.points), channels, tiles.points.shape[-1]), components.dtype)
    return _over_members(components, tiles, zeros, add)


@jax.custom_jvp
def _sum(components, points, members, steps) -> Float[Array, "G B C pixels"]:
    group = partial(_weighted_sum, lambda _, near: near[..., 5:], components.shape[1] - 5, components)
    return jax.lax.map(group, Tiles(points, members, steps))


def _full_sum(components, points) -> Float[Array, "G B C pixels"]:
    """``_sum`` over all components in every tile, in operations that JAX can differentiate."""

    @jax.checkpoint
    def tile(points):
        return jnp.matmul(components[:, 5:].T, _gaussians(components, points), precision="highest")

    return jax.lax.map(partial(jax.lax.map, tile), points)


@partial(_sum.defjvp, symbolic_zeros=True)
def _sum_jvp(primals, tangents):
    """The map and its transpose are two separate loops."""
    components, tiles, sums = primals[0], Tiles(*primals[1:]), _sum(*primals)

    def plain(d):
        return jax.jvp(lambda components: _full_sum(components, tiles.points), (components,), (d,))[1]

    push, pull = partial(_push, components, tiles), partial(_pull, components, tiles)
    return sums, linear.with_transpose(tangents[0], sums.shape, push=push, pull=pull, plain=plain)


def _push(components, tiles: Tiles, d_components) -> Float[Array, "G B C pixels"]:
    """The map: each Gaussian times a polynomial, whose coefficients the transpose of ``linear.from_moments`` gives."""
    channels = components.shape[1] - 5
    padded = jnp.pad(d_components, ((0, 1), (0, 0)))

    def group(tiles):
        centre, powers = _powers(tiles.points)

        def coefficients(members, near):
            like = jax.ShapeDtypeStruct((*members.shape, channels, 6), near.dtype)
            (found,) = jax.linear_transpose(partial(linear.from_moments, near, centre), like)(padded[members])
            return found.reshape(*members.shape, -1)

        sums = _weighted_sum(coefficients, 6 * channels, components, tiles)
        return jnp.sum(sums.reshape(len(sums), channels, 6, -1) * powers[:, None], axis=2)

    return jax.lax.map(group, tiles)


def _pull(components, tiles: Tiles, cotangent: Float[Array, "G B C pixels"]) -> Float[Array, "m n"]:
    """The transpose: in each channel six moments of cotangent times Gaussian about the centre of each tile."""
    channels = components.shape[1] - 5

    def group(result, tiles_and_cotangent):
        tiles, cotangent = tiles_and_cotangent
        centre, powers = _powers(tiles.points)
        moved = (cotangent[:, :, None] * powers[:, None]).reshape(len(powers), 6 * channels, -1)

        def add(result, members, near, gaussians):
            moments = jnp.einsum("bkp,bcp->bkc", gaussians, moved, precision="highest")
            change = linear.from_moments(near, centre, moments.reshape(*members.shape, channels, 6))
            # A scan over tiles fixes the order of the additions, so every machine gives the same bits.
            return jax.lax.scan(lambda sums, x: (sums.at[x[0]].add(x[1]), None), result, (members, change))[0]

        return _over_members(components, tiles, result, add), None

    zeros = vary_like(jnp.zeros((len(components) + 1, 5 + channels), components.dtype), components, tiles, cotangent)
    return jax.lax.scan(group, zeros, (tiles, cotangent))[0][:-1]


def _powers(points: Float[Array, "B 2 pixels"]):
    """The tiles' centres (B, 1, 2), and 1, r, c, r^2, r c, c^2 (B, 6, pixels) of the positions relative to them."""
    centre = (points.min(axis=2) + points.max(axis=2)) / 2
    row, column = jnp.moveaxis(points - centre[..., None], 1, 0)
    powers = [jnp.ones_like(row), row, column, row * row, row * column, column * column]
    return centre[:, None], jnp.stack(powers, axis=1)
