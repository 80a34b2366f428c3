"""Times two or more ways to do the same thing in turn, so that other load on the machine affects all of them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import jax

from experiments.markdown import table

PAUSE = 0.05
"""Seconds between two sides, in which the threads of the previous one become idle."""


def alternately(
    sides: Mapping[str, Callable[[], object]], rounds: int = 15, *, warm_up: bool = True
) -> dict[str, float]:
    """The median seconds of each side over ``rounds``; with ``warm_up``, each is called once before the first round."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values() if warm_up else ():
        seconds_of(call)
    for _ in range(rounds):
        for name, call in sides.items():
            time.sleep(PAUSE)
            seconds[name].append(seconds_of(call))
    return {name: median(values) for name, values in seconds.items()}


def seconds_of(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began


def against_first(what: str, seconds: Mapping[str, float]) -> str:
    """A table of milliseconds with one row per side, and its ratio to the first side."""
    first = next(iter(seconds.values()))
    return table((what, "ms", "relative to the first"), [(side, 1e3 * s, s / first) for side, s in seconds.items()])
