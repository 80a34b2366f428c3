"""Compact files of random integers."""

import numpy as np

from gmjax.files.gmf import Compact, Steps
from gmjax.files.gmf_layers import Grid, Layer


def random_layer(random: np.random.Generator, grid: Grid, count: int, channels: int | None, *, extreme=False) -> Layer:
    """Extreme: any numbers that a file can hold; else those of components that can be drawn, near some width."""
    if extreme:
        widths = random.integers(0, grid.widths, count)
        stretches = random.integers(-16 * grid.classes, 16 * grid.classes + 1, (count, 2))
        weights = random.integers(-(2**20), 2**20 + 1, (count, channels or 1))
    else:
        widths = np.clip(random.normal(4.5, 1.2, count) * grid.classes, 0, grid.widths - 1).round().astype(int)
        stretches = random.laplace(0, 0.4 * grid.classes, (count, 2)).round().astype(int)
        weights = random.laplace(0, 8, (count, channels or 1)).round().astype(int)
    most = np.array([grid.cells(int(width)) for width in widths])
    return Layer(widths, random.integers(0, most), stretches, weights)


def random_compact(seed: int, *, extreme: bool = False, most: int = 60) -> Compact:
    """Gray and colour, one layer and several, with and without the common face, square and not."""
    random = np.random.default_rng(seed)
    sides = (1, 2, 7, 120, 4000, 65535) if extreme else (24, 40, 120)
    height, width = map(int, random.choice(sides, 2))
    steps = Steps(*map(int, random.integers(0, (8, 32, 64, 4) if extreme else (4, 16, 4, 3))))
    steps = steps if extreme else Steps(steps.shape, steps.position, steps.weight + 32, steps.chroma)
    channels = [None, 3][random.integers(2)]
    grid = Grid((height, width), steps.classes, steps.position)
    layers = [
        random_layer(random, grid, int(random.integers(1, most)), channels, extreme=extreme)
        for _ in range(random.integers(1, 4))
    ]
    return Compact((height, width), channels, steps, tuple(layers), [1.0, 0.5][random.integers(2)], seed % 3 * 70)


def as_set(layer: Layer) -> list[tuple[int, ...]]:
    """The components in an order of their own."""
    return sorted(map(tuple, np.concatenate([part.reshape(len(layer.widths), -1) for part in layer], axis=1).tolist()))
