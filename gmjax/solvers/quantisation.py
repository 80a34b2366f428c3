"""Rounding a model to the integers of a compact file, while all that is not yet rounded makes up for it.

Widths are rounded first, then stretches, then centres, and the weights last. Each number in turn goes to the nearest
step, and the numbers after it move to where the squared error is least then, to second order: the nearest plane method
for lattices (Babai 1986), which GPTQ (Frantar et al. 2022) uses for the weights of networks. Between two kinds, the
free numbers take some steps of descent. A search over single and pairwise changes ends it, of squared error plus
``price`` times bits.
"""

import contextlib
import dataclasses
import math

import numpy as np
from jaxtyping import Float, Int

from gmjax.files.gmf import Compact, cells_of, classes_of, layer_of, weight_step
from gmjax.files.gmf_layers import Layer
from gmjax.solvers.gauss_newton import (
    RIDGE,
    Components,
    Target,
    bounds,
    descend,
    gram,
    limited,
    normal_equations,
    packed,
    solve,
    squared_error,
    unpacked,
    with_best_weights,
)

# The ridge on the weights once everything else is rounded. It only guards against singular equations.
_RIDGE = 1e-7
# How far numbers that are not yet rounded may move at once: centres, then a, b and c.
_LONGEST = 0.03, 0.5
# The rounds of the search, the moves of each, and among how many numbers pairs are sought.
_ROUNDS, _MOVES, _PAIRED = 6, 200, 160


@dataclasses.dataclass(frozen=True)
class Quantised:
    """The integers of the components, and the squared error of the formula that they stand for."""

    layer: Layer
    error: float


def quantise(
    components: Components, target: Target, compact: Compact, *, settle: int = 2, price: float = 0.0
) -> Quantised:
    """``components`` at the steps of ``compact``, near the least squared error to ``target``.

    ``settle``: steps of descent between two kinds of numbers. ``price``: what a bit costs, in squared error.
    """
    components = descend(limited(components, target), target, settle)
    m = len(components)
    first = components.weights.size
    free = np.ones(first + 5 * m, bool)
    lowest, highest = bounds(m, target)
    for kinds in ((2,), (3, 4), (0, 1)):
        step, origin = _lattice(components, compact)
        chosen = np.concatenate([np.arange(first + k * m, first + (k + 1) * m) for k in kinds])
        free[chosen] = False
        matrix, _ = normal_equations(components, target)
        matrix[np.arange(first), np.arange(first)] += RIDGE
        old = packed(components)
        limits = lowest[chosen], highest[chosen]
        new = _rounded(old, matrix, chosen, step[chosen], origin[chosen], np.flatnonzero(free), limits=limits)
        longest = np.concatenate([np.full(first, np.inf), np.repeat(_LONGEST, (2 * m, 3 * m))])
        new[free] = old[free] + np.clip(new[free] - old[free], -longest[free], longest[free])
        new[free] = np.clip(new, lowest, highest)[free]
        components = descend(unpacked(new, components), target, settle, free=free)
    return _finish(_searched(components, target, compact, price), target, compact, price)


def components_of_layer(layer: Layer, compact: Compact) -> Components:
    """The components of integers, in the units of ``gauss_newton``; colours along ``COLORS``."""
    octave = compact.steps.octave
    sizes, first = cells_of(layer.widths, compact.grid)
    shapes = np.column_stack(
        [
            first + (layer.cells + 0.5) * sizes,
            (layer.widths - compact.steps.classes) * octave,
            layer.stretches * octave,
        ]
    )
    return Components(shapes, layer.weights * weight_step(layer.widths, compact.steps, compact.channels))


def _lattice(components: Components, compact: Compact) -> tuple[np.ndarray, np.ndarray]:
    """(step, origin) of each variable, in the order of ``packed``; steps of 0 for the weights."""
    m, octave = len(components), compact.steps.octave
    sizes, first = cells_of(classes_of(components.shapes[:, 2], compact), compact.grid)
    weights = np.zeros(components.weights.size)
    step = np.concatenate([weights, sizes.T.ravel(), np.full(3 * m, octave)])
    origin = np.concatenate([weights, (first + sizes / 2).T.ravel(), np.zeros(3 * m)])
    return step, origin


def _rounded(variables, matrix, chosen, step, origin, others, *, limits=(-np.inf, np.inf), damping: float = 1e-4):
    """``variables`` with those ``chosen`` rounded in turn, within ``limits``. Those after it and ``others`` make up for
    each error."""
    lowest, highest = (np.broadcast_to(limit, len(chosen)) for limit in limits)
    index = np.concatenate([chosen, others])
    matrix = matrix[np.ix_(index, index)]
    follow = _inverse_factor(matrix + np.diag(damping * matrix.diagonal() + 1e-10))
    moved = variables[index].copy()
    for i in range(len(chosen)):
        value = min(max(moved[i], lowest[i]), highest[i])
        value = origin[i] + step[i] * np.round((value - origin[i]) / step[i])
        moved[i:] -= (moved[i] - value) / follow[i, i] * follow[i, i:]
        moved[i] = value
    variables = variables.copy()
    variables[index] = moved
    return variables


def _inverse_factor(matrix):
    """The upper factor U of the inverse, U^T U: row i is how the variables after the i-th follow it, those before being
    fixed. Where the pixels do not determine the variables, with as much damping as needed."""
    mean = matrix.diagonal().mean()
    for damping in (0.0, 1e-6, 1e-5, 1e-4, 1e-3):
        with contextlib.suppress(np.linalg.LinAlgError):
            return np.linalg.cholesky(np.linalg.inv(matrix + damping * mean * np.eye(len(matrix)))).T
    return np.diag(1 / np.sqrt(matrix.diagonal()))


def _searched(components: Components, target: Target, compact: Compact, price: float) -> Components:
    """Centres and stretches moved by single steps, alone or in pairs, while that lowers the error plus the price."""
    m, first = len(components), components.weights.size
    step = _lattice(components, compact)[0][first:]
    lowest, highest = (limit[first:, None] for limit in bounds(m, target))
    components = with_best_weights(components.shapes, target, _RIDGE)
    error = squared_error(components, target)
    for _ in range(_ROUNDS):
        matrix, gradient = normal_equations(components, target)
        own = matrix[:first, :first] + _RIDGE * np.eye(first)
        follow = solve(own, matrix[:first, first:])
        reduced = matrix[first:, first:] - matrix[first:, :first] @ follow
        reduced += np.diag(1e-3 * reduced.diagonal())
        slope = gradient[first:] - follow.T @ gradient[:first]
        integers = np.round(components.shapes.T / compact.steps.octave)
        moved = packed(components)[first:, None] + np.outer(step, np.arange(-2, 3))
        costs = np.where((lowest <= moved) & (moved <= highest), 0, np.inf).reshape(5, m, 5)
        costs[2] = np.inf
        costs[:, :, 2] = 0
        costs[3:] += [_costs(integers[kind], price, 2) for kind in (3, 4)]
        moves = _best_moves(slope, reduced, step, costs.reshape(5 * m, 5))
        shapes = components.shapes + (moves * step).reshape(5, m).T
        found = with_best_weights(shapes, target, _RIDGE)
        found_error = squared_error(found, target)
        if found_error >= error:
            break
        components, error = found, found_error
    return components


def _finish(components: Components, target: Target, compact: Compact, price: float) -> Quantised:
    """The weights rounded, and all integers."""
    m, channels = components.weights.shape
    widths = classes_of(components.shapes[:, 2], compact)
    matrix, right = gram(components.shapes, target)
    weights = solve(matrix + _RIDGE * np.eye(m), right)
    steps = weight_step(widths, compact.steps, compact.channels)
    widest_last = np.argsort(-widths, kind="stable")
    zeros = np.zeros(m)
    integers = np.zeros((m, channels), int)
    for channel in range(channels):
        step = steps[:, channel]
        rounded = _rounded(
            weights[:, channel],
            matrix + _RIDGE * np.eye(m),
            widest_last,
            step[widest_last],
            zeros,
            np.zeros(0, int),
            damping=0.0,
        )
        numbers = np.round(rounded / step)
        moves = _best_moves(matrix @ rounded - right[:, channel], matrix, step, _costs(numbers, price, 3))
        integers[:, channel] = numbers + moves
    layer = layer_of(components.shapes, components.weights, compact)._replace(weights=integers)
    return Quantised(layer, squared_error(components_of_layer(layer, compact), target))


def _costs(integers, price: float, most: int) -> Float[np.ndarray, "n k"]:
    """What ``integers`` (n,) and their neighbours, up to ``most`` away, cost, as a two-sided geometric distribution."""
    mean = max(float(np.abs(integers).mean()), 0.3)
    bits = -math.log2(mean / (1 + math.sqrt(1 + mean * mean)))
    return price * bits * np.abs(integers[:, None] + np.arange(-most, most + 1))


def _best_moves(slope, matrix, step, costs) -> Int[np.ndarray, " n"]:
    """Numbers of steps that lower 2 slope d + d^T matrix d + costs, d = moves * step, greedily, alone or in pairs.

    ``costs`` (n, 2 k + 1): of the moves from -k to k.
    """
    n, most = len(slope), costs.shape[1] // 2
    padded = np.pad(costs, ((0, 0), (1, 1)), constant_values=np.inf)
    moves, slope, index = np.zeros(n, int), slope.copy(), np.arange(n)
    signs = np.array([1, -1])
    for _ in range(_MOVES):
        now = padded[index, moves + most + 1]
        change = np.stack([padded[index, moves + most + 1 + sign] - now for sign in signs], axis=1)
        change += 2 * np.outer(slope * step, signs) + (matrix.diagonal() * step**2)[:, None]
        best = np.argsort(change.min(axis=1), kind="stable")[:_PAIRED]
        both = 2 * matrix[np.ix_(best, best)] * np.outer(step[best], step[best])
        pairs = change[best][:, :, None, None] + change[best] + np.einsum("ij,a,b->iajb", both, signs, signs)
        pairs[np.arange(len(best)), :, np.arange(len(best))] = np.inf
        i, a, j, b = np.unravel_index(np.argmin(pairs), pairs.shape)
        chosen = [(best[i], signs[a]), (best[j], signs[b])]
        single = change[best[0]].min()
        if single <= pairs[i, a, j, b]:
            chosen = [(best[0], signs[np.argmin(change[best[0]])])]
        if min(single, pairs[i, a, j, b]) >= -1e-12:
            break
        for which, sign in chosen:
            moves[which] += sign
            slope += matrix[:, which] * step[which] * sign
    return moves
