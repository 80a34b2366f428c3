"""Two or more ways to do the same thing, timed in turn so that a busy machine is busy for all of them."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import jax

PAUSE = 0.05
"""Seconds between two sides: threads of the one before come to rest."""


def alternately(
    sides: Mapping[str, Callable[[], object]], rounds: int = 15, *, warm_up: bool = True
) -> dict[str, float]:
    """The median seconds of each side over ``rounds`` rounds; with ``warm_up`` each is called once before."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values() if warm_up else ():
        seconds_of(call)
    for _ in range(rounds):
        for name, call in sides.items():
            time.sleep(PAUSE)
            seconds[name].append(seconds_of(call))
    return {name: median(values) for name, values in seconds.items()}


def seconds_of(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - begun


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown; floats to three digits."""
    lines = [list(columns), ["---"] * len(columns), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def against_first(what: str, seconds: Mapping[str, float], unit: float = 1e-3, name: str = "ms") -> str:
    """A row a side, with its ratio to the first one; ``unit`` in seconds."""
    first = next(iter(seconds.values()))
    return table((what, name, "times the first"), [(side, s / unit, s / first) for side, s in seconds.items()])


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return "-" if math.isnan(cell) else f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:.0f}"
