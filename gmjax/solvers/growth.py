"""Growth where a fit stalls: add components where the error is, let all settle, remove those that do least."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from gmjax.solvers.exact_weights import growth_without, without
from gmjax.solvers.gauss_newton import (
    RIDGE,
    Components,
    Target,
    cost,
    descend,
    gram,
    limited,
    residual,
    with_best_weights,
)

# A model is grown in about so many batches.
_BATCHES = 8
# Steps to settle after each change of the components, and how many are added at once.
_STEPS = 8
_FEWEST, _MOST = 4, 16
# The logarithmic precisions of the Gaussians that are tried as new components.
_WIDEST, _SPACING = 1.5, 0.9


def grow(target: Target, m: int, components: Components | None = None) -> Components:
    """``m`` components: those given, or one as wide as the picture, then more where the error is, settled a little in
    between."""
    if components is None:
        middle = 0.5 * np.array(target.shape) / max(target.shape)
        components = with_best_weights(np.array([[*middle, 0.0, 0.0, 0.0]]), target)
    while (left := m - len(components)) > 0:
        new = candidates(residual(components, target), target, min(left, max(_FEWEST, m // _BATCHES)))
        grown = with_best_weights(np.concatenate([components.shapes, new]), target)
        components = descend(limited(grown, target), target, _STEPS // 2)
    return components


def improve(
    components: Components, target: Target, cycles: int, report: Callable[[], object] | None = None
) -> Components:
    """``components``, as many, after ``cycles`` of adding, settling, removing and settling; never worse.

    More are added at once while that pays, else fewer, at the next best places. ``report`` is called after each cycle.
    """
    components = descend(limited(components, target), target, _STEPS)
    lowest, many, tried = cost(components, target), _FEWEST, 0
    for _ in range(cycles):
        new = candidates(residual(components, target), target, many + tried)[tried:]
        grown = with_best_weights(np.concatenate([components.shapes, new]), target)
        pruned = prune(descend(grown, target, _STEPS), target, len(components))
        found = descend(limited(pruned, target), target, _STEPS)
        found_cost = cost(found, target)
        if found_cost < lowest:
            components, lowest, many, tried = found, found_cost, min(2 * many, _MOST), 0
        else:
            tried = tried + many if many == _FEWEST else 0
            many = max(many // 2, _FEWEST)
        if report is not None:
            report()
    return components


def candidates(error: Float[np.ndarray, "h w c"], target: Target, count: int) -> Float[np.ndarray, "count 5"]:
    """Round Gaussians that each explain most of ``error``, apart from each other, the best first."""
    rows, columns = np.asarray(target.rows, float), np.asarray(target.columns, float)
    precisions = np.arange(_WIDEST, target.narrowest - 0.4, _SPACING)
    gains = np.stack([_gains(error, rows, columns, np.exp(a)) for a in precisions])
    found = []
    for _ in range(count):
        which, row, column = np.unravel_index(np.argmax(gains), gains.shape)
        found.append((rows[row], columns[column], precisions[which], 0.0, 0.0))
        distance = (rows[:, None] - rows[row]) ** 2 + (columns - columns[column]) ** 2
        gains *= 1 - np.exp(-0.5 * np.exp(precisions[which]) * distance)
    return np.array(found)


def prune(components: Components, target: Target, count: int) -> Components:
    """The ``count`` components that are left when those are removed, one after the other, without which the error grows
    least; the weights are solved for again."""
    matrix, right = gram(components.shapes, target)
    inverse = np.linalg.inv(matrix + RIDGE * np.eye(len(matrix)))
    weights = inverse @ right
    kept = np.ones(len(components), bool)
    for _ in range(len(components) - count):
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.where(kept, growth_without(inverse, weights), np.inf)
        least = int(np.nanargmin(growth))
        kept[least] = False
        inverse, weights = without(inverse, weights, least)
    return Components(components.shapes[kept], weights[kept])


def _gains(error, rows, columns, precision: float):
    """By how much the squared error falls with one Gaussian more, its best weight, for each centre (h, w)."""
    along = [np.exp(-precision * (axis[:, None] - axis) ** 2) for axis in (rows, columns)]
    products = np.einsum("rh,hwc,vw->rvc", along[0], error, along[1], optimize=True)
    squares = np.outer(*((part * part).sum(axis=1) for part in along))
    return (products**2).sum(axis=-1) / squares
